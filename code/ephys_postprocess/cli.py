"""The command line: argv → parameters and execution; messages and exit codes. The only module that knows argparse.

Heavy modules are imported only once the arguments are known to be right, so that a mistake shows within a second.
"""

import logging
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from ephys_postprocess.cli_arguments import Arguments, NothingToDo, parse_arguments
from ephys_postprocess.errors import CapsuleError, ParameterError
from ephys_postprocess.execution import Execution
from ephys_postprocess.parameters import Parameters

EXIT_DONE, EXIT_FAILED, EXIT_CALLERS_MISTAKE, EXIT_INTERRUPTED, EXIT_TERMINATED = 0, 1, 2, 130, 143

log = logging.getLogger(__name__)


class Terminated(BaseException):
    """SIGTERM as an exception: everything half-made is cleaned up, and no `except Exception` stops it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns
    -------
    int
        0 done (or skipped upstream), 1 a recording failed or a bug, 2 the caller's mistake, 130 interrupted,
        143 terminated.
    """
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    except ParameterError as err:
        print(err, file=sys.stderr)
        return EXIT_CALLERS_MISTAKE
    except NothingToDo:
        return EXIT_DONE
    execution = arguments.execution
    with logging_to_console(execution.log_level, execution.progress == "json"), sigterm_as_exception():
        return _run_and_report(arguments)


def _run_and_report(arguments: Arguments) -> int:
    try:
        for warning in arguments.warnings:
            log.warning("%s", warning)
        return _run(arguments.parameters, arguments.execution, arguments.is_example)
    except CapsuleError as err:
        if arguments.execution.debug:
            traceback.print_exc()
        print(err, file=sys.stderr)
        return EXIT_CALLERS_MISTAKE
    except KeyboardInterrupt:
        print("Interrupted; nothing half-written is left.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Terminated:
        print("Terminated; nothing half-written is left.", file=sys.stderr)
        return EXIT_TERMINATED
    except Exception:  # noqa: BLE001 - the last resort: our bug, told with its traceback
        traceback.print_exc()
        return EXIT_FAILED


def _run(parameters: Parameters, execution: Execution, is_example: bool) -> int:
    if is_example:
        from ephys_postprocess.example import run_example

        return run_example(parameters, execution)
    from ephys_postprocess.pipeline import run

    return run(parameters, execution)


class _BelowWarning(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING


@contextmanager
def logging_to_console(level: int, is_stdout_taken: bool = False) -> Iterator[None]:
    """Our log as plain lines: the story on stdout (unless JSON goes there), warnings and errors on stderr."""
    package_log = logging.getLogger("ephys_postprocess")
    story = logging.StreamHandler(sys.stderr if is_stdout_taken else sys.stdout)
    alarms = logging.StreamHandler(sys.stderr)
    story.addFilter(_BelowWarning())
    alarms.setLevel(logging.WARNING)
    alarms.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
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


@contextmanager
def sigterm_as_exception() -> Iterator[None]:
    """Turn SIGTERM (a scheduler's time limit) into `Terminated`; in other threads than the main one, do nothing."""

    def raise_terminated(*_: object) -> NoReturn:
        raise Terminated

    try:
        earlier = signal.signal(signal.SIGTERM, raise_terminated)
    except ValueError:  # only the main thread may set handlers
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)
