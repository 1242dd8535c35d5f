"""Counts for the eye: amplitudes in whole steps of the converter, intervals in whole samples, waveforms by level."""

from collections.abc import Iterable

import numpy as np

_STEP_TOLERANCE = 0.02  # of a step: float32 holds 2 ** 15 steps to 0.002; more for the division and an offset


def amplitude_bins(values: np.ndarray, step: float, num_bins: int) -> tuple[float, float]:
    """Where the bins of a histogram of amplitudes begin, and how wide they are.

    Amplitudes that are whole steps of a converter get bins of whole steps, their edges half-way between two steps: with
    any other width some bins hold one step more than their neighbours, and show peaks that no spikes made.

    Parameters
    ----------
    values : float64 (num_spikes,)
        Finite, in the amplitude unit; at least one.
    step : float
        What one count of the converter is; NaN where nothing tells.
    num_bins : int
        At most so many bins are filled.
    """
    low, high = float(values.min()), float(values.max())
    if np.isfinite(step) and step > 0:
        in_steps = values / step
        # An offset of the converter moves all values by one share of a step.
        in_steps = in_steps - (in_steps[0] - np.rint(in_steps[0]))
        if np.abs(in_steps - np.rint(in_steps)).max() < _STEP_TOLERANCE:
            num_steps = round((high - low) / step) + 1
            return low - step / 2, step * -(-num_steps // num_bins)
    width = (high - low if high > low else 1.0) / num_bins
    return low, width


def count_in_bins(values: np.ndarray, low: float, width: float, num_bins: int) -> np.ndarray:
    """int64 (num_bins,): values by bin; the last one takes its upper edge too."""
    bins = np.floor((values - low) / width + 1e-9).astype(np.int64)
    return np.bincount(np.clip(bins, 0, num_bins - 1), minlength=num_bins)


def interval_histograms(
    trains: Iterable[tuple[np.ndarray, np.ndarray]],
    num_units: int,
    bin_ms: float,
    num_bins: int,
    short_ms: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals between successive spikes of a unit within a segment.

    Parameters
    ----------
    trains : iterable of (float64, int64) (num_spikes of the unit,)
        Of each unit, one at a time, in order of time: times in s, and the segments they are in.
    num_units : int
    bin_ms : float
    num_bins : int
        Longer intervals are in none.
    short_ms : float

    Returns
    -------
    counts : int64 (num_units, num_bins)
    short : int64 (num_units,)
        Intervals shorter than `short_ms`.
    """
    counts = np.zeros((num_units, num_bins), dtype=np.int64)
    short = np.zeros(num_units, dtype=np.int64)
    for unit_index, (times_s, segment_indices) in enumerate(trains):
        intervals_ms = np.diff(times_s) * 1000.0
        is_whole = (np.diff(segment_indices) == 0) & (intervals_ms >= 0)
        intervals_ms = intervals_ms[is_whole]
        # Times are whole samples, so an interval on a bin's edge must not fall below it by rounding.
        bins = np.floor(intervals_ms / bin_ms + 1e-6).astype(np.int64)
        counts[unit_index] = np.bincount(bins[bins < num_bins], minlength=num_bins)
        short[unit_index] = np.count_nonzero(intervals_ms < short_ms - 1e-6)
    return counts, short


def spike_counts(times_s: np.ndarray, unit_indices: np.ndarray, num_units: int, bin_s: float, num_bins: int):
    """int64 (num_units, num_bins): spikes of each unit over time."""
    bins = np.clip((times_s / bin_s).astype(np.int64), 0, num_bins - 1)
    counts = np.bincount(unit_indices * num_bins + bins, minlength=num_units * num_bins)
    return counts.reshape(num_units, num_bins)


def waveform_density(
    waveforms: np.ndarray, edges: np.ndarray, num_columns: int, num_levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """How many waveforms pass each level at each time.

    Parameters
    ----------
    waveforms : float32 (num_waveforms, num_samples)
    edges : int64 (num_units + 1,)
        Those of unit u are [edges[u], edges[u + 1]).
    num_columns, num_levels : int

    Returns
    -------
    counts : int64 (num_units, num_columns, num_levels)
    ranges : float64 (num_units, 2)
        Lowest and highest value of each unit.
    """
    num_units, num_samples = len(edges) - 1, waveforms.shape[1]
    columns = (np.arange(num_columns) + 0.5) * num_samples / num_columns
    values = waveforms[:, np.minimum(columns.astype(np.int64), num_samples - 1)]
    counts = np.zeros((num_units, num_columns, num_levels), dtype=np.int64)
    ranges = np.zeros((num_units, 2))
    for unit_index in range(num_units):
        own = values[edges[unit_index] : edges[unit_index + 1]]
        if not own.size:
            ranges[unit_index] = 0.0, 1.0
            continue
        low, high = float(own.min()), float(own.max())
        high = high if high > low else low + 1.0
        levels = np.clip((own - low) / (high - low) * num_levels, 0, num_levels - 1).astype(np.int64)
        np.add.at(counts[unit_index], (np.arange(num_columns)[None, :], levels), 1)
        ranges[unit_index] = low, high
    return counts, ranges
