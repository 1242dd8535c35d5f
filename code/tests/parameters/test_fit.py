"""Parameters against a recording: what cannot be used on it is named, with the value and what would do."""

from dataclasses import replace

import numpy as np
import pytest
from spikeinterface.core.base import unit_period_dtype

from ephys_postprocess.engine.parameter_fit import with_unit_indices
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.document import Parameters, load_parameters
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.fit import misfits

FACTS = RecordingFacts(30_000.0, (60_000, 90_000), ("3", "a"), ((0.0, 0.0), (0.0, 20.0), (17.5, 10.0)))


def misfits_of(document, facts=FACTS):
    return [str(problem) for problem in misfits(load_parameters(document).parameters, facts)]


@pytest.mark.parametrize("rate_hz", [100.0, 1000.0, FACTS.sampling_frequency_hz, 50_000.0])
def test_the_defaults_fit(rate_hz):
    assert misfits(Parameters(), replace(FACTS, sampling_frequency_hz=rate_hz)) == []


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"correlograms": {"bin_ms": 0.01}}, None),  # takes a sample
        ({"isi_histograms": {"bin_ms": 60, "window_ms": 60}}, None),
        ({"correlograms": {"bin_ms": 30}}, "must not be longer than half of window_ms allows, 25 ms (got 30 ms)"),
        ({"correlograms": {"window_ms": 1e7}}, "at most 100,000 are computed"),
        ({"quality_metrics": {"metric_params": {"presence_ratio": {"bin_duration_s": 1e-5}}}}, "bin_duration_s: must"),
        ({"quality_metrics": {"metric_params": {"firing_range": {"bin_size_s": 1e-5}}}}, "(got 1e-05 s)"),
        ({"quality_metrics": {"metric_params": {"drift": {"interval_s": 1e-5}}}}, "drift.interval_s"),
        ({"noise_levels": {"random_slices_kwargs": {"margin_frames": 45_000}}}, "margin_frames: leaves nothing"),
        (
            {"spike_locations": {"method_kwargs": {"radius_um": 1}}},
            "spike_locations.method_kwargs.radius_um: no place of a grid with steps of 5 µm is so near",
        ),
        ({"spike_locations": {"method_kwargs": {"upsampling_um": 0.01}}}, "method_kwargs.upsampling_um: is too fine"),
        ({"unit_locations": {"method": "grid_convolution", "radius_um": 1}}, "unit_locations.radius_um: no place"),
        (
            {"extensions": {"random_spikes": {}, "waveforms": {"ms_after": 70}}},
            "ms_after: makes windows of 2190 samples",
        ),
        (
            {"noise_levels": {"random_slices_kwargs": {"chunk_size": None, "chunk_duration": "0.01ms"}}},
            "chunk_duration: must be at least one sample",
        ),
        ({"unit_locations": {"radius_um": 1}}, None),  # monopolar_triangulation has no grid
    ],
)
def test_what_does_not_fit_is_named(document, expected):
    found = misfits_of(document)
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


def test_metrics_that_are_not_asked_for_are_no_problem():
    assert (
        misfits_of({"quality_metrics": {"metric_names": ["snr"], "metric_params": {"drift": {"interval_s": 1e-5}}}})
        == []
    )


PERIODS = {"method": "user_defined", "minimum_valid_period_duration": 0.5}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["a", 0, 0, 15_000], None),
        ([3, 1, 60_000, 90_000], None),
        ([3.0, 1, 0, 90_000], None),
        (["b", 0, 0, 20_000], "the sorting has no unit b (got ['b', 0, 0, 20000]"),
        (["a", 0, 20_000], "has 2 segments, so each row must name one"),
        (["a", 2, 0, 20_000], "has 2 segment(s), counted from 0"),
        (["a", 0, 30_000, 10_000], "in order and within the segment's 60000 samples"),
        (["a", 0, 0, 70_000], "in order and within the segment's 60000 samples"),
        (["a", 0, 0, 14_999], "must last for minimum_valid_period_duration, 0.5 s"),
    ],
)
def test_periods_are_checked(row, expected):
    found = misfits_of({"valid_unit_periods": PERIODS | {"user_defined_periods": [row]}})
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


@pytest.mark.parametrize("row", [[0], [0, 1, 2, 3, 4], ["a", 0.5, 10], ["a", -1, 10], [None, 0, 10], "a"])
def test_periods_of_another_form_are_refused_at_once(row):
    with pytest.raises(ParameterError, match="user_defined_periods"):
        load_parameters({"valid_unit_periods": PERIODS | {"user_defined_periods": [row]}})


def of_metric(name, **values):
    return {"quality_metrics": {"metric_params": {name: values}}}


def test_periods_go_by_unit_id():
    given = PERIODS | {"user_defined_periods": [["a", 5, 20_000], [3, 0, 15_000], ["gone", 0, 15_000]]}
    extensions = load_parameters({"valid_unit_periods": given}).parameters.extensions.arguments()
    found = with_unit_indices(extensions, np.array(["a", "3"]))["valid_unit_periods"]["user_defined_periods"]
    assert found.dtype == unit_period_dtype
    assert found.tolist() == [(0, 0, 15_000, 1), (0, 5, 20_000, 0)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"random_spikes": {"method": "percentage", "percentage": 0}}, "percentage: must be more than 0"),
        ({"valid_unit_periods": {"period_duration_s_absolute": 0}}, "must be at least 0.1"),
        ({"valid_unit_periods": {"period_target_num_spikes": 0}}, "must be at least 1"),
        (of_metric("isi_violation", min_isi_ms=1.5), r"min_isi_ms \(1.5\) must be less than isi_threshold_ms \(1.5\)"),
        (of_metric("rp_violation", censored_period_ms=2), "censored_period_ms .* less than refractory_period_ms"),
        (of_metric("sliding_rp_violation", max_ref_period_ms=0.5), "exclude_ref_period_below_ms .* less than"),
        ({"valid_unit_periods": {"censored_period_ms": 0.8}}, "censored_period_ms .* less than refractory_period_ms"),
        (of_metric("firing_range", percentiles=[95, 5]), "smaller number first"),
        (of_metric("amplitude_cv", percentiles=[50, 50]), "smaller number first"),
        (
            {"template_metrics": {"metric_params": {"waveform_baseline_flatness": {"baseline_window_ms": [0.5, 0]}}}},
            "smaller number first",
        ),
        ({"template_metrics": {"template_operator": "median"}}, "templates.operators has no 'median'"),
        ({"amplitude_scalings": {"ms_before": 3.5}}, "must not exceed the templates' 3 ms"),
        ({"template_similarity": {"max_lag_ms": 7}}, "must be less than the templates' 7 ms"),
        (
            {"spike_locations": {"method": "monopolar_triangulation", "method_kwargs": {"feature": "mean"}}},
            "features ptp, energy and peak_voltage, not 'mean'",
        ),
        (
            {
                "spike_locations": {"method": "center_of_mass"},
                "quality_metrics": {"metric_params": {"drift": {"direction": "z"}}},
            },
            "spikes that center_of_mass locates have no z",
        ),
    ],
)
def test_what_fits_no_recording_is_refused_at_once(document, expected):
    with pytest.raises(ParameterError, match=expected):
        load_parameters(document)


def test_spiketrain_metrics_are_computed_where_they_can_be_opened():
    loaded = load_parameters({"extensions": {"spiketrain_metrics": {}}})
    assert loaded.parameters.extensions.arguments().keys() == {"quality_metrics"}
    assert loaded.parameters.extensions.quality_metrics.metric_names == ("num_spikes", "firing_rate")
    assert "cannot open a result that holds it" in loaded.warnings[0]
    both = load_parameters(
        {"spiketrain_metrics": {"metric_names": ["firing_rate"]}, "quality_metrics": {"metric_names": ["snr"]}}
    )
    assert both.parameters.extensions.quality_metrics.metric_names == ("snr", "firing_rate")
