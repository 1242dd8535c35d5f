"""Naive twin of stages/quality/observed_time.py: every unit's spikes on a line of their own, one after the other."""

import numpy as np


def stretches(spikes, unit):
    """(segment, start, stop) of a unit, in order."""
    if spikes.periods is None:
        return [(segment, 0, length) for segment, length in enumerate(spikes.segment_lengths)]
    own = np.flatnonzero(spikes.periods.unit_indices == unit)
    columns = spikes.periods.segment_indices, spikes.periods.start_samples, spikes.periods.stop_samples
    return [tuple(int(column[row]) for column in columns) for row in own]


def line(spikes, unit):
    """(samples of a unit's spikes on its own line, length of the line)."""
    places, begin = [], 0
    for segment, start, stop in stretches(spikes, unit):
        for row in range(spikes.num_spikes):
            is_own = spikes.unit_indices[row] == unit and spikes.segment_indices[row] == segment
            if is_own and start <= spikes.samples[row] < stop:
                places.append(begin + spikes.samples[row] - start)
        begin += stop - start
    return np.array(places, dtype=np.int64), begin


def counts_in_bins(spikes, bin_samples):
    """[unit] -> counts; the last bin has its upper edge, as `numpy.histogram`."""
    counts = []
    for unit in range(spikes.num_units):
        places, length = line(spikes, unit)
        edges = np.arange(length // bin_samples + 1) * bin_samples
        counts.append(np.histogram(places, edges)[0] if edges.size > 1 else np.zeros(0, dtype=np.int64))
    return counts


def bins(spikes, bin_samples):
    """[unit][stretch] -> counts in the whole bins of that stretch."""
    counts = []
    for unit in range(spikes.num_units):
        counts.append([])
        for segment, start, stop in stretches(spikes, unit):
            is_own = (spikes.unit_indices == unit) & (spikes.segment_indices == segment)
            whole = (stop - start) // bin_samples[unit]
            own = (spikes.samples[is_own] - start) // bin_samples[unit]
            counts[-1].append([int(np.count_nonzero(own == number)) for number in range(whole)])
    return counts
