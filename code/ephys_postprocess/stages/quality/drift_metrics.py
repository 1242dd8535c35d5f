"""Quality metrics of how far a unit moves along the probe."""

import numpy as np

from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import reasons_where


def drift(
    spikes: SpikeTrains,
    positions_um: np.ndarray,
    interval_s: float = 60,
    min_spikes_per_interval: int = 100,
    min_fraction_valid_intervals: float = 0.5,
    min_num_bins: int = 2,
):
    """drift_ptp, drift_std, drift_mad: float64 µm, of a unit's median position in intervals.

    Parameters
    ----------
    spikes : SpikeTrains
    positions_um : float64 (num_spikes,)
        Spike locations along the direction of interest.
    interval_s : float
    min_spikes_per_interval : int
        Intervals with fewer are not valid.
    min_fraction_valid_intervals : float
        A unit with a larger fraction of intervals that are not valid gets NaN.
    min_num_bins : int
        Every segment needs as many whole intervals.

    Returns
    -------
    columns, reasons
        {name: float64 (num_units,)} and {unit index: why its values are missing}.

    References
    ----------
    `compute_drift_metrics` of SpikeInterface 0.105, exactly.
    """
    interval_samples = int(interval_s * spikes.sampling_frequency_hz)
    # only the last segment's end is an edge where its length is a multiple of the interval, as in SpikeInterface
    num_intervals = [(length - 1) // interval_samples for length in spikes.segment_lengths]
    num_intervals[-1] = spikes.segment_lengths[-1] // interval_samples
    values = np.full((3, spikes.num_units), np.nan)
    if min(num_intervals) < min_num_bins:
        reason = f"a segment has fewer than {min_num_bins} intervals of {interval_s} s"
        reasons = reasons_where(np.ones(spikes.num_units, dtype=bool), reason)
    else:
        medians = _interval_medians(spikes, positions_um, interval_samples, num_intervals, min_spikes_per_interval)
        is_bad = np.isnan(medians).sum(axis=1) > min_fraction_valid_intervals * medians.shape[1]
        is_bad |= np.isnan(medians).all(axis=1)
        reasons = reasons_where(is_bad, f"too few intervals of {interval_s} s with {min_spikes_per_interval} spikes")
        for unit_index in np.flatnonzero(~is_bad):
            reference = np.median(positions_um[spikes.rows_of_unit(unit_index)])
            moved = medians[unit_index] - reference
            moved = moved[~np.isnan(moved)]
            values[:, unit_index] = np.ptp(moved), np.std(moved), np.median(np.abs(moved - np.median(moved)))
    return dict(zip(("drift_ptp", "drift_std", "drift_mad"), values, strict=True)), reasons


def _interval_medians(spikes, positions_um, interval_samples, num_intervals, min_spikes):
    """float64 (num_units, all intervals): NaN where an interval has too few spikes."""
    offsets = np.concatenate([[0], np.cumsum(num_intervals)])
    medians = np.full((spikes.num_units, offsets[-1]), np.nan)
    for unit_index in range(spikes.num_units):
        rows = spikes.rows_of_unit(unit_index)
        own = positions_um[rows]
        intervals = spikes.samples[rows] // interval_samples
        segments = spikes.segment_indices[rows]
        # past the last whole interval: not counted, but in order between this segment and the next
        keys = offsets[segments] + np.minimum(intervals, np.asarray(num_intervals)[segments] - 0.5)
        starts = np.searchsorted(keys, np.arange(offsets[-1] + 1))
        stops = np.searchsorted(keys, np.arange(offsets[-1]), side="right")
        for interval, (start, stop) in enumerate(zip(starts[:-1], stops, strict=True)):
            if stop - start >= max(min_spikes, 1):
                medians[unit_index, interval] = np.median(own[start:stop])
    return medians
