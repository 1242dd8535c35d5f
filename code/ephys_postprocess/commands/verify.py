"""--verify: whether every result in a folder is complete and as it was written, told from checksums alone."""

import logging
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.special_files import open_regular
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.manifest import size_of
from ephys_postprocess.results.resume import check_result
from ephys_postprocess.results.stored_record import UnusableRecordError, read_stored_record

logger = logging.getLogger(__name__)

_STORE = ("postprocessed_", ".zarr")
_DATA_PROCESS = ("data_process_postprocessing_", ".json")
_NUM_PROBLEMS_TOLD = 3
MAX_REASON_BYTES = 10_000
NOT_COVERED = (
    "Compared: every byte of the stores and of the files beside them with the checksums of the run. Not covered: "
    "whether the numbers are right (--audit N), the recording that a result refers to, and "
    "someone who edits the checksums too."
)


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one recording."""

    recording_name: str
    status: str  # "whole", "placeholder" or "broken"
    line: str


def verify(results_folder: Path, num_threads: int = 1) -> int:
    """Log one line per recording and return the exit code: 0 where every result is whole, 1 otherwise.

    Raises
    ------
    InputError
        No folder, or no result in it.
    """
    names = recording_names_in(results_folder)
    if not names:
        raise InputError(f"{results_folder}: holds no postprocessed_*.zarr. Point --verify at a results folder.")
    verdicts = [verify_recording(ResultFiles(results_folder, name), num_threads) for name in names]
    for verdict in verdicts:
        log = logger.error if verdict.status == "broken" else logger.info
        log("%-11s %s: %s", verdict.status, verdict.recording_name, verdict.line)
    logger.info("%s", NOT_COVERED)
    return int(any(verdict.status == "broken" for verdict in verdicts))


def verify_recording(files: ResultFiles, num_threads: int = 1) -> Verdict:
    """Judge one recording's result without opening any array."""
    name = files.recording_name
    if not files.analyzer.is_dir():
        return Verdict(name, "broken", f"{files.analyzer.name} is missing")
    reason = placeholder_reason(files)
    if reason is not None:
        return Verdict(name, "placeholder", reason)
    try:
        record = read_stored_record(files)
    except UnusableRecordError as error:
        return Verdict(name, "broken", str(error))
    problems = check_result(files, record.integrity, num_threads)
    if problems:
        more = len(problems) - _NUM_PROBLEMS_TOLD
        told = "; ".join(problems[:_NUM_PROBLEMS_TOLD]) + (f"; and {more} more" if more > 0 else "")
        return Verdict(name, "broken", told)
    num_files, num_bytes = size_of(files.analyzer)
    return Verdict(name, "whole", f"{num_files} files, {num_bytes / 1e6:.1f} MB")


def recording_names_in(results_folder: Path) -> list[str]:
    """The recordings that a results folder tells of, by their stores and data processes."""
    try:
        entries = [path.name for path in results_folder.iterdir()]
    except OSError as error:
        raise InputError(f"{results_folder}: not a readable folder ({error.strerror}).") from error
    names = {
        entry[len(start) : -len(end)]
        for start, end in (_STORE, _DATA_PROCESS)
        for entry in entries
        if entry.startswith(start) and entry.endswith(end)
    }
    return sorted(names)


def placeholder_reason(files: ResultFiles) -> str | None:
    """Why a recording has a placeholder in the place of a result; None where it has none."""
    store = files.analyzer
    if not (store / "placeholder.npy").is_file() or (store / ".zgroup").exists():
        return None
    try:
        with open_regular(store / "reason.txt") as file:
            return " ".join(file.read(MAX_REASON_BYTES).decode("utf-8", "replace").split())
    except OSError:
        return "no reason given"
