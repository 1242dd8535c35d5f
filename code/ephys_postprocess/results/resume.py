"""--resume: whether a recording's result is complete and is what a run would make again."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from ephys_postprocess import __version__
from ephys_postprocess.inputs.fingerprints import InputFingerprint
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.manifest import check_manifest, checksum
from ephys_postprocess.results.provenance import library_versions

logger = logging.getLogger(__name__)

LIBRARIES_THAT_MATTER = ("spikeinterface", "numpy", "scipy", "scikit-learn")


def integrity(manifest_checksum: str, files: ResultFiles, fingerprint: InputFingerprint) -> dict:
    """What `why_redo` and `--verify` need to know later, as a part of the data process.

    The report is left out: it can be made again at any time, in a new version's looks.
    """
    beside = [path for path in sorted(files.staging.iterdir()) if path.name != files.report.name]
    return {
        "manifest_sha256": manifest_checksum,
        # A list: databases that take in such records do not allow dots in keys.
        "files": [{"name": path.name, "sha256": checksum(path)} for path in beside if path.is_file()],
        "inputs": asdict(fingerprint),
    }


def why_redo(
    files: ResultFiles, fingerprint: InputFingerprint, parameters_fingerprint: str, num_threads: int
) -> str | None:
    """Why the result must be made (again), or None where it is complete and up to date."""
    if not files.analyzer.exists():
        return "there is no result yet"
    record = read_data_process(files)
    if record is None:
        return "the result is not complete: its data process is missing or broken"
    told = record["output_parameters"]
    if record["code"].get("version") != __version__:
        return f"the result was made by version {record['code'].get('version')} and this is {__version__}"
    if told.get("parameters_fingerprint") != parameters_fingerprint:
        return "parameters that change results are different"
    changed = _changed_libraries(told.get("versions", {}))
    if changed:
        return f"libraries are different: {changed}"
    differences = fingerprint.differences(told["integrity"].get("inputs", {}))
    if differences:
        return f"the inputs have changed: {', '.join(differences)}"
    problems = check_result(files, told["integrity"], num_threads)
    if problems:
        return f"the result is damaged: {problems[0]}" + (f" and {len(problems) - 1} more" if problems[1:] else "")
    return None


def read_data_process(files: ResultFiles) -> dict | None:
    """The data process of a result of ours, or None where there is none that can be used."""
    try:
        record = json.loads(files.data_process.read_text(encoding="utf-8"))
        is_ours = (
            record["code"]["parameters"]["recording_name"] == files.recording_name
            and isinstance(record["output_parameters"]["integrity"]["manifest_sha256"], str)
            and all({"name", "sha256"} == set(file) for file in record["output_parameters"]["integrity"]["files"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if is_ours else None


def check_result(files: ResultFiles, integrity: dict, num_threads: int) -> list[str]:
    """What is wrong with the files of a result, one line each."""
    problems = check_manifest(files.analyzer, integrity["manifest_sha256"], num_threads)
    for file in integrity["files"]:
        path = files.folder / Path(file["name"]).name
        if not path.is_file():
            problems.append(f"{path.name} is missing")
        elif checksum(path) != file["sha256"]:
            problems.append(f"{path.name} has changed: its checksum differs")
    return problems


def _changed_libraries(earlier: dict) -> str:
    now = library_versions()
    return ", ".join(
        f"{name} {earlier.get(name)} then, {now[name]} now"
        for name in LIBRARIES_THAT_MATTER
        if earlier.get(name) != now[name]
    )
