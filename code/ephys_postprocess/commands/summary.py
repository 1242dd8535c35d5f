"""--summary: one page over the recordings of a results folder, and one table of all their units."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from ephys_postprocess.commands.outcomes import Outcome
from ephys_postprocess.commands.verify import placeholder_reason, recording_names_in
from ephys_postprocess.errors import InputError, ResultError
from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.special_files import read_regular
from ephys_postprocess.report.summary import RecordingRow, Summary, build_summary
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.stored_record import StoredRecord, UnusableRecordError, read_stored_record

logger = logging.getLogger(__name__)

PAGE_NAME = "summary.html"


def summarise(results_folder: Path, outcomes: Iterable[Outcome] = (), data_folder: Path | None = None) -> int:
    """Write `summary.html`, `units.parquet` and `units.csv` into a results folder; the exit code, 0.

    Parameters
    ----------
    results_folder : Path
    outcomes : iterable of Outcome
        How the recordings of this call ended: a failed one may have left nothing in the folder to tell of it.
    data_folder : Path, optional
        Recordings in it without a result are listed as missing.

    Raises
    ------
    InputError
        No folder, or no result in it.
    ResultError
        The files cannot be written, or a library that they need is not installed.
    """
    try:
        from ephys_postprocess.results.all_units import concatenate, write_all_units
    except ImportError as error:
        raise ResultError(f"--summary needs pyarrow, which is not installed ({error}).") from error
    failed = {outcome.recording_name: outcome for outcome in outcomes if outcome.status == "failed"}
    wanted = [] if data_folder is None else [item.recording_name for item in find_recordings(data_folder).recordings]
    names = sorted({*recording_names_in(results_folder), *failed, *wanted})
    if not names:
        raise InputError(f"{results_folder}: holds no results. Give the folder that --results named.")
    rows = [_row(ResultFiles(results_folder, name), failed.get(name)) for name in names]
    with_units = [row.units for row in rows if row.units is not None]
    try:
        tables = []
        if with_units:
            about = {row.recording_name: _about(results_folder, row) for row in rows if row.units is not None}
            tables = write_all_units(results_folder, concatenate(with_units, about))
        _write_page(Summary(tuple(rows), tuple(path.name for path in tables)), results_folder / PAGE_NAME)
    except OSError as error:
        raise ResultError(f"Cannot write the summary in {results_folder}: {error.strerror or error}.") from error
    logger.info("Summary of %d recording(s): %s", len(rows), results_folder / PAGE_NAME)
    return 0


def _write_page(summary: Summary, path: Path) -> None:
    try:
        from ephys_postprocess.report.render import write_page

        write_page(build_summary(summary), path)
    except ImportError as error:
        raise ResultError(f"--summary needs jinja2, which is not installed ({error}).") from error


def _row(files: ResultFiles, failure: Outcome | None) -> RecordingRow:
    name = files.recording_name
    if failure is not None and not files.is_complete:
        return RecordingRow(files.shown_name, "failed", failure.line)
    if not (files.analyzer.exists() or files.data_process.exists()):
        return RecordingRow(files.shown_name, "missing", "no result in this folder: not run yet, or failed")
    reason = placeholder_reason(files)
    if reason is not None:
        return RecordingRow(files.shown_name, "skipped", reason)
    try:
        record = read_stored_record(files)
        if not files.is_complete:
            raise UnusableRecordError(f"{files.analyzer.name} is missing or not complete")
        return _row_of_result(files, record, failure)
    except (UnusableRecordError, InputError) as error:
        logger.warning("%s: %s", name, error)
        return RecordingRow(files.shown_name, "broken", str(error))


def _row_of_result(files: ResultFiles, record: StoredRecord, failure: Outcome | None) -> RecordingRow:
    from ephys_postprocess.results.all_units import read_units

    told = record.output_parameters
    return RecordingRow(
        files.shown_name,
        "done" if failure is None else "failed",
        "" if failure is None else failure.line,
        report=files.report.name if files.report.is_file() else None,
        units_in=told.num_units_in,
        duplicates=told.num_duplicate_units_removed,
        units_out=told.num_units_out,
        spikes=told.num_spikes,
        channels=told.num_channels,
        seconds=sum(stage.seconds for stage in told.stages),
        warnings=(*told.notes, *told.lines_without_values()),
        units=read_units(files.units_parquet, files.shown_name),
    )


def _about(results_folder: Path, row: RecordingRow) -> dict:
    """Version and parameters, as the data process has them; it was read, and its seal checked, a moment ago."""
    files = ResultFiles(results_folder, row.recording_name)
    code = json.loads(read_regular(files.data_process))["code"]
    return {"capsule_version": code["version"], "parameters": code["parameters"]}
