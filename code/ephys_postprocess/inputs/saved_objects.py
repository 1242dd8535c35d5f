"""Opening what SpikeInterface saved, importing no foreign class and decoding no pickle unless the caller consents."""

import contextlib
import importlib
import os
import pickle
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import spikeinterface.core as si
from numcodecs.errors import UnknownCodecError

from ephys_postprocess.errors import CapsuleError, InputError
from ephys_postprocess.inputs.data_folder import ALLOW_PICKLE_SWITCH, is_zarr, read_json

# Arguments of SpikeInterface's readers that must exist; others with "path" in the name may be paths inside a file.
FILE_ARGUMENTS = ("file_path", "folder_path", "file_paths", "folder_paths", "file_timestamps_paths")
CONSENT = (
    f"Pickles in the data folder are decoded only with {ALLOW_PICKLE_SWITCH}: give it if you trust whoever wrote this "
    "file, or save the data again without it."
)


class NotAttachedError(Exception):
    """A chain refers to files, or to readers, that are not here; the JSON that says so may be in perfect order."""


def open_dump(file: Path, base_folders: list[Path], kind: type, *, allow_pickle: bool):
    """The recording or sorting that a .json, or with consent a .pkl, describes.

    Parameters
    ----------
    file : Path
        A dump by SpikeInterface.
    base_folders : list of Path
        What its relative paths may be relative to; the first under which all of them exist is used.
    kind : type
        `BaseRecording` or `BaseSorting`.
    allow_pickle : bool
        The user's consent to decode pickles in `data/`.

    Raises
    ------
    NotAttachedError
        A file of the chain is not here, is remote, or SpikeInterface has no such reader here.
    InputError
        Unreadable, of another kind, with a class from outside SpikeInterface, or a pickle without consent.
    """
    is_json = file.name.endswith(".json")
    if not is_json and not allow_pickle:
        raise InputError(f"{file}: a pickle, which can run any code when decoded. {CONSENT}")
    dictionary = read_json(file) if is_json else _unpickle(file)
    return open_dictionary(dictionary, file, base_folders, kind, allow_pickle=allow_pickle)


def open_saved_folder(folder: Path, kind: type, *, allow_pickle: bool):
    """The recording or sorting in a folder that SpikeInterface's `save` wrote: binary, numpy, npz or zarr."""
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder that SpikeInterface saved, but a file. Attach the complete folder.")
    _check_folder(folder, allow_pickle=allow_pickle)
    if is_zarr(folder):
        return _of_kind(_open_zarr(folder, kind), kind, folder)
    if (folder / "si_folder.json").is_file():
        dictionary = read_json(folder / "si_folder.json")
        return open_dictionary(dictionary, folder, [folder], kind, allow_pickle=allow_pickle)
    readers = {
        "binary.json": si.read_binary_folder,
        "numpysorting_info.json": si.read_numpy_sorting_folder,
        "npz.json": si.read_npz_folder,
    }
    for file_name, reader in readers.items():
        if (folder / file_name).is_file():
            with refusal(folder):
                return _of_kind(reader(folder), kind, folder)
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise InputError(
        f"{folder}: not a folder that SpikeInterface saved: it holds {found}, but neither si_folder.json nor a zarr "
        "group. Attach the complete folder."
    )


def open_dictionary(dictionary: dict, source: Path, base_folders: list[Path], kind: type, *, allow_pickle: bool):
    """The recording or sorting a SpikeInterface dictionary describes; see `open_dump`."""
    from ephys_postprocess.inputs.old_motion_dumps import with_motion_objects

    with refusal(source):
        dictionary = with_motion_objects(dictionary)
    check_classes(dictionary, source)
    dictionary = with_absolute_paths(dictionary, source, base_folders)
    for _, _, value in _paths_in(dictionary):
        _check_folder(Path(value), allow_pickle=allow_pickle)
    with refusal(source):
        return _of_kind(si.load(dictionary), kind, source)


def check_classes(dictionary: dict, source: Path) -> None:
    """Refuse a description that names anything but recordings and sortings of SpikeInterface, at any depth.

    SpikeInterface itself imports and calls whatever such a description names.
    """
    for described in _descriptions_in(dictionary):
        name = described["class"]
        if not isinstance(described.get("kwargs"), dict):
            raise InputError(f"{source}: {name!r} has no arguments (kwargs), so it is no dump by SpikeInterface.")
        module_name, _, class_name = str(name).rpartition(".")
        if not module_name.startswith("spikeinterface."):
            raise InputError(
                f"{source}: names the class {name!r}. Only SpikeInterface's own recordings and sortings are opened. "
                "Save the data with SpikeInterface and attach that folder instead."
            )
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError) as error:
            raise NotAttachedError(f"SpikeInterface {version('spikeinterface')} lacks {name} ({error})") from error
        if not (isinstance(found, type) and issubclass(found, (si.BaseRecording, si.BaseSorting))):
            raise InputError(f"{source}: {name!r} is neither a recording nor a sorting of SpikeInterface; not opened.")


def with_absolute_paths(dictionary: dict, source: Path, base_folders: list[Path]) -> dict:
    """A copy whose relative paths start from the first base folder that has them all.

    SpikeInterface's own way resolves links and leaves a missing path relative to the working directory; here a staged
    name (`ecephys_session`) stays in the path, which the results collector looks for, and a missing file is an error.
    """
    copied = _copy_of_containers(dictionary)
    missing = []
    for base_folder in base_folders:
        missing = _missing_under(copied, base_folder)
        if not missing:
            for container, key, value in _paths_in(copied):
                container[key] = str(_placed(value, base_folder))
            _refuse_outside([value for _, _, value in _paths_in(copied)], source, base_folders)
            copied["relative_paths"] = False
            return copied
    raise NotAttachedError(f"{source.name} refers to {', '.join(missing[:3])}, which is not here")


def refuse_pickles(folder: Path) -> None:
    """InputError when a SpikeInterface folder holds an array that only unpickling could read.

    `si.load` reads `properties/*.npy` with allow_pickle, and zarr arrays through whatever codec they name.
    """
    for npy_file in sorted((folder / "properties").glob("*.npy")):
        if _is_object_array(npy_file):
            raise InputError(f"{npy_file}: an array of pickled objects. {CONSENT}")
    if not is_zarr(folder):
        return
    for metadata in (folder / ".zmetadata", *folder.glob("*/.zarray"), *folder.glob("*/*/.zarray")):
        if metadata.is_file() and re.search(r'"id"\s*:\s*"pickle"', metadata.read_text(encoding="utf8")):
            raise InputError(f"{metadata}: its arrays hold pickled objects. {CONSENT}")


@contextlib.contextmanager
def refusal(source: Path | str):
    """Turn whatever a reader raises on a broken file into an InputError that names the file."""
    try:
        yield
    except (CapsuleError, NotAttachedError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise NotAttachedError(f"{Path(source).name} needs {error.filename or error}, which is not here") from error
    except (UnknownCodecError, ImportError) as error:  # such as wavpack, or pynwb
        raise NotAttachedError(f"{Path(source).name} needs what is not installed: {error}") from error
    except Exception as error:
        raise InputError(
            f"{source}: cannot be opened ({type(error).__name__}: {error}). It must be as SpikeInterface saved it. "
            "Attach it again, or run the capsule that wrote it again."
        ) from error


def _check_folder(folder: Path, *, allow_pickle: bool) -> None:
    if not allow_pickle:
        refuse_pickles(folder)
    if (folder / "binary.json").is_file():
        arguments = read_json(folder / "binary.json").get("kwargs") or {}
        listed = [*(arguments.get("file_paths") or ()), *(arguments.get("file_timestamps_paths") or ())]
        _refuse_outside([os.path.normpath(folder.absolute() / name) for name in listed], folder, [folder])
        missing = [name for name in listed if not (folder / name).exists()]
        if missing:  # SpikeInterface would look for them in the working directory
            raise NotAttachedError(f"{folder.name} lacks {', '.join(missing)}")


def _unpickle(file: Path) -> dict:
    with refusal(file):
        return pickle.loads(file.read_bytes())


def _open_zarr(folder: Path, kind: type):
    from spikeinterface.core.zarrextractors import read_zarr_recording, read_zarr_sorting

    with refusal(folder):
        return read_zarr_recording(folder) if kind is si.BaseRecording else read_zarr_sorting(folder)


def _of_kind(loaded, kind: type, source: Path):
    if not isinstance(loaded, kind):
        wanted = "recording" if kind is si.BaseRecording else "sorting"
        raise InputError(f"{source}: holds a {type(loaded).__name__}, not a {wanted}. Attach the right file.")
    return loaded


def _descriptions_in(value):
    """Every dict SpikeInterface could take for the description of an object: the outermost, and those in arguments."""
    if isinstance(value, dict):
        if "class" in value:
            yield value
        for inner in value["kwargs"].values() if isinstance(value.get("kwargs"), dict) else value.values():
            yield from _descriptions_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _descriptions_in(inner)


def _paths_in(dictionary: dict):
    """(container, key, path) of every path among the arguments of the described objects."""
    for described in _descriptions_in(dictionary):
        for name, value in described.get("kwargs", {}).items():
            if "path" in name and isinstance(value, (str, Path)):
                yield described["kwargs"], name, str(value)
            elif "path" in name and isinstance(value, list):
                yield from ((value, row, str(path)) for row, path in enumerate(value) if isinstance(path, (str, Path)))


def _missing_under(dictionary: dict, base_folder: Path) -> list[str]:
    return [
        path
        for container, name, path in _paths_in(dictionary)
        if (isinstance(container, list) or name in FILE_ARGUMENTS)
        and ("://" in path or not _placed(path, base_folder).exists())
    ]


def _refuse_outside(paths: list[str], source: Path, base_folders: list[Path]) -> None:
    """Whoever wrote a description chooses what is read; links in the folders are the user's own choice."""
    for path in paths:
        candidates = [(Path(path), folder.absolute()) for folder in base_folders]
        candidates += [(Path(os.path.realpath(path)), Path(os.path.realpath(folder))) for path, folder in candidates]
        if Path(path).exists() and not any(path.is_relative_to(folder) for path, folder in candidates):
            raise NotAttachedError(f"{source.name} refers to {path}, outside {base_folders[0]}")


def _placed(path: str | Path, base_folder: Path) -> Path:
    """Where a path relative to a base folder lies, with links kept where that leads to the same place."""
    plain = Path(os.path.normpath(base_folder.absolute() / path))
    if plain.exists():
        return plain
    resolved = (base_folder / path).resolve()
    return resolved if resolved.exists() else Path(path)


def _copy_of_containers(value):
    if isinstance(value, dict):
        return {key: _copy_of_containers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy_of_containers(inner) for inner in value]
    return value


def _is_object_array(npy_file: Path) -> bool:
    try:
        return np.load(npy_file, allow_pickle=False).dtype.hasobject
    except ValueError:  # numpy's refusal of pickled content, with an npy header or without
        return True
    except (EOFError, OSError) as error:
        raise InputError(f"{npy_file}: cannot be read ({error}). Attach it again.") from error
