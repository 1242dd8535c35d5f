"""Stretches of the recording's traces: of raw files only the bytes asked for, through SpikeInterface elsewhere."""

import contextlib
import os
import threading
import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ephys_postprocess.errors import InputError

# What readers and codecs say of broken files, and chains of arguments that they cannot work with.
_OF_READERS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
KERNEL_DTYPES = (np.dtype("int16"), np.dtype("float32"))  # what kernels are compiled for; anything else becomes float32
# Parts of a raw file that are no further apart than this are read in one go: they share a page, or nearly so.
JOINED_BYTES = 4096
# Before the end of what was read: the next stretch needs it, too, as a margin.
KEPT_IN_CACHE_BYTES = 2**20


class ReadCount:
    """How many bytes of traces were asked for, and how many were read to have them; safe from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self.bytes_needed = 0  # of the samples asked for, once for each time that they are asked for
        self.bytes_read = 0  # from raw files, or what SpikeInterface returned

    def add(self, bytes_needed: int, bytes_read: int) -> None:
        with self._lock:
            self.bytes_needed += bytes_needed
            self.bytes_read += bytes_read

    def so_far(self) -> tuple[int, int]:
        """(bytes needed, bytes read)"""
        with self._lock:
            return self.bytes_needed, self.bytes_read


class TraceBuffer:
    """Memory that one stretch of traces after another is read into."""

    def __init__(self):
        self._memory = np.empty(0, dtype=np.uint8)

    def array(self, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
        """An array with whatever the memory holds; the next one takes its place."""
        num_bytes = shape[0] * shape[1] * dtype.itemsize
        if self._memory.size < num_bytes:
            self._memory = np.empty(num_bytes, dtype=np.uint8)
        return self._memory[:num_bytes].view(dtype).reshape(shape)


class TraceSource(Protocol):
    """Where traces come from. `read` must be safe to call from several threads at once."""

    num_channels: int
    segment_lengths: tuple[int, ...]  # samples per segment
    sampling_frequency_hz: float
    dtype: np.dtype  # int16 or float32: what `read` returns
    gains: np.ndarray  # float32 (num_channels,): µV a count, 1 where traces are used unscaled
    offsets: np.ndarray  # float32 (num_channels,): µV, 0 where traces are used unscaled
    exact_gains: np.ndarray  # float64 (num_channels,): the same before rounding, as spike amplitudes need them
    exact_offsets: np.ndarray  # float64 (num_channels,)
    is_raw: bool  # True: only what is asked for is read, so small windows are cheap
    fixed_chunk_samples: int | None  # where values depend on where traces are cut: cut here, whatever the caller likes
    most_at_once: int | None  # how many stretches fit into memory; None: as many as there are threads
    reads: ReadCount

    def read(
        self,
        segment_index: int,
        start_sample: int,
        stop_sample: int,
        ranges: np.ndarray | None = None,
        buffer: TraceBuffer | None = None,
    ) -> np.ndarray:
        """int16 or float32 (stop - start, num_channels), unscaled and read-only; the range lies inside the segment.

        ranges : int64 (num_ranges, 2), optional
            Half-open, ascending, apart from each other, within start:stop: what is needed of it. Elsewhere the array
            may hold anything.
        buffer : TraceBuffer, optional
            Where the array may lie; it is then valid until the buffer is used again.
        """
        ...

    def expect(self, segment_index: int, ranges: np.ndarray) -> None:
        """Say what will be read soon, so that it can come from the disk meanwhile."""
        ...


@dataclass(frozen=True)
class RawFile:
    """One raw binary file of one segment, time first."""

    path: str
    dtype: np.dtype
    num_channels: int
    header_bytes: int
    num_samples: int

    @property
    def row_bytes(self) -> int:
        """Of one sample of every channel."""
        return self.num_channels * self.dtype.itemsize

    def open(self) -> None:
        """Open the file, before threads ask for it; it is closed when nothing refers to it any more."""
        try:
            _ = self._descriptor
        except OSError as error:
            raise InputError(f"{self.path}: cannot be opened ({error.strerror}).") from error

    @cached_property
    def _descriptor(self) -> int:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, descriptor)
        # The system's own guess reads megabytes around each small window; what comes next is said in `expect`.
        _advise(descriptor, 0, 0, "POSIX_FADV_RANDOM")
        return descriptor

    def fill(self, traces: np.ndarray, origin_sample: int, ranges: np.ndarray) -> int:
        """Read the ranges to their places in `traces`, whose first row is `origin_sample`; the bytes read.

        Raises
        ------
        InputError
            The file is shorter than it was, gone, or cannot be read.
        """
        memory, num_bytes = memoryview(traces).cast("B"), 0
        try:
            for start, stop in self._joined(ranges):
                content = memory[(start - origin_sample) * self.row_bytes : (stop - origin_sample) * self.row_bytes]
                num_bytes += len(content)
                self._read_into(content, self.header_bytes + start * self.row_bytes)
        except OSError as error:
            raise InputError(f"{self.path}: traces cannot be read ({error.strerror}).") from error
        return num_bytes

    def expect(self, ranges: np.ndarray) -> None:
        """Ask the system to fetch the ranges while something else is being done."""
        with contextlib.suppress(OSError):  # told by whoever reads them
            for start, stop in self._joined(ranges):
                position = self.header_bytes + start * self.row_bytes
                _advise(self._descriptor, position, (stop - start) * self.row_bytes, "POSIX_FADV_WILLNEED")

    def let_go(self, start_sample: int, stop_sample: int) -> None:
        """Tell the system that what was read will not be read again soon, so that something else may have the room."""
        start = max(0, self.header_bytes + start_sample * self.row_bytes - KEPT_IN_CACHE_BYTES)
        num_bytes = self.header_bytes + stop_sample * self.row_bytes - KEPT_IN_CACHE_BYTES - start
        if num_bytes > 0:
            with contextlib.suppress(OSError):
                _advise(self._descriptor, start, num_bytes, "POSIX_FADV_DONTNEED")

    def _joined(self, ranges: np.ndarray) -> list[list[int]]:
        return merge_ranges(ranges, JOINED_BYTES // self.row_bytes).tolist()

    def _read_into(self, content: memoryview, position: int) -> None:
        while content:  # a read may stop short
            num_bytes = os.preadv(self._descriptor, [content], position)
            if num_bytes == 0:
                raise InputError(
                    f"{self.path}: ends at byte {position}, but there were {len(content)} bytes more when the run "
                    "began: it was cut short meanwhile. Copy it again or run preprocessing again."
                )
            content, position = content[num_bytes:], position + num_bytes


class RawTraces:
    """Traces of a plain binary recording, one raw file per segment."""

    is_raw = True
    fixed_chunk_samples = None
    most_at_once = None

    def __init__(self, files, sampling_frequency_hz, gains, offsets):
        self.files = tuple(files)
        for file in self.files:
            file.open()
        self.num_channels = self.files[0].num_channels
        self.segment_lengths = tuple(file.num_samples for file in self.files)
        self.sampling_frequency_hz = float(sampling_frequency_hz)
        self.dtype = self.files[0].dtype
        self.reads = ReadCount()
        self.is_larger_than_memory = False  # then nothing is kept in the page cache for the next pass
        _take_scaling(self, gains, offsets)

    @property
    def num_bytes(self) -> int:
        """Of all files."""
        return sum(file.num_samples * file.row_bytes for file in self.files)

    def read(self, segment_index, start_sample, stop_sample, ranges=None, buffer=None):
        file = self.files[segment_index]
        shape = (stop_sample - start_sample, self.num_channels)
        traces = (TraceBuffer() if buffer is None else buffer).array(shape, self.dtype)
        if ranges is None:
            ranges = np.array([[start_sample, stop_sample]])
        num_bytes = file.fill(traces, start_sample, ranges)
        self.reads.add(int((ranges[:, 1] - ranges[:, 0]).sum()) * file.row_bytes, num_bytes)
        if self.is_larger_than_memory:
            file.let_go(start_sample, stop_sample)
        traces.flags.writeable = False
        return traces

    def expect(self, segment_index, ranges):
        self.files[segment_index].expect(ranges)


class RecordingTraces:
    """Traces of any recording with SpikeInterface's `get_traces`, one call a stretch.

    Parameters
    ----------
    recording : spikeinterface.BaseRecording
    gains, offsets : float64 (num_channels,)
    fixed_chunk_samples, most_at_once : int or None
        See `TraceSource`.
    """

    is_raw = False

    def __init__(self, recording, gains, offsets, fixed_chunk_samples=None, most_at_once=None):
        self._recording = recording
        self.num_channels = recording.get_num_channels()
        self.segment_lengths = tuple(
            recording.get_num_samples(segment_index=index) for index in range(recording.get_num_segments())
        )
        self.sampling_frequency_hz = float(recording.sampling_frequency)
        native = np.dtype(recording.get_dtype())
        self.dtype = native if native in KERNEL_DTYPES else np.dtype("float32")
        self.fixed_chunk_samples = fixed_chunk_samples
        self.most_at_once = most_at_once
        self.reads = ReadCount()
        _take_scaling(self, gains, offsets)

    def read(self, segment_index, start_sample, stop_sample, ranges=None, buffer=None):  # noqa: ARG002
        try:
            traces = self._recording.get_traces(
                segment_index=segment_index, start_frame=int(start_sample), end_frame=int(stop_sample)
            )
        except _OF_READERS as error:
            raise InputError(
                f"Traces cannot be read: samples {start_sample} to {stop_sample} of segment {segment_index} "
                f"({type(error).__name__}: {error}). Copy them again or run preprocessing again."
            ) from error
        num_needed = stop_sample - start_sample if ranges is None else int((ranges[:, 1] - ranges[:, 0]).sum())
        row_bytes = self.num_channels * traces.dtype.itemsize
        self.reads.add(num_needed * row_bytes, len(traces) * row_bytes)
        # Read-only, as what others have read: kernels see one array type, and no consumer changes another one's traces.
        traces = np.ascontiguousarray(traces, dtype=self.dtype).view()
        traces.flags.writeable = False
        return traces

    def expect(self, segment_index, ranges):
        """Nothing: SpikeInterface reads when it is asked."""


def merge_ranges(ranges: np.ndarray, most_apart: int = 0) -> np.ndarray:
    """int64 (num_merged, 2), ascending: half-open ranges, with those joined that overlap or are at most so far apart.

    Parameters
    ----------
    ranges : int64 (num_ranges, 2)
        In any order; empty ones (stop <= start) are left out.
    most_apart : int
    """
    ranges = ranges[ranges[:, 1] > ranges[:, 0]]
    if len(ranges) < 2:
        return ranges
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    stops = np.maximum.accumulate(ranges[:, 1])
    is_first = np.concatenate([[True], ranges[1:, 0] - stops[:-1] > most_apart])
    is_last = np.concatenate([is_first[1:], [True]])
    return np.stack([ranges[is_first, 0], stops[is_last]], axis=1)


def _take_scaling(source, gains, offsets) -> None:
    source.gains = np.ascontiguousarray(gains, dtype=np.float32)
    source.offsets = np.ascontiguousarray(offsets, dtype=np.float32)
    source.exact_gains = np.ascontiguousarray(gains, dtype=np.float64)
    source.exact_offsets = np.ascontiguousarray(offsets, dtype=np.float64)


def _advise(descriptor: int, position: int, num_bytes: int, advice: str) -> None:
    if hasattr(os, "posix_fadvise"):  # not on every system
        os.posix_fadvise(descriptor, position, num_bytes, getattr(os, advice))
