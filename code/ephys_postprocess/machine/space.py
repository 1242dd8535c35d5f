"""Disk space and memory: what a run will need, and what there is."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.errors import TemporaryError
from ephys_postprocess.machine.cgroups import cgroup_folders, read_text

# Of the memory that is free, what chunks of traces may take: arrays of spikes and templates live beside them.
SHARE_FOR_CHUNKS = 0.4
# A chunk as it is read, and as float32 and float64 on the way through a chain of preprocessors.
BYTES_BESIDE_A_SAMPLE = 12
MIN_CHUNK_DURATION_S = 0.05


@dataclass(frozen=True)
class Need:
    """Bytes that a recording takes, before it is computed."""

    results_bytes: int
    scratch_bytes: int


def check_free_space(need: Need, results_folder: Path, scratch_folder: Path) -> None:
    """Raise TemporaryError where a folder's file system has less room than needed."""
    wanted: dict[int, list] = {}
    for folder, size in ((results_folder, need.results_bytes), (scratch_folder, need.scratch_bytes)):
        wanted.setdefault(folder.stat().st_dev, [folder, 0])[1] += size
    for folder, size in wanted.values():
        free = free_bytes(folder)
        if free is not None and free < size:
            raise TemporaryError(
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


def chunk_that_fits(
    chunk_samples: int, num_channels: int, itemsize: int, sampling_frequency_hz: float, num_threads: int
) -> int:
    """`chunk_samples`, or fewer where that many, once per thread, would not fit into the memory that is free."""
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
    left = address_space_left_bytes(root)
    return max(0, min(limits if left is None else [*limits, left]))


def address_space_left_bytes(root: Path = Path("/")) -> int | None:
    """What `ulimit -v` leaves of this process's addresses; None without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit - _pages(root) * os.sysconf("SC_PAGE_SIZE")


def megabytes(size: float) -> str:
    """A size as people say it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _free_on_machine(root: Path) -> int:
    lines = read_text(root / "proc/meminfo").splitlines()
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _free_in_cgroups(root: Path) -> list[int]:
    version_1, version_2 = cgroup_folders("memory", root)
    free = [
        _free_in_cgroup(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        for folder in version_1
    ]
    # Above memory.high a process is slowed down until it hardly runs.
    free += [
        _free_in_cgroup(folder, limit, "memory.current", "inactive_file ")
        for folder in version_2
        for limit in ("memory.max", "memory.high")
    ]
    return [size for size in free if size is not None]


def _free_in_cgroup(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    limit, usage = read_text(folder / limit_name).strip(), read_text(folder / usage_name).strip()
    if not (limit.isdigit() and usage.isdigit()):
        return None
    statistics = read_text(folder / "memory.stat").splitlines()
    # Pages of files that were read count as used, but go as soon as something else needs the room.
    cache = sum(int(line.split()[1]) for line in statistics if line.startswith(cache_name))
    return int(limit) - int(usage) + cache


def _pages(root: Path) -> int:
    words = read_text(root / "proc/self/statm").split()
    return int(words[0]) if words else 0
