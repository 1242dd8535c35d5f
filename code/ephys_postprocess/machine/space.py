"""Disk space and memory: what a run will need, what there is, and what to say when it runs out."""

import contextlib
import errno
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.errors import ResultError

# Of the memory that is free, what chunks of traces may take: arrays of spikes and templates live beside them.
SHARE_FOR_CHUNKS = 0.4
# A chunk as it is read, and as float32 and float64 on the way through a chain of preprocessors.
BYTES_BESIDE_A_SAMPLE = 12
MIN_CHUNK_DURATION_S = 0.05

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)
_ORDINARY = (None, errno.ENOENT, errno.EEXIST)  # of what libraries try and do without
_NO_HANDLES = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True)
class Need:
    """Bytes that a recording takes, before it is computed."""

    results_bytes: int
    scratch_bytes: int


def check_free_space(need: Need, results_folder: Path, scratch_folder: Path) -> None:
    """Raise ResultError where a folder's file system has less room than needed."""
    wanted: dict[int, list] = {}
    for folder, size in ((results_folder, need.results_bytes), (scratch_folder, need.scratch_bytes)):
        wanted.setdefault(folder.stat().st_dev, [folder, 0])[1] += size
    for folder, size in wanted.values():
        free = free_bytes(folder)
        if free is not None and free < size:
            raise ResultError(
                f"Not enough space in {folder}: about {megabytes(size)} are needed, {megabytes(free)} are free. "
                "Free some, or choose another --results or --scratch folder."
            )


def free_bytes(folder: Path) -> int | None:
    """Bytes that this user may still write to a folder's file system; None where it does not say."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize if status.f_blocks else None


@contextlib.contextmanager
def explained(execution, need: Need) -> Iterator[None]:
    """Turn want of space, permission, memory or handles inside this context into a ResultError that says so."""
    try:
        yield
    except (OSError, MemoryError, KeyError) as error:
        known = explain(error, execution, need)
        if known is None:
            raise
        raise known from error


def explain(error: BaseException, execution, need: Need | None = None) -> ResultError | None:
    """What the caller can do about a failure for want of space, permission, memory or handles; None for any other."""
    results_folder, scratch_folder = execution.results_folder, execution.scratch_folder
    if isinstance(error, MemoryError):
        return ResultError(
            f"Not enough memory ({error or 'an allocation failed'}); {megabytes(available_memory_bytes())} are free. "
            "Lower --n-jobs or job_kwargs.chunk_duration, or run where there is more."
        )
    error = _system_error_behind(error)
    if error is None:
        return None
    where = error.filename or f"{results_folder} or {scratch_folder}"
    if error.errno in _NO_SPACE:
        return ResultError(_no_space(results_folder, scratch_folder, need))
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
    behind = error.__cause__ or error.__context__
    while behind is not None and not (isinstance(behind, OSError) and behind.errno not in _ORDINARY):
        behind = behind.__cause__ or behind.__context__
    return behind


def _no_space(results_folder: Path, scratch_folder: Path, need: Need | None) -> str:
    folders = {"results": results_folder, "scratch": scratch_folder}
    free = {name: free_bytes(folder) for name, folder in folders.items()}
    fullest = min((name for name in free if free[name] is not None), key=free.get, default="results")
    needed = "" if need is None else f" About {megabytes(getattr(need, f'{fullest}_bytes'))} are needed there."
    return f"No space left in {folders[fullest]} (--{fullest}).{needed} Free some, or choose another folder."


def chunk_that_fits(
    chunk_samples: int, num_channels: int, itemsize: int, sampling_frequency_hz: float, num_threads: int
) -> int:
    """`chunk_samples`, or fewer where that many, once a thread, would not fit into the memory that is free."""
    row_bytes = num_channels * (itemsize + BYTES_BESIDE_A_SAMPLE)
    fitting = int(SHARE_FOR_CHUNKS * available_memory_bytes() // (num_threads * row_bytes))
    least = max(1, int(MIN_CHUNK_DURATION_S * sampling_frequency_hz))
    return min(chunk_samples, max(least, fitting))


def num_chunks_that_fit(chunk_samples: int, num_channels: int, itemsize: int) -> int:
    """How many chunks of so many samples fit into the memory that is free; at least 1."""
    chunk_bytes = chunk_samples * num_channels * (itemsize + BYTES_BESIDE_A_SAMPLE)
    return max(1, int(SHARE_FOR_CHUNKS * available_memory_bytes() // chunk_bytes))


def available_memory_bytes(root: Path = Path("/")) -> int:
    """Memory that this process may still take: of the machine, its cgroup, and its own limit of address space."""
    limits = [_free_on_machine(root), *_free_in_cgroups(root)]
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space - _pages(root) * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(limits))


def megabytes(size: float) -> str:
    """A size as people say it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _free_on_machine(root: Path) -> int:
    lines = _text(root / "proc/meminfo").splitlines()
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _free_in_cgroups(root: Path) -> list[int]:
    free = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file ")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        else:
            continue
        for folder in {mount, mount / group.lstrip("/")}:
            free += _free_in_cgroup(folder, *names)
    return free


def _free_in_cgroup(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> list[int]:
    limit, usage = _text(folder / limit_name).strip(), _text(folder / usage_name).strip()
    if not (limit.isdigit() and usage.isdigit()):
        return []
    statistics = _text(folder / "memory.stat").splitlines()
    # Pages of files that were read count as used, but go as soon as something else needs the room.
    cache = sum(int(line.split()[1]) for line in statistics if line.startswith(cache_name))
    return [int(limit) - int(usage) + cache]


def _pages(root: Path) -> int:
    words = _text(root / "proc/self/statm").split()
    return int(words[0]) if words else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
