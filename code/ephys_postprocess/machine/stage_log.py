"""What a run says while it works, and what each stage took: a live line on a terminal, plain lines or JSON elsewhere.

With `--progress json` standard output holds one JSON object a line and nothing else; the log goes to standard error.
Every event has

    event       run_started, recording_started, stage_started, stage_progress, stage_finished, stage_failed, warning,
                recording_finished or run_finished; recording_found with --list
    time        ISO 8601, UTC
    recording   the recording's name (not in run_started and run_finished, nor in a warning that is about no recording)
    stage       the stage's name (in events of stages)

and, by event,

    run_started         version, data, results, scratch (folders), recordings (their names, in order), n_jobs
    recording_started   index (from 1), total
    stage_started       total (null where unknown), unit ("spikes")
    stage_progress      done, total, unit, per_second, seconds_left (null where unknown); at most one per second
    stage_finished      seconds, peak_memory_mb, what was counted (such as units, channels, spikes), where the stage
                        read traces, bytes_needed (of the samples it asked for) and bytes_read (to have them), and where
                        it went through its spikes, per_second
    stage_failed        seconds, error
    warning             level ("warning" or "error"), message: what the log says on standard error
    recording_finished  status ("done", "kept", "skipped" or "failed"), message, is_temporary (whether a failure may go
                        away by itself), seconds, bytes (of all files of the result), paths (by what they are: analyzer,
                        data_process, units_csv, units_parquet, report; those that are there)
    run_finished        exit_code, seconds, bytes, results (folder), counts (recordings by status); not after a signal

Readers should pass over events and fields that they do not know.
"""

import logging
import resource
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ephys_postprocess.machine.events import emit

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_EVENTS = 1.0
_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass
class StageRecord:
    """What one stage did and cost."""

    name: str
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    bytes_needed: int = 0  # of the traces: the samples that were asked for
    bytes_read: int = 0  # to have them: more, where parts of the traces can't be read alone


class Stage:
    """Handed to the body of a stage: tell it how far the work is and what was counted."""

    def __init__(self, record: StageRecord, show_progress=None):
        self.record = record
        self.done = 0
        self._show_progress = show_progress  # callable told how much is done, one call at a time
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        """So much more is done; safe from any thread."""
        with self._lock:
            self.done += amount
            if self._show_progress is not None:
                self._show_progress(self.done)

    def count(self, **counts: int) -> None:
        """Numbers worth a place in the log line and the DataProcess: `count(units=12)`."""
        self.record.counts.update(counts)


class StageLog:
    """The stages of one recording, in order.

    Parameters
    ----------
    recording_name : str
    progress : {"bar", "plain", "json", "off"}
        How stages are shown; "bar" is "plain" where rich is not installed.
    """

    def __init__(self, recording_name: str, progress: str):
        self.recording_name = recording_name
        self.progress = progress
        self.records: list[StageRecord] = []
        self._start = time.monotonic()
        self._bytes_so_far = lambda: (0, 0)

    def watch(self, bytes_so_far: Callable[[], tuple[int, int]]) -> None:
        """Note with each stage from now on how many bytes of traces were needed and read meanwhile."""
        self._bytes_so_far = bytes_so_far

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "spikes"):
        """Time a stage and show it; with `total` in `unit`s, also how fast it goes and how long it will take."""
        record = StageRecord(name)
        self._event("stage_started", name, total=total, unit=unit)
        reset_peak_memory()
        start, bytes_before = time.perf_counter(), self._bytes_so_far()
        try:
            with self._shown(name, total, unit, start) as show_progress:
                current = Stage(record, show_progress)
                yield current
        except BaseException as error:
            seconds = round(time.perf_counter() - start, 3)
            self._event("stage_failed", name, seconds=seconds, error=f"{type(error).__name__}: {error}")
            raise
        finally:
            record.seconds = time.perf_counter() - start
            record.peak_memory_mb = peak_memory_mb()
            spent = zip(self._bytes_so_far(), bytes_before, strict=True)
            record.bytes_needed, record.bytes_read = (after - before for after, before in spent)
        self.records.append(record)
        self._show_end(record, current.done, unit)

    def finish(self, status: str, message: str, **details) -> None:
        """Say how the recording ended."""
        self._event("recording_finished", None, status=status, message=message, **details)

    @property
    def seconds(self) -> float:
        """Since the recording was begun; stages within stages count once."""
        return time.monotonic() - self._start

    def as_table(self) -> list[dict]:
        """Each stage's record as a plain dictionary, rounded for reading."""
        rows = [asdict(record) for record in self.records]
        for row in rows:
            row["seconds"] = round(row["seconds"], 3)
            row["peak_memory_mb"] = round(row["peak_memory_mb"], 1)
        return rows

    @contextmanager
    def _shown(self, name, total, unit, start):
        """What to tell of progress, if anybody listens."""
        if self.progress == "json" and total:
            yield self._progress_events(name, total, unit, start)
        elif self.progress == "bar":
            from ephys_postprocess.machine.live_progress import live_progress

            with live_progress(self.recording_name, name, total, unit) as show_progress:
                yield show_progress
        else:
            yield None

    def _progress_events(self, name, total, unit, start):
        last = start

        def show_progress(done):
            nonlocal last
            now = time.perf_counter()
            if now - last < SECONDS_BETWEEN_EVENTS:
                return
            last = now
            rate = done / (now - start)
            seconds_left = round((total - done) / rate, 1) if rate else None
            self._event(
                "stage_progress",
                name,
                done=done,
                total=total,
                unit=unit,
                per_second=round(rate, 1),
                seconds_left=seconds_left,
            )

        return show_progress

    def _show_end(self, record: StageRecord, done: int, unit: str) -> None:
        rate = round(done / record.seconds) if done and record.seconds else None
        rates = {} if rate is None else {"per_second": rate}
        figures = {"seconds": round(record.seconds, 3), "peak_memory_mb": round(record.peak_memory_mb, 1)}
        if record.bytes_needed:
            figures |= {"bytes_needed": record.bytes_needed, "bytes_read": record.bytes_read}
        self._event("stage_finished", record.name, **record.counts, **figures, **rates)
        if self.progress in ("bar", "plain"):
            said = [f"{value:,} {key.replace('_', ' ')}" for key, value in record.counts.items()]
            said += [] if rate is None else [f"{rate:,} {unit}/s"]
            said += [f"{record.bytes_read / 1e6:,.0f} MB of traces read"] if record.bytes_needed else []
            logger.info("  %-24s %7.2f s  %s", record.name, record.seconds, ", ".join(said))

    def _event(self, event: str, stage_name: str | None, **details) -> None:
        if self.progress != "json":
            return
        emit(event, self.recording_name, **({} if stage_name is None else {"stage": stage_name}), **details)


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
