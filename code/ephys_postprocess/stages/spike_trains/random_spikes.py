"""Which spikes stand for their unit where not every spike is needed: SpikeInterface's draws, from its seed."""

import itertools

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains

SELECTION_METHODS = ("uniform", "all", "percentage", "maximum_rate")


def select_random_spikes(
    spikes: SpikeTrains,
    method: str = "uniform",
    max_spikes_per_unit: int = 500,
    margin_samples: int | None = None,
    seed: int | None = None,
    percentage: float | None = None,
    maximum_rate_hz: float | None = None,
    is_wanted: np.ndarray | None = None,
) -> np.ndarray:
    """Rows of the selected spikes, ascending.

    Parameters
    ----------
    spikes : SpikeTrains
    method : {"uniform", "all", "percentage", "maximum_rate"}
        At most `max_spikes_per_unit` of each unit at random; every spike; a fraction; so many a second.
    max_spikes_per_unit : int
        Upper bound for every method but "all".
    margin_samples : int or None
        Leave out spikes closer than this to an end of their segment (not with "all").
    seed : int or None
        One generator draws for all units in their order.
    percentage : float
        In (0, 1]: the fraction of a unit's spikes that "percentage" takes.
    maximum_rate_hz : float
        Spikes a second that "maximum_rate" takes, of the time up to the last spike of each segment.
    is_wanted : bool (num_units,), optional
        Draw from these units as if there were no others.

    Returns
    -------
    int64 (num_selected,)

    Raises
    ------
    ParameterError
        Unknown method, or a missing or impossible number for it.

    References
    ----------
    SpikeInterface 0.105.3 `core.sorting_tools.random_spikes_selection`: the same rows from the same seed. Its
    `random_spikes` extension forgets `percentage` and `maximum_rate` and so can't use those methods; here they work.
    """
    _check_method(method, percentage, maximum_rate_hz)
    is_wanted = np.ones(spikes.num_units, dtype=bool) if is_wanted is None else is_wanted
    if method == "all":
        return np.flatnonzero(is_wanted[spikes.unit_indices])
    cap = max_spikes_per_unit
    if method == "maximum_rate":
        cap = min(cap, int(_active_duration_s(spikes, is_wanted) * maximum_rate_hz))
    generator = np.random.default_rng(seed)
    selected = [np.empty(0, dtype=np.int64)]
    for unit_index in np.flatnonzero(is_wanted):
        rows = _away_from_ends(spikes, spikes.rows_of_unit(unit_index), margin_samples)
        size = int(rows.size * percentage) if method == "percentage" else rows.size
        selected.append(generator.choice(rows, size=min(cap, size), replace=False, shuffle=False))
    return np.sort(np.concatenate(selected))


def _check_method(method, percentage, maximum_rate_hz):
    if method not in SELECTION_METHODS:
        raise ParameterError(f"random_spikes.method: must be one of {', '.join(SELECTION_METHODS)} (got {method!r}).")
    if method == "percentage" and (percentage is None or not 0 < percentage <= 1):
        raise ParameterError(f"random_spikes.percentage: must be above 0 and at most 1 (got {percentage!r}).")
    if method == "maximum_rate" and (maximum_rate_hz is None or maximum_rate_hz < 0):
        raise ParameterError(f"random_spikes.maximum_rate: must be a number, 0 or more (got {maximum_rate_hz!r}).")


def _active_duration_s(spikes, is_wanted):
    durations_s = []
    for first, last in itertools.pairwise(spikes.segment_edges):
        samples = spikes.samples[first:last][is_wanted[spikes.unit_indices[first:last]]]
        durations_s.append((samples[-1] + 1) / spikes.sampling_frequency_hz if samples.size else 0.0)
    return np.sum(durations_s)


def _away_from_ends(spikes, rows, margin_samples):
    if margin_samples is None:
        return rows
    samples = spikes.samples[rows]
    lengths = np.asarray(spikes.segment_lengths, dtype=np.int64)[spikes.segment_indices[rows]]
    return rows[(samples >= margin_samples) & (samples < lengths - margin_samples)]
