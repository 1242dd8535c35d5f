"""--relink: results that were moved refer to their recordings again."""

import logging
from pathlib import Path

from ephys_postprocess.commands.verify import recording_names_in
from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.loading import open_recording_of_result
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.finished_result import recording_name_of
from ephys_postprocess.results.relink import relink

logger = logging.getLogger(__name__)


def relink_results(result: Path, execution: Execution) -> int:
    """Write the link of one result, or of every result in a folder, to the recordings in --data; the exit code.

    Raises
    ------
    InputError, ResultError
        A result or its recording is missing, or they do not belong together.
    """
    for files in _results(result):
        if (files.analyzer / "placeholder.npy").is_file():
            logger.info("%s is a placeholder: nothing to link", files.analyzer.name)
            continue
        found = find_recordings(execution.data_folder, (files.recording_name,))
        recording, words = open_recording_of_result(
            found.recordings[0], allow_pickle=execution.allow_pickle, allow_classes=execution.allow_classes
        )
        with files.held():
            relink(files, recording, words)
        logger.info("%s refers to its recording in %s", files.analyzer.name, execution.data_folder)
    return 0


def _results(result: Path) -> list[ResultFiles]:
    if (result / ".zgroup").is_file() or (result / "placeholder.npy").is_file():
        return [ResultFiles(result.parent, recording_name_of(result))]
    names = recording_names_in(result)
    if not names:
        raise InputError(f"{result}: holds no postprocessed_*.zarr. Point --relink at a result or a folder of results.")
    return [ResultFiles(result, name) for name in names]
