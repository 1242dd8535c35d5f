"""Names, sizes and checksums of everything in a result's store, kept inside it, so that it can be checked later."""

import errno
import hashlib
import json
import os
from pathlib import Path

from ephys_postprocess.errors import ResultError
from ephys_postprocess.inputs.special_files import open_regular, read_regular
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.results.files import refuse_links

FILE_NAME = ".capsule_manifest.json"  # hidden: zarr keeps hidden files of its own, and reads no other
FORMAT_VERSION = 1
MAX_BESIDE_BYTES = 2**34
_READ_BYTES = 2**20


def write_manifest(store: Path, num_threads: int) -> str:
    """Write the manifest of a finished store, and wait until the manifest (not the store) is on the disk.

    It holds no time of day and no folder, so equal stores have equal manifests. Waiting for hundreds of arrays would
    cost a tenth of a run; what a power cut takes of them, the checksums tell.

    Returns
    -------
    str
        sha256 (hex) of the manifest: knowing it is knowing every byte of the store.
    """
    names = files_in(store)
    described = map_in_threads(lambda name: _described(store / name), names, num_threads)
    content = {"format_version": FORMAT_VERSION, "files": dict(zip(names, described, strict=True))}
    path = store / FILE_NAME
    path.write_text(json.dumps(content, indent=0), encoding="utf-8")
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
    return checksum(path)


def renew_in_manifest(store: Path, name: str) -> str:
    """Describe one file of a store anew, which was changed on purpose; the checksum of the manifest then."""
    path = store / FILE_NAME
    content = json.loads(read_regular(path))
    content["files"][name] = _described(store / name)
    beside = path.with_name(f"{FILE_NAME}.new")
    refuse_links(beside)
    beside.write_text(json.dumps(content, indent=0), encoding="utf-8")
    beside.replace(path)
    return checksum(path)


def check_manifest(store: Path, manifest_checksum: str | None, num_threads: int = 1) -> list[str]:
    """What is wrong with a store, one line each; empty where every byte is as it was written.

    Parameters
    ----------
    store : Path
        postprocessed_{name}.zarr
    manifest_checksum : str or None
        What `write_manifest` returned, from the data process; None where it is not known.
    """
    path = store / FILE_NAME
    try:
        if manifest_checksum is not None and checksum(path) != manifest_checksum:
            return [f"{FILE_NAME} is not the one that the data process names"]
        expected = _read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{FILE_NAME} cannot be read ({error})"]
    found = set(files_in(store))
    foreign = _foreign_in(store)
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} was added later" for name in sorted(found - set(expected))]
    present = [name for name in expected if name in found]
    compared = map_in_threads(lambda name: _difference(store, name, expected[name]), present, num_threads)
    return foreign + problems + [line for line in compared if line]


def size_of(store: Path) -> tuple[int, int]:
    """(number of files, bytes) that a store's manifest lists."""
    described = _read(store / FILE_NAME).values()
    return len(described), sum(size for size, _ in described)


def files_in(store: Path) -> list[str]:
    """Every file below a folder by its relative name with '/', sorted; the manifest itself left out."""
    names = []
    for folder, _, file_names in os.walk(store):
        below = os.path.relpath(folder, store).replace(os.sep, "/")
        names += [name if below == "." else f"{below}/{name}" for name in file_names]
    return sorted(name for name in names if name != FILE_NAME)


def _foreign_in(store: Path) -> list[str]:
    """Links, which lead out of what is checked, and empty folders, of which a store has none; one line each."""
    problems = []
    for folder, folder_names, file_names in os.walk(store):
        below = Path(folder).relative_to(store)
        links = [name for name in (*folder_names, *file_names) if (Path(folder) / name).is_symlink()]
        problems += [f"{(below / name).as_posix()} is a link" for name in sorted(links)]
        if not folder_names and not file_names:
            problems.append(f"{below.as_posix()} is an empty folder that was added later")
    return sorted(problems)


def checksum(path: Path) -> str:
    """sha256 (hex) of a manifest or a file beside a store; OSError where it is no file, or larger than any of these."""
    if (num_bytes := path.stat().st_size) > MAX_BESIDE_BYTES:
        raise OSError(errno.EFBIG, f"{num_bytes} bytes; at most {MAX_BESIDE_BYTES} are read", str(path))
    return _digest(path)


def _described(path: Path) -> list:
    try:
        return [path.stat().st_size, _digest(path)]
    except OSError as error:
        raise ResultError(f"{path}: what was written cannot be read back ({error.strerror}).") from error


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path) as handle:
        while block := handle.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _read(path: Path) -> dict[str, list]:
    content = json.loads(read_regular(path))
    files = content["files"]
    return {str(name): (int(size), str(digest)) for name, (size, digest) in files.items()}


def _difference(store: Path, name: str, expected: tuple[int, str]) -> str:
    path = store / name
    try:
        size = path.stat().st_size
        if size != expected[0]:
            return f"{name} has {size} bytes instead of {expected[0]}"
        return "" if _digest(path) == expected[1] else f"{name} has changed: its checksum differs"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
