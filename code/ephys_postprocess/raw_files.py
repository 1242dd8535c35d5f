"""Raw files of traces: only the bytes asked for are read, into memory that is used again and again."""

import contextlib
import errno
import os
import weakref
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.machine.page_cache import Fetcher, expect_any_order, let_go

# Parts of a raw file that are no further apart than this are read in one go: they share a page, or nearly so.
JOINED_BYTES = 4096
# Before the end of what was read: the next stretch needs it, too, as a margin.
KEPT_IN_CACHE_BYTES = 2**20
BLOCK_BYTES = 4096  # what is read past the page cache comes in multiples of so much, on any disk we know of


class TraceBuffer:
    """Memory that one stretch of traces after another is read into."""

    def __init__(self):
        self._memory = np.empty(0, dtype=np.uint8)

    def array(self, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
        """An array with whatever the memory holds; the next one takes its place."""
        return self.aligned(shape[0] * shape[1] * dtype.itemsize).view(dtype).reshape(shape)

    def aligned(self, num_bytes: int) -> np.ndarray:
        """uint8 (num_bytes,): the same memory, which begins at a multiple of BLOCK_BYTES."""
        if self._memory.size < num_bytes:
            # Stretches are of nearly equal length: one a little longer must not cost as many new pages as the first.
            memory = np.empty(num_bytes + num_bytes // 16 + BLOCK_BYTES, dtype=np.uint8)
            self._memory = memory[-memory.ctypes.data % BLOCK_BYTES :]
        return self._memory[:num_bytes]


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
        expect_any_order(descriptor)  # what comes next is said in `expect`
        return descriptor

    @cached_property
    def _fetcher(self) -> Fetcher:
        return Fetcher(self._descriptor)

    @cached_property
    def _direct_descriptor(self) -> int | None:
        """Of the file without the system's page cache; None where its file system has no such thing."""
        if not hasattr(os, "O_DIRECT") or self.header_bytes % self.dtype.itemsize:
            return None
        try:  # the file that is open, whatever its path leads to by now
            descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECT)
        except OSError:
            return None
        weakref.finalize(self, os.close, descriptor)
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

    def read_past_cache(
        self, buffer: TraceBuffer, origin_sample: int, end_sample: int, ranges: np.ndarray
    ) -> tuple[np.ndarray, int] | None:
        """Read the ranges from the disk straight into the buffer; (traces, bytes read).

        Traces that do not fit into memory would not be found in the page cache again; this spares the system to find
        room for them there, and a copy. None where the file system cannot do so.
        """
        first, stop = (self.header_bytes + sample * self.row_bytes for sample in (origin_sample, end_sample))
        skipped = first % BLOCK_BYTES  # the disk reads whole blocks, to places that are multiples of blocks, too
        memory = buffer.aligned(skipped + stop - first + BLOCK_BYTES)
        content, num_bytes = memoryview(memory), 0
        descriptor = self._direct_descriptor
        if descriptor is None:
            return None
        for start, end in self._joined(ranges):
            position = self.header_bytes + start * self.row_bytes
            size = (end - start) * self.row_bytes
            if not self._read_blocks(descriptor, content, first - skipped, position, size):
                self.__dict__["_direct_descriptor"] = None  # for the next ones; others may be reading with it
                return None
            num_bytes += size
        traces = memory[skipped : skipped + stop - first].view(self.dtype)
        return traces.reshape(end_sample - origin_sample, self.num_channels), num_bytes

    def expect(self, ranges: np.ndarray) -> None:
        """Ask the system to fetch the ranges while something else is being done."""
        with contextlib.suppress(OSError):  # told by whoever reads them
            for start, stop in self._joined(ranges):
                position = self.header_bytes + start * self.row_bytes
                self._fetcher.fetch(position, (stop - start) * self.row_bytes)

    def let_go(self, start_sample: int, stop_sample: int) -> None:
        """Tell the system that what was read will not be read again soon."""
        start = max(0, self.header_bytes + start_sample * self.row_bytes - KEPT_IN_CACHE_BYTES)
        num_bytes = self.header_bytes + stop_sample * self.row_bytes - KEPT_IN_CACHE_BYTES - start
        if num_bytes > 0:
            with contextlib.suppress(OSError):
                let_go(self._descriptor, start, num_bytes)

    def _joined(self, ranges: np.ndarray) -> list[list[int]]:
        return merge_ranges(ranges, JOINED_BYTES // self.row_bytes).tolist()

    def _read_into(self, content: memoryview, position: int) -> None:
        while content:  # a read may stop short
            num_bytes = os.preadv(self._descriptor, [content], position)
            if num_bytes == 0:
                raise self._cut_short(position, len(content))
            content, position = content[num_bytes:], position + num_bytes

    def _read_blocks(self, descriptor: int, memory: memoryview, origin: int, position: int, size: int) -> bool:
        """Read the blocks with these bytes into `memory`, which begins at `origin`; False if the system refuses."""
        begin, stop = position - position % BLOCK_BYTES, position + size
        while begin < stop:  # a read may stop short
            content = memory[begin - origin : stop + -stop % BLOCK_BYTES - origin]
            try:
                num_bytes = os.preadv(descriptor, [content], begin)
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # it wants larger blocks, or cannot after all
                    return False
                raise InputError(f"{self.path}: traces cannot be read ({error.strerror}).") from error
            reached = begin + num_bytes
            if reached < stop and num_bytes < BLOCK_BYTES:
                raise self._cut_short(reached, stop - reached)
            begin = reached if reached >= stop else reached - reached % BLOCK_BYTES
        return True

    def _cut_short(self, position: int, num_bytes: int) -> InputError:
        return InputError(
            f"{self.path}: ends at byte {position}, but there were {num_bytes} bytes more when the run began: it was "
            "cut short meanwhile. Copy it again or run preprocessing again."
        )


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
