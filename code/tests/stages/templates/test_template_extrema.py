"""Extrema of waveforms against SciPy, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import declared
from reference import template_extrema as reference

from ephys_postprocess.stages.templates.extrema import find_extrema, find_peaks, half_width, upsample, upsampling_matrix
from ephys_postprocess.stages.templates.footprint import exp_decay, exp_decays, spread, velocity_fits

VELOCITY, DECAY, SPREAD = (
    declared.of_metric(name, "template_metrics") for name in ("velocity_fits", "exp_decay", "spread")
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))
def test_find_peaks_equals_scipy(values, min_prominence):
    # small integers: flat tops, ties and shared bases are common
    values = np.array(values, dtype=np.float64)
    for ours, theirs in zip(
        find_peaks(values, min_prominence), reference.find_peaks(values, min_prominence), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)  # (height - value) / step: one rounding


@pytest.mark.parametrize(("num_samples", "factor"), [(30, 10), (7, 3), (210, 10)])
def test_upsampling_equals_scipy(num_samples, factor):
    # taps are the same formula; SciPy's Kaiser window comes from another Bessel function
    np.testing.assert_allclose(
        upsampling_matrix(num_samples, factor), reference.upsampling_matrix(num_samples, factor), rtol=0, atol=1e-14
    )


def test_prominence_equal_to_the_threshold_counts():
    positions, prominences, *_ = find_peaks(np.array([0.0, 2.0, 1.0, 3.0, 0.0]), 1.0)
    assert positions.tolist() == [1, 3]
    assert prominences.tolist() == [1.0, 3.0]


@pytest.mark.parametrize("num_samples", [0, 1, 29, 30, 31, 75, 210])
@pytest.mark.parametrize("factor", [1, 3, 10])
def test_upsampling_leaves_out_zeros_alone(num_samples, factor):
    values = np.random.default_rng(0).normal(size=(num_samples, 4))
    matrix = upsampling_matrix(num_samples, factor)
    # zeros change no sum, and where the library sums them in another order, that of 21 terms
    np.testing.assert_allclose(upsample(matrix, values), matrix @ values, rtol=0, atol=1e-14)


def test_no_upsampling():
    np.testing.assert_array_equal(upsampling_matrix(5, 1), np.eye(5))


def test_extrema_by_hand():
    values = np.zeros(40)
    values[8:11] = 1, 2, 1
    values[18:23] = -2, -6, -10, -6, -2
    values[28:31] = 2, 4, 2
    found = find_extrema(values, 0.1, 2, 0.2, 3)
    assert (found["peak_before_index"], found["trough_index"], found["peak_after_index"]) == (9, 20, 29)
    assert (found["peak_before_count"], found["trough_count"], found["peak_after_count"]) == (1, 1, 1)
    # half of 10 is 5: samples 19 … 21 are beyond it
    assert (found["trough_half_width_left"], found["trough_half_width_right"]) == (18, 21)
    assert found["peak_after_width"] == 2.0  # half of prominence 4, at samples 28 and 30


def test_half_width_needs_both_sides():
    assert half_width(np.array([3.0, 2.0, 1.0]), 0) == (-1, -1)


def test_flat_template_has_no_shape():
    found = find_extrema(np.zeros(60), 0.3, 5, 0.2, 3)
    assert found["trough_count"] == 0
    assert np.isnan(found["trough_width"])


def make_footprint(decay_per_um=0.02):
    """Amplitude fades from channel 6 of 12, 20 µm apart; the trough comes one sample later a channel."""
    locations = np.stack([np.zeros(12), np.arange(12) * 20.0], axis=1)
    away = np.abs(np.arange(12) - 6)
    template = np.zeros((60, 12))
    template[20 + away, np.arange(12)] = -(5 + 95 * np.exp(-decay_per_um * away * 20))
    return template, locations


def test_footprint_by_hand():
    template, locations = make_footprint()
    where = template, locations, 1000.0, 1
    assert velocity_fits(*where, **VELOCITY) == pytest.approx({"velocity_above": 20.0, "velocity_below": 20.0})
    points = exp_decay(*where, **DECAY)["exp_decay"]
    np.testing.assert_allclose(exp_decays([points], 0.2, False), 0.02, rtol=1e-5)  # the solver's tolerance
    # 100 fades to 20 within 92 µm: 4 channels either side
    assert spread(*where, **SPREAD | {"spread_smooth_um": 0}) == {"spread": 160.0}


def test_footprint_without_an_answer():
    template, locations = make_footprint()
    where = locations, 1000.0, 1
    no_signal = exp_decay(np.zeros_like(template), *where, **DECAY)["exp_decay"]
    assert np.isnan(exp_decays([no_signal, None], 0.2, False)).all()
    assert np.isnan(spread(template, np.zeros_like(locations), 1000.0, 1, **SPREAD)["spread"])
    assert np.isnan(list(velocity_fits(template, *where, **VELOCITY | {"min_channels": 20}).values())).all()


def test_a_unit_without_channels_has_no_footprint():
    nowhere = np.zeros((60, 0)), np.zeros((0, 2)), 1000.0, 1
    assert exp_decay(*nowhere, **DECAY) == {"exp_decay": None}
    assert np.isnan([*velocity_fits(*nowhere, **VELOCITY).values(), *spread(*nowhere, **SPREAD).values()]).all()
