"""Counts of spike time differences between units, by bin."""

from ephys_postprocess.kernels._jit import kernel


@kernel
def correlograms(line_samples, column_indices, rows_by_unit, unit_edges, bin_of_lag, first_unit, last_unit, counts):
    """Fill rows first_unit:last_unit of `counts` with the lags from every other spike to each spike of the row's unit.

    Parameters
    ----------
    line_samples : int64 (num_spikes,)
        All spikes on one time line, ascending; segments at least the half window apart.
    column_indices : int32 (num_spikes,)
        Which column of `counts` a spike is counted in when it is the other one of a pair.
    rows_by_unit : int32 or int64 (num_spikes,)
        Rows of `line_samples`, unit by unit.
    unit_edges : int64 (num_units + 1,)
        Unit u owns rows_by_unit[unit_edges[u]:unit_edges[u + 1]].
    bin_of_lag : int64 (2 * half_window_samples,)
        Bin of the lag index - half_window_samples.
    first_unit, last_unit : int
    counts : int64 (num_units, num_columns, num_bins)
        Added to, in rows first_unit:last_unit only.

    References
    ----------
    `_compute_correlograms_numpy` in spikeinterface.postprocessing.correlograms, exactly: lag = own time - other time
    in [-half window, half window), a spike is not paired with itself.
    """
    num_spikes = line_samples.size
    half_window = bin_of_lag.size // 2
    for unit in range(first_unit, last_unit):
        for position in range(unit_edges[unit], unit_edges[unit + 1]):
            spike = rows_by_unit[position]
            origin = line_samples[spike] + half_window
            other = spike - 1
            while other >= 0 and origin - line_samples[other] < 2 * half_window:
                counts[unit, column_indices[other], bin_of_lag[origin - line_samples[other]]] += 1
                other -= 1
            other = spike + 1
            while other < num_spikes and origin - line_samples[other] >= 0:
                counts[unit, column_indices[other], bin_of_lag[origin - line_samples[other]]] += 1
                other += 1
