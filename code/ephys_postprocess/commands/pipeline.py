"""All recordings of a call, one after the other; what happens to one of them stands in `recording.py`."""

import logging

from ephys_postprocess.commands.export_phy import check_phy_folders
from ephys_postprocess.commands.outcomes import Outcome, tell_failure
from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs.data_folder import Found, RecordingInput, find_recordings
from ephys_postprocess.machine.compile_cache import compile_cache_in_use
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.space import explain
from ephys_postprocess.machine.stage_log import StageLog
from ephys_postprocess.machine.stopping import raise_if_stopping, signals_wait
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.results.files import HeldElsewhereError, ResultFiles

logger = logging.getLogger(__name__)


def run(parameters: Parameters, execution: Execution) -> int:
    """Postprocess every recording asked for; 0: all done or skipped upstream, 1: a recording failed."""
    found = find_recordings(execution.data_folder, execution.recordings)
    compile_cache = compile_cache_in_use()
    for warning in (*found.warnings, *compile_cache.remarks):
        logger.warning("%s", warning)
    for line in parameters.differences_from_defaults():
        logger.info("parameter %s", line)
    if execution.export_phy_folder is not None:
        check_phy_folders(execution.export_phy_folder, [item.recording_name for item in found.recordings])
    outcomes = []
    for item in found.recordings:
        outcomes.append(_run_isolated(item, found, parameters, execution))
        StageLog(item.recording_name, execution.progress_style).finish(outcomes[-1].status, outcomes[-1].line)
    if (summary := compile_cache.summary()) is not None:
        logger.info("%s", summary)
    logger.info("Results of %d recording(s) in %s", len(outcomes), execution.results_folder)
    for outcome in outcomes:
        logger.info("  %-8s %s: %s", outcome.status, outcome.recording_name, outcome.line)
    has_failed = any(outcome.status == "failed" for outcome in outcomes)
    return int(has_failed and execution.on_failure == "fail")


def _run_isolated(item: RecordingInput, found: Found, parameters: Parameters, execution: Execution) -> Outcome:
    """One recording, whose failure costs no other recording its result."""
    files = ResultFiles(execution.results_folder, item.recording_name)
    try:
        with files.held():
            with signals_wait():  # a module half imported makes another exception of a signal's, with a traceback
                from ephys_postprocess.commands.recording import postprocess_recording
            return postprocess_recording(item, found, files, parameters, execution)
    except Exception as error:  # noqa: BLE001 - one recording's failure, told with its traceback, stops no other
        raise_if_stopping()
        reason = tell_failure(error, item.recording_name, execution)
        is_ours = not isinstance(error, HeldElsewhereError)
    if files.is_published:
        reason = f"the result is complete, but what came after it failed: {reason}"
    elif execution.on_failure == "placeholder" and is_ours:
        reason = _try_placeholder(files, reason, execution)
    return Outcome(item.recording_name, "failed", (reason.splitlines() or [""])[0])


def _try_placeholder(files: ResultFiles, reason: str, execution: Execution) -> str:
    if files.is_complete:
        logger.warning("%s: the complete result of an earlier run stays; no placeholder replaces it", files.shown_name)
        return reason
    try:
        with files.held():
            files.write_placeholder(reason)
    except (CapsuleError, OSError) as error:
        reason = f"{reason} No placeholder either: {explain(error, execution) or error}"
        logger.error("%s: %s", files.recording_name, reason)
    return reason
