"""The traces around selected spikes on their units' channels, read once in time order and kept in a scratch file."""

import itertools
import mmap
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ephys_postprocess.kernels.waveforms import gather_windows, scale_windows
from ephys_postprocess.machine.threads import map_in_threads, start_threads
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.traces.reading import for_each_stretch
from ephys_postprocess.stages.traces.stretches import Stretch, Windows, plan_stretches
from ephys_postprocess.stages.traces.trace_pass import refuse_not_finite
from ephys_postprocess.traces import TraceSource

# What one thread gathers before it hands on: a second of windows of an ordinary probe.
GATHER_BYTES = 16 * 2**20


@dataclass(frozen=True)
class WaveformSelection:
    """Which windows: some spikes, in time order, and how much around each; dense where the mask is all True."""

    spikes: SpikeTrains
    spike_rows: np.ndarray  # int64 (num_waveforms,) ascending rows of `spikes`
    sparsity: Sparsity
    num_samples_before: int
    num_samples_after: int

    @property
    def num_waveforms(self) -> int:
        return self.spike_rows.size

    @property
    def num_samples(self) -> int:
        return self.num_samples_before + self.num_samples_after

    @property
    def width(self) -> int:
        """Columns of a packed window: the most channels any unit has."""
        return self.sparsity.max_num_channels

    @cached_property
    def trains(self) -> SpikeTrains:
        """The selected spikes alone: its rows are the rows of the waveforms."""
        return self.spikes.of_rows(self.spike_rows)

    @property
    def windows(self) -> Windows:
        """What must be read of the traces."""
        return Windows(self.trains, self.num_samples_before, self.num_samples_after)

    @cached_property
    def position_by_unit(self) -> np.ndarray:
        """int64 (num_waveforms,): where each row comes when rows are ordered by unit, then time."""
        positions = np.empty(self.num_waveforms, dtype=np.int64)
        positions[self.trains.order_by_unit] = np.arange(self.num_waveforms)
        return positions

    def samples_inside(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64, int64 (len(rows),): the half-open range of each window's samples that lie inside its segment."""
        first_samples = self.trains.samples[rows] - self.num_samples_before
        lengths = np.asarray(self.spikes.segment_lengths, dtype=np.int64)[self.trains.segment_indices[rows]]
        return np.maximum(0, -first_samples), np.minimum(self.num_samples, lengths - first_samples)


class WaveformSource:
    """Waveforms of a selection in µV, any rows at a time; threads may gather side by side.

    The windows lie unscaled in a scratch file without a name, so a killed run leaves nothing behind. The file is
    ordered by unit, then time, so one unit's waveforms are read in one go, and a stretch of time in few. Each call
    maps the file anew: mapped pages count as this process's memory, and leave with the map.
    """

    def __init__(self, traces: TraceSource, selection: WaveformSelection, scratch_folder: str | Path):
        self.selection = selection
        self._dtype = np.dtype(traces.dtype)
        self._shape = (selection.num_waveforms, selection.num_samples, selection.width)
        channels = selection.sparsity.channels_of_unit
        self._gains = np.where(channels >= 0, traces.gains[channels], 0).astype(np.float32)
        self._offsets = np.where(channels >= 0, traces.offsets[channels], 0).astype(np.float32)
        self._file = tempfile.TemporaryFile(dir=scratch_folder, prefix="waveforms_")  # noqa: SIM115  (closed by `close`)
        os.truncate(self._file.fileno(), self.num_bytes)

    @property
    def num_bytes(self) -> int:
        """Size of the scratch file."""
        return int(np.prod(self._shape)) * self._dtype.itemsize

    def __enter__(self):
        return self

    def __exit__(self, *exception_details):
        self.close()

    def close(self) -> None:
        """Give the scratch file back; nothing can be gathered after."""
        # What lies in the page cache of it takes the kernel a tenth of a second a gigabyte; nobody waits for that.
        if not start_threads(self._file.close, 1):
            self._file.close()

    def holds(self, selection: WaveformSelection) -> bool:
        """Whether these are the windows of another selection, too: the same spikes, in the same order."""
        own, other = self.selection, selection
        lengths = (own.num_samples_before, own.num_samples_after)
        return (
            lengths == (other.num_samples_before, other.num_samples_after)
            and np.array_equal(own.trains.samples, other.trains.samples)
            and np.array_equal(own.trains.unit_indices, other.trains.unit_indices)
            and np.array_equal(own.trains.segment_indices, other.trains.segment_indices)
            and np.array_equal(own.sparsity.mask, other.sparsity.mask)
        )

    def write_windows(self, rows: np.ndarray, windows: np.ndarray) -> None:
        """Keep the unscaled windows of some rows, given in the order of the file."""
        positions = self.selection.position_by_unit[rows]
        window_bytes = self._shape[1] * self._shape[2] * self._dtype.itemsize
        content = memoryview(windows).cast("B")
        run_edges = [0, *(np.flatnonzero(np.diff(positions) != 1) + 1).tolist(), positions.size]
        for first, last in itertools.pairwise(run_edges):
            run = content[first * window_bytes : last * window_bytes]
            _write_all(self._file.fileno(), run, int(positions[first]) * window_bytes)

    def gather(self, rows: np.ndarray, width: int | None = None, out: np.ndarray | None = None) -> np.ndarray:
        """Waveforms of some rows.

        Parameters
        ----------
        rows : int64 (n,)
            Rows of the selection, in any order.
        width : int, optional
            Only so many leading columns; all of them without.
        out : float32 (n, num_samples, width), optional
            Filled and returned instead of a new array.

        Returns
        -------
        float32 (n, num_samples, width)
            µV; zero outside the segment and beyond a unit's own channels.
        """
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        width = self._shape[2] if width is None else width
        waveforms = np.empty((rows.size, self._shape[1], width), dtype=np.float32) if out is None else out
        if waveforms.size == 0:
            return waveforms
        first_samples, stop_samples = self.selection.samples_inside(rows)
        unit_indices = self.selection.trains.unit_indices[rows]
        scale_windows(
            self._windows(),
            self.selection.position_by_unit[rows],
            unit_indices,
            self._gains,
            self._offsets,
            first_samples,
            stop_samples,
            waveforms,
        )
        return waveforms

    @property
    def common_gain(self) -> np.float32 | None:
        """µV a count, where int16 counts times one gain are all there is to the waveforms; None elsewhere."""
        gains = np.unique(self._gains[self.selection.sparsity.channels_of_unit >= 0])
        is_plain = self._dtype == np.int16 and gains.size == 1 and not self._offsets.any()
        return gains[0] if is_plain else None

    def gather_counts(self, rows: np.ndarray) -> np.ndarray:
        """The same as `gather(rows)` before scaling, int16 or float32; zeros stand for what `gather` makes zero."""
        if self.num_bytes == 0:
            return np.zeros((len(rows), *self._shape[1:]), dtype=self._dtype)
        return self._windows().take(self.selection.position_by_unit[rows], axis=0)

    def gather_unit(self, unit_index: int) -> np.ndarray:
        """float32 (n, num_samples, num_channels_of_unit): the selected waveforms of one unit, in time order, in µV."""
        width = int(self.selection.sparsity.num_channels_of_unit[unit_index])
        return self.gather(self.selection.trains.rows_of_unit(unit_index), width)

    def counts_of_unit(self, unit_index: int) -> np.ndarray:
        """int16 or float32 (n, num_samples, width): `gather_unit` before scaling, as wide as the widest unit."""
        rows = self.selection.trains.rows_of_unit(unit_index)
        if self.num_bytes == 0 or rows.size == 0:
            return np.zeros((rows.size, *self._shape[1:]), dtype=self._dtype)
        first = int(self.selection.position_by_unit[rows[0]])
        return self._windows()[first : first + rows.size]

    def _windows(self):
        mapped = mmap.mmap(self._file.fileno(), self.num_bytes, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, dtype=self._dtype).reshape(self._shape)


def open_waveforms(
    traces: TraceSource,
    selection: WaveformSelection,
    scratch_folder: str | Path,
    chunk_samples: int,
    num_threads: int,
    report_spikes: Callable[[int], None] | None = None,
    also: tuple[Windows, Callable[[Stretch, np.ndarray], None]] | None = None,
) -> WaveformSource:
    """Read the selected windows in one pass in time order, each chunk once; close the source after use.

    `also` are further windows that the pass reads, and what is to be called with each of its stretches.

    Raises
    ------
    OSError
        The scratch folder is full or can't be written.
    """
    source = WaveformSource(traces, selection, scratch_folder)

    def work(stretch, window):
        num_spikes = 0
        for rows, windows in gather_stretch(selection, stretch, window):
            source.write_windows(rows, windows)
            num_spikes += rows.size
        if also is not None:
            also[1](stretch, window)
        if report_spikes is not None and num_spikes:
            report_spikes(num_spikes)

    try:
        windows = [selection.windows] if also is None else [selection.windows, also[0]]
        if source.num_bytes or also is not None:
            for_each_stretch(traces, plan_stretches(traces, windows, chunk_samples), work, num_threads)
    except BaseException:
        source.close()
        raise
    return source


def gather_stretch(selection: WaveformSelection, stretch: Stretch, window: np.ndarray):
    """Yield (rows, unscaled windows) for the spikes of one stretch; the next step overwrites the windows.

    Parameters
    ----------
    selection : WaveformSelection
    stretch : Stretch
    window : int16 or float32 (num_samples, num_channels)
        The traces of the stretch.

    Yields
    ------
    int64 (n,), as traces (n, num_samples, width)
        Consecutive rows, but ordered by unit, then time; at most `GATHER_BYTES` of windows, but at least one.
    """
    trains, channels = selection.trains, selection.sparsity.channels_of_unit
    first_row, last_row = stretch.rows_of(trains)
    if first_row == last_row:
        return
    window_bytes = max(1, selection.num_samples * selection.width * window.itemsize)
    rows_at_once = min(max(1, GATHER_BYTES // window_bytes), last_row - first_row)
    windows = np.empty((rows_at_once, selection.num_samples, selection.width), dtype=window.dtype)
    for first in range(first_row, last_row, rows_at_once):
        rows = np.arange(first, min(first + rows_at_once, last_row))
        order_by_unit = np.argsort(trains.unit_indices[rows], kind="stable")
        places = np.empty_like(order_by_unit)
        places[order_by_unit] = np.arange(rows.size)
        part = windows[: rows.size]
        first_rows = trains.samples[rows] - selection.num_samples_before - stretch.origin_sample
        gather_windows(window, first_rows, channels[trains.unit_indices[rows]], places, part)
        refuse_not_finite(part, stretch.segment_index, stretch.origin_sample, stretch.end_sample)
        part.flags.writeable = False  # a view of its own: kernels see traces and windows as one (read-only) type
        yield rows[order_by_unit], part


def for_each_block(
    gather: Callable[[np.ndarray], np.ndarray],
    num_rows: int,
    rows_per_block: int,
    consume: Callable[[int, np.ndarray], None],
    num_threads: int,
) -> None:
    """Call `consume(first_row, gather(rows))` on each block of consecutive rows, in threads, so in any order.

    Every block but the last has `rows_per_block` rows, so each can be one chunk of a stored array.
    """

    def work(first_row):
        consume(first_row, gather(np.arange(first_row, min(first_row + rows_per_block, num_rows))))

    map_in_threads(work, range(0, num_rows, rows_per_block), num_threads)


def _write_all(file_descriptor, content, position):
    while content:  # a write may stop short, near a full disk for one
        num_written = os.pwrite(file_descriptor, content, position)
        content, position = content[num_written:], position + num_written
