"""Arrays used again and again: the page faults of fresh ones would cost more than the sums made in them."""

import contextlib
import math
import queue
from collections.abc import Iterator

import numpy as np

CACHE_LINE_BYTES = 64


def empty_on_a_line(size: int, dtype) -> np.ndarray:
    """`np.empty` that starts with a line of the processor's cache, so that no 64 bytes read at once lie on two."""
    dtype = np.dtype(dtype)
    room = np.empty(size * dtype.itemsize + CACHE_LINE_BYTES, dtype=np.uint8)
    start = -room.ctypes.data % CACHE_LINE_BYTES
    return room[start : start + size * dtype.itemsize].view(dtype)


class Scratch:
    """Arrays by name, for one piece of work at a time."""

    def __init__(self):
        self._flat = {}

    def array(self, name: str, shape: tuple[int, ...], dtype=np.float64) -> np.ndarray:
        """An array with whatever it held before; one name always has one dtype."""
        size = math.prod(shape)
        if name not in self._flat or self._flat[name].size < size:
            self._flat[name] = np.empty(size, dtype=dtype)
        return self._flat[name][:size].reshape(shape)


class Scratches:
    """One per thread; they outlive the threads, which are new in every call of `map_in_threads`."""

    def __init__(self, num_threads: int):
        self._free = queue.SimpleQueue()
        for _ in range(num_threads):
            self._free.put(Scratch())

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Scratch]:
        scratch = self._free.get()
        try:
            yield scratch
        finally:
            self._free.put(scratch)
