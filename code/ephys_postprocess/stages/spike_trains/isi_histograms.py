"""Histograms of inter-spike intervals."""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains

# Spikes of units that are looked at together, so that what is made of each takes little memory at any number.
SPIKES_AT_ONCE = 2**17


def isi_histograms(spikes: SpikeTrains, window_ms: float, bin_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the intervals between successive spikes of each unit, within segments.

    Parameters
    ----------
    spikes : SpikeTrains
    window_ms : float
        Longest interval, cut to a multiple of the bin; the last bin includes it.
    bin_ms : float

    Returns
    -------
    isi_histograms : int64 (num_units, num_bins)
    bins : float64 (num_bins + 1,)
        Edges, ms.

    References
    ----------
    `compute_isi_histograms` of SpikeInterface, exactly.
    """
    window = round(spikes.sampling_frequency_hz * window_ms * 1e-3)
    bin_samples = max(1, round(spikes.sampling_frequency_hz * bin_ms * 1e-3))
    if window < bin_samples:
        raise ParameterError(
            f"isi_histograms: bin_ms and a sample must be at most window_ms (got {bin_ms}, {window_ms})."
        )
    window -= window % bin_samples
    num_bins = window // bin_samples
    counts = np.zeros((spikes.num_units, num_bins), dtype=np.int64)
    for first_unit, last_unit in spikes.groups_of_units(SPIKES_AT_ONCE):
        order = spikes.order_by_unit[spikes.unit_edges[first_unit] : spikes.unit_edges[last_unit]]
        units, segments = spikes.unit_indices[order] - first_unit, spikes.segment_indices[order]
        intervals = np.diff(spikes.samples[order])
        is_counted = (units[1:] == units[:-1]) & (segments[1:] == segments[:-1]) & (intervals <= window)
        bins = np.minimum(intervals[is_counted] // bin_samples, num_bins - 1)
        own = counts[first_unit:last_unit]
        own[:] = np.bincount(units[1:][is_counted] * num_bins + bins, minlength=own.size).reshape(own.shape)
    edges = np.arange(num_bins + 1) * bin_samples * 1e3 / spikes.sampling_frequency_hz
    return counts, edges
