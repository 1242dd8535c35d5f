"""Run a command and watch its whole process tree: seconds, exit code, peak memory."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLING_INTERVAL_S = 0.1


@dataclass(frozen=True)
class Cost:
    """What one run of a command cost, start to exit."""

    seconds: float
    peak_memory_mb: float  # largest sum over the tree of proportional set sizes: shared pages count once
    exit_code: int
    peak_anonymous_mb: float = 0.0  # of that, what is not the content of a file; its own largest sum


def run_command(command: list[str], environment: dict[str, str] | None = None, log: Path | None = None) -> Cost:
    """Run `command` to its end; its output goes to `log`, or nowhere."""
    with Path(log or os.devnull).open("w") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        watcher = _Watcher(process.pid)
        watcher.start()
        exit_code = process.wait()
        seconds = time.perf_counter() - start
        watcher.stop()
    if exit_code != 0:
        print(f"exit code {exit_code}: {' '.join(command)} (output in {log})", file=sys.stderr)
    return Cost(seconds, watcher.peak_kb / 1024, exit_code, watcher.peak_anonymous_kb / 1024)


class _Watcher(threading.Thread):
    def __init__(self, root_pid: int):
        super().__init__(daemon=True)
        self.root_pid = root_pid
        self.peak_kb = 0
        self.peak_anonymous_kb = 0
        self._stopped = threading.Event()

    def run(self):
        while not self._stopped.wait(SAMPLING_INTERVAL_S):
            looks = [_memory_kb(pid) for pid in _tree(self.root_pid)]
            self.peak_kb = max(self.peak_kb, sum(look["Pss"] for look in looks))
            self.peak_anonymous_kb = max(self.peak_anonymous_kb, sum(look["Pss_Anon"] for look in looks))

    def stop(self):
        self._stopped.set()
        self.join()


def _tree(root_pid: int) -> list[int]:
    pids = [root_pid]
    for pid in pids:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue  # ended between two looks
        pids.extend(int(child) for child in children)
    return pids


def _memory_kb(pid: int) -> dict[str, int]:
    found = {"Pss": 0, "Pss_Anon": 0}
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return found  # ended between two looks
    for line in lines[1:]:
        name, value, *_ = line.split()
        if name[:-1] in found:
            found[name[:-1]] = int(value)
    return found
