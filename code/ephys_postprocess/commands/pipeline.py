"""All recordings of a call, one after the other; what happens to one of them stands in `recording.py`."""

import gc
import logging
import time
from contextlib import nullcontext
from dataclasses import replace

from ephys_postprocess.commands.export_phy import check_phy_folders
from ephys_postprocess.commands.outcomes import Outcome, exit_code_of, tell_failure
from ephys_postprocess.commands.run_story import RunStory
from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs.data_folder import Found, RecordingInput, find_recordings
from ephys_postprocess.machine.compile_cache import compile_cache_in_use
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.failures import explain, is_temporary
from ephys_postprocess.machine.stopping import raise_if_stopping, signals_wait
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.results.files import HeldElsewhereError, ResultFiles

logger = logging.getLogger(__name__)


def run(parameters: Parameters, execution: Execution) -> int:
    """Postprocess every recording asked for, and return the exit code: see `outcomes.exit_code_of`."""
    if not execution.given_pairs:
        return _run_folder(parameters, execution)
    from ephys_postprocess.inputs.given_pairs import folder_of_jobs

    with folder_of_jobs(execution.given_pairs, execution.scratch_folder) as folder:
        return _run_folder(parameters, replace(execution, data_folder=folder))


def _run_folder(parameters: Parameters, execution: Execution) -> int:
    start = time.monotonic()
    found = find_recordings(execution.data_folder, execution.recordings)
    names = [item.recording_name for item in found.recordings]
    story = RunStory(names, execution)
    compile_cache = compile_cache_in_use()
    for warning in (*found.warnings, *compile_cache.remarks):
        logger.warning("%s", warning)
    for line in parameters.differences_from_defaults():
        logger.info("parameter %s", line)
    if execution.export_phy_folder is not None:
        check_phy_folders(execution.export_phy_folder, names)
    outcomes = []
    for item in found.recordings:
        with story.recording(item.recording_name) as tell_end:
            outcomes.append(_run_isolated(item, found, parameters, execution))
            tell_end(outcomes[-1])
    if (summary := compile_cache.summary()) is not None:
        logger.info("%s", summary)
    if len(outcomes) > 1 and execution.report:
        _try_summary(outcomes, execution)
    story.tell_end(outcomes, time.monotonic() - start)
    return exit_code_of(outcomes)


def _try_summary(outcomes: list[Outcome], execution: Execution) -> None:
    """One page over all recordings; a page less costs no result."""
    from ephys_postprocess.commands.summary import summarise

    try:
        summarise(execution.results_folder, outcomes)
    except CapsuleError as error:
        logger.warning("No summary of the recordings: %s", error)


def _run_isolated(item: RecordingInput, found: Found, parameters: Parameters, execution: Execution) -> Outcome:
    """One recording, whose failure costs no other recording its result."""
    files = ResultFiles(execution.results_folder, item.recording_name)
    try:
        with files.held():
            with signals_wait():  # a module half imported makes another exception of a signal's, with a traceback
                from ephys_postprocess.commands.recording import postprocess_recording
            if not gc.get_freeze_count():
                gc.freeze()  # what was imported stays: collecting garbage need not look through it again and again
            with _inputs_of(item, execution) as ready:
                return postprocess_recording(ready, found, files, parameters, execution)
    except Exception as error:  # noqa: BLE001 - one recording's failure, told with its traceback, stops no other
        raise_if_stopping()
        reason = tell_failure(error, item.recording_name, execution)
        may_go_away = is_temporary(error) or is_temporary(explain(error, execution) or error)
        is_held_elsewhere = isinstance(error, HeldElsewhereError)
    is_excused = execution.on_failure == "placeholder"
    if files.is_published:
        reason = f"the result is complete, but what came after it failed: {reason}"
    elif is_excused and not is_held_elsewhere:  # that gets what the other run makes of it
        is_excused, reason = _try_placeholder(files, reason, execution)
    line = (reason.splitlines() or [""])[0]
    return Outcome(item.recording_name, "failed", line, may_go_away, is_excused)


def _inputs_of(item: RecordingInput, execution: Execution):
    """A context with the recording as it lies in data/, or laid out from what the caller named."""
    pair = next((pair for pair in execution.given_pairs if pair.name == item.recording_name), None)
    if pair is None:
        return nullcontext(item)
    from ephys_postprocess.inputs.consent import Consent
    from ephys_postprocess.inputs.given_pairs import prepared

    return prepared(item, pair, Consent(execution.allow_pickle, execution.allow_classes), execution.num_threads)


def _try_placeholder(files: ResultFiles, reason: str, execution: Execution) -> tuple[bool, str]:
    """Whether something stands under the result's name then, and the reason, with that of another failure."""
    if files.is_complete:
        logger.warning("%s: the complete result of an earlier run stays; no placeholder replaces it", files.shown_name)
        return True, reason
    if (files.analyzer / ".zgroup").is_file():
        reason = (
            f"{reason} No placeholder either: {files.analyzer.name} is a store that is no complete result of this "
            "capsule, and nothing replaces it but a result. Move it away."
        )
        logger.error("%s: %s", files.shown_name, reason)
        return False, reason
    try:
        with files.held():
            files.write_placeholder(reason)
    except (CapsuleError, OSError) as error:
        reason = f"{reason} No placeholder either: {explain(error, execution) or error}"
        logger.error("%s: %s", files.recording_name, reason)
        return False, reason
    return True, reason
