"""The whole story: what happens to one recording, in order, and to all of them."""

import logging
from dataclasses import dataclass
from datetime import datetime

from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs import Found, RecordingInput, UpstreamSkipped, find_recordings
from ephys_postprocess.stage_log import StageLog
from ephys_postprocess.stages.write_results import ResultFiles

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one recording ended: "done", "skipped" (upstream said so) or "failed" (here)."""

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
    outcomes = [_run_isolated(item, found, parameters, execution) for item in found.recordings]
    logger.info("Results of %d recording(s) in %s", len(outcomes), execution.results_folder)
    for outcome in outcomes:
        logger.info("  %-8s %s: %s", outcome.status, outcome.recording_name, outcome.line)
    has_failed = any(outcome.status == "failed" for outcome in outcomes)
    return int(has_failed and execution.on_failure == "fail")


def _run_isolated(item: RecordingInput, found: Found, parameters, execution) -> Outcome:
    """One recording, whose failure costs no other recording its result."""
    name = item.recording_name
    files = ResultFiles(execution.results_folder, name)
    try:
        with files.held():
            return _run_recording(item, found, files, parameters, execution)
    except CapsuleError as error:
        logger.error("%s failed: %s", name, error, exc_info=execution.debug)
        reason = str(error)
    except Exception as error:
        logger.exception("%s failed in an unexpected way: a bug in the capsule or in a library", name)
        reason = f"{type(error).__name__}: {error}"
    if execution.on_failure == "placeholder":
        with files.held():
            files.write_placeholder(reason)
    return Outcome(name, "failed", (reason.splitlines() or [""])[0])


def _run_recording(item: RecordingInput, found: Found, files: ResultFiles, parameters, execution) -> Outcome:
    """The stages in order; every number of the result comes from one of them."""
    from ephys_postprocess.postprocess import (
        compute,
        load_inputs,
        open_traces,
        remove_duplicates,
        sample,
        write_results,
    )

    start = datetime.now().astimezone()
    log = StageLog(item.recording_name, execution.progress_style)
    logger.info("%s (%d thread(s))", item.recording_name, execution.num_jobs)
    try:
        with log.stage("load_inputs") as stage:
            loaded = load_inputs(item, parameters, execution, stage)
    except UpstreamSkipped as skip:
        logger.warning("%s: skipped, because %s; a placeholder is written", item.recording_name, skip)
        files.write_placeholder(str(skip))
        return Outcome(item.recording_name, "skipped", str(skip))
    inputs = open_traces(loaded, parameters, execution)
    with log.stage("sample_templates"):
        sampled = sample(inputs, parameters)
    with log.stage("deduplicate") as stage:
        kept = remove_duplicates(inputs, sampled, parameters, stage)
    work = compute(inputs, sampled, kept, files, parameters, log)
    with log.stage("write_results"):
        write_results(inputs, kept, work, files, found, parameters, log, start)
    return Outcome(item.recording_name, "done", kept.summary(log))
