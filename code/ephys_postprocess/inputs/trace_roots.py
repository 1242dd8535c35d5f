"""What lies at the root of a recording, below its preprocessors: raw files and zarr arrays, read with care.

SpikeInterface maps raw files, so one that is cut short ends the process with a signal (SIGBUS), and it decodes a whole
chunk of a zarr array for each window and margin that touches it. Both are put right where the traces come from, so it
holds for any chain on top.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import partial

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.binaryrecordingextractor import BinaryRecordingSegment
from spikeinterface.core.zarrextractors import ZarrRecordingSegment

from ephys_postprocess.raw_files import RawFile

MAX_CHUNK_BYTES = 2**28  # larger ones are decoded piece by piece, as often as that takes
MAX_KEPT_BYTES = 2**29  # of decoded chunks, unless there are many threads


def root_segments(recording: si.BaseRecording) -> list[si.BaseRecordingSegment]:
    """Where the recording's traces come from, through all its preprocessors; each once."""
    roots, seen, waiting = [], set(), list(recording.segments)
    while waiting:
        segment = waiting.pop()
        if id(segment) in seen:
            continue
        seen.add(id(segment))
        parents = list(_segments_in(vars(segment).values()))
        waiting += parents
        if not parents:
            roots.append(segment)
    return roots


def is_chain(recording: si.BaseRecording) -> bool:
    """Whether something computes the traces from others, so that they may depend on where they are cut."""
    roots = {id(segment) for segment in root_segments(recording)}
    return any(id(segment) not in roots for segment in recording.segments)


def guard_roots(recording: si.BaseRecording, num_threads: int) -> None:
    """Have raw files read rather than mapped, and chunks of zarr arrays decoded once for all that needs them soon.

    Parameters
    ----------
    recording : spikeinterface.BaseRecording
        Its segments, or those it is made from, get another `get_traces` with the same values.
    num_threads : int
        So many stretches of a second are read side by side, with margins.
    """
    for segment in root_segments(recording):
        if isinstance(segment, BinaryRecordingSegment) and segment.time_axis == 0:
            segment.get_traces = partial(_read_raw, _raw_file(segment))
        elif isinstance(segment, ZarrRecordingSegment):
            array = segment._timeseries
            chunk_bytes = array.chunks[0] * array.shape[1] * array.dtype.itemsize
            if chunk_bytes <= MAX_CHUNK_BYTES:
                # A thread may be as many stretches behind the others as there are threads, or before them.
                num_chunks = recording.sampling_frequency / array.chunks[0]
                most, least = (math.ceil(num * num_chunks) + 2 for num in (2 * num_threads, num_threads + 1))
                num_kept = max(least, min(most, MAX_KEPT_BYTES // chunk_bytes))
                segment.get_traces = DecodedChunks(array, num_kept).get_traces


class DecodedChunks:
    """The chunks of an array along its first axis, of which the last ones asked for are kept.

    Threads that need the same chunk wait for the one that decodes it, after they have decoded what nobody else does.
    """

    def __init__(self, array, num_kept: int):
        self._array = array
        self._num_kept = num_kept
        self._chunks: OrderedDict[int, np.ndarray | None] = OrderedDict()  # None: being decoded
        self._changed = threading.Condition()

    def get_traces(self, start_frame=None, end_frame=None, channel_indices=None) -> np.ndarray:
        """(end - start, num_channels), as a segment of SpikeInterface returns them."""
        length = self._array.chunks[0]
        start_frame, end_frame = _frames(start_frame, end_frame, self._array.shape[0])
        chunks = self._take(range(start_frame // length, -(-end_frame // length)))
        traces = np.empty((end_frame - start_frame, self._array.shape[1]), dtype=self._array.dtype)
        for index, chunk in chunks.items():
            first, last = max(start_frame, index * length), min(end_frame, index * length + len(chunk))
            traces[first - start_frame : last - start_frame] = chunk[first - index * length : last - index * length]
        return traces if channel_indices is None else traces[:, channel_indices]

    def _take(self, wanted: Iterable[int]) -> dict[int, np.ndarray]:
        taken = dict.fromkeys(wanted)
        missing = list(taken)
        while missing:
            with self._changed:
                for index in missing:
                    if self._chunks.get(index) is not None:
                        taken[index] = self._chunks[index]
                        self._chunks.move_to_end(index)
                missing = [index for index in missing if taken[index] is None]
                mine = next((index for index in missing if index not in self._chunks), None)
                if mine is not None:
                    self._chunks[mine] = None
                elif missing:
                    self._changed.wait()
            if mine is not None:
                self._decode(mine)
        return taken

    def _decode(self, index: int) -> None:
        length = self._array.chunks[0]
        try:
            chunk = self._array[index * length : (index + 1) * length]
        except BaseException:
            with self._changed:
                del self._chunks[index]  # whoever waits for it tries in turn, and is told the same
                self._changed.notify_all()
            raise
        with self._changed:
            self._chunks[index] = chunk
            self._chunks.move_to_end(index)
            decoded = [kept for kept, content in self._chunks.items() if content is not None]
            for oldest in decoded[: max(0, len(decoded) - self._num_kept)]:
                del self._chunks[oldest]
            self._changed.notify_all()


def _segments_in(values: Iterable) -> Iterable[si.BaseRecordingSegment]:
    for value in values:
        if isinstance(value, si.BaseRecordingSegment):
            yield value
        elif isinstance(value, si.BaseRecording):
            yield from value.segments
        elif isinstance(value, list | tuple):
            yield from _segments_in(value)
        elif isinstance(value, dict):
            yield from _segments_in(value.values())


def _raw_file(segment: BinaryRecordingSegment) -> RawFile:
    file = RawFile(
        path=str(segment.file_path),
        dtype=np.dtype(segment.dtype),
        num_channels=int(segment.num_channels),
        header_bytes=int(segment.file_offset),
        num_samples=int(segment.num_samples),
    )
    file.open()
    return file


def _read_raw(file: RawFile, start_frame=None, end_frame=None, channel_indices=None) -> np.ndarray:
    start_frame, end_frame = _frames(start_frame, end_frame, file.num_samples)
    traces = np.empty((end_frame - start_frame, file.num_channels), dtype=file.dtype)
    file.fill(traces, start_frame, np.array([[start_frame, end_frame]]))
    return traces if channel_indices is None else traces[:, channel_indices]


def _frames(start_frame: int | None, end_frame: int | None, num_samples: int) -> tuple[int, int]:
    return 0 if start_frame is None else int(start_frame), num_samples if end_frame is None else int(end_frame)
