"""The same separation where hundreds of units share channels: sums of each unit once, distances only where they count.

A neighborhood of many units is a large part of all spikes, and there is one for each unit: looked at spike by spike,
time grows with the number of pairs of units. Here the products of each unit's spikes are summed once and put together
for each neighborhood, and distances are screened in float32; those that a metric can see are then taken in float64.
"""

from functools import lru_cache

import numpy as np

from ephys_postprocess.kernels.pc_metrics import chi_square_tails
from ephys_postprocess.stages.quality.pc_neighborhoods import Neighborhood, PcSpikes

_TAIL_OF_NO_WEIGHT = 2.0**-55  # 1 - (1 - tail) is 0 below


def unit_scatter(spikes: PcSpikes, unit: int) -> np.ndarray:
    """float64 (num_features + 1, num_features + 1): sum of products of a unit's deviations from its mean, packed.

    Feature component * max_sparse_channels + channel; the last row and column are 0, for channels the unit lacks.
    """
    rows = spikes.rows_by_unit[unit]
    packed = spikes.projections[rows].reshape(rows.size, -1).astype(np.float64)
    packed -= spikes.packed_means[unit, :, :-1].ravel()
    scatter = np.zeros((packed.shape[1] + 1, packed.shape[1] + 1))
    np.matmul(packed.T, packed, out=scatter[:-1, :-1])
    return scatter


def scatter_of_others(neighborhood: Neighborhood) -> np.ndarray:
    """float64 (num_dimensions, num_dimensions): of all other spikes about their common mean."""
    spikes, units = neighborhood.spikes, neighborhood.other_units
    deviations = neighborhood.unit_means(units) - neighborhood.other_mean
    scatter = (deviations.T * spikes.num_spikes_of_unit[units]) @ deviations
    for unit, features in zip(units, _packed_features(neighborhood, units), strict=True):
        if unit not in spikes.unit_scatters:  # two threads may make it at once, and make the same
            spikes.unit_scatters[unit] = unit_scatter(spikes, unit)
        scatter += spikes.unit_scatters[unit][np.ix_(features, features)]
    return scatter


def distances_that_count(neighborhood: Neighborhood, whitening: np.ndarray) -> np.ndarray:
    """float64: squared Mahalanobis distances of those other spikes that isolation distance or L-ratio can see.

    These are the nearest ones, as many as the target has spikes, and all whose chi-square tail is not lost in 1.
    """
    approximate, errors = _screen(neighborhood, whitening)
    rank = min(neighborhood.target_rows.size, approximate.size) - 1
    nearest = (np.sqrt(approximate) + errors) ** 2
    limit = max(np.partition(nearest, rank)[rank], farthest_of_weight(neighborhood.num_dimensions))
    rows = _rows_by_unit(neighborhood)[np.sqrt(approximate) - errors <= np.sqrt(limit)]
    squared = [np.zeros(0)]
    for block in neighborhood.deviation_blocks(rows, neighborhood.target_mean):
        whitened = block @ whitening
        squared.append(np.einsum("ij,ij->i", whitened, whitened))
    return np.concatenate(squared)


@lru_cache
def farthest_of_weight(num_dimensions: int) -> float:
    """A squared distance beyond which no tail counts, less than 1 too large."""
    far = 2.0 * num_dimensions + 100.0
    while chi_square_tails(np.array([far]), num_dimensions)[0] >= _TAIL_OF_NO_WEIGHT:
        far *= 2
    near = 0.0
    while far - near > 1:
        middle = (near + far) / 2
        has_weight = chi_square_tails(np.array([middle]), num_dimensions)[0] >= _TAIL_OF_NO_WEIGHT
        near, far = (middle, far) if has_weight else (near, middle)
    return far


def _screen(neighborhood, whitening):
    """Squared distances in float32 of the other spikes, unit after unit, and how far off their roots can be."""
    spikes, units = neighborhood.spikes, neighborhood.other_units
    offset = (neighborhood.target_mean @ whitening).astype(np.float32)
    num_features = spikes.projections[0].size
    approximate, padded = [], np.zeros((num_features + 1, whitening.shape[1]), dtype=np.float32)
    for unit, features in zip(units, _packed_features(neighborhood, units), strict=True):
        padded[:] = 0
        padded[features] = whitening
        packed = spikes.projections[spikes.rows_by_unit[unit]].reshape(-1, num_features)
        whitened = packed @ padded[:-1]
        whitened -= offset
        approximate.append(np.einsum("ij,ij->i", whitened, whitened))
    approximate = np.concatenate(approximate).astype(np.float64)
    # Each of m products, their sum and the offset are rounded to 2^-24 of their size, the factors once more before; so
    # are the squares.
    sizes = spikes.sizes[_rows_by_unit(neighborhood)] * np.linalg.norm(whitening) + np.linalg.norm(offset)
    return approximate, (num_features + 8) * 2.0**-24 * (sizes + np.sqrt(approximate))


def _rows_by_unit(neighborhood):
    return np.concatenate([neighborhood.spikes.rows_by_unit[unit] for unit in neighborhood.other_units])


def _packed_features(neighborhood: Neighborhood, units: np.ndarray) -> np.ndarray:
    """int64 (num_units, num_dimensions): where each dimension lies among a unit's packed features; last: nowhere."""
    num_components, width = neighborhood.spikes.projections.shape[1:]
    local = neighborhood.local_channels[np.searchsorted(neighborhood.units, units)][:, np.newaxis, :]
    features = np.arange(num_components)[:, np.newaxis] * width + local
    return np.where(local >= 0, features, num_components * width).reshape(units.size, neighborhood.num_dimensions)
