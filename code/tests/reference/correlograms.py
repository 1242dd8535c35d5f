"""Naive twin of kernels/correlograms.py: every pair of spikes."""


def correlograms(line_samples, column_indices, rows_by_unit, unit_edges, bin_of_lag, first_unit, last_unit, counts):
    half_window = len(bin_of_lag) // 2
    for unit in range(first_unit, last_unit):
        for spike in rows_by_unit[unit_edges[unit] : unit_edges[unit + 1]]:
            for other in range(len(line_samples)):
                lag = line_samples[spike] - line_samples[other]
                if other != spike and -half_window <= lag < half_window:
                    counts[unit, column_indices[other], bin_of_lag[lag + half_window]] += 1
