"""What amplitude and drift metrics say where the right value is known."""

from statistics import NormalDist

import numpy as np
import pytest
from reference import declared

from ephys_postprocess.records import SpikeTrains, UnitPeriods
from ephys_postprocess.stages.quality.amplitude_metrics import amplitude_cutoff, amplitude_cv
from ephys_postprocess.stages.quality.drift_metrics import drift
from ephys_postprocess.stages.quality.formulas import smoothed_counts
from ephys_postprocess.stages.quality.observed_time import within_periods

FREQUENCY_HZ = 1000.0


def one_unit(samples, length, periods=None):
    samples = np.asarray(samples, dtype=np.int64)
    zeros = np.zeros_like(samples)
    spikes = SpikeTrains(samples, zeros, zeros, 1, (length,), FREQUENCY_HZ)
    if periods is None:
        return spikes, np.arange(samples.size)
    starts, stops = np.array(periods, dtype=np.int64).T
    return within_periods(spikes, UnitPeriods(np.zeros_like(starts), np.zeros_like(starts), starts, stops, 1))


def cutoff_of(amplitudes, **options):
    spikes, _ = one_unit(np.arange(amplitudes.size), amplitudes.size)
    params = declared.of_metric("amplitude_cutoff", **options)
    return amplitude_cutoff(spikes, amplitudes.astype(np.float32), **params)[0]["amplitude_cutoff"][0]


def test_the_share_missing_does_not_hang_on_how_often_every_spike_is_there():
    # 1 in 10 below a threshold; counts cut to integers, as in stock, lose a larger part of a thin tail
    amplitudes = np.array([NormalDist(100, 10).inv_cdf((number + 0.5) / 556) for number in range(56, 556)])
    few, many = cutoff_of(amplitudes), cutoff_of(np.tile(amplitudes, 40))
    assert few == pytest.approx(many, rel=1e-12)
    assert few == pytest.approx(0.1, abs=0.03)  # smoothing widens the tail


def test_no_smoothing_leaves_the_counts():
    counts = np.array([[3, 0, 7, 1]])
    for smoothing_bins in (0, 0.01):
        np.testing.assert_array_equal(smoothed_counts(counts, smoothing_bins), counts)
    # bins of 2, 3 and 1 spikes: the last as high as the first is the second, so 1 is missing on 6
    assert cutoff_of(
        np.array([1, 1.1, 2, 2, 2, 3]),
        num_histogram_bins=3,
        histogram_smoothing_value=0,
        amplitudes_bins_min_ratio=1,
    ) == pytest.approx(1 / 7)


def test_smoothing_keeps_constants_and_sums():
    np.testing.assert_allclose(smoothed_counts(np.full((2, 50), 4), 3.0), 4.0)
    spike = np.zeros((1, 101), dtype=np.int64)
    spike[0, 50] = 1
    assert smoothed_counts(spike, 3.0).sum() == pytest.approx(1.0)


def test_amplitude_cv_in_periods_uses_their_bins_alone():
    # 10 spikes per second for 40 s; looked at from 10 to 30 s, where amplitudes swing between 90 and 110
    samples = np.arange(50, 40_000, 100)
    amplitudes = np.where(np.arange(samples.size) % 2, 90.0, 110.0)
    amplitudes[(samples < 10_000) | (samples >= 30_000)] = 1e6
    spikes, rows = one_unit(samples, 40_000, [(10_000, 30_000)])
    of_extension = {"spike_amplitudes": amplitudes[rows].astype(np.float32)}
    params = declared.of_metric("amplitude_cv", average_num_spikes_per_bin=20)
    columns, reasons = amplitude_cv(spikes, of_extension, **params)
    assert columns["amplitude_cv_median"][0] == pytest.approx(0.1)
    assert columns["amplitude_cv_range"][0] == pytest.approx(0.0, abs=1e-12)
    assert reasons == {}


def drifting(num_valid=10):
    """Ten intervals of 1 s: 20 spikes in the first `num_valid`, 1 in the others; 5 µm further each interval."""
    samples, positions = [], []
    for interval in range(10):
        number = 20 if interval < num_valid else 1
        samples += list(1000 * interval + 10 * np.arange(number))
        positions += [5.0 * interval] * number
    return samples, np.array(positions)


def drift_of(samples, positions, length=10_000, periods=None, **options):
    spikes, rows = one_unit(samples, length, periods)
    params = declared.of_metric("drift", interval_s=1, min_spikes_per_interval=10, **options)
    columns, reasons = drift(spikes, {"y": positions[rows]}, **params)
    return columns["drift_ptp"][0], reasons.get(0)


@pytest.mark.parametrize(("num_valid", "fraction", "is_known"), [(7, 0.7, True), (6, 0.7, False), (3, 0.3, True)])
def test_drift_needs_at_least_the_fraction_of_valid_intervals(num_valid, fraction, is_known):
    found, reason = drift_of(*drifting(num_valid), min_fraction_valid_intervals=fraction)
    assert (found == 5.0 * (num_valid - 1)) == is_known
    assert reason == (None if is_known else "too few intervals of 1 s with 10 spikes")


def test_drift_leaves_out_spikes_without_a_location():
    samples, positions = drifting()
    some = positions.copy()
    some[::2] = np.nan
    assert drift_of(samples, some) == (45.0, None)
    some[: 20 * 6] = np.nan
    found, reason = drift_of(samples, some)
    assert np.isnan(found)
    assert reason == "too few intervals of 1 s with 10 spikes that have a location (160 have none)"
    found, reason = drift_of(samples, np.full(positions.size, np.nan), min_fraction_valid_intervals=0.0)
    assert np.isnan(found)
    assert "200 have none" in reason


def test_drift_in_periods_counts_their_intervals():
    # intervals begin with the period: the first from 1.5 s holds 10 spikes at 5 µm (and 10 of the next)
    found, reason = drift_of(*drifting(), periods=[(2000, 5000), (7000, 9999)])
    assert (found, reason) == (30.0, None)  # intervals 2, 3, 4, 7, 8; the third of the second period is not whole
    found, reason = drift_of(*drifting(), periods=[(2000, 3500)])
    assert np.isnan(found)
    assert reason == "its valid periods hold fewer than 2 intervals of 1 s"


def test_drift_counts_every_whole_interval_of_a_segment_that_ends_with_one():
    samples, positions = drifting()
    samples, segments = np.asarray(samples), np.repeat([0, 1], [100, 100])
    spikes = SpikeTrains(samples - 5000 * segments, np.zeros(200, np.int64), segments, 1, (5000, 5000), FREQUENCY_HZ)
    params = declared.of_metric("drift", interval_s=1, min_spikes_per_interval=10, min_num_bins=5)
    columns, reasons = drift(spikes, {"y": positions}, **params)
    assert columns["drift_ptp"][0] == 45.0
    assert reasons == {}
