"""Quality metrics of how often and how steadily a unit fires.

Every metric returns its columns, {name: array (num_units,)}, and {unit index: why a value is missing}. Names, defaults
and values are those of SpikeInterface 0.105, without its `periods`.
"""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import reasons_where

SYNCHRONY_SIZES = (2, 4, 8)


def num_spikes(spikes: SpikeTrains):
    """num_spikes: int64 count over all segments."""
    return {"num_spikes": np.diff(spikes.unit_edges)}, {}


def firing_rate(spikes: SpikeTrains):
    """firing_rate: float64 Hz over all segments; NaN without spikes."""
    counts = np.diff(spikes.unit_edges)
    rates = counts / (sum(spikes.segment_lengths) / spikes.sampling_frequency_hz)
    return {"firing_rate": np.where(counts == 0, np.nan, rates)}, reasons_where(counts == 0, "no spikes")


def presence_ratio(spikes: SpikeTrains, bin_duration_s: float = 60.0, mean_fr_ratio_thresh: float = 0.0):
    """presence_ratio: float64 share of bins in which the unit fires more than the threshold.

    Parameters
    ----------
    spikes : SpikeTrains
    bin_duration_s : float
    mean_fr_ratio_thresh : float
        A bin counts when it has more spikes than this share of the unit's mean.

    Raises
    ------
    ParameterError
        Negative threshold.

    References
    ----------
    `compute_presence_ratios` of SpikeInterface, exactly. NaN where a unit has no spikes or the recording is shorter
    than a bin.
    """
    if mean_fr_ratio_thresh < 0:
        raise ParameterError(f"presence_ratio.mean_fr_ratio_thresh: must not be negative (got {mean_fr_ratio_thresh}).")
    counts = np.diff(spikes.unit_edges)
    total_samples = sum(spikes.segment_lengths)
    if total_samples < int(bin_duration_s * spikes.sampling_frequency_hz):
        reason = f"recording shorter than one bin of {bin_duration_s} s"
        return {"presence_ratio": np.full(counts.size, np.nan)}, reasons_where(counts >= 0, reason)
    edges = _edges_over_segments(spikes, bin_duration_s)
    if edges.size < 2:
        ratios = np.zeros(counts.size)
    else:
        rates = counts / (total_samples / spikes.sampling_frequency_hz)
        thresholds = np.floor(rates * bin_duration_s * float(mean_fr_ratio_thresh))
        is_present = _counts_in_bins(spikes, edges) > thresholds[:, np.newaxis]
        ratios = is_present.sum(axis=1) / (edges.size - 1)
    return {"presence_ratio": np.where(counts == 0, np.nan, ratios)}, reasons_where(counts == 0, "no spikes")


def firing_range(spikes: SpikeTrains, bin_size_s: float = 5, percentiles: tuple[float, float] = (5, 95)):
    """firing_range: float64 Hz between two percentiles of the rates in bins.

    References
    ----------
    `compute_firing_ranges` of SpikeInterface, exactly. NaN where a unit has no spikes or the recording is shorter
    than a bin.
    """
    counts = np.diff(spikes.unit_edges)
    edges = _edges_over_segments(spikes, bin_size_s)
    is_short = sum(spikes.segment_lengths) < int(bin_size_s * spikes.sampling_frequency_hz) or edges.size < 2
    if is_short or counts.size == 0:
        reasons = reasons_where(counts >= 0, f"recording shorter than one bin of {bin_size_s} s")
        return {"firing_range": np.full(counts.size, np.nan)}, reasons
    low, high = np.percentile(_counts_in_bins(spikes, edges) / bin_size_s, percentiles, axis=1)
    return {"firing_range": np.where(counts == 0, np.nan, high - low)}, reasons_where(counts == 0, "no spikes")


def synchrony(spikes: SpikeTrains):
    """sync_spike_2, _4, _8: float64 share of a unit's spikes at a sample that holds that many spikes or more.

    References
    ----------
    `compute_synchrony_metrics` of SpikeInterface, exactly: spikes of the same unit count towards the size, a unit
    counts once a sample, and a unit without spikes gets -1.
    """
    counts = np.diff(spikes.unit_edges)
    is_new = np.ones(spikes.num_spikes, dtype=bool)
    is_new[1:] = (np.diff(spikes.samples) != 0) | (np.diff(spikes.segment_indices) != 0)
    moments = np.cumsum(is_new) - 1
    sizes = np.bincount(moments)
    # one row a unit and moment, moments of a single spike left out
    is_shared = sizes[moments] > 1
    keys = np.unique(moments[is_shared] * max(spikes.num_units, 1) + spikes.unit_indices[is_shared])
    shared_moments, units = np.divmod(keys, max(spikes.num_units, 1))
    columns = {}
    for size in SYNCHRONY_SIZES:
        in_sync = np.bincount(units[sizes[shared_moments] >= size], minlength=spikes.num_units)
        columns[f"sync_spike_{size}"] = np.where(counts == 0, -1.0, in_sync / np.maximum(counts, 1))
    return columns, {}


def _edges_over_segments(spikes, bin_duration_s):
    """int64: bin edges on segments laid end to end; only the last segment drops its incomplete bin."""
    bin_samples = int(bin_duration_s * spikes.sampling_frequency_hz)
    starts = np.concatenate([[0], np.cumsum(spikes.segment_lengths)])
    ends = starts[1:].copy()
    ends[-1] = ends[-1] // bin_samples * bin_samples + 1
    return np.concatenate([np.arange(start, end, bin_samples) for start, end in zip(starts, ends, strict=False)])


def _counts_in_bins(spikes, edges):
    """int64 (num_units, num_bins): the last bin includes its upper edge."""
    num_bins = edges.size - 1
    line = spikes.line_samples(gap_samples=0)
    bins = np.searchsorted(edges, line, side="right") - 1
    bins[line == edges[-1]] = num_bins - 1
    is_inside = (bins >= 0) & (bins < num_bins)
    flat = spikes.unit_indices[is_inside] * num_bins + bins[is_inside]
    return np.bincount(flat, minlength=spikes.num_units * num_bins).reshape(spikes.num_units, num_bins)
