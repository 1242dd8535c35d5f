"""What the system refuses a run, said in one sentence each, and whether it may be had later."""

import contextlib
import errno
import resource
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

from ephys_postprocess.errors import ResultError, TemporaryError
from ephys_postprocess.machine.space import (
    Need,
    address_space_left_bytes,
    available_memory_bytes,
    free_bytes,
    megabytes,
)

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_ACCESS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_ORDINARY = frozenset({None, errno.ENOENT, errno.EEXIST})  # of what libraries try and do without
_NO_HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
# A disk or a file server that fails, or is away: for now, as far as anybody here can tell.
_FAILING_STORAGE = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ENOLINK, errno.ENXIO, errno.ENODEV, errno.EBUSY),
        *(errno.EAGAIN, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.ESHUTDOWN),
    }
)
_TEMPORARY = _NO_SPACE | _FAILING_STORAGE | {errno.ENOMEM}
# Shared libraries are mapped as a whole; the largest of ours takes this many bytes of addresses.
_LARGEST_LIBRARY_BYTES = 200e6


@contextlib.contextmanager
def explained(execution, need: Need) -> Iterator[None]:
    """Turn what the system refuses inside this context into a ResultError that says so."""
    try:
        yield
    except (OSError, MemoryError, KeyError, BrokenExecutor) as error:
        known = explain(error, execution, need)
        if known is None:
            raise
        raise known from error


def explain(error: BaseException, execution, need: Need | None = None) -> ResultError | None:
    """What the caller can do about a failure that the system is the cause of; None for any other."""
    if isinstance(error, BrokenExecutor):
        return TemporaryError(
            f"A worker process was ended from outside ({error}), most often for want of memory. Lower --n-jobs, or run "
            "where there is more."
        )
    system_error = _system_error_behind(error)
    is_out_of_memory = isinstance(error, MemoryError) or _wants_addresses(error)
    if is_out_of_memory or (system_error is not None and system_error.errno == errno.ENOMEM):
        kind = ResultError if is_address_space_limited() else TemporaryError
        return kind(
            f"Not enough memory ({str(error) or 'an allocation failed'}); {megabytes(available_memory_bytes())} are "
            "free. Lower --n-jobs or job_kwargs.chunk_duration, or run where there is more."
        )
    return None if system_error is None else _explain_errno(system_error, execution, need)


def check_free_memory(needed_bytes: int) -> None:
    """Raise ResultError, or TemporaryError where there may be more later, if units and their pairs cannot fit."""
    free = available_memory_bytes()
    if free < needed_bytes:
        kind = ResultError if is_address_space_limited() else TemporaryError
        raise kind(
            f"Not enough memory: templates, and their products for pairs of units that share channels, take at least "
            f"{megabytes(needed_bytes)}; {megabytes(free)} are free. Run where there is more, or lower "
            "sparsity.radius_um or amplitude_scalings.delta_collision_ms."
        )


def is_temporary(error: BaseException) -> bool:
    """Whether the same call may go better later: the failure, or what led to it, is want of something outside."""
    if is_address_space_limited() and any(isinstance(earlier, MemoryError) for earlier in _chain(error)):
        return False
    return any(
        isinstance(earlier, TemporaryError | MemoryError | BrokenExecutor)
        or (isinstance(earlier, OSError) and earlier.errno in _TEMPORARY)
        for earlier in _chain(error)
    )


def is_address_space_limited() -> bool:
    """Whether the caller limited this process (`ulimit -v`): the same call would then fail again."""
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def _explain_errno(error: OSError, execution, need: Need | None) -> ResultError:
    results_folder, scratch_folder = execution.results_folder, execution.scratch_folder
    where = error.filename or f"{results_folder} or {scratch_folder}"
    if error.errno in _NO_SPACE:
        return TemporaryError(_no_space(results_folder, scratch_folder, need))
    if error.errno in _FAILING_STORAGE:
        return TemporaryError(
            f"The file system of {where} failed: {error.strerror}. Run again later; if it fails again, tell those who "
            "look after it."
        )
    if error.errno in _NO_ACCESS:
        return ResultError(f"Cannot write {where}: {error.strerror}. Make it writable, or choose another folder.")
    if error.errno == errno.EFBIG:
        return ResultError(f"Cannot write {where}: {error.strerror}. Raise the limit on file sizes (ulimit -f).")
    if error.errno in _NO_HANDLES:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return ResultError(f"Too many open files (the limit is {limit}). Raise it with 'ulimit -n 1024'.")
    return ResultError(f"The system could not read or write {where}: {error.strerror or error}.")


def _system_error_behind(error: BaseException) -> OSError | None:
    """The system's own error: libraries raise others in its stead (zarr a KeyError where no folder can be made)."""
    if isinstance(error, OSError):
        return error
    behind = (earlier for earlier in _chain(error) if isinstance(earlier, OSError))
    return next((earlier for earlier in behind if earlier.errno not in _ORDINARY), None)


def _no_space(results_folder: Path, scratch_folder: Path, need: Need | None) -> str:
    folders = {"results": results_folder, "scratch": scratch_folder}
    free = {name: free_bytes(folder) for name, folder in folders.items()}
    fullest = min((name for name in free if free[name] is not None), key=free.get, default="results")
    needed = "" if need is None else f" About {megabytes(getattr(need, f'{fullest}_bytes'))} are needed there."
    return f"No space left in {folders[fullest]} (--{fullest}).{needed} Free some, or choose another folder."


def _wants_addresses(error: BaseException) -> bool:
    """Whether `ulimit -v` may be the reason why a library could not be loaded: each says so in its own way."""
    is_of_a_library = isinstance(error, ImportError | SystemError | RuntimeError)
    if not (is_of_a_library or (isinstance(error, OSError) and error.errno is None)):
        return False
    left = address_space_left_bytes()
    return left is not None and left < _LARGEST_LIBRARY_BYTES


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, then those that it was raised from or while handling, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
