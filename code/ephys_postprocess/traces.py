"""Stretches of the recording's traces, from the memory map where there is one, through SpikeInterface elsewhere."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ephys_postprocess.errors import InputError

KERNEL_DTYPES = (np.dtype("int16"), np.dtype("float32"))  # what kernels are compiled for; anything else becomes float32


class TraceSource(Protocol):
    """Where traces come from. `read` must be safe to call from several threads at once."""

    num_channels: int
    segment_lengths: tuple[int, ...]  # samples a segment
    sampling_frequency_hz: float
    dtype: np.dtype  # int16 or float32: what `read` returns
    gains: np.ndarray  # float32 (num_channels,): µV a count, 1 where traces are used unscaled
    offsets: np.ndarray  # float32 (num_channels,): µV, 0 where traces are used unscaled
    exact_gains: np.ndarray  # float64 (num_channels,): the same before rounding, as spike amplitudes need them
    exact_offsets: np.ndarray  # float64 (num_channels,)
    is_mapped: bool  # True: `read` costs nothing until samples are touched, so small windows are cheap

    def read(self, segment_index: int, start_sample: int, stop_sample: int) -> np.ndarray:
        """int16 or float32 (stop - start, num_channels), unscaled; the range must lie inside the segment."""
        ...


@dataclass(frozen=True)
class MappedFile:
    """One raw binary file of one segment, time first."""

    path: str
    dtype: np.dtype
    num_channels: int
    header_bytes: int
    num_samples: int

    def window(self, start_sample: int, stop_sample: int) -> np.ndarray:
        """A view on [start_sample, stop_sample): a map of its own, so its pages leave memory when the view goes."""
        offset = self.header_bytes + start_sample * self.num_channels * self.dtype.itemsize
        shape = (stop_sample - start_sample, self.num_channels)
        return np.asarray(np.memmap(self.path, dtype=self.dtype, mode="r", offset=offset, shape=shape))


class MappedTraces:
    """Traces of a plain binary recording, one raw file a segment."""

    is_mapped = True

    def __init__(self, files, sampling_frequency_hz, gains, offsets):
        self.files = tuple(files)
        self.num_channels = self.files[0].num_channels
        self.segment_lengths = tuple(file.num_samples for file in self.files)
        self.sampling_frequency_hz = float(sampling_frequency_hz)
        self.dtype = self.files[0].dtype
        self.gains = np.ascontiguousarray(gains, dtype=np.float32)
        self.offsets = np.ascontiguousarray(offsets, dtype=np.float32)
        self.exact_gains = np.ascontiguousarray(gains, dtype=np.float64)
        self.exact_offsets = np.ascontiguousarray(offsets, dtype=np.float64)

    def read(self, segment_index, start_sample, stop_sample):
        try:
            return self.files[segment_index].window(start_sample, stop_sample)
        except (ValueError, OverflowError, OSError) as error:  # cut short, or gone, since it was opened
            raise InputError(f"{self.files[segment_index].path}: traces cannot be read ({error}).") from error


class RecordingTraces:
    """Traces of any recording with SpikeInterface's `get_traces`, one call a stretch."""

    is_mapped = False

    def __init__(self, recording, gains, offsets):
        self._recording = recording
        self.num_channels = recording.get_num_channels()
        self.segment_lengths = tuple(
            recording.get_num_samples(segment_index=index) for index in range(recording.get_num_segments())
        )
        self.sampling_frequency_hz = float(recording.sampling_frequency)
        native = np.dtype(recording.get_dtype())
        self.dtype = native if native in KERNEL_DTYPES else np.dtype("float32")
        self.gains = np.ascontiguousarray(gains, dtype=np.float32)
        self.offsets = np.ascontiguousarray(offsets, dtype=np.float32)
        self.exact_gains = np.ascontiguousarray(gains, dtype=np.float64)
        self.exact_offsets = np.ascontiguousarray(offsets, dtype=np.float64)

    def read(self, segment_index, start_sample, stop_sample):
        try:
            traces = self._recording.get_traces(
                segment_index=segment_index, start_frame=int(start_sample), end_frame=int(stop_sample)
            )
        except (ValueError, RuntimeError, OSError) as error:  # what readers and codecs say of broken files
            raise InputError(
                f"Traces cannot be read: samples {start_sample} to {stop_sample} of segment {segment_index} "
                f"({type(error).__name__}: {error}). Copy them again or run preprocessing again."
            ) from error
        # read-only like a mapped file: kernels see one array type, and no consumer changes what another one reads
        traces = np.ascontiguousarray(traces, dtype=self.dtype).view()
        traces.flags.writeable = False
        return traces
