"""What a disturbed run may leave, and what it must not."""

import hashlib
from pathlib import Path

from ephys_postprocess.commands.verify import verify_recording
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.manifest import FILE_NAME, files_in


def arrays_of(results: Path, name: str) -> dict[str, str]:
    """sha256 of every file of a result's store, its manifest and its two tables."""
    files = ResultFiles(results, name)
    paths = {entry: files.analyzer / entry for entry in (*files_in(files.analyzer), FILE_NAME)}
    paths |= {path.name: path for path in (files.units_table, files.units_parquet) if path.exists()}
    return {entry: hashlib.sha256(path.read_bytes()).hexdigest() for entry, path in paths.items()}


def visible(results: Path) -> list[str]:
    """Names that a pipeline's pattern would see."""
    return sorted(path.name for path in results.iterdir() if not path.name.startswith(".")) if results.exists() else []


def hidden(results: Path) -> list[str]:
    return sorted(path.name for path in results.iterdir() if path.name.startswith(".")) if results.exists() else []


def partial_results(results: Path, name: str) -> list[str]:
    """What lies under a final name without being whole; empty is what we want.

    Between the renames of publishing, a store may already stand there without its data process: it is whole, its
    arrays are tested by the caller, and the next run adds what is missing.
    """
    files = ResultFiles(results, name)
    named = [entry for entry in visible(results) if name in entry]
    if not named:
        return []
    if files.data_process.exists():
        verdict = verify_recording(files)
        return [] if verdict.status == "whole" else [verdict.line]
    is_between_renames = files.ready.is_dir() and (files.building.is_dir() or files.analyzer.is_dir())
    return [] if is_between_renames else named
