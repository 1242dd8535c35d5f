"""The report of a result, during a run or afterwards from the finished result alone; no run fails for want of one."""

import json
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def write_report_file(analyzer, path: Path, recording_name: str, stored_at: Path, num_threads: int) -> bool:
    """Write the report of an analyzer whose result is stored at `stored_at`, with its DataProcess beside it.

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
    from ephys_postprocess.report.render import write_report
    from ephys_postprocess.spikeinterface_adapters.report_data import read_report_data

    try:
        data = read_report_data(
            analyzer, recording_name, _data_process_of(stored_at, recording_name), num_threads, stored_at
        )
        write_report(data, path)
    except Exception as error:  # noqa: BLE001 - a picture less must not cost the result
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
    """
    from ephys_postprocess.errors import ResultError
    from ephys_postprocess.spikeinterface_adapters.report_data import open_result, recording_name_of
    from ephys_postprocess.stages.write_results import ResultFiles

    analyzer = open_result(result)
    files = ResultFiles(folder or result.parent, recording_name_of(result))
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
        (files.folder / f".{files.report.name}.building").touch()
    except OSError as error:
        raise ResultError(f"Cannot write in {files.folder}: {error.strerror}. Choose --results.") from error
    is_written = write_report_file(analyzer, files.report, files.recording_name, result, num_threads)
    if is_written:
        logger.info("Report: %s", files.report)
    return 0 if is_written else 1


def _data_process_of(stored_at: Path, recording_name: str) -> dict | None:
    path = stored_at.parent / f"data_process_postprocessing_{recording_name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
