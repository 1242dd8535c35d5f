"""The whole story: what happens to one recording, in order, and to all of them."""

import logging
from dataclasses import dataclass
from datetime import datetime

from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs import Found, RecordingInput, UpstreamSkipped, find_recordings
from ephys_postprocess.phy_exports import check_phy_folders, export_result
from ephys_postprocess.space import explain, explained
from ephys_postprocess.stage_log import StageLog
from ephys_postprocess.stages.phy_folder import PhyFolder, folders_of_recordings
from ephys_postprocess.stages.write_results import HeldElsewhereError, ResultFiles
from ephys_postprocess.stopping import raise_if_stopping, signals_wait

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one recording ended: "done", "kept" (by --resume), "skipped" (upstream said so) or "failed" (here)."""

    recording_name: str
    status: str
    line: str


def run(parameters, execution) -> int:
    """Postprocess every recording asked for; 0: all done or skipped upstream, 1: a recording failed."""
    found = find_recordings(execution.data_folder, execution.recordings)
    for warning in found.warnings:
        logger.warning("%s", warning)
    for line in parameters.differences_from_defaults():
        logger.info("parameter %s", line)
    if execution.export_phy_folder is not None:
        check_phy_folders(execution.export_phy_folder, [item.recording_name for item in found.recordings])
    outcomes = []
    for item in found.recordings:
        outcomes.append(_run_isolated(item, found, parameters, execution))
        StageLog(item.recording_name, execution.progress_style).finish(outcomes[-1].status, outcomes[-1].line)
    logger.info("Results of %d recording(s) in %s", len(outcomes), execution.results_folder)
    for outcome in outcomes:
        logger.info("  %-8s %s: %s", outcome.status, outcome.recording_name, outcome.line)
    has_failed = any(outcome.status == "failed" for outcome in outcomes)
    return int(has_failed and execution.on_failure == "fail")


def _run_isolated(item: RecordingInput, found: Found, parameters, execution) -> Outcome:
    """One recording, whose failure costs no other recording its result."""
    files = ResultFiles(execution.results_folder, item.recording_name)
    try:
        with files.held():
            return _run_recording(item, found, files, parameters, execution)
    except Exception as error:  # noqa: BLE001 - one recording's failure, told with its traceback, stops no other
        raise_if_stopping()
        reason = _tell_failure(error, item.recording_name, execution)
        is_ours = not isinstance(error, HeldElsewhereError)
    if execution.on_failure == "placeholder" and is_ours:
        reason = _try_placeholder(files, reason, execution)
    return Outcome(item.recording_name, "failed", (reason.splitlines() or [""])[0])


def _tell_failure(error: Exception, name: str, execution) -> str:
    """Log a failure as what it is: an expected one, want of room or rights, or a bug with its traceback."""
    known = error if isinstance(error, CapsuleError) else explain(error, execution)
    if known is not None:
        logger.error("%s failed: %s", name, known, exc_info=error if execution.debug else None)
        return str(known)
    logger.error("%s failed in an unexpected way: a bug in the capsule or in a library", name, exc_info=error)
    return f"{type(error).__name__}: {error}"


def _try_placeholder(files: ResultFiles, reason: str, execution) -> str:
    try:
        with files.held():
            files.write_placeholder(reason)
    except (CapsuleError, OSError) as error:
        reason = f"{reason} No placeholder either: {explain(error, execution) or error}"
        logger.error("%s: %s", files.recording_name, reason)
    return reason


def _run_recording(item: RecordingInput, found: Found, files: ResultFiles, parameters, execution) -> Outcome:
    """The stages in order; every number of the result comes from one of them."""
    with signals_wait():  # a module half imported makes another exception of a signal's, with a traceback
        from ephys_postprocess.postprocess import (
            check_space,
            compute,
            open_inputs,
            remove_duplicates,
            sample,
            why_not_keep,
            write_results,
        )

    start = datetime.now().astimezone()
    log = StageLog(item.recording_name, execution.progress_style)
    logger.info("%s (%d thread(s))", item.recording_name, execution.num_jobs)
    try:
        inputs = open_inputs(item, found, parameters, execution, log)
    except UpstreamSkipped as skip:
        logger.warning("%s: skipped, because %s; a placeholder is written", item.recording_name, skip)
        files.write_placeholder(str(skip))
        return Outcome(item.recording_name, "skipped", str(skip))
    if execution.resume:
        why = why_not_keep(inputs, files, parameters)
        if why is None:
            kept = Outcome(item.recording_name, "kept", "complete, and made from the same inputs and parameters")
            return _export(kept, found, files, inputs.traces, execution, log)
        logger.info("  computed, because %s", why)
    with log.stage("sample_templates"):
        sampled = sample(inputs, parameters)
    with log.stage("deduplicate") as stage:
        kept = remove_duplicates(inputs, sampled, parameters, stage)
    need = check_space(inputs, sampled, kept, files, parameters)
    with explained(execution, need):
        work = compute(inputs, sampled, kept, files, parameters, log)
        with log.stage("write_results"):
            write_results(inputs, kept, work, files, found, parameters, log, start, with_report=execution.report)
    done = Outcome(item.recording_name, "done", kept.summary(log))
    return _export(done, found, files, inputs.traces, execution, log)


def _export(outcome: Outcome, found: Found, files: ResultFiles, traces, execution, log: StageLog) -> Outcome:
    """Write the folder for phy where one is asked for; a failure is told here and costs nothing of the result."""
    if execution.export_phy_folder is None:
        return outcome
    names = [item.recording_name for item in found.recordings]
    folder = PhyFolder(folders_of_recordings(execution.export_phy_folder, names)[outcome.recording_name])
    try:
        export_result(files.analyzer, folder, execution, log, traces)
    except (CapsuleError, OSError) as error:
        _tell_failure(error, f"{outcome.recording_name}: the export to phy", execution)
        return Outcome(outcome.recording_name, "failed", f"{outcome.line}; but the export to phy failed, see above")
    return outcome
