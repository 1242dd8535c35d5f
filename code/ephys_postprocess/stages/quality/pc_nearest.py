"""Exact nearest neighbors in PC space: matrix products screen, float64 decides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.kernels.pc_metrics import farthest_candidates, nearest_rows
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.stages.quality.pc_neighborhoods import Neighborhood, PcSpikes
from ephys_postprocess.stages.quality.pc_unit_groups import groups_of_near_units

# Entries of one block of approximate distances: 12 MB of float32 a thread. Fewer fit into a cache, but each product
# with few rows spends its time on arranging the other factor.
_BLOCK_ENTRIES = 3_000_000


class DistanceScreen:
    """Approximate squared distances between the rows of one feature matrix, with a margin that holds for certain."""

    def __init__(self, features: np.ndarray):
        """`features` is float32 (num_rows, num_dimensions), finite."""
        num_rows, num_dimensions = features.shape
        norms = np.einsum("ij,ij->i", features, features, dtype=np.float64)
        self.features = features
        # |x|^2 + |y|^2 - 2 x y as one product: two columns more carry the norms.
        self._extended = np.empty((num_rows, num_dimensions + 2), dtype=np.float32)
        self._extended[:, :-2] = features
        self._extended[:, -2] = 1
        self._extended[:, -1] = norms
        # A float32 sum of m products is off by at most m * 2^-24 times the sum of their sizes, here 2 (|x|^2 + |y|^2).
        self.margins = 2 * (num_dimensions + 8) * 2.0**-24 * (norms + norms.max(initial=0.0))
        self._block_rows = max(1, min(512, _BLOCK_ENTRIES // max(1, num_rows)))
        self._buffer = np.empty((self._block_rows, num_rows), dtype=np.float32)

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield some rows, one block at a time, each with its approximate squared distances to all rows.

        The second is float32 (num_queries, num_rows), within `margins` of the truth, and is overwritten by the next.
        """
        for start in range(0, rows.size, self._block_rows):
            block = rows[start : start + self._block_rows]
            queries = -2 * self._extended[block]
            queries[:, -2] = self._extended[block, -1]
            queries[:, -1] = 1
            yield block, np.matmul(queries, self._extended.T, out=self._buffer[: block.size])

    def nearest(self, rows: np.ndarray, num_neighbors: int, bounds: np.ndarray) -> np.ndarray:
        """int64 (num_queries, num_neighbors): see kernels.pc_metrics.nearest_rows; `bounds` has an entry a query."""
        nearest = [np.zeros((0, num_neighbors), dtype=np.int64)]
        num_done = 0
        for block, approximate in self.blocks(rows):
            block_bounds = bounds[num_done : num_done + block.size]
            nearest.append(self.nearest_of_block(block, approximate, num_neighbors, block_bounds))
            num_done += block.size
        return np.concatenate(nearest)

    def nearest_of_block(
        self, rows: np.ndarray, approximate: np.ndarray, num_neighbors: int, bounds: np.ndarray
    ) -> np.ndarray:
        """The same for rows whose approximate distances are at hand."""
        return nearest_rows(approximate, rows, self.features, self.margins[rows], bounds, num_neighbors)


@dataclass(frozen=True)
class KnownNeighbors:
    """For each row some neighbors, not always the nearest, that bound how far the nearest can be."""

    rows: np.ndarray  # int64 (num_rows, num_neighbors); -1 where there are not that many
    bounds: np.ndarray  # float64 (num_rows,): squared distance to the farthest; infinite where there are not that many


def neighbors_within(features: np.ndarray, num_neighbors: int) -> KnownNeighbors:
    """The nearest of the rows themselves."""
    rows = np.arange(features.shape[0])
    nearest = DistanceScreen(features).nearest(rows, num_neighbors, np.full(rows.size, np.inf))
    return KnownNeighbors(nearest, farthest_candidates(features, rows, nearest))


def neighbors_within_units(spikes: PcSpikes, units: np.ndarray, num_neighbors: int, num_threads: int) -> KnownNeighbors:
    """Each spike's nearest spikes of its own unit on all the unit's channels, by row of `spikes`.

    They need not be the nearest ones on another unit's channels, but there they are nearer still: a bound.
    """
    num_spikes = spikes.unit_indices.size
    known = KnownNeighbors(
        np.full((num_spikes, num_neighbors), -1, dtype=np.int64), np.full(num_spikes, np.inf, dtype=np.float64)
    )

    def work(unit: int) -> None:
        rows = spikes.rows_by_unit[unit]
        features = np.ascontiguousarray(spikes.projections[rows].reshape(rows.size, spikes.projections[0].size))
        within = neighbors_within(features, num_neighbors)
        known.rows[rows] = np.append(rows, -1)[within.rows]
        known.bounds[rows] = within.bounds

    map_in_threads(work, units, num_threads)
    return known


def nearest_neighbor_rates(
    neighborhood: Neighborhood, max_spikes: int, num_neighbors: int, within_units: KnownNeighbors
) -> tuple[float, float]:
    """Hit and miss rate of the neighborhood's target.

    Parameters
    ----------
    neighborhood : Neighborhood
        With spikes of the target and of others.
    max_spikes : int
        A larger neighborhood is thinned evenly to this many spikes.
    num_neighbors : int
    within_units : KnownNeighbors
        neighbors_within_units, by row of PcSpikes; not read when the neighborhood is thinned.

    Returns
    -------
    hit_rate, miss_rate : float
        NaN where thinning leaves no spike of the target, or none of the others.

    References
    ----------
    Chung et al. 2017; SpikeInterface `nearest_neighbors_metrics`, equal up to ties.
    """
    rows = neighborhood.rows
    num_target = neighborhood.target_rows.size
    ratio = max_spikes / rows.size
    if ratio < 1:
        rows = rows[np.arange(0, rows.size - 1, 1 / ratio).astype(np.int64)]
        num_target = int(num_target * ratio)
        features = neighborhood.features(rows)
        known = _neighbors_within_sample(features, neighborhood.spikes.unit_indices[rows], num_target, num_neighbors)
    else:
        features = neighborhood.features_between(0, rows.size)
        positions = _positions_of(within_units.rows[rows], rows, neighborhood.spikes.unit_indices.size)
        known = KnownNeighbors(positions, within_units.bounds[rows])
    num_hits, num_misses = count_target_neighbors(features, num_target, num_neighbors, known)
    num_others = rows.size - num_target
    hit_rate = num_hits / (num_target * num_neighbors) if num_target else np.nan
    return hit_rate, num_misses / (num_others * num_neighbors) if num_others else np.nan


def count_target_neighbors(
    features: np.ndarray, num_target: int, num_neighbors: int, known: KnownNeighbors
) -> tuple[int, int]:
    """How many of all nearest neighbors are target rows: for target rows, and for the others.

    Most other rows have their known neighbors nearer than any target row. These cannot have the target among their
    nearest, and only the rest is searched.

    Parameters
    ----------
    features : float32 (num_rows, num_dimensions)
        The first `num_target` rows are the target's. More rows than `num_neighbors`.
    num_target, num_neighbors : int
    known : KnownNeighbors
        Of each row, on its own side of `num_target`. The bounds may be those of more dimensions.

    Returns
    -------
    num_hits, num_misses : int
    """
    screen = DistanceScreen(features)
    to_target = np.full(features.shape[0], np.inf, dtype=np.float32)
    num_hits = 0
    for rows, approximate in screen.blocks(np.arange(num_target)):
        np.minimum(to_target, approximate.min(axis=0), out=to_target)
        nearest = screen.nearest_of_block(rows, approximate, num_neighbors, known.bounds[rows])
        num_hits += np.count_nonzero(nearest < num_target)
    least_to_target = to_target - screen.margins
    is_open = least_to_target <= known.bounds
    is_open[:num_target] = False
    rows = np.flatnonzero(is_open)
    bounds = farthest_candidates(features, rows, known.rows[rows])
    is_open = least_to_target[rows] <= bounds
    nearest = screen.nearest(rows[is_open], num_neighbors, bounds[is_open])
    return num_hits, np.count_nonzero(nearest < num_target)


def _positions_of(neighbor_rows: np.ndarray, rows: np.ndarray, num_spikes: int) -> np.ndarray:
    """Positions within `rows` of rows that all occur in it; -1 stays -1."""
    position_of_row = np.empty(num_spikes + 1, dtype=np.int64)
    position_of_row[rows] = np.arange(rows.size)
    position_of_row[-1] = -1
    return position_of_row[neighbor_rows]


def _neighbors_within_sample(
    features: np.ndarray, unit_indices: np.ndarray, num_target: int, num_neighbors: int
) -> KnownNeighbors:
    """Each row's nearest rows among those of units near its own, on the same side of `num_target`."""
    num_rows = features.shape[0]
    known = KnownNeighbors(np.empty((num_rows, num_neighbors), dtype=np.int64), np.empty(num_rows))
    # Thinning can leave one spike of the target on the others' side.
    others = groups_of_near_units(features[num_target:], unit_indices[num_target:])
    for members in [np.arange(num_target), *(num_target + group for group in others)]:
        within = neighbors_within(features[members], num_neighbors)
        known.rows[members] = np.append(members, -1)[within.rows]
        known.bounds[members] = within.bounds
    return known
