"""Which spikes overlap in time and space, so that their templates must be fitted together."""

import numpy as np

# A fit of n spikes takes n³ steps, and there is one for each spike: artefacts that hundreds of units fire on would take
# days. Nearer spikes explain more of the traces around a spike than farther ones.
MOST_COLLISIONS = 255
# Pairs of spikes that are looked at in one go: some tens of MB.
PAIRS_AT_ONCE = 2**20


def find_collisions(
    samples: np.ndarray,
    unit_indices: np.ndarray,
    first_spike: int,
    last_spike: int,
    delta_samples: int,
    overlaps: np.ndarray,
    most_collisions: int = MOST_COLLISIONS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The spikes that collide with each of the spikes first_spike:last_spike.

    Spike j collides with spike i when samples[i] - delta <= samples[j] < samples[i] + delta, or j comes before i at
    the same sample, and their units share a channel.

    Parameters
    ----------
    samples : int64 (num_spikes,)
    unit_indices : int32 (num_spikes,)
        Spikes of one segment in time order.
    first_spike, last_spike, delta_samples : int
    overlaps : bool (num_units, num_units)
    most_collisions : int
        Of a spike with more, the nearest in time are kept, of equally near ones the earlier rows.

    Returns
    -------
    collision_edges : int64 (last_spike - first_spike + 1,)
    collision_spikes : int64
        Spike first_spike + f collides with collision_spikes[collision_edges[f]:collision_edges[f + 1]], ascending.
    is_crowded : bool (last_spike - first_spike,)
        Whether some were left out.
    """
    own = np.arange(first_spike, last_spike)
    lows = np.searchsorted(samples, samples[own] - delta_samples)
    highs = np.maximum(np.searchsorted(samples, samples[own] + delta_samples), own + 1)
    counts, found = np.zeros(own.size, dtype=np.int64), []
    is_crowded = np.zeros(own.size, dtype=bool)
    for group in _groups(highs - lows):
        fits, candidates = _pairs(lows[group], highs[group])
        is_collision = overlaps[unit_indices[own[group][fits]], unit_indices[candidates]]
        is_collision &= candidates != own[group][fits]
        fits, candidates = fits[is_collision], candidates[is_collision]
        num_collisions = np.bincount(fits, minlength=group.stop - group.start)
        is_crowded[group] = num_collisions > most_collisions
        if is_crowded[group].any():
            lags = np.abs(samples[candidates] - samples[own[group][fits]])
            kept = _nearest(lags, num_collisions, most_collisions)
            fits, candidates = fits[kept], candidates[kept]
        counts[group] = np.minimum(num_collisions, most_collisions)
        found.append(candidates)
    collision_edges = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return collision_edges, np.concatenate([np.zeros(0, dtype=np.int64), *found]), is_crowded


def _groups(num_pairs):
    """Slices of consecutive spikes with at most PAIRS_AT_ONCE pairs together, or of one spike with more."""
    edges, first = np.concatenate([[0], np.cumsum(num_pairs)]), 0
    while first < num_pairs.size:
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + PAIRS_AT_ONCE, side="right")) - 1)
        yield slice(first, last)
        first = last


def _pairs(lows, highs):
    """int64, int64: each fit with each row of its range."""
    counts = highs - lows
    fits = np.repeat(np.arange(counts.size), counts)
    return fits, np.arange(counts.sum()) + np.repeat(lows - (np.cumsum(counts) - counts), counts)


def _nearest(lags, counts, most):
    """bool: of each fit's lags, which lie one after the other, the smallest `most`."""
    kept = np.ones(lags.size, dtype=bool)
    edges = np.concatenate([[0], np.cumsum(counts)])
    for fit in np.flatnonzero(counts > most):
        part = slice(edges[fit], edges[fit + 1])
        kept[part][np.argsort(lags[part], kind="stable")[most:]] = False
    return kept
