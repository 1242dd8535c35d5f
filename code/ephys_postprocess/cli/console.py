"""The log as plain lines on a terminal."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # tabs and new lines stay


class _PlainText(logging.Formatter):
    """Names in the data may hold what a terminal would obey; here they are only shown."""

    def format(self, record: logging.LogRecord) -> str:
        return _CONTROL.sub(lambda found: repr(found[0])[1:-1], super().format(record))


class _Handler(logging.StreamHandler):
    """A story that nobody listens to any more (a closed pipe, a full log disk) must not cost the result."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _BelowWarning(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING


@contextmanager
def logging_to_console(level: int, is_stdout_taken: bool = False) -> Iterator[None]:
    """Our log as plain lines: the story on stdout (unless JSON goes there), warnings and errors on stderr."""
    package_log = logging.getLogger("ephys_postprocess")
    story = _Handler(sys.stderr if is_stdout_taken else sys.stdout)
    alarms = _Handler(sys.stderr)
    story.addFilter(_BelowWarning())
    alarms.setLevel(logging.WARNING)
    story.setFormatter(_PlainText())
    alarms.setFormatter(_PlainText("%(levelname)s: %(message)s"))
    earlier_level = package_log.level
    package_log.setLevel(level)
    for handler in (story, alarms):
        package_log.addHandler(handler)
    try:
        yield
    finally:
        package_log.setLevel(earlier_level)
        for handler in (story, alarms):
            handler.flush()
            package_log.removeHandler(handler)
