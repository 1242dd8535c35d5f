"""The report of a result, during a run or afterwards from the finished result alone; no run fails for want of one."""

import json
import logging
from pathlib import Path

from ephys_postprocess.errors import ResultError

logger = logging.getLogger(__name__)


def write_report_file(
    analyzer, path: Path, recording_name: str, data_process: dict | None, num_threads: int = 1
) -> bool:
    """Write the report of an analyzer, in memory or stored, with whatever extensions it has.

    Parameters
    ----------
    analyzer : spikeinterface.SortingAnalyzer
    path : Path
    recording_name : str
    data_process : dict, optional
        The DataProcess JSON of the run, for versions, times, duplicates and notes.
    num_threads : int

    Returns
    -------
    bool
        Whether it was written: where it could not be, one line of the log says why.
    """
    try:
        import jinja2  # noqa: F401 - asked for here, so that an ImportError means this and nothing else
    except ImportError:
        logger.warning("  no report: jinja2 is not installed")
        return False
    from ephys_postprocess.report.read import read_report_data
    from ephys_postprocess.report.render import write_report

    try:
        write_report(read_report_data(analyzer, recording_name, data_process, num_threads), path)
    except Exception as error:  # a picture less must not cost the result
        logger.warning("  no report: %s: %s", type(error).__name__, error)
        logger.debug("", exc_info=True)
        return False
    return True


def remake_report(result: Path, folder: Path | None, num_threads: int) -> int:
    """Write `postprocessing-report_{name}.html` of a finished result, beside it or in `folder`; the exit code.

    Raises
    ------
    InputError
        There is no such result, or it cannot be read.
    ResultError
        The report cannot be written there.
    """
    from ephys_postprocess.results.files import ResultFiles
    from ephys_postprocess.results.finished_result import open_result, recording_name_of

    analyzer = open_result(result)
    files = ResultFiles(folder or result.parent, recording_name_of(result))
    _check_writable(files.folder)
    data_process = _read_data_process(ResultFiles(result.parent, files.recording_name).data_process)
    if not write_report_file(analyzer, files.report, files.recording_name, data_process, num_threads):
        return 1
    logger.info("Report: %s", files.report)
    return 0


def _check_writable(folder: Path) -> None:
    from ephys_postprocess.results.files import refuse_links

    probe = folder / ".report.building"
    refuse_links(probe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ResultError(f"Cannot write in {folder}: {error.strerror}. Choose --results.") from error


def _read_data_process(path: Path) -> dict | None:
    from ephys_postprocess.inputs.special_files import read_regular
    from ephys_postprocess.results.stored_record import MAX_BYTES

    try:
        content = json.loads(read_regular(path, MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s is not used: it cannot be read (%s)", path.name, error)
        return None
    return content if isinstance(content, dict) else None
