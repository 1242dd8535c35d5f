"""The frozen records that stages hand to each other; dtype, shape and unit of every array stand here once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

_SPIKES_AT_ONCE = 2**18


@dataclass(frozen=True)
class UnitPeriods:
    """The only stretches of time in which units are looked at; those of a unit ascend and do not overlap."""

    unit_indices: np.ndarray  # int64 (num_periods,) ascending
    segment_indices: np.ndarray  # int64 (num_periods,)
    start_samples: np.ndarray  # int64 (num_periods,) within the segment
    stop_samples: np.ndarray  # int64 (num_periods,) one past the last
    num_units: int

    def of_units(self, first_unit: int, last_unit: int) -> "UnitPeriods":
        """The periods of units first_unit:last_unit alone, unit 0 being `first_unit`."""
        rows = slice(*np.searchsorted(self.unit_indices, [first_unit, last_unit]))
        places = self.segment_indices[rows], self.start_samples[rows], self.stop_samples[rows]
        return UnitPeriods(self.unit_indices[rows] - first_unit, *places, last_unit - first_unit)


@dataclass(frozen=True)
class SpikeTrains:
    """All spikes of all units, ordered by segment, then sample (SpikeInterface's spike vector as plain columns)."""

    samples: np.ndarray  # int64 (num_spikes,) sample index within its segment
    unit_indices: np.ndarray  # int32 (num_spikes,) position of the unit, 0 … num_units - 1
    segment_indices: np.ndarray  # int64 (num_spikes,); of a single segment one repeated zero, which takes no memory
    num_units: int
    segment_lengths: tuple[int, ...]  # samples per segment
    sampling_frequency_hz: float
    periods: UnitPeriods | None = None  # where the spikes were looked for; None: everywhere

    @property
    def num_spikes(self) -> int:
        return self.samples.size

    @cached_property
    def segment_edges(self) -> np.ndarray:
        """int64 (num_segments + 1,): spikes of segment s are rows segment_edges[s]:segment_edges[s + 1]."""
        return np.searchsorted(self.segment_indices, np.arange(len(self.segment_lengths) + 1)).astype(np.int64)

    @cached_property
    def order_by_unit(self) -> np.ndarray:
        """int32 (num_spikes,), see `rows_by_unit`: rows sorted by unit, in time order within a unit."""
        return rows_by_unit(self.unit_indices, self.unit_edges)

    @cached_property
    def unit_edges(self) -> np.ndarray:
        """int64 (num_units + 1,): rows of unit u are order_by_unit[unit_edges[u]:unit_edges[u + 1]]."""
        counts = np.zeros(self.num_units, dtype=np.int64)
        for some in blocks_of_spikes(self.num_spikes):  # numpy copies what it counts, as int64
            counts += np.bincount(self.unit_indices[some], minlength=self.num_units)
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def observed_samples(self) -> np.ndarray:
        """int64 (num_units,): how long each unit was looked at, over all segments."""
        if self.periods is None:
            return np.full(self.num_units, sum(self.segment_lengths), dtype=np.int64)
        lengths = self.periods.stop_samples - self.periods.start_samples
        totals = np.concatenate([[0], np.cumsum(lengths)])
        edges = np.searchsorted(self.periods.unit_indices, np.arange(self.num_units + 1))
        return np.diff(totals[edges]).astype(np.int64)

    def let_order_go(self) -> None:
        """Forget `order_by_unit`, 4 bytes per spike, until somebody asks for it again."""
        vars(self).pop("order_by_unit", None)

    def rows_of_unit(self, unit_index: int) -> np.ndarray:
        """int64: the rows of one unit's spikes, in time order."""
        rows = self.order_by_unit[self.unit_edges[unit_index] : self.unit_edges[unit_index + 1]]
        return rows.astype(np.int64)

    def groups_of_units(self, most_spikes: int) -> list[tuple[int, int]]:
        """(first, last + 1) of consecutive units with at most so many spikes together, or of one unit with more."""
        groups, first = [], 0
        while first < self.num_units:
            last = np.searchsorted(self.unit_edges, self.unit_edges[first] + most_spikes, side="right") - 1
            groups.append((first, max(first + 1, int(last))))
            first = groups[-1][1]
        return groups

    def rows_of_units(self, first_unit: int, last_unit: int) -> np.ndarray:
        """int64, ascending: the rows of the spikes of units first_unit:last_unit."""
        rows = self.order_by_unit[self.unit_edges[first_unit] : self.unit_edges[last_unit]]
        return np.sort(rows).astype(np.int64)

    def of_units(self, first_unit: int, last_unit: int) -> "SpikeTrains":
        """The spikes of units first_unit:last_unit alone: row r is `rows_of_units(...)[r]`, unit 0 is `first_unit`."""
        rows = self.rows_of_units(first_unit, last_unit)
        return self.of_rows(
            rows,
            unit_indices=self.unit_indices[rows] - first_unit,
            num_units=last_unit - first_unit,
            periods=None if self.periods is None else self.periods.of_units(first_unit, last_unit),
        )

    def of_rows(self, rows: np.ndarray, **changed) -> "SpikeTrains":
        """Some spikes alone, int64 `rows` ascending; with `changed` in place of what they would have."""
        is_one_segment = len(self.segment_lengths) == 1
        own = {
            "samples": self.samples[rows],
            "segment_indices": self.segment_indices[: rows.size] if is_one_segment else self.segment_indices[rows],
        }
        return replace(self, **own, **({"unit_indices": self.unit_indices[rows]} | changed))

    def line_samples(self, gap_samples: int) -> np.ndarray:
        """int64 (num_spikes,): samples on one time line, segments end to end with `gap_samples` between them."""
        if len(self.segment_lengths) == 1:
            return self.samples.copy()
        lengths = np.asarray(self.segment_lengths, dtype=np.int64) + gap_samples
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return self.samples + offsets[self.segment_indices]

    def rows_between(self, segment_index: int, start_sample: int, stop_sample: int) -> tuple[int, int]:
        """The half-open range of rows whose spikes lie in [start_sample, stop_sample) of a segment."""
        first, last = self.segment_edges[segment_index], self.segment_edges[segment_index + 1]
        low, high = np.searchsorted(self.samples[first:last], [start_sample, stop_sample])
        return int(first + low), int(first + high)


def blocks_of_spikes(num_spikes: int) -> Iterator[slice]:
    """All rows, block by block: for passes over all spikes, so that what is made on the way is small at any number."""
    for start in range(0, num_spikes, _SPIKES_AT_ONCE):
        yield slice(start, min(start + _SPIKES_AT_ONCE, num_spikes))


def rows_by_unit(unit_indices: np.ndarray, unit_edges: np.ndarray) -> np.ndarray:
    """The stable argsort of `unit_indices`, with no more memory than the result.

    Parameters
    ----------
    unit_indices : int (num_spikes,)
    unit_edges : int64 (num_units + 1,)
        Where each unit's rows begin in the result.

    Returns
    -------
    rows : int32 (num_spikes,); int64 where 31 bits do not count them
    """
    rows = np.empty(unit_indices.size, dtype=np.int32 if unit_indices.size <= 2**31 else np.int64)
    num_units, next_places = unit_edges.size - 1, unit_edges[:-1].astype(np.int64)
    key_dtype = np.min_scalar_type(num_units)  # numpy sorts small integers by counting
    for some in blocks_of_spikes(unit_indices.size):
        keys = unit_indices[some].astype(key_dtype)
        counts = np.bincount(keys, minlength=num_units)
        shifts = next_places - (np.cumsum(counts) - counts)  # from places in the block to places among all
        rows[np.arange(keys.size) + np.repeat(shifts, counts)] = some.start + np.argsort(keys, kind="stable")
        next_places += counts
    return rows


@dataclass(frozen=True)
class Sparsity:
    """Which channels belong to which unit, dense and packed."""

    mask: np.ndarray  # bool (num_units, num_channels)

    @cached_property
    def num_channels_of_unit(self) -> np.ndarray:
        """int64 (num_units,)"""
        return self.mask.sum(axis=1).astype(np.int64)

    @cached_property
    def max_num_channels(self) -> int:
        """Width of a packed array: the most channels any unit has."""
        return int(self.num_channels_of_unit.max(initial=0))

    @cached_property
    def channels_of_unit(self) -> np.ndarray:
        """int64 (num_units, max_num_channels): ascending channel indices packed left, -1 beyond a unit's own."""
        channels = np.full((self.mask.shape[0], self.max_num_channels), -1, dtype=np.int64)
        for unit_index, row in enumerate(self.mask):
            own = np.flatnonzero(row)
            channels[unit_index, : own.size] = own
        return channels


@dataclass(frozen=True)
class Table:
    """One row per unit: what becomes a pandas DataFrame only where someone needs one (pandas is slow to import)."""

    index: np.ndarray  # (num_rows,) unit ids
    columns: dict[str, np.ndarray]  # each (num_rows,)

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]
