"""Counts that the page draws: bins that the data's own steps do not trouble."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_postprocess.report.histograms import (
    amplitude_bins,
    count_in_bins,
    interval_histograms,
    spike_counts,
    waveform_density,
)


def comb_teeth(counts: np.ndarray) -> int:
    """Bins that stand out from both neighbours by more than a third: what a smooth distribution has none of."""
    middle, sides = counts[1:-1], (counts[:-2] + counts[2:]) / 2
    return int(np.count_nonzero((np.abs(middle - sides) > 0.34 * sides) & (sides > 200)))


def amplitudes(step_uV=2.34375, offset_uV=0.0):
    steps = np.rint(np.random.default_rng(0).normal(-60, 8, 200_000))
    return (steps * step_uV + offset_uV).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("offset_uV", [0.0, 1.0])
def test_bins_of_whole_converter_steps_show_no_peaks_that_are_not_there(offset_uV):
    values = amplitudes(offset_uV=offset_uV)
    plain = np.histogram(values, bins=40)[0]
    assert comb_teeth(plain) > 5  # what equal bins of any width show of a smooth distribution
    low, width = amplitude_bins(values, 2.34375, 40)
    assert comb_teeth(count_in_bins(values, low, width, 40)) == 0
    assert width / 2.34375 == round(width / 2.34375)


def test_bins_by_hand():
    values = np.array([-6.0, -4.0, -2.0])
    assert amplitude_bins(values, 2.0, 40) == (-7.0, 2.0)
    assert count_in_bins(values, -7.0, 2.0, 4).tolist() == [1, 1, 1, 0]
    assert amplitude_bins(values, float("nan"), 40) == (-6.0, 0.1)
    assert amplitude_bins(values, 1.3, 40) == (-6.0, 0.1)  # these are no steps of 1.3
    assert amplitude_bins(np.array([5.0]), float("nan"), 10) == (5.0, 0.1)


def test_steps_are_recognized_at_the_converters_end():
    steps = np.array([-32_768, -32_767, -20_001, -3, 32_767])
    values = (steps * 0.195).astype(np.float32).astype(np.float64)
    low, width = amplitude_bins(values, 0.195, 40)
    assert width / 0.195 == pytest.approx(-(-65_536 // 40))
    assert low == pytest.approx(-32_768.5 * 0.195)


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=50), st.floats(0.05, 20), st.integers(1, 60))
def test_no_amplitude_is_lost(steps, step, num_bins):
    values = np.array(steps) * step
    low, width = amplitude_bins(values, step, num_bins)
    assert count_in_bins(values, low, width, num_bins).sum() == len(steps)
    assert low <= values.min()
    assert low + width * num_bins >= values.max() - 1e-6 * max(1, abs(values.max()))


def test_intervals_by_hand():
    times_s = np.array([0.0, 0.001, 0.0015, 0.0021, 1.0, 1.0004])
    segments = np.array([0, 0, 0, 0, 1, 1])
    trains = [(times_s[rows], segments[rows]) for rows in ([0, 2, 3, 4, 5], [1])]
    counts, short = interval_histograms(trains, 2, 0.5, 4, short_ms=1.5)
    # Unit 0: 1.5 ms and 0.6 ms in segment 0, 0.4 ms in segment 1; nothing across segments.
    assert counts.tolist() == [[1, 1, 0, 1], [0, 0, 0, 0]]
    assert short.tolist() == [2, 0]  # an interval of exactly the threshold is not shorter


def test_spikes_over_time_by_hand():
    counts = spike_counts(np.array([0.0, 0.9, 1.0, 2.0]), np.array([0, 1, 1, 1]), 2, 1.0, 2)
    assert counts.tolist() == [[1, 0], [1, 2]]  # the last bin takes the end


def test_density_by_hand():
    waveforms = np.array([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 0.0], [7.0, 7.0, 7.0, 7.0]], dtype=np.float32)
    counts, ranges = waveform_density(waveforms, np.array([0, 2, 3, 3]), num_columns=2, num_levels=4)
    assert counts[0].tolist() == [[2, 0, 0, 0], [1, 0, 0, 1]]
    assert counts[1].sum() == 2
    assert counts[2].sum() == 0
    assert ranges.tolist() == [[0, 4], [7, 8], [0, 1]]
