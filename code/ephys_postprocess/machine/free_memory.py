"""Gives memory that is free already back to the system, between stages."""

import ctypes


def give_back_free_memory() -> None:
    """Return the pages of freed arrays, where the C library can (glibc; elsewhere this does nothing).

    glibc keeps what is freed for what comes next, a heap a thread. Stages allocate in different sizes, so what each
    leaves unused adds up, the more the longer the recording. Once a stage this costs milliseconds; giving everything
    back the moment it is freed (`MALLOC_MMAP_THRESHOLD_`) would cost a tenth of a run in page faults.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(ctypes.c_size_t(0))
