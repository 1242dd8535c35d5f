"""What a run tells programs that follow it: one JSON object a line; and which recording the run is at."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

_events_stream = None
_current: str | None = None  # the recording that is worked on
_prefix = ""


def emit(event: str, recording: str | None, **details) -> None:
    """Write one event; the fields of each kind are listed in stage_log.py."""
    head = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
    if recording is not None:
        head["recording"] = recording
    with suppress(OSError):  # whoever followed the run may have gone
        print(json.dumps({**head, **details}), file=_events_stream or sys.stdout, flush=True)


@contextmanager
def standard_output_for_events() -> Iterator[None]:
    """Keep standard output for events: whatever else a library prints goes to standard error meanwhile."""
    global _events_stream
    _events_stream, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout, _events_stream = _events_stream, None


@contextmanager
def at_recording(name: str, index: int, total: int) -> Iterator[None]:
    """Say of everything that is told inside this context that it is about this recording, the `index`-th of `total`."""
    global _current, _prefix
    _current, _prefix = name, f"[{index}/{total}] {name}: " if total > 1 else ""
    try:
        yield
    finally:
        _current, _prefix = None, ""


def current_recording() -> str | None:
    """The recording that is worked on; None before, between and after."""
    return _current


def line_prefix() -> str:
    """What to put before every line of the log: "[3/50] name: " where there are several recordings, else nothing."""
    return _prefix
