"""Quality metrics within valid periods: of all the time, of a part of it, and of none."""

import numpy as np
import pytest
import spikeinterface.core as si
from spikeinterface.core.base import unit_period_dtype
from spikeinterface.metrics.quality.quality_metrics import ComputeQualityMetrics

from ephys_postprocess.accelerate import compute

NAMES = [
    *("num_spikes", "firing_rate", "presence_ratio", "isi_violation", "rp_violation", "sliding_rp_violation"),
    *("synchrony", "firing_range", "amplitude_median", "amplitude_cutoff", "amplitude_cv", "noise_cutoff", "drift"),
    *("sd_ratio", "snr", "d_prime"),
]
PARAMS = {
    "presence_ratio": {"bin_duration_s": 2.0},
    "firing_range": {"bin_size_s": 1.0},
    "amplitude_cutoff": {"num_histogram_bins": 10},
    "amplitude_cv": {"average_num_spikes_per_bin": 10, "min_num_bins": 3},
    "drift": {"interval_s": 2.0, "min_spikes_per_interval": 5},
}
# Stock's have no bins in time, whose edges it lays across what is not valid, and no noise drawn without a seed.
AS_STOCK = ("num_spikes", "firing_rate", "isi_violation", "rp_violation", "amplitude_median", "noise_cutoff")


@pytest.fixture(scope="module")
def analyzer():
    recording, sorting = si.generate_ground_truth_recording(
        durations=[12.0, 8.0],
        num_channels=8,
        num_units=3,
        seed=1,
        sampling_frequency=20_000.0,
        generate_sorting_kwargs={"firing_rates": (20.0, 40.0)},
    )
    sorting = sorting.rename_units(["all", "some", "none"])
    analyzer = si.create_sorting_analyzer(sorting, recording.save(format="memory", verbose=False), sparse=True, seed=0)
    needs = ["random_spikes", "noise_levels", "waveforms", "templates", "spike_amplitudes", "principal_components"]
    compute(analyzer, [*needs, "amplitude_scalings"], n_jobs=1)
    compute(analyzer, {"spike_locations": {"method": "center_of_mass"}}, n_jobs=1)
    return analyzer


@pytest.fixture(scope="module")
def periods():
    rows = [(0, 0, 240_000, 0), (1, 0, 160_000, 0), (0, 30_000, 110_000, 1), (1, 100_000, 160_000, 1)]
    return np.array(rows, dtype=unit_period_dtype)


def metrics_of(analyzer, **params):
    copy = analyzer.copy()
    reasons = compute(
        copy,
        {"quality_metrics": {"metric_names": NAMES, "metric_params": PARAMS, "seed": 0, **params}},
        n_jobs=1,
    )
    return copy.get_extension("quality_metrics").get_data(), reasons


@pytest.fixture(scope="module")
def tables(analyzer, periods):
    given = {"method": "user_defined", "user_defined_periods": periods, "minimum_valid_period_duration": 1.0}
    compute(analyzer, {"valid_unit_periods": given}, n_jobs=1)
    whole, _ = metrics_of(analyzer)
    within, reasons = metrics_of(analyzer, use_valid_periods=True)
    return whole, within, reasons


def test_all_the_time_is_as_without_periods(tables):
    whole, within, _ = tables
    others = [column for column in whole.columns if not column.startswith("sync")]  # depends on the other units
    for column in others:
        np.testing.assert_allclose(within.loc["all", column], whole.loc["all", column], rtol=1e-12, err_msg=column)


def test_part_of_the_time_is_stocks(analyzer, tables, periods):
    _, within, _ = tables
    stock = ComputeQualityMetrics(analyzer)
    stock.params = stock._set_params(metric_names=list(AS_STOCK))
    for name in AS_STOCK:
        metric = stock.get_metric_by_name(name)
        found = metric.compute(analyzer, ["all", "some"], {}, {}, {}, periods)
        parts = [found] if isinstance(found, dict) else list(found)
        for column, values in zip(metric.metric_columns, parts, strict=True):
            expected = [values["all"], values["some"]]
            np.testing.assert_allclose(within.loc[["all", "some"], column].astype(float), expected, err_msg=column)


def test_part_of_the_time_has_bins_of_its_own(tables):
    _, within, _ = tables
    for column in ("presence_ratio", "firing_range", "amplitude_cv_median", "drift_ptp", "sd_ratio"):
        assert np.isfinite(within.loc["some", column]), column
    assert within.loc["some", "presence_ratio"] == 1.0


def test_none_of_the_time_is_missing_with_the_reason(tables):
    whole, within, reasons = tables
    counts = {"num_spikes": 0, "isi_violations_count": -1, "rp_violations": -1, "sync_spike_2": -1}
    for column, value in counts.items():
        assert within.loc["none", column] == value
    kept = {"snr", "d_prime"}  # of templates and components, which have no time
    for column in kept:
        assert within.loc["none", column] == whole.loc["none", column]
    for column in set(within.columns) - kept - set(counts) - {"sync_spike_4", "sync_spike_8"}:
        assert np.isnan(within.loc["none", column]), column
        assert reasons[column][2] == "no valid period"


def test_seeded(analyzer, tables):
    _, within, _ = tables
    again, _ = metrics_of(analyzer, use_valid_periods=True)
    assert again.equals(within)
