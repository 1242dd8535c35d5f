"""The system's page cache: what is to be fetched, and what is not read again soon."""

import os

# The system cuts a request to fetch down to the disk's largest transfer or its read-ahead, whichever is more: 128 kB
# on some disks. So much at a time it never cuts by more than half, and asking again costs a microsecond.
FETCHED_AT_ONCE_BYTES = 2**18
MOST_UNASKED, FOUND_FOR_EACH_UNASKED = 15, 8


def expect_any_order(descriptor: int) -> None:
    """Read no more than what is asked for: the system's own guess reads megabytes around each small window."""
    _advise(descriptor, 0, 0, "POSIX_FADV_RANDOM")


class Fetcher:
    """Begins to read bytes of one file from the disk, and returns while that goes on; safe from any thread.

    What begins in memory is left out. Whoever asks the system whether it does lets go of the interpreter and waits for
    it again, so the more was found there one after the other, the fewer are asked for, down to one in
    MOST_UNASKED + 1. What is passed over wrongly is read when it is needed.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._num_in_memory = 0  # found one after the other
        self._num_unasked = 0  # since the last one asked for

    def fetch(self, position: int, num_bytes: int) -> None:
        """Fetch a stretch of bytes, FETCHED_AT_ONCE_BYTES at a time."""
        for start in range(position, position + num_bytes, FETCHED_AT_ONCE_BYTES):
            if self._num_unasked < min(self._num_in_memory // FOUND_FOR_EACH_UNASKED, MOST_UNASKED):
                self._num_unasked += 1
                continue
            self._num_unasked = 0
            if _is_in_memory(self._descriptor, start):
                self._num_in_memory += 1
                continue
            self._num_in_memory = 0
            size = min(FETCHED_AT_ONCE_BYTES, position + num_bytes - start)
            _advise(self._descriptor, start, size, "POSIX_FADV_WILLNEED")


def let_go(descriptor: int, position: int, num_bytes: int) -> None:
    """These bytes are not read again soon: something else may have the room."""
    _advise(descriptor, position, num_bytes, "POSIX_FADV_DONTNEED")


def _is_in_memory(descriptor, position):
    """Whether a byte can be had without the disk; False where the system cannot tell."""
    try:
        return os.preadv(descriptor, [bytearray(1)], position, os.RWF_NOWAIT) == 1
    except (AttributeError, OSError):
        return False


def _advise(descriptor, position, num_bytes, advice):
    if hasattr(os, "posix_fadvise"):  # not on every system
        os.posix_fadvise(descriptor, position, num_bytes, getattr(os, advice))
