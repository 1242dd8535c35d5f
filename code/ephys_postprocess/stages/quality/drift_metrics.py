"""Quality metrics of how far a unit moves along the probe."""

from collections.abc import Mapping

import numpy as np

from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import reasons_where
from ephys_postprocess.stages.quality.observed_time import observed_time


def drift(
    spikes: SpikeTrains,
    spike_locations: Mapping[str, np.ndarray],
    direction: str,
    interval_s: float,
    min_spikes_per_interval: int,
    min_fraction_valid_intervals: float,
    min_num_bins: int,
):
    """drift_ptp, drift_std, drift_mad: float64 µm, of a unit's median position in intervals.

    Parameters
    ----------
    spikes : SpikeTrains
    spike_locations : mapping to float (num_spikes,)
        By direction, µm; NaN for spikes that have none, which are left out.
    direction : "x" | "y" | "z"
    interval_s : float
    min_spikes_per_interval : int
        Intervals with fewer located spikes are not valid.
    min_fraction_valid_intervals : float
        A unit with a smaller fraction of valid intervals gets NaN.
    min_num_bins : int
        Every segment needs as many whole intervals; of a unit's periods, all together do.

    Returns
    -------
    columns, reasons
        {name: float64 (num_units,)} and {unit index: why its values are missing}.

    References
    ----------
    `compute_drift_metrics` of SpikeInterface 0.105, exactly for located spikes and `min_fraction_valid_intervals` of
    0.5: it asks for at most that fraction of intervals that are not valid, the opposite of what it documents. It also
    leaves out the last interval of a segment that ends with one, unless it is the last segment.
    """
    positions_um = spike_locations[direction]
    interval_samples = int(interval_s * spikes.sampling_frequency_hz)
    intervals, starts, unit_edges = observed_time(spikes).bins(np.full(spikes.num_units, interval_samples))
    is_located = np.isfinite(positions_um)
    medians, references = _interval_medians(
        spikes, positions_um, np.where(is_located, intervals, -1), is_located, starts[-1], min_spikes_per_interval
    )
    values = np.full((3, spikes.num_units), np.nan)
    reasons = _too_short(spikes, interval_samples, unit_edges, min_num_bins, interval_s)
    for unit_index in range(spikes.num_units):
        own = medians[unit_edges[unit_index] : unit_edges[unit_index + 1]]
        valid = own[~np.isnan(own)]
        if unit_index in reasons:
            continue
        if valid.size == 0 or valid.size < round(min_fraction_valid_intervals * own.size, 9):
            num_unlocated = np.count_nonzero(~is_located[spikes.rows_of_unit(unit_index)])
            reasons[unit_index] = _too_few(interval_s, min_spikes_per_interval, num_unlocated)
            continue
        moved = valid - references[unit_index]
        values[:, unit_index] = np.ptp(moved), np.std(moved), np.median(np.abs(moved - np.median(moved)))
    return dict(zip(("drift_ptp", "drift_std", "drift_mad"), values, strict=True)), reasons


def _too_short(spikes, interval_samples, unit_edges, min_num_bins, interval_s):
    """Reasons of units that were not looked at for long enough."""
    if spikes.periods is not None:
        reason = f"its valid periods hold fewer than {min_num_bins} intervals of {interval_s:g} s"
        return reasons_where(np.diff(unit_edges) < min_num_bins, reason)
    is_short = min(spikes.segment_lengths) // interval_samples < min_num_bins
    reason = f"a segment has fewer than {min_num_bins} intervals of {interval_s:g} s"
    return reasons_where(np.full(spikes.num_units, is_short), reason)


def _too_few(interval_s, min_spikes, num_unlocated):
    reason = f"too few intervals of {interval_s:g} s with {min_spikes} spikes"
    return f"{reason} that have a location ({num_unlocated} have none)" if num_unlocated else reason


def _interval_medians(spikes, positions_um, intervals, is_located, num_intervals, min_spikes):
    """float64 (all intervals,): NaN where an interval has too few spikes; and of each unit, all its spikes."""
    medians, references = np.full(num_intervals, np.nan), np.full(spikes.num_units, np.nan)
    for unit_index in range(spikes.num_units):
        rows = spikes.rows_of_unit(unit_index)
        rows = rows[is_located[rows]]
        if rows.size == 0:
            continue
        references[unit_index] = np.median(positions_um[rows])
        rows = rows[intervals[rows] >= 0]
        found, first = np.unique(intervals[rows], return_index=True)  # in time order, so intervals ascend
        for interval, own in zip(found, np.split(rows, first[1:]), strict=False):
            if own.size >= max(min_spikes, 1):
                medians[interval] = np.median(positions_um[own])
    return medians, references
