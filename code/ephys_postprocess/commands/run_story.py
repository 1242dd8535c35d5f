"""What a run says of its recordings as a whole: when each began, how it ended, where its results are."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ephys_postprocess import __version__
from ephys_postprocess.commands.outcomes import Outcome, exit_code_of
from ephys_postprocess.machine.events import at_recording, emit
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.stage_log import StageLog
from ephys_postprocess.results.files import ResultFiles

logger = logging.getLogger(__name__)


class RunStory:
    """Tells of each recording, and of the run, in the log and, with `--progress json`, in events."""

    def __init__(self, recording_names: list[str], execution: Execution):
        self._names = recording_names
        self._execution = execution
        self._bytes = 0
        folders = {name: str(getattr(execution, f"{name}_folder")) for name in ("data", "results", "scratch")}
        self._emit(
            "run_started",
            None,
            version=__version__,
            **folders,
            recordings=recording_names,
            n_jobs=execution.num_threads,
        )

    @contextmanager
    def recording(self, name: str) -> Iterator[Callable[[Outcome], None]]:
        """All that is said inside is about this recording; to be called with how it ended."""
        index, total, start = self._names.index(name) + 1, len(self._names), time.monotonic()

        def tell_end(outcome: Outcome) -> None:
            seconds = round(time.monotonic() - start, 3)
            paths = _paths(ResultFiles(self._execution.results_folder, name))
            size = sum(map(_size, paths.values()))
            self._bytes += size
            StageLog(name, self._execution.progress_style).finish(
                outcome.status,
                outcome.line,
                is_temporary=outcome.is_temporary,
                seconds=seconds,
                bytes=size,
                paths={kind: str(path) for kind, path in paths.items()},
            )
            if total > 1:
                logger.info("%s: %s", outcome.status, outcome.line)
            if "report" in paths and outcome.status != "failed":
                logger.info("  report: %s", paths["report"])

        with at_recording(name, index, total):
            self._emit("recording_started", name, index=index, total=total)
            logger.info(
                "%s: started %s, %d thread(s)",
                *(name, datetime.now().astimezone().isoformat(" ", "seconds"), self._execution.num_threads),
            )
            yield tell_end

    def tell_end(self, outcomes: list[Outcome], seconds: float) -> None:
        """The list of what became of each recording, and where the results are."""
        results = self._execution.results_folder
        logger.info("Results of %d recording(s) in %s", len(outcomes), results)
        for outcome in outcomes:
            logger.info("  %-8s %s: %s", outcome.status, outcome.recording_name, outcome.line)
        self._emit(
            "run_finished",
            None,
            exit_code=exit_code_of(outcomes),
            seconds=round(seconds, 3),
            bytes=self._bytes,
            results=str(results),
            counts=dict(Counter(outcome.status for outcome in outcomes)),
        )

    def _emit(self, event: str, recording: str | None, **details) -> None:
        if self._execution.progress_style == "json":
            emit(event, recording, **details)


def _paths(files: ResultFiles) -> dict[str, Path]:
    """What there is of a recording's result, by what it is."""
    named = {
        "analyzer": files.analyzer,
        "data_process": files.data_process,
        "units_csv": files.units_table,
        "units_parquet": files.units_parquet,
        "report": files.report,
    }
    return {kind: path for kind, path in named.items() if path.exists()}


def _size(path: Path) -> int:
    try:
        if path.is_file():
            return path.stat().st_size
        return sum(below.stat().st_size for below in path.rglob("*") if below.is_file())
    except OSError:  # somebody takes it away just now
        return 0
