"""The command line: argv → parameters and execution; messages and exit codes. The only module that knows argparse.

Heavy modules are imported only once the arguments are known to be right, so that a mistake shows within a second.
"""

import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace

from ephys_postprocess.cli.arguments import Arguments, parse_arguments
from ephys_postprocess.cli.console import logging_to_console, shown
from ephys_postprocess.cli.options import NothingToDo
from ephys_postprocess.errors import (
    EXIT_CALLERS_MISTAKE,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_LATER,
    CapsuleError,
    ParameterError,
)
from ephys_postprocess.machine.events import standard_output_for_events
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.failures import explain, is_temporary
from ephys_postprocess.machine.stopping import (
    STOPS,
    Terminated,
    exit_code,
    farewell,
    raise_if_stopping,
    signals_as_exceptions,
)

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns
    -------
    int
        0 done (or skipped upstream), 1 a recording failed or a bug, 2 the caller's mistake, 75 a failure that may go
        away by itself, 130 interrupted, 143 terminated.
    """
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    except ParameterError as err:
        print(shown(err), file=sys.stderr)
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
        print(shown(err), file=sys.stderr)
        return EXIT_LATER if is_temporary(err) else EXIT_CALLERS_MISTAKE
    except Exception as error:  # noqa: BLE001 - the last resort: the system's refusal, or our bug with its traceback
        raise_if_stopping()
        known = explain(error, arguments.execution)
        if known is None or arguments.execution.debug:
            traceback.print_exc()
        if known is not None:
            print(shown(known), file=sys.stderr)
        return EXIT_LATER if is_temporary(known or error) else EXIT_FAILED


def _audit(num_units: int, execution: Execution) -> int:
    from ephys_postprocess.commands.audit import audit

    return audit(num_units, execution)


def _run(arguments: Arguments) -> int:
    parameters, execution = arguments.parameters, arguments.execution
    if arguments.is_list:
        from ephys_postprocess.commands.list_recordings import list_recordings

        return list_recordings(execution)
    if arguments.relink is not None:
        from ephys_postprocess.commands.relink import relink_results

        return relink_results(arguments.relink, execution)
    if arguments.verify_folder is not None:
        from ephys_postprocess.commands.verify import verify

        code = verify(arguments.verify_folder, execution.num_threads)
        if arguments.num_units_to_audit is None:
            return code
        execution = replace(execution, results_folder=arguments.verify_folder)
        return max(code, _audit(arguments.num_units_to_audit, execution))
    if arguments.num_units_to_audit is not None:
        return _audit(arguments.num_units_to_audit, execution)
    if arguments.summary_folder is not None:
        from ephys_postprocess.commands.summary import summarise

        return summarise(arguments.summary_folder, data_folder=arguments.summary_data_folder)
    if arguments.report_of is not None:
        from ephys_postprocess.commands.report import remake_report

        return remake_report(arguments.report_of, arguments.report_folder, execution.num_threads)
    if arguments.from_result is not None:
        from ephys_postprocess.commands.export_phy import export_finished_result

        return export_finished_result(arguments.from_result, execution.export_phy_folder, execution)
    if arguments.is_example:
        from ephys_postprocess.commands.example import run_example

        return run_example(parameters, execution)
    from ephys_postprocess.commands.pipeline import run

    return run(parameters, execution)
