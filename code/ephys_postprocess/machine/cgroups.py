"""The control groups (cgroups) that a process is in: its own and those above, whose limits hold for it as well."""

from pathlib import Path

_MOUNTS_OF_VERSION_1 = {"cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu"), "memory": ("memory",)}


def cgroup_folders(controller: str, root: Path = Path("/")) -> tuple[list[Path], list[Path]]:
    """Folders that may hold limits of a controller ("cpu" or "memory"): those of version 1, and those of version 2.

    A scheduler limits a job and leaves the groups of its steps below without a limit, so every level counts. Inside a
    container the path told may be the host's, of which only the mount itself is there.
    """
    folders: tuple[list[Path], list[Path]] = ([], [])
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            folders[1].extend(_levels(root / "sys/fs/cgroup", group))
            folders[1].extend(_levels(root / "sys/fs/cgroup/unified", group))  # both versions side by side
        elif controller in controllers.split(","):
            for mount in _MOUNTS_OF_VERSION_1[controller]:
                folders[0].extend(_levels(root / "sys/fs/cgroup" / mount, group))
    return folders


def read_text(path: Path) -> str:
    """A small file of the system's, empty where there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _levels(mount: Path, group: str) -> list[Path]:
    parts = Path(group.lstrip("/")).parts
    if ".." in parts:  # of a namespace beside ours
        return [mount]
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
