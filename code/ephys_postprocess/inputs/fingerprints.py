"""What a result was made from, small enough to keep: names, sizes, times and contents of its inputs."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.records import SpikeTrains, blocks_of_spikes

SMALL_BYTES = 2**20  # read whole
STRETCH_BYTES = 2**16  # of larger files, at each end
MAX_CONTENTS = 1000  # files of one recording that are looked into


@dataclass(frozen=True)
class InputFingerprint:
    """Equal where nothing that a result depends on has changed."""

    files: str  # sha256 (hex) of names, sizes, modification times and contents, see `fingerprint_files`
    num_files: int
    num_bytes: int
    traces: str  # sha256 (hex) of stretches of the traces, see `trace_survey.py`
    spikes: str  # sha256 (hex) of every spike and of the unit ids
    options: str  # what else decided which inputs were read

    def differences(self, earlier: dict) -> list[str]:
        """What differs from an earlier fingerprint, in words."""
        words = {
            "files": "names, sizes, times or contents of the input files",
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
    """(sha256 of names, sizes, modification times and contents, number of files, bytes); links are followed.

    Small files count with every byte, large ones with stretches at their ends; of the traces, `trace_survey.py` reads
    more. Beyond `MAX_CONTENTS` files (chunks of a zarr store) size and time must do.
    """
    digest, num_files, num_bytes = hashlib.sha256(), 0, 0
    for name in sorted(input_names):
        root = data_folder / name
        for path in _files_below(root):
            listed = name if path == root else f"{name}/{path.relative_to(root).as_posix()}"
            try:
                status = path.stat()
                content = _content_of(path, status.st_size) if num_files < MAX_CONTENTS else b""
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({error.strerror}). Let it be read, or remove it.") from error
            digest.update(f"{listed}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
            digest.update(content)
            num_files += 1
            num_bytes += status.st_size
    return digest.hexdigest(), num_files, num_bytes


def names_of_files_behind(described: dict, data_folder: Path) -> list[str]:
    """Relative names of the local files and folders that a recording's or sorting's description leads to.

    Parameters
    ----------
    described : dict
        `to_dict(recursive=True)` of a SpikeInterface object.
    data_folder : Path
    """
    paths = {Path(path) for path in _paths_in(described)}
    return sorted(os.path.relpath(path, data_folder) for path in paths if path.is_absolute() and path.exists())


def _paths_in(value, name: str = ""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths_in(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _paths_in(inner, name)
    elif isinstance(value, str | os.PathLike) and "path" in name and "\0" not in str(value):
        yield value


def _content_of(path: Path, size: int) -> bytes:
    with path.open("rb") as handle:
        if size <= SMALL_BYTES:
            return hashlib.sha256(handle.read()).digest()
        head = handle.read(STRETCH_BYTES)
        handle.seek(size - STRETCH_BYTES)
        return hashlib.sha256(head + handle.read(STRETCH_BYTES)).digest()


def _files_below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sorted(file for file in found if file.exists())


def _of_spikes(spikes: SpikeTrains, unit_ids) -> str:
    digest = hashlib.sha256()
    digest.update("\n".join(map(repr, np.asarray(unit_ids).tolist())).encode("utf-8", "surrogatepass"))
    for column in (spikes.samples, spikes.unit_indices, spikes.segment_indices):  # as int64, whatever holds them
        for some in blocks_of_spikes(column.size):  # what is not contiguous is copied piece by piece
            digest.update(np.ascontiguousarray(column[some], dtype=np.int64).data)
    return digest.hexdigest()
