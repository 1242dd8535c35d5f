"""The log as plain lines on a terminal."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ephys_postprocess.machine.events import current_recording, emit, line_prefix

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # tabs and new lines stay


def shown(text: object) -> str:
    """A text in which what a terminal would obey is only shown: names in the data may hold such."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], str(text))


class _PlainText(logging.Formatter):
    """Each line says which of many recordings it is about. What a terminal would obey is only shown."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = line_prefix()
        text = "\n".join(prefix + line for line in super().format(record).split("\n"))
        return shown(text)


class _Handler(logging.StreamHandler):
    """Writing the log may fail (a closed pipe, a full disk) without costing the result."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _BelowWarning(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING


class _AsEvents(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        emit("warning", current_recording(), level=level, message=record.getMessage())


def _log_warning(message, category, *_where, **_more) -> None:
    """What a library warns of, in its words; where in the library it does so helps nobody who runs this."""
    logging.getLogger("ephys_postprocess.libraries").warning("%s (%s)", message, category.__name__)


@contextmanager
def logging_to_console(level: int, is_stdout_taken: bool = False) -> Iterator[None]:
    """Our log as plain lines: the story on stdout (unless events go there, warnings too), alarms on stderr."""
    package_log = logging.getLogger("ephys_postprocess")
    story = _Handler(sys.stderr if is_stdout_taken else sys.stdout)
    alarms = _Handler(sys.stderr)
    story.addFilter(_BelowWarning())
    alarms.setLevel(logging.WARNING)
    story.setFormatter(_PlainText())
    alarms.setFormatter(_PlainText("%(levelname)s: %(message)s"))
    earlier_level = package_log.level
    package_log.setLevel(level)
    handlers = [story, alarms]
    if is_stdout_taken:
        handlers.append(_AsEvents(logging.WARNING))
    for handler in handlers:
        package_log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield
    finally:
        package_log.setLevel(earlier_level)
        for handler in handlers:
            handler.flush()
            package_log.removeHandler(handler)
