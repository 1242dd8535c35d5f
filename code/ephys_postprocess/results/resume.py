"""--resume: whether a recording's result is complete and is what a run would make again."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ephys_postprocess import __version__
from ephys_postprocess.inputs.fingerprints import InputFingerprint
from ephys_postprocess.inputs.special_files import read_regular
from ephys_postprocess.results.files import ResultFiles, shown
from ephys_postprocess.results.manifest import check_manifest, checksum
from ephys_postprocess.results.provenance import library_versions
from ephys_postprocess.results.seals import is_html_sealed
from ephys_postprocess.results.stored_record import Integrity, UnusableRecordError, read_stored_record

logger = logging.getLogger(__name__)

LIBRARIES_THAT_MATTER = ("spikeinterface", "numpy", "scipy", "scikit-learn")


def integrity(manifest_checksum: str, files: ResultFiles, fingerprint: InputFingerprint) -> dict:
    """What `why_redo` and `--verify` need to know later, as a part of the data process.

    The report is left out, because it can be made again at any time, in a new version's looks: it carries its own seal.
    """
    beside = [path for path in sorted(files.staging.iterdir()) if path.name != files.report.name]
    return {
        "manifest_sha256": manifest_checksum,
        # A list: databases that take in such records do not allow dots in keys.
        "files": [{"name": shown(path.name), "sha256": checksum(path)} for path in beside if path.is_file()],
        "inputs": asdict(fingerprint),
        "has_report": False,
        "seal_sha256": "",
    }


def why_redo(
    files: ResultFiles, fingerprint: InputFingerprint, parameters_fingerprint: str, num_threads: int
) -> str | None:
    """Why the result must be made (again), or None where it is complete and up to date."""
    if not files.analyzer.exists():
        return "there is no result yet"
    try:
        record = read_stored_record(files)
    except UnusableRecordError as error:
        return f"the result is not complete: {error}"
    told = record.output_parameters
    if record.code.version != __version__:
        return f"the result was made by version {record.code.version} and this is {__version__}"
    if told.parameters_fingerprint != parameters_fingerprint:
        return "parameters that change results are different"
    changed = _changed_libraries(told.versions)
    if changed:
        return f"libraries are different: {changed}"
    differences = fingerprint.differences(told.integrity.inputs)
    if differences:
        return f"the inputs have changed: {', '.join(differences)}"
    problems = check_result(files, told.integrity, num_threads)
    if problems:
        return f"the result is damaged: {problems[0]}" + (f" and {len(problems) - 1} more" if problems[1:] else "")
    return None


def check_result(files: ResultFiles, told: Integrity, num_threads: int) -> list[str]:
    """What is wrong with the files of a result, one line each."""
    problems = check_manifest(files.analyzer, told.manifest_sha256, num_threads)
    names = {shown(path.name): path for path in files.beside()}
    for file in told.files:
        path = names.get(file.name, files.folder / file.name)
        problems += _difference(path, lambda path=path, file=file: checksum(path) == file.sha256)
    if told.has_report or files.report.exists():
        problems += _difference(files.report, lambda: is_html_sealed(read_regular(files.report)))
    return problems


def _difference(path: Path, is_as_written: Callable[[], bool]) -> list[str]:
    try:
        if path.is_symlink() or not path.is_file():
            return [f"{path.name} is missing"]
        return [] if is_as_written() else [f"{path.name} has changed: its checksum differs"]
    except OSError as error:
        return [f"{path.name} cannot be read ({error.strerror})"]


def _changed_libraries(earlier: dict) -> str:
    now = library_versions()
    return ", ".join(
        f"{name} {earlier.get(name)} then, {now[name]} now"
        for name in LIBRARIES_THAT_MATTER
        if earlier.get(name) != now[name]
    )
