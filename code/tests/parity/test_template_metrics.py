"""Template metrics against stock SpikeInterface 0.105."""

import warnings

import numpy as np
import pytest
import spikeinterface as si
from reference import declared
from spikeinterface.core import generate_ground_truth_recording
from spikeinterface.metrics.template import metrics as stock_metrics
from spikeinterface.metrics.template.template_metrics import ComputeTemplateMetrics

from ephys_postprocess.engine.functions import function_of
from ephys_postprocess.parameters.metrics import TEMPLATE_METRICS
from ephys_postprocess.stages.templates import footprint as template_footprint
from ephys_postprocess.stages.templates.template_metrics import template_metrics

NAMES = tuple(TEMPLATE_METRICS)
OPTIONS = declared.of_extension(
    "template_metrics", without=("metric_names", "metric_params", "template_operator", "include_multi_channel_metrics")
)


def functions(is_multi_channel, metric_params):
    return {
        name: (function_of(record), declared.of_metric(name, "template_metrics", **metric_params.get(name, {})))
        for name, record in TEMPLATE_METRICS.items()
        if record.is_multi_channel == is_multi_channel
    }


@pytest.fixture(scope="module")
def analyzer():
    recording, sorting = generate_ground_truth_recording(durations=[20.0], num_channels=32, num_units=12, seed=3)
    analyzer = si.create_sorting_analyzer(sorting, recording, sparse=True, sparsity_kwargs={"radius_um": 120})
    analyzer.compute(["random_spikes", "templates"], progress_bar=False)
    return analyzer


def both(analyzer, scale=1.0, metric_params=None, **options):
    extension = analyzer.get_extension("templates")
    original = extension.data["average"]
    extension.data["average"] = (original * scale).astype(original.dtype)
    try:
        stock = ComputeTemplateMetrics(analyzer)
        stock.set_params(metric_names=list(NAMES), metric_params=metric_params, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few channels
            table, _, data = stock._compute_metrics(analyzer, unit_ids=None, metric_names=list(NAMES))
        ours = template_metrics(
            extension.data["average"],
            analyzer.get_main_channels(outputs="index", with_dict=False),
            analyzer.sparsity.mask,
            analyzer.get_channel_locations(),
            analyzer.sampling_frequency,
            functions(False, metric_params or {}),
            functions(True, metric_params or {}),
            **OPTIONS | options,
        )
    finally:
        extension.data["average"] = original
    return ours, table, data


@pytest.mark.parametrize("scale", [1.0, -1.0], ids=["as they are", "upside down"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"upsampling_factor": 1},
        {"depth_direction": "x"},
        {"min_thresh_detect_peaks_troughs": 0.05, "edge_exclusion_ms": 0.3, "min_peak_trough_distance_ratio": 0.6},
        {
            "metric_params": {
                "exp_decay": {"linear_fit": True, "channel_tolerance": 60},
                "spread": {"spread_smooth_um": 0},
                "velocity_fits": {"column_range": 60},
                "recovery_slope": {"recovery_window_ms": 0.3},
            }
        },
        {"metric_params": {"exp_decay": {"channel_tolerance": 60, "normalize_decay": True, "min_channels_for_fit": 4}}},
    ],
)
def test_template_metrics(analyzer, scale, options):
    ours, table, data = both(analyzer, scale, **options)
    for name in table.columns:
        expected = table[name].to_numpy(dtype=np.float64)
        # stock filters float32 templates in float32, sums of 20 terms; 2e-6 seen
        np.testing.assert_allclose(ours.columns[name].astype(np.float64), expected, rtol=1e-5, atol=1e-12, err_msg=name)
        if name in ours.reasons:
            assert set(ours.reasons[name]) == set(np.flatnonzero(np.isnan(expected)).tolist())
    for name, values in ours.peaks_data.items():
        np.testing.assert_array_equal(values, data["peaks_data"][name].to_numpy(), err_msg=name)
    np.testing.assert_allclose(ours.main_channel_templates, data["main_channel_templates"], rtol=1e-4, atol=1e-4)


def test_no_units(analyzer):
    templates = np.zeros((0, 50, 32), dtype=np.float32)
    locations = analyzer.get_channel_locations()
    of_no_unit = templates, np.zeros(0, int), np.zeros((0, 32), bool), locations, 30000.0
    result = template_metrics(*of_no_unit, functions(False, {}), functions(True, {}), **OPTIONS)
    assert result.main_channel_templates.shape == (0, 500)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("depth_direction", ["y", "x"])
def test_footprints_of_made_up_templates(seed, depth_direction):
    # three columns 70 µm apart and amplitudes that fade by chance: fits end on their bounds, channels lie outside
    rng = np.random.default_rng(seed)
    locations = np.stack([np.repeat([0.0, 70.0, 140.0], 8), np.tile(np.arange(8) * 20.0, 3)], axis=1)
    fading = np.exp(-rng.choice([0.0, 0.003, 0.03, 0.3]) * np.abs(locations - locations[rng.integers(24)]).sum(axis=1))
    template = rng.standard_normal((60, 24)) * (fading * rng.uniform(20, 200) * rng.uniform(0.3, 1.7, 24) + 1)
    arguments = template, locations, 30000.0
    axis = 1 if depth_direction == "y" else 0
    common = {"peak_function": "ptp", "min_r2": -np.inf, "depth_direction": depth_direction}
    for options in (
        {},
        {"peak_function": "min"},
        {"channel_tolerance": 30},
        {"channel_tolerance": 80, "linear_fit": True},
        {"channel_tolerance": 30, "normalize_decay": True},
        {"min_r2": 0.2},
    ):
        chosen = common | options
        expected = stock_metrics.get_exp_decay(*arguments, **chosen)
        chosen.pop("depth_direction")
        params = declared.of_metric("exp_decay", "template_metrics", **chosen)
        points = template_footprint.exp_decay(*arguments, axis, **params)["exp_decay"]
        # the solver stops anywhere within its tolerance of 1e-8 in cost: flat directions carry roundings further
        decays = template_footprint.exp_decays([points], params["min_r2"], params["linear_fit"])
        np.testing.assert_allclose(decays, expected, rtol=1e-4)
    for column_range in (None, 75.0):
        shared = {"column_range": column_range, "depth_direction": depth_direction}
        expected = stock_metrics.get_velocity_fits(*arguments, min_channels=3, min_r2=-10.0, **shared)
        ours = template_footprint.velocity_fits(
            *arguments, axis, min_channels=3, min_r2=-10.0, column_range=column_range
        )
        np.testing.assert_allclose(list(ours.values()), expected, rtol=1e-12)
        for smooth_um in (0, 30) if column_range is None else (0,):
            expected = stock_metrics.get_spread(*arguments, spread_threshold=0.4, spread_smooth_um=smooth_um, **shared)
            options = {"spread_threshold": 0.4, "spread_smooth_um": smooth_um, "column_range": column_range}
            assert template_footprint.spread(*arguments, axis, **options) == {"spread": expected}
