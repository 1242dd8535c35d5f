"""How many spikes of one unit another unit has at nearly the same time."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel


@kernel
def spike_coincidence(
    line_samples, unit_indices, rows_by_unit, unit_edges, delta_samples, first_unit, last_unit, counts
):
    """Fill rows first_unit:last_unit of `counts` with the matches of each unit's spikes in every unit.

    A spike of the row's unit is matched to the first spike of the other unit that lies within `delta_samples` and is
    not the one matched last; it is matched at most once. Pairs of units do not influence each other.

    Parameters
    ----------
    line_samples : int64 (num_spikes,)
        All spikes on one time line, ascending; segments further apart than `delta_samples`.
    unit_indices : int32 (num_spikes,)
    rows_by_unit : int32 or int64 (num_spikes,)
        Rows of `line_samples`, unit by unit, ascending within a unit.
    unit_edges : int64 (num_units + 1,)
        Unit u owns rows_by_unit[unit_edges[u]:unit_edges[u + 1]].
    delta_samples : int
        Largest distance of a match, included.
    first_unit, last_unit : int
    counts : int64 (num_units, num_units)
        Written in rows first_unit:last_unit only; must be zero there.

    References
    ----------
    The greedy rule of `make_match_count_matrix` in spikeinterface.comparison.comparisontools, exactly, including its
    second use of a spike that was matched before the last one.
    """
    num_spikes = line_samples.size
    num_units = counts.shape[1]
    matched_spike = np.empty(num_units, dtype=np.int64)
    matched_other = np.empty(num_units, dtype=np.int64)
    for unit in range(first_unit, last_unit):
        for partner in range(num_units):
            matched_spike[partner] = -1
            matched_other[partner] = -1
        for position in range(unit_edges[unit], unit_edges[unit + 1]):
            spike = rows_by_unit[position]
            other = spike
            while other > 0 and line_samples[spike] - line_samples[other - 1] <= delta_samples:
                other -= 1
            while other < num_spikes and line_samples[other] - line_samples[spike] <= delta_samples:
                partner = unit_indices[other]
                if matched_spike[partner] != spike and matched_other[partner] != other:
                    matched_spike[partner] = spike
                    matched_other[partner] = other
                    counts[unit, partner] += 1
                other += 1
