"""How many cores this process may use: what the machine, the scheduler and the container allow."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.machine.cgroups import cgroup_folders, read_text

# Set by Code Ocean, by the pipeline, and by SLURM for one task and for the whole node.
CORE_COUNT_VARIABLES = ("CO_CPUS", "N_JOBS_EXT", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")


@dataclass(frozen=True)
class CoreCount:
    """The cores that may be used, and the limits this is the smallest of."""

    count: int  # at least 1
    limits: dict[str, int]

    def __str__(self) -> str:
        return ", ".join(f"{name} {limit}" for name, limit in self.limits.items())


def usable_cores(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> CoreCount:
    """The smallest of all limits on the number of cores; at least 1.

    Parameters
    ----------
    environment : mapping
        Where the variables are looked up; values that are no positive number are ignored.
    root : Path
        Where /proc and /sys are found.
    """
    limits = {"CPU affinity": _cores_by_affinity()}
    quota = cgroup_quota(root)
    if quota is not None:
        limits["cgroup"] = max(1, math.ceil(quota))
    for name in CORE_COUNT_VARIABLES:
        # SLURM writes "16(x2)" for two nodes of 16 cores each; a task runs on one of them.
        text = environment.get(name, "").partition("(")[0].strip()
        if text.isdigit() and int(text) > 0:
            limits[name] = int(text)
    return CoreCount(count=min(limits.values()), limits=limits)


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that the cgroup (version 1 or 2) and those above it grant, or None without a limit."""
    version_1, version_2 = cgroup_folders("cpu", root)
    quotas = [*map(_quota_v1, version_1), *map(_quota_v2, version_2)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _cores_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _quota_v2(folder: Path) -> float | None:
    words = read_text(folder / "cpu.max").split()
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _quota_v1(folder: Path) -> float | None:
    return _ratio(read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    """None for "max", for -1 (both mean no limit) and for what is not there."""
    quota, period = quota.strip(), period.strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) > 0 else None
