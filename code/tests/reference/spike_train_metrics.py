"""Naive twins of stages/spike_train_metrics.py and of the counts in stages/refractory_metrics.py."""

import numpy as np


def trains(spikes):
    """[unit][segment] -> samples."""
    return [
        [
            spikes.samples[(spikes.unit_indices == unit) & (spikes.segment_indices == segment)]
            for segment in range(len(spikes.segment_lengths))
        ]
        for unit in range(spikes.num_units)
    ]


def synchrony(spikes):
    columns = {f"sync_spike_{size}": np.full(spikes.num_units, -1.0) for size in (2, 4, 8)}
    for unit, parts in enumerate(trains(spikes)):
        num_spikes = sum(part.size for part in parts)
        for size in (2, 4, 8):
            in_sync = 0
            for segment, part in enumerate(parts):
                for sample in np.unique(part):
                    here = (spikes.samples == sample) & (spikes.segment_indices == segment)
                    in_sync += here.sum() >= size
            if num_spikes:
                columns[f"sync_spike_{size}"][unit] = in_sync / num_spikes
    return columns, {}


def rp_violations(spikes, reach_samples):
    return np.array(
        [
            sum(b - a <= reach_samples for part in parts for i, a in enumerate(part) for b in part[i + 1 :])
            for parts in trains(spikes)
        ],
        dtype=np.int64,
    )


def kept_outside_censored_period(spikes, censored_samples):
    """bool, ordered by unit, then segment, then time."""
    kept = []
    for parts in trains(spikes):
        for part in parts:
            last = None
            for sample in part:
                is_kept = last is None or sample - last > censored_samples
                last = sample if is_kept else last
                kept.append(is_kept)
    return np.array(kept, dtype=bool)
