"""Squared Mahalanobis distances, taken only where a metric can see them.

Most spikes of other units lie so far from a target that neither isolation distance nor L-ratio depends on how far. They
are screened in float32; the rest is then taken in float64.
"""

from functools import lru_cache

import numpy as np

from ephys_postprocess.kernels.pc_metrics import chi_square_tails
from ephys_postprocess.stages.quality.pc_neighborhoods import Neighborhood

_TAIL_OF_NO_WEIGHT = 2.0**-55  # 1 - (1 - tail) is 0 below


def distances_that_count(neighborhood: Neighborhood, whitening: np.ndarray) -> np.ndarray:
    """float64: squared Mahalanobis distances of those other spikes that isolation distance or L-ratio can see.

    These are the nearest ones, as many as the target has spikes, and all whose chi-square tail is not lost in 1.
    """
    cloud, num_target = _Cloud(neighborhood, whitening), neighborhood.target_rows.size
    root_of_weight = np.sqrt(farthest_of_weight(neighborhood.num_dimensions))
    counted, farthest, screened = [], [], []
    num_seen = num_counted = 0
    for start, block in neighborhood.other_blocks():
        if 2 * num_counted > num_seen:  # where most spikes count, a screen costs more than it spares
            counted.append(cloud.squared_distances(block))
            farthest.append(np.sqrt(counted[-1]))
        else:
            nearest, upper = cloud.screened_roots(start, block)
            is_near = nearest <= root_of_weight
            counted.append(cloud.squared_distances(block[is_near]))
            farthest.append(upper)
            screened.append((start, np.where(is_near, np.nan, nearest)))  # NaN is within no limit
        num_seen, num_counted = num_seen + farthest[-1].size, num_counted + counted[-1].size
    farthest = np.concatenate(farthest)
    rank = min(num_target, farthest.size) - 1
    limit = np.partition(farthest, rank)[rank]
    if limit > root_of_weight:
        for start, nearest in screened:
            block = neighborhood.features_between(start, start + nearest.size)
            counted.append(cloud.squared_distances(block[nearest <= limit]))
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
    """Distances of other spikes from the target's cloud, block by block."""

    def __init__(self, neighborhood: Neighborhood, whitening: np.ndarray):
        self._whitening, self._mean = whitening, neighborhood.target_mean
        self._rounded, self._offset = whitening.astype(np.float32), (self._mean @ whitening).astype(np.float32)
        self._neighborhood, self._size = neighborhood, np.linalg.norm(whitening)

    def squared_distances(self, features: np.ndarray) -> np.ndarray:
        """float64 (num_rows,) of float32 features."""
        whitened = (features - self._mean) @ self._whitening
        return np.einsum("ij,ij->i", whitened, whitened)

    def screened_roots(self, start: int, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 (num_rows,) twice: between which each distance lies for certain; `start` is the first row."""
        whitened = features @ self._rounded
        whitened -= self._offset
        roots = np.sqrt(np.einsum("ij,ij->i", whitened, whitened).astype(np.float64))
        # Each of m products, their sum and the offset are rounded to 2^-24 of their size, the factors once more
        # before; so are the squares.
        rows = self._neighborhood.rows[start : start + len(features)]
        sizes = self._neighborhood.spikes.sizes[rows] * self._size + np.linalg.norm(self._offset)
        errors = (features.shape[1] + 8) * 2.0**-24 * (sizes + roots)
        return roots - errors, roots + errors
