"""What each stage of a run reads from the disk, with little memory: how often the recording is read over.

    python benchmarks/disk_reads.py DATA NAME                    # 1 GB for the run and its page cache, as root
    python benchmarks/disk_reads.py DATA NAME --read-ahead-kb 128 8192

The run is put into a memory cgroup (version 1 or 2), and what the page cache holds of the recording is dropped before.
For each read-ahead of the disk it prints a table: seconds, bytes of traces that a stage needed, bytes it asked for, and
bytes that came from the disk, whatever they were for. The last line divides the latter by the floor: what the stages
need of the traces, which is windows around sampled spikes twice, noise, and the recording once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent


@dataclass
class Row:
    """One stage, in seconds and bytes."""

    stage: str
    seconds: float
    needed: int
    asked: int
    from_disk: int


def main() -> None:
    """One table for each read-ahead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("name")
    parser.add_argument("--limit-bytes", type=int, default=10**9)
    parser.add_argument("--read-ahead-kb", type=int, nargs="+", default=[None], help="set on the disk of the data")
    arguments = parser.parse_args()
    setting = read_ahead_of(arguments.data)
    before = setting.read_text()
    try:
        for read_ahead_kb in arguments.read_ahead_kb:
            if read_ahead_kb is not None:
                setting.write_text(str(read_ahead_kb))
            print(f"\nRead-ahead {setting.read_text().strip()} kB, memory {arguments.limit_bytes / 1e6:.0f} MB\n")
            print_table(measure(arguments.data, arguments.name, arguments.limit_bytes))
    finally:
        setting.write_text(before)


def measure(data: Path, name: str, limit_bytes: int) -> list[Row]:
    """A run with an empty page cache, watched stage by stage."""
    for path in (data / f"preprocessed_{name}").rglob("*"):
        if path.is_file():
            drop_from_page_cache(path)
    group = make_memory_group(limit_bytes)
    with tempfile.TemporaryDirectory() as results:
        command = [str(CODE / "run"), "--data", str(data), "--results", results, "--recording", name]
        process = subprocess.Popen(
            [*command, "--progress", "json", "--no-report"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CAPSULE_PYTHON": sys.executable},
            preexec_fn=lambda: (group / "cgroup.procs").write_text("0"),  # no thread of ours runs yet
        )
        rows = list(rows_of(process))
        if process.wait():
            raise SystemExit(f"The run failed with exit code {process.returncode}.")
    return rows


def rows_of(process: subprocess.Popen):
    """A row for each stage that ends; bytes from the disk are those since the one before."""
    so_far = 0
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] != "stage_finished":
            continue
        read = read_bytes(process.pid)
        traces = event.get("bytes_needed", 0), event.get("bytes_read", 0)
        yield Row(event["stage"], event["seconds"], *traces, read - so_far)
        so_far = read


def read_bytes(pid: int) -> int:
    """What a process caused to be read from disks until now."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def print_table(rows: list[Row]) -> None:
    """Stages that read, and the sum of all."""
    print("| stage | s | needed, MB | asked for, MB | from disk, MB |\n|---|---|---|---|---|")
    floor, read = sum(row.needed for row in rows), sum(row.from_disk for row in rows)
    rows = [*rows, Row("**whole run**", sum(row.seconds for row in rows), floor, sum(row.asked for row in rows), read)]
    for row in rows:
        if max(row.asked, row.from_disk) >= 10**7:
            sizes = (f"{size / 1e6:,.0f}" for size in (row.needed, row.asked, row.from_disk))
            print(f"| {row.stage} | {row.seconds:.1f} | {' | '.join(sizes)} |")
    print(f"\nFrom disk over needed: {read / floor:.2f}.")


def make_memory_group(limit_bytes: int) -> Path:
    """A cgroup below our own, of either version, with a limit that counts page cache, too."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers == "memory":
            parent, limit = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        elif controllers == "" and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            parent, limit = Path("/sys/fs/cgroup"), "memory.max"
        else:
            continue
        group = parent / own.lstrip("/") / "disk_reads"
        group.mkdir(exist_ok=True)
        (group / limit).write_text(str(limit_bytes))
        return group
    raise SystemExit("No memory cgroup here.")


def read_ahead_of(path: Path) -> Path:
    """Where the read-ahead of a path's disk is set."""
    device = path.stat().st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    return next(folder / "queue/read_ahead_kb" for folder in (disk, disk.parent) if (folder / "queue").is_dir())


def drop_from_page_cache(path: Path) -> None:
    """Forget what memory holds of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
