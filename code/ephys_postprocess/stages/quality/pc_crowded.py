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
    cloud, num_target = _Cloud(neighborhood, whitening), neighborhood.target_rows.size
    root_of_weight = np.sqrt(farthest_of_weight(neighborhood.num_dimensions))
    counted, farthest, screened = [], [], []
    num_seen = num_counted = 0
    for unit, features in zip(cloud.units, _packed_features(neighborhood, cloud.units), strict=True):
        if 2 * num_counted > num_seen:  # where most spikes count, a screen costs more than it spares
            counted.append(cloud.squared_distances(unit, features, slice(None)))
            farthest.append(np.sqrt(counted[-1]))
        else:
            nearest, upper = cloud.screened_roots(unit, features)
            is_near = nearest <= root_of_weight
            counted.append(cloud.squared_distances(unit, features, is_near))
            farthest.append(upper)
            screened.append((unit, features, np.where(is_near, np.inf, nearest)))
        num_seen, num_counted = num_seen + farthest[-1].size, num_counted + counted[-1].size
    farthest = np.concatenate(farthest)
    rank = min(num_target, farthest.size) - 1
    limit = np.partition(farthest, rank)[rank]
    if limit > root_of_weight:
        counted += [cloud.squared_distances(unit, features, near <= limit) for unit, features, near in screened]
    return np.concatenate(counted)


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


class _Cloud:
    """Distances of other units' spikes from the target's cloud, unit by unit."""

    def __init__(self, neighborhood: Neighborhood, whitening: np.ndarray):
        self.units = neighborhood.other_units
        self._spikes, self._whitening, self._mean = neighborhood.spikes, whitening, neighborhood.target_mean
        self._num_packed = neighborhood.spikes.projections[0].size
        self._size, self._offset = np.linalg.norm(whitening), (self._mean @ whitening).astype(np.float32)

    def squared_distances(self, unit: int, features: np.ndarray, wanted) -> np.ndarray:
        """float64 (num_wanted,): of some of a unit's spikes; `features` is its row of `_packed_features`."""
        rows = self._spikes.rows_by_unit[unit][wanted]
        is_shared = features < self._num_packed
        shared = np.take(self._packed(rows), features[is_shared], axis=1)
        whitened = (shared - self._mean[is_shared]) @ self._whitening[is_shared]
        whitened -= self._mean[~is_shared] @ self._whitening[~is_shared]
        return np.einsum("ij,ij->i", whitened, whitened)

    def screened_roots(self, unit: int, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 (num_spikes,) twice: between which the distance of each of a unit's spikes lies for certain."""
        rows = self._spikes.rows_by_unit[unit]
        padded = np.zeros((self._num_packed + 1, features.size), dtype=np.float32)
        padded[features] = self._whitening  # the last row takes what the unit lacks
        whitened = self._packed(rows) @ padded[:-1]
        whitened -= self._offset
        roots = np.sqrt(np.einsum("ij,ij->i", whitened, whitened).astype(np.float64))
        # Each of m products, their sum and the offset are rounded to 2^-24 of their size, the factors once more
        # before; so are the squares.
        sizes = self._spikes.sizes[rows] * self._size + np.linalg.norm(self._offset)
        errors = (self._num_packed + 8) * 2.0**-24 * (sizes + roots)
        return roots - errors, roots + errors

    def _packed(self, rows):
        return self._spikes.projections[rows].reshape(rows.size, self._num_packed)


def _packed_features(neighborhood: Neighborhood, units: np.ndarray) -> np.ndarray:
    """int64 (num_units, num_dimensions): where each dimension lies among a unit's packed features; last: nowhere."""
    num_components, width = neighborhood.spikes.projections.shape[1:]
    local = neighborhood.local_channels[np.searchsorted(neighborhood.units, units)][:, np.newaxis, :]
    features = np.arange(num_components)[:, np.newaxis] * width + local
    return np.where(local >= 0, features, num_components * width).reshape(units.size, neighborhood.num_dimensions)
