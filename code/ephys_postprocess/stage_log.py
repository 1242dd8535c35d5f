"""What a run says while it works, and what each stage took: bars on a terminal, plain lines or JSON elsewhere."""

import json
import logging
import resource
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass
class StageRecord:
    """What one stage did and cost."""

    name: str
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)


class Stage:
    """Handed to the body of a stage: tell it how far the work is and what was counted."""

    def __init__(self, record: StageRecord, bar):
        self.record = record
        self._bar = bar
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """Add to the bar; safe from any thread."""
        if self._bar is not None:
            with self._lock:
                self._bar.update(amount)

    def count(self, **counts: int) -> None:
        """Numbers worth a place in the log line and the DataProcess: `count(units=12)`."""
        self.record.counts.update(counts)


class StageLog:
    """The stages of one recording, in order.

    Parameters
    ----------
    progress : {"bar", "plain", "json", "off"}
        How stages are shown; "json" prints one object a line on standard output.
    """

    def __init__(self, recording_name: str, progress: str):
        self.recording_name = recording_name
        self.progress = progress
        self.records: list[StageRecord] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "spikes"):
        """Time a stage and show it; `total` in `unit`s makes a bar that fills."""
        record = StageRecord(name)
        self._event("stage_started", record, total=total, unit=unit)
        bar = self._make_bar(name, total, unit)
        reset_peak_memory()
        start = time.perf_counter()
        try:
            yield Stage(record, bar)
        finally:
            record.seconds = time.perf_counter() - start
            record.peak_memory_mb = peak_memory_mb()
            if bar is not None:
                bar.close()
        self.records.append(record)
        self._show_end(record)

    def as_table(self) -> list[dict]:
        """Each stage's record as a plain dictionary, rounded for reading."""
        rows = [asdict(record) for record in self.records]
        for row in rows:
            row["seconds"] = round(row["seconds"], 3)
            row["peak_memory_mb"] = round(row["peak_memory_mb"], 1)
        return rows

    def _make_bar(self, name, total, unit):
        if self.progress != "bar":
            return None
        from tqdm import tqdm

        return tqdm(total=total, desc=f"{self.recording_name}: {name}", unit=f" {unit}", unit_scale=True, leave=False)

    def _show_end(self, record: StageRecord) -> None:
        self._event("stage_finished", record, seconds=round(record.seconds, 3), **record.counts)
        if self.progress in ("bar", "plain"):
            counts = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in record.counts.items())
            logger.info("  %-24s %7.2f s  %s", record.name, record.seconds, counts)

    def _event(self, event: str, record: StageRecord, **details) -> None:
        if self.progress == "json":
            line = {"event": event, "recording": self.recording_name, "stage": record.name, **details}
            with suppress(OSError):  # whoever followed the run may have gone
                print(json.dumps(line), file=sys.stdout, flush=True)


def reset_peak_memory() -> None:
    """Ask Linux to forget the peak so far, so that each stage's own peak can be read; elsewhere a no-op."""
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return  # no such file, or not permitted: peaks are then those of the whole run so far


def peak_memory_mb() -> float:
    """Peak resident memory in MB: since the last reset where Linux allows it, of the whole process elsewhere."""
    try:
        status = _STATUS.read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
