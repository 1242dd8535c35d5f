"""Stretches of the recording's traces: of raw files only the bytes asked for, through SpikeInterface elsewhere."""

import threading
from typing import Protocol

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.raw_files import TraceBuffer

# What readers and codecs say of broken files, and chains of arguments that they cannot work with.
_OF_READERS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
NUM_READERS = 2  # one waits for the disk while the other is about to ask
KERNEL_DTYPES = (np.dtype("int16"), np.dtype("float32"))  # what kernels are compiled for; anything else becomes float32


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
    num_readers: int  # threads that only read, ahead of those that work: where reading waits for the disk
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
        self.is_larger_than_memory = False  # then no pass finds in the page cache what the one before it read
        _take_scaling(self, gains, offsets)

    @property
    def num_readers(self):
        return NUM_READERS if self.is_larger_than_memory else 0

    @property
    def num_bytes(self) -> int:
        """Of all files."""
        return sum(file.num_samples * file.row_bytes for file in self.files)

    def read(self, segment_index, start_sample, stop_sample, ranges=None, buffer=None):
        file, buffer = self.files[segment_index], TraceBuffer() if buffer is None else buffer
        if ranges is None:
            ranges = np.array([[start_sample, stop_sample]])
        found = file.read_past_cache(buffer, start_sample, stop_sample, ranges) if self.is_larger_than_memory else None
        traces, num_bytes = found or self._read(file, buffer, start_sample, stop_sample, ranges)
        self.reads.add(int((ranges[:, 1] - ranges[:, 0]).sum()) * file.row_bytes, num_bytes)
        traces.flags.writeable = False
        return traces

    def _read(self, file, buffer, start_sample, stop_sample, ranges):
        traces = buffer.array((stop_sample - start_sample, self.num_channels), self.dtype)
        num_bytes = file.fill(traces, start_sample, ranges)
        if self.is_larger_than_memory:
            file.let_go(start_sample, stop_sample)
        return traces, num_bytes

    def expect(self, segment_index, ranges):
        if not self.is_larger_than_memory:  # else readers are ahead
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
    num_readers = 0

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


def _take_scaling(source, gains, offsets) -> None:
    source.gains = np.ascontiguousarray(gains, dtype=np.float32)
    source.offsets = np.ascontiguousarray(offsets, dtype=np.float32)
    source.exact_gains = np.ascontiguousarray(gains, dtype=np.float64)
    source.exact_offsets = np.ascontiguousarray(offsets, dtype=np.float64)
