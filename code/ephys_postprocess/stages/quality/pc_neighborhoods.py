"""Which spikes and channels a unit's PC metrics look at, read block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ephys_postprocess.kernels.pc_metrics import gather_features
from ephys_postprocess.records import Sparsity

# Rows a block: small enough for the processor's cache, and bounds memory however many spikes share a neighborhood.
# Fixed, so that sums never change their order.
BLOCK_ROWS = 1024
# Features of a neighborhood up to this many are gathered once and kept while it is looked at: 16 MB a thread.
MOST_KEPT = 4 * 2**20


@dataclass(frozen=True)
class PcSpikes:
    """The projected spikes of all units."""

    projections: np.ndarray  # float32 (num_spikes, num_components, max_sparse_channels), packed by unit
    unit_indices: np.ndarray  # int64 (num_spikes,)
    sparsity: Sparsity
    main_channel_indices: np.ndarray  # int64 (num_units,) channel index
    is_by_channel: bool  # False: the projections have no channels, max_sparse_channels is 1

    @property
    def num_units(self) -> int:
        return self.main_channel_indices.size

    @cached_property
    def num_spikes_of_unit(self) -> np.ndarray:
        """int64 (num_units,)"""
        return np.bincount(self.unit_indices, minlength=self.num_units).astype(np.int64)

    @cached_property
    def rows_by_unit(self) -> list[np.ndarray]:
        """For each unit int64: its rows, ascending."""
        order = np.argsort(self.unit_indices, kind="stable").astype(np.int64)
        return np.split(order, np.cumsum(self.num_spikes_of_unit)[:-1])

    @cached_property
    def packed_means(self) -> np.ndarray:
        """float64 (num_units, num_components, max_sparse_channels + 1): mean projections; the last channel is 0."""
        means = np.zeros((self.num_units, self.projections.shape[1], self.projections.shape[2] + 1))
        for unit_index, rows in enumerate(self.rows_by_unit):
            if rows.size:
                means[unit_index, :, :-1] = self.projections[rows].mean(axis=0, dtype=np.float64)
        return means

    @cached_property
    def sizes(self) -> np.ndarray:
        """float32 (num_spikes,): norm of each spike's projections."""
        return np.sqrt(np.einsum("ijk,ijk->i", self.projections, self.projections))

    @cached_property
    def unit_scatters(self) -> dict[int, np.ndarray]:
        """Unit: its `pc_scatter.unit_scatter`, once somebody has asked for it."""
        return {}


@dataclass(frozen=True)
class Neighborhood:
    """A target unit, the units whose main channel it covers, and all their spikes on the target's channels."""

    spikes: PcSpikes
    target: int  # unit index
    units: np.ndarray  # int64 (num_neighbors,): ascending, only units that have spikes; the target is one of them
    local_channels: np.ndarray  # int64 (num_neighbors, num_channels): see kernels.pc_metrics.gather_features

    @property
    def num_dimensions(self) -> int:
        return self.spikes.projections.shape[1] * self.local_channels.shape[1]

    @property
    def target_rows(self) -> np.ndarray:
        return self.spikes.rows_by_unit[self.target] if self.has_target else np.zeros(0, dtype=np.int64)

    @property
    def has_target(self) -> bool:
        return self.target in self.units

    @property
    def other_units(self) -> np.ndarray:
        return self.units[self.units != self.target]

    @cached_property
    def other_rows(self) -> np.ndarray:
        """int64: rows of all the other units' spikes, ascending (in time order)."""
        rows = [self.spikes.rows_by_unit[unit] for unit in self.other_units]
        return np.sort(np.concatenate([*rows, np.zeros(0, dtype=np.int64)]))

    def features(self, rows: np.ndarray) -> np.ndarray:
        """float32 (num_rows, num_dimensions): projections of these spikes on the target's channels."""
        neighbor_of_spike = np.searchsorted(self.units, self.spikes.unit_indices[rows])
        return gather_features(self.spikes.projections, rows, neighbor_of_spike, self.local_channels)

    @cached_property
    def rows(self) -> np.ndarray:
        """int64: of the target's spikes, then of all others."""
        return np.concatenate([self.target_rows, self.other_rows])

    @cached_property
    def kept_features(self) -> np.ndarray | None:
        """`features` of all `rows`; None where these would take too much memory."""
        return None if self.rows.size * self.num_dimensions > MOST_KEPT else self.features(self.rows)

    def features_between(self, start: int, stop: int) -> np.ndarray:
        """`features` of some consecutive `rows`."""
        kept = self.kept_features
        return self.features(self.rows[start:stop]) if kept is None else kept[start:stop]

    def other_blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """For at most BLOCK_ROWS other spikes at a time, the first one's place in `rows` and their `features`."""
        for start in range(self.target_rows.size, self.rows.size, BLOCK_ROWS):
            yield start, self.features_between(start, start + BLOCK_ROWS)

    def target_deviations(self, center: np.ndarray) -> Iterator[np.ndarray]:
        """float64 features of the target's spikes less a float64 `center`, at most BLOCK_ROWS rows at a time."""
        num_target = self.target_rows.size
        for start in range(0, num_target, BLOCK_ROWS):
            yield self.features_between(start, min(start + BLOCK_ROWS, num_target)) - center

    def deviation_blocks(self, rows: np.ndarray, center: np.ndarray) -> Iterator[np.ndarray]:
        """The same for any rows of the neighborhood."""
        for start in range(0, rows.size, BLOCK_ROWS):
            yield self.features(rows[start : start + BLOCK_ROWS]) - center

    def unit_means(self, units: np.ndarray) -> np.ndarray:
        """float64 (num_units, num_dimensions): mean features of some of the neighborhood's units."""
        local = self.local_channels[np.searchsorted(self.units, units)]
        components = np.arange(self.spikes.projections.shape[1])
        # -1 picks the last, all-zero channel
        means = self.spikes.packed_means[units[:, None, None], components[None, :, None], local[:, None, :]]
        return means.reshape(units.size, self.num_dimensions)

    @cached_property
    def target_mean(self) -> np.ndarray:
        """float64 (num_dimensions,)"""
        return self.unit_means(np.array([self.target]))[0]

    @cached_property
    def other_mean(self) -> np.ndarray:
        """float64 (num_dimensions,): mean of all other spikes."""
        weights = self.spikes.num_spikes_of_unit[self.other_units]
        return weights @ self.unit_means(self.other_units) / max(1, weights.sum())


def neighborhood_of(spikes: PcSpikes, target: int) -> Neighborhood:
    """The neighborhood of one unit.

    References
    ----------
    SpikeInterface 0.105.3 `ComputeQualityMetrics._prepare_data`: a unit is a neighbor when its main channel is among
    the target's sparse channels.
    """
    mask = spikes.sparsity.mask
    is_neighbor = mask[target, spikes.main_channel_indices] & (spikes.num_spikes_of_unit > 0)
    units = np.flatnonzero(is_neighbor)
    if spikes.is_by_channel:
        channels = np.flatnonzero(mask[target])
        local_channels = np.where(mask[units], np.cumsum(mask[units], axis=1) - 1, -1)[:, channels]
    else:
        local_channels = np.zeros((units.size, 1))
    return Neighborhood(spikes, target, units, np.ascontiguousarray(local_channels, dtype=np.int64))
