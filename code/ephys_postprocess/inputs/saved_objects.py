"""Opening what SpikeInterface saved: only what was checked before, and no pickle without the user's consent."""

import pickle
from collections.abc import Callable
from pathlib import Path

import spikeinterface.core as si
from spikeinterface.core.base import BaseExtractor

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import ALLOW_PICKLE_SWITCH, Consent
from ephys_postprocess.inputs.counts import check_count
from ephys_postprocess.inputs.data_folder import is_zarr, read_json
from ephys_postprocess.inputs.descriptions import check_classes, paths_in, with_absolute_paths
from ephys_postprocess.inputs.hdf5_files import check_hdf5
from ephys_postprocess.inputs.npy_files import check_npz, holds_pickles
from ephys_postprocess.inputs.property_files import reading_properties
from ephys_postprocess.inputs.raw_headers import check_headers
from ephys_postprocess.inputs.refusals import NotBuiltError, refusal
from ephys_postprocess.inputs.special_files import check_file_types, check_link
from ephys_postprocess.inputs.zarr_metadata import check_zarr

# Descriptions inside a saved folder, which SpikeInterface reads by itself: file, what its "class" must end with.
INNER_DESCRIPTIONS = {"binary.json": ".BinaryRecordingExtractor", "npz.json": ".NpzSortingExtractor"}
_READ_BY_NAME = (".json", ".npy", ".npz", ".raw")  # SpikeInterface goes without what is not there
Note = Callable[[str], None]
CONSENT = (
    f"Pickles in the data folder are decoded only with {ALLOW_PICKLE_SWITCH}: give it if you trust whoever wrote this "
    "file, or save the data again without it."
)


def open_dump(
    file: Path,
    base_folders: list[Path],
    kind: type,
    *,
    consent: Consent,
    note: Note,
    given_folders: list[Path] | None = None,
):
    """The recording or sorting that a .json, or with consent a .pkl, describes.

    Parameters
    ----------
    file : Path
        A dump by SpikeInterface.
    base_folders : list of Path
        What its relative paths may be relative to; the first under which all of them exist is used.
    kind : type
        `BaseRecording` or `BaseSorting`.
    consent : Consent
        What the user allows beyond reading.
    note : callable
        Takes a line for each property of channels or units that is left out.
    given_folders : list of Path, optional
        Where its files may lie; the base folders where None.

    Raises
    ------
    NotAttachedError
        A file of the chain is not here, is remote, or SpikeInterface has no such reader here.
    InputError
        Unreadable, of another kind, with a class that is not allowed, or a pickle without consent.
    """
    is_json = file.name.endswith(".json")
    if not is_json and not consent.pickles:
        raise InputError(f"{file}: a pickle, which can run any code when decoded. {CONSENT}")
    dictionary = read_json(file) if is_json else _unpickle(file)
    options = {"consent": consent, "note": note, "given_folders": given_folders}
    return open_dictionary(dictionary, file, base_folders, kind, **options)


def open_saved_folder(folder: Path, kind: type, *, consent: Consent, note: Note):
    """The recording or sorting in a folder that SpikeInterface's `save` wrote: binary, numpy, npz or zarr."""
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder that SpikeInterface saved, but a file. Attach the complete folder.")
    check_folder(folder, consent)
    if is_zarr(folder):
        with refusal(folder), reading_properties(note, allow_pickle=consent.pickles):
            return _of_kind(_open_zarr(folder, kind), kind, folder)
    if (folder / "si_folder.json").is_file():
        dictionary = read_json(folder / "si_folder.json")
        return open_dictionary(dictionary, folder, [folder], kind, consent=consent, note=note)
    readers = {
        "binary.json": si.read_binary_folder,
        "numpysorting_info.json": si.read_numpy_sorting_folder,
        "npz.json": si.read_npz_folder,
    }
    for file_name, reader in readers.items():
        if (folder / file_name).is_file():
            with refusal(folder), reading_properties(note, allow_pickle=consent.pickles):
                return _of_kind(reader(folder), kind, folder)
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise InputError(
        f"{folder}: not a folder that SpikeInterface saved: it holds {found}, but neither si_folder.json nor a zarr "
        "group. Attach the complete folder."
    )


def open_dictionary(
    dictionary: dict,
    source: Path,
    base_folders: list[Path],
    kind: type,
    *,
    consent: Consent,
    note: Note,
    given_folders: list[Path] | None = None,
):
    """The recording or sorting a SpikeInterface dictionary describes; see `open_dump`.

    Its files lie in `given_folders`, by default those that its paths are relative to.
    """
    from ephys_postprocess.inputs.old_motion_dumps import with_motion_objects

    with refusal(source):
        dictionary = with_motion_objects(dictionary)
    check_classes(dictionary, source, consent.classes)
    dictionary = with_absolute_paths(dictionary, source, base_folders, given_folders)
    for _, _, value in paths_in(dictionary):
        check_file(Path(value), consent)
    with refusal(source, NotBuiltError), reading_properties(note, allow_pickle=consent.pickles):
        return _of_kind(BaseExtractor.from_dict(dictionary), kind, source)


def check_folder(folder: Path, consent: Consent) -> None:
    """Look through what a reader of SpikeInterface opens in a folder by itself, before it does.

    Raises
    ------
    InputError
        Pickles without consent, arrays that are broken or larger than memory, classes that are not allowed.
    NotAttachedError
        An inner description refers to what is not here, or lies outside the folder.
    """
    check_file_types(folder)
    for file in folder.iterdir():
        if file.name.endswith(_READ_BY_NAME):
            check_link(file)
    for npy_file in sorted(folder.glob("*.npy")):
        holds_pickles(npy_file)  # numpy refuses those by itself
    if is_zarr(folder) or (folder / ".zarray").is_file():
        check_zarr(folder, may_be_pickled=("",) if consent.pickles else ())
    info = folder / "numpysorting_info.json"
    if info.is_file():
        check_count(read_json(info), "num_segments", info)
    for name, class_name in INNER_DESCRIPTIONS.items():
        if (folder / name).is_file():
            _check_inner_description(folder / name, class_name, consent)


def check_file(file: Path, consent: Consent) -> None:
    """The same for a file or folder that an argument names."""
    check_file_types(file)
    if file.is_dir():
        check_folder(file, consent)
        check_headers(file)
    elif file.suffix == ".npz":
        check_npz(file)
    elif file.suffix == ".npy":
        holds_pickles(file)
    elif file.is_file():
        with refusal(file):
            check_hdf5(file)


def _check_inner_description(file: Path, class_name: str, consent: Consent) -> None:
    description = read_json(file)
    if not str(description.get("class")).endswith(class_name):
        raise InputError(f"{file}: is no description of a {class_name[1:]}, so it is no dump by SpikeInterface.")
    check_classes(description, file, consent.classes)
    _check_lists_of_files(description["kwargs"], file)
    placed = with_absolute_paths(description, file.parent, [file.parent])
    for _, _, path in paths_in(placed):
        if Path(path).is_dir():  # perhaps this very folder, and so on for ever
            raise InputError(f"{file}: cannot be read: {path} is a folder where a file is to be. Attach it again.")
        check_file(Path(path), consent)


def _check_lists_of_files(arguments: dict, file: Path) -> None:
    for name in ("file_paths", "file_timestamps_paths"):
        listed = arguments.get(name)
        if not (listed is None or (isinstance(listed, list) and all(isinstance(one, str) for one in listed))):
            raise InputError(f"{file}: {name} must be a list of file names. It must be as SpikeInterface saved it.")


def _unpickle(file: Path) -> dict:
    with refusal(file):
        content = pickle.loads(file.read_bytes())
    if not isinstance(content, dict):
        raise InputError(f"{file}: holds a {type(content).__name__}, not a description by SpikeInterface.")
    return content


def _open_zarr(folder: Path, kind: type):
    from spikeinterface.core.zarrextractors import read_zarr_recording, read_zarr_sorting

    return read_zarr_recording(folder) if kind is si.BaseRecording else read_zarr_sorting(folder)


def _of_kind(loaded, kind: type, source: Path):
    if not isinstance(loaded, kind):
        wanted = "recording" if kind is si.BaseRecording else "sorting"
        raise InputError(f"{source}: holds a {type(loaded).__name__}, not a {wanted}. Attach the right file.")
    return loaded
