"""Which spikes come long enough after the last one that counts."""

from ephys_postprocess.kernels._jit import kernel


@kernel
def keep_outside_period(line_samples, unit_edges, censored_samples, is_kept):
    """Fill `is_kept`: false for spikes within the period of a kept one of the same unit before them.

    Parameters
    ----------
    line_samples : int64 (num_spikes,)
        All segments on one time line further apart than the period, unit by unit, ascending within a unit.
    unit_edges : int64 (num_units + 1,)
        Unit u owns entries unit_edges[u]:unit_edges[u + 1].
    censored_samples : int
        The period; a spike at its very end is within it.
    is_kept : bool (num_spikes,)

    References
    ----------
    `find_duplicated_spikes` ("keep_first_iterative") of SpikeInterface 0.105.3, as `compute_sd_ratio` calls it.
    """
    for unit in range(unit_edges.size - 1):
        last_kept = -1
        for spike in range(unit_edges[unit], unit_edges[unit + 1]):
            is_kept[spike] = last_kept < 0 or line_samples[spike] - line_samples[last_kept] > censored_samples
            if is_kept[spike]:
                last_kept = spike
