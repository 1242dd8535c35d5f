"""--list: the recordings that a run would postprocess, for schedulers that give each a task of its own."""

import logging
import os
import sys

from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.machine.events import emit
from ephys_postprocess.machine.execution import Execution

logger = logging.getLogger(__name__)


def list_recordings(execution: Execution) -> int:
    """Write the names to standard output, one per line, in order of names; the exit code.

    Nothing is opened, so a recording that upstream skipped, or that is broken, is listed with the others: its task
    writes the placeholder, or says what is wrong.
    """
    found = find_recordings(execution.data_folder, execution.recordings)
    for warning in found.warnings:
        logger.warning("%s", warning)
    for index, item in enumerate(found.recordings, 1):
        if execution.progress_style == "json":
            emit("recording_found", item.recording_name, index=index, total=len(found.recordings))
        else:  # as bytes: a name goes into `--recording` again as it came
            sys.stdout.buffer.write(os.fsencode(item.recording_name) + b"\n")
    sys.stdout.flush()
    return 0
