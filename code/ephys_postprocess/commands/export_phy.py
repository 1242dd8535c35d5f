"""Folders for phy, at the end of a run or afterwards from a finished result alone."""

import logging
from pathlib import Path

from ephys_postprocess.errors import InputError
from ephys_postprocess.machine.stage_log import StageLog
from ephys_postprocess.phy.folder import PhyFolder, folders_of_recordings

logger = logging.getLogger(__name__)


def check_phy_folders(folder: Path, recording_names: list[str]) -> dict[str, PhyFolder]:
    """Where each recording is exported to; ResultError before anything is computed where one cannot be written."""
    folders = {name: PhyFolder(path) for name, path in folders_of_recordings(folder, recording_names).items()}
    for phy_folder in folders.values():
        phy_folder.check()
    return folders


def export_result(result_folder: Path, folder: PhyFolder, execution, log: StageLog, traces=None) -> None:
    """Export a finished result, with the traces given or those that it refers to.

    Raises
    ------
    InputError, ResultError
        The result cannot be opened; the folder cannot be written.
    """
    from ephys_postprocess.inputs.consent import Consent
    from ephys_postprocess.phy.export import export_phy
    from ephys_postprocess.results.finished_result import FinishedResult

    result = FinishedResult(result_folder)
    if traces is None:
        given_folders = [execution.data_folder, result_folder.absolute().parent]
        consent = Consent(execution.allow_pickle, execution.allow_classes)
        traces = result.reachable_traces(given_folders, consent)
    chunk_samples = (
        1
        if traces is None
        else execution.chunk_samples(traces.sampling_frequency_hz, traces.num_channels, traces.dtype.itemsize)
    )
    with log.stage("export_phy", result.spikes.num_spikes) as stage:
        export_phy(result, folder, traces, chunk_samples, execution.num_threads, stage)
    logger.info("  for phy: %s", folder.folder / "params.py")


def export_finished_result(result_folder: Path, folder: Path, execution) -> int:
    """`--export-phy FOLDER --from RESULT`: the exit code."""
    name = result_folder.name
    phy_folder = check_phy_folders(folder, [name])[name]
    try:
        export_result(result_folder, phy_folder, execution, StageLog(name, execution.progress_style))
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(  # of somebody else's making, it may be broken in any way
            f"{result_folder}: cannot be exported ({type(error).__name__}: {error}): its arrays are not those of a "
            "complete SortingAnalyzer. Make it again."
        ) from error
    return 0
