"""The system's page cache: what is to be fetched, and what is not read again soon."""

import os

# The system cuts a request to fetch down to the disk's largest transfer or its read-ahead, whichever is more: 128 kB
# on some disks. So much at a time it never cuts by more than half, and asking again costs a microsecond.
FETCHED_AT_ONCE_BYTES = 2**18


def expect_any_order(descriptor: int) -> None:
    """Read no more than what is asked for: the system's own guess reads megabytes around each small window."""
    _advise(descriptor, 0, 0, "POSIX_FADV_RANDOM")


def fetch(descriptor: int, position: int, num_bytes: int) -> None:
    """Begin to read these bytes from the disk, and return while that goes on; what begins in memory is left out."""
    for start in range(position, position + num_bytes, FETCHED_AT_ONCE_BYTES):
        if not _is_in_memory(descriptor, start):
            size = min(FETCHED_AT_ONCE_BYTES, position + num_bytes - start)
            _advise(descriptor, start, size, "POSIX_FADV_WILLNEED")


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
