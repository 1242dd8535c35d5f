"""What a result was made from, small enough to keep: names, sizes, times and contents of its inputs."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ephys_postprocess.records import SpikeTrains

_SPIKES_AT_ONCE = 2**17


@dataclass(frozen=True)
class InputFingerprint:
    """Equal where nothing that a result depends on has changed."""

    files: str  # sha256 (hex) of names, sizes and modification times
    num_files: int
    num_bytes: int
    traces: str  # sha256 (hex) of stretches of the traces, see `trace_survey.py`
    spikes: str  # sha256 (hex) of every spike and of the unit ids
    options: str  # what else decided which inputs were read

    def differences(self, earlier: dict) -> list[str]:
        """What differs from an earlier fingerprint, in words."""
        words = {
            "files": "names, sizes or times of the input files",
            "traces": "the traces",
            "spikes": "the spikes or unit ids",
            "options": "how the inputs are read",
        }
        return [said for name, said in words.items() if earlier.get(name) != getattr(self, name)]


def fingerprint_inputs(
    data_folder: Path, input_names: list[str], traces_digest: str, spikes: SpikeTrains, unit_ids, options: dict
) -> InputFingerprint:
    """Fingerprint of one recording's inputs.

    Parameters
    ----------
    data_folder : Path
    input_names : list of str
        Files and folders in it, as the data process lists them.
    traces_digest : str
        Of the survey of the traces.
    spikes, unit_ids
        What the result is computed from, duplicates included.
    options : dict
        Choices that decide what is read, JSON-like.
    """
    files, num_files, num_bytes = fingerprint_files(data_folder, input_names)
    return InputFingerprint(
        files=files,
        num_files=num_files,
        num_bytes=num_bytes,
        traces=traces_digest,
        spikes=_of_spikes(spikes, unit_ids),
        options=repr(sorted(options.items())),
    )


def fingerprint_files(data_folder: Path, input_names: list[str]) -> tuple[str, int, int]:
    """(sha256 of names, sizes and modification times, number of files, bytes); links are followed."""
    digest, num_files, num_bytes = hashlib.sha256(), 0, 0
    for name in sorted(input_names):
        for path in _files_below(data_folder / name):
            status = path.stat()
            listed = path.relative_to(data_folder).as_posix()
            digest.update(f"{listed}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
            num_files += 1
            num_bytes += status.st_size
    return digest.hexdigest(), num_files, num_bytes


def _files_below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sorted(file for file in found if file.exists())


def _of_spikes(spikes: SpikeTrains, unit_ids) -> str:
    digest = hashlib.sha256()
    digest.update("\n".join(map(repr, np.asarray(unit_ids).tolist())).encode("utf-8", "surrogatepass"))
    for column in (spikes.samples, spikes.unit_indices, spikes.segment_indices):
        for start in range(0, column.size, _SPIKES_AT_ONCE):  # what is not contiguous is copied piece by piece
            digest.update(np.ascontiguousarray(column[start : start + _SPIKES_AT_ONCE]).data)
    return digest.hexdigest()
