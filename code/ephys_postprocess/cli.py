"""The command line: argv → parameters and execution; messages and exit codes. The only module that knows argparse.

Heavy modules are imported only once the arguments are known to be right, so that a mistake shows within a second.
"""

import logging
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from ephys_postprocess.cli_arguments import Arguments, parse_arguments
from ephys_postprocess.cli_options import NothingToDo
from ephys_postprocess.errors import CapsuleError, ParameterError
from ephys_postprocess.stage_log import standard_output_for_events
from ephys_postprocess.stopping import (
    STOPS,
    Terminated,
    exit_code,
    farewell,
    raise_if_stopping,
    signals_as_exceptions,
)

EXIT_DONE, EXIT_FAILED, EXIT_CALLERS_MISTAKE = 0, 1, 2

log = logging.getLogger(__name__)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # tabs and new lines stay


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
    is_json = execution.progress == "json"
    try:
        with (
            standard_output_for_events() if is_json else nullcontext(),
            logging_to_console(execution.log_level, is_json),
            signals_as_exceptions(),
        ):
            return _run_and_report(arguments)
    except STOPS as stopped:
        number = signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT
    with suppress(OSError):  # Ctrl-C ends the reader of a pipe, too
        print(farewell(number), file=sys.stderr)
    return exit_code(number)


def _run_and_report(arguments: Arguments) -> int:
    try:
        for warning in arguments.warnings:
            log.warning("%s", warning)
        return _run(arguments)
    except CapsuleError as err:
        if arguments.execution.debug:
            traceback.print_exc()
        print(err, file=sys.stderr)
        return EXIT_CALLERS_MISTAKE
    except Exception:  # noqa: BLE001 - the last resort: our bug, told with its traceback
        raise_if_stopping()
        traceback.print_exc()
        return EXIT_FAILED


def _run(arguments: Arguments) -> int:
    parameters, execution = arguments.parameters, arguments.execution
    if arguments.verify_folder is not None:
        from ephys_postprocess.verify import verify

        return verify(arguments.verify_folder, execution.num_jobs)
    if arguments.num_units_to_audit is not None:
        from ephys_postprocess.spikeinterface_adapters.audit import audit

        return audit(arguments.num_units_to_audit, execution)
    if arguments.report_of is not None:
        from ephys_postprocess.reporting import remake_report

        return remake_report(arguments.report_of, arguments.report_folder, execution.num_jobs)
    if arguments.from_result is not None:
        from ephys_postprocess.phy_exports import export_finished_result

        return export_finished_result(arguments.from_result, execution.export_phy_folder, execution)
    if arguments.is_example:
        from ephys_postprocess.example import run_example

        return run_example(parameters, execution)
    from ephys_postprocess.pipeline import run

    return run(parameters, execution)


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
