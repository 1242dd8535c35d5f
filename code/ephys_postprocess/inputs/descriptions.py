"""What SpikeInterface's descriptions of recordings and sortings name: classes and files, each checked before opening.

A description is a dictionary with "class" and "kwargs", as in si_folder.json, binary.json, npz.json, a dump, or a
result's link to its recording. SpikeInterface calls the class with the arguments, which may hold further descriptions;
whoever wrote it so chooses what is called and what is read.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.allowed_classes import check_class
from ephys_postprocess.inputs.counts import MAX_COUNTS, check_count
from ephys_postprocess.inputs.data_folder import read_json
from ephys_postprocess.inputs.refusals import NotAttachedError, refusal

# Arguments of SpikeInterface's readers that must exist; others with "path" in the name may be paths inside a file.
FILE_ARGUMENTS = ("file_path", "folder_path", "file_paths", "folder_paths", "file_timestamps_paths")
# With any of these beside "class", a dictionary among annotations is taken for a description.
_MARKS = ("kwargs", "module", "version")
# Would send a reader over the network, or have it write what it fetched; a folder in data/ needs none of them.
REMOTE_ARGUMENTS = ("storage_options", "backend_options", "stream_mode", "stream_cache_path")


def check_classes(dictionary: dict, source: Path, allowed_by_user: tuple[str, ...] = ()) -> None:
    """Refuse a description that names, at any depth, a class that is not allowed (see `allowed_classes.py`)."""
    if "class" not in dictionary:
        raise InputError(f"{source}: cannot be opened: it names no class, so it is no dump by SpikeInterface.")
    with refusal(source):  # nested too deep for the stack
        found = list(descriptions_in(dictionary))
    for described in found:
        name = described["class"]
        check_class(name, source, allowed_by_user)
        if not isinstance(described.get("kwargs"), dict):
            raise InputError(f"{source}: {name!r} has no arguments (kwargs), so it is no dump by SpikeInterface.")
        for argument in MAX_COUNTS:
            check_count(described["kwargs"], argument, source)
        remote = [argument for argument in REMOTE_ARGUMENTS if described["kwargs"].get(argument)]
        if remote:
            raise InputError(
                f"{source}: {name!r} asks for {remote[0]}, which reads over the network. Only what lies in the given "
                "folders is read. Attach the data itself."
            )


def with_absolute_paths(
    dictionary: dict, source: Path, base_folders: list[Path], given_folders: list[Path] | None = None
) -> dict:
    """A copy whose relative paths start from the first base folder that has them all, and stay in the given folders.

    SpikeInterface's own way resolves links and leaves a missing path relative to the working directory; here a staged
    name (`ecephys_session`) stays in the path, which the results collector looks for, and a missing file is an error.

    Parameters
    ----------
    dictionary : dict
        After `check_classes`.
    source : Path
        What it stands in.
    base_folders : list of Path
        What its relative paths may be relative to.
    given_folders : list of Path, optional
        Where its files may lie; the base folders where None.

    Raises
    ------
    NotAttachedError
        A file is not here, is remote, or lies outside the given folders.
    """
    copied = _copy_of_containers(dictionary)
    missing = []
    for base_folder in base_folders:
        missing = _missing_under(copied, base_folder)
        if not missing:
            for container, key, value in paths_in(copied):
                container[key] = str(_placed(value, base_folder))
            _refuse_outside(copied, source, base_folders, given_folders or base_folders)
            copied["relative_paths"] = False
            return copied
    raise NotAttachedError(f"{source.name} refers to {', '.join(map(_short, missing[:3]))}, which is not here")


def own_words(file: Path, base_folders: list[Path], given_folders: list[Path] | None = None) -> dict:
    """What a .json says, as the version of SpikeInterface that wrote it does, with the paths made absolute.

    That version can read it back; what the version that runs here would write of the same recording, it may not.
    """
    return with_absolute_paths(read_json(file), file, base_folders, given_folders)


def descriptions_in(value, *, is_argument: bool = True) -> Iterator[dict]:
    """Every dictionary that could be taken for a description of an object: the outermost, and those in any value.

    Among arguments, that is any dictionary with "class". Annotations and properties are data, which SpikeInterface
    does not call; there, what has more of a description's keys counts.
    """
    if isinstance(value, dict):
        is_description = "class" in value and (is_argument or any(mark in value for mark in _MARKS))
        if is_description:
            yield value
        for key, inner in value.items():
            yield from descriptions_in(inner, is_argument=key == "kwargs" if is_description else is_argument)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from descriptions_in(inner, is_argument=is_argument)


def paths_in(dictionary: dict) -> Iterator[tuple[dict | list, str | int, str]]:
    """(container, key, path) of every path among the arguments of the described objects."""
    for described in descriptions_in(dictionary):
        for name, value in described["kwargs"].items():
            if "path" not in str(name):
                continue
            if isinstance(value, str | Path):
                yield described["kwargs"], name, str(value)
            elif isinstance(value, list):
                yield from ((value, row, str(path)) for row, path in enumerate(value) if isinstance(path, str | Path))


def _missing_under(dictionary: dict, base_folder: Path) -> list[str]:
    return [
        path
        for container, name, path in paths_in(dictionary)
        if (isinstance(container, list) or name in FILE_ARGUMENTS)
        and ("://" in path or not _is_placed(path, base_folder))
    ]


def _refuse_outside(dictionary: dict, source: Path, base_folders: list[Path], given_folders: list[Path]) -> None:
    """NotAttachedError where any text among the arguments leads to a file outside the given folders.

    Readers have arguments for files under many names (MDA's `raw_fname`) and join them to their folder, so every text
    counts, from each base folder and each described folder. Links in the folders are the user's own choice.
    """
    folders = [folder.absolute() for folder in given_folders]
    starts = [
        *(folder.absolute() for folder in base_folders),
        *(Path(value) for _, _, value in paths_in(dictionary) if _exists(value)),
    ]
    for text in _texts_in([described["kwargs"] for described in descriptions_in(dictionary)]):
        for start in starts:
            written = _joined(start, text)
            plain = os.path.normpath(written)
            # The system follows a link before it goes up from there, and then is elsewhere.
            is_elsewhere = ".." in text and _exists(written) and os.path.realpath(written) != os.path.realpath(plain)
            if is_elsewhere or (_exists(plain) and not _is_inside(plain, folders)):
                allowed = " and ".join(map(str, given_folders))
                raise NotAttachedError(f"{source.name} refers to {_short(text)}, outside {allowed}")


def _is_inside(path: str, folders: list[Path]) -> bool:
    real = Path(os.path.realpath(path))
    return any(Path(path).is_relative_to(folder) or real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _placed(path: str, base_folder: Path) -> str:
    """Where a path relative to a base folder lies, with links kept where that leads to the same place."""
    written = _joined(base_folder.absolute(), path)
    plain = os.path.normpath(written)
    if _exists(plain):
        return plain
    return os.path.realpath(written) if _exists(written) else path


def _is_placed(path: str, base_folder: Path) -> bool:
    placed = _placed(path, base_folder)  # relative still where it is not there: never from the working directory
    return Path(placed).is_absolute() and _exists(placed)


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - a Path raises for what is no path, such as 5000 letters


def _joined(folder: str | Path, path: str) -> str:
    return os.path.join(folder, path)  # noqa: PTH118 - the same


def _texts_in(value) -> Iterator[str]:
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts_in(inner)


def _copy_of_containers(value):
    if isinstance(value, dict):
        return {key: _copy_of_containers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy_of_containers(inner) for inner in value]
    return value


def _short(text: str) -> str:
    shown = ascii(text)[1:-1] if not text.isprintable() else text
    return shown if len(shown) <= 200 else f"{shown[:197]}..."
