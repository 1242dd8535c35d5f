"""Properties of channels and units as SpikeInterface saved them: read without running anything, none worth a recording.

SpikeInterface reads `properties/*.npy` with `allow_pickle=True`. Texts are commonly saved as arrays of Python objects
(pandas 3 hands them out), so a refusal of every pickle would be one of nearly every Kilosort sorting.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import spikeinterface.core as si
from spikeinterface.core import binaryfolder, sortingfolder
from spikeinterface.core.zarrextractors import ZarrRecordingExtractor, ZarrSortingExtractor

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import ALLOW_PICKLE_SWITCH
from ephys_postprocess.inputs.npy_files import holds_pickles
from ephys_postprocess.inputs.plain_pickles import NoArrayFileError, NotPlainError, read_plain_objects
from ephys_postprocess.inputs.zarr_metadata import check_array

# A recording that loses one of these has other numbers, so it is refused instead.
PROPERTIES_OF_THE_SCALE = ("gain_to_uV", "offset_to_uV")
KEPT_BY_THE_PROBE = "contact_vector"  # saved by versions before 0.105


class UnreadablePropertyError(Exception):
    """A property cannot be read; the message says why."""


class ObjectsNotReadError(UnreadablePropertyError):
    """It holds Python objects, which SpikeInterface would unpickle and we do not."""


@contextmanager
def reading_properties(note: Callable[[str], None], *, allow_pickle: bool):
    """While this is open, SpikeInterface's readers leave out what cannot be read safely instead of unpickling it.

    Parameters
    ----------
    note : callable
        Takes a line for each property that is left out.
    allow_pickle : bool
        The user's consent to decode pickles in `data/`.

    Raises
    ------
    InputError
        By the readers, where a recording's gain or offset cannot be read and nothing else in its folder says it.
    """

    def load_folder(folder: Path, extractor: si.BaseRecording | si.BaseSorting) -> None:
        for file in sorted(Path(folder).glob("*.npy")):
            if file.stem != KEPT_BY_THE_PROBE:
                where = f"{file.parent.parent.name}/{file.parent.name}/{file.name}"
                try:
                    _set(extractor, file.stem, read_property_file(file, allow_pickle=allow_pickle))
                except UnreadablePropertyError as reason:
                    _leave_out(extractor, file.stem, where, reason, note)

    def set_from_store(extractor: si.BaseRecording | si.BaseSorting, key: str, values, *arguments, **options) -> None:
        if not hasattr(values, "store"):
            si.BaseRecording.set_property(extractor, key, values, *arguments, **options)
            return
        try:
            _set(extractor, key, _read_zarr_array(values, allow_pickle=allow_pickle))
        except UnreadablePropertyError as reason:
            _leave_out(extractor, key, f"property {key} of a zarr store", reason, note)

    with ExitStack() as stack:
        for module in (binaryfolder, sortingfolder):
            stack.enter_context(_replaced(module, "load_properties_from_folder", load_folder))
        for reader in (ZarrRecordingExtractor, ZarrSortingExtractor):
            stack.enter_context(_replaced(reader, "set_property", set_from_store))
        yield


def read_property_file(npy_file: Path, *, allow_pickle: bool) -> np.ndarray:
    """The array in a .npy file; one of Python objects becomes texts, numbers or booleans (see `read_plain_objects`).

    Raises
    ------
    UnreadablePropertyError
        Broken, or with other objects and no consent.
    """
    try:
        if not holds_pickles(npy_file):
            return np.load(npy_file, allow_pickle=False)
    except (InputError, ValueError, EOFError, OSError, MemoryError) as error:
        raise UnreadablePropertyError(f"it cannot be read: {error}") from error
    try:
        return read_plain_objects(npy_file)
    except NoArrayFileError as error:
        raise UnreadablePropertyError(str(error)) from error
    except NotPlainError as error:
        if allow_pickle:
            return _unpickled(npy_file)
        raise ObjectsNotReadError(
            f"{error}, and only texts, numbers, booleans and None are read without {ALLOW_PICKLE_SWITCH}"
        ) from error


def _unpickled(npy_file: Path) -> np.ndarray:
    try:
        return np.load(npy_file, allow_pickle=True)
    except Exception as error:
        raise UnreadablePropertyError(f"it cannot be unpickled: {type(error).__name__}: {error}") from error


def _read_zarr_array(array, *, allow_pickle: bool) -> np.ndarray:
    try:
        metadata = array.store[f"{array.path}/.zarray"]
        metadata = metadata if isinstance(metadata, dict) else json.loads(metadata)  # parsed where it is consolidated
        folder = Path(array.chunk_store.path)
        check_array(folder, array.path, metadata, f"array {array.path!r}", is_pickle_allowed=allow_pickle)
        return np.asarray(array)
    except Exception as error:  # codecs raise whatever they like on broken chunks
        raise UnreadablePropertyError(f"it cannot be read ({error})") from error


def _set(extractor, key: str, values: np.ndarray) -> None:
    num_owners = len(extractor._main_ids)
    if values.ndim == 0 or len(values) != num_owners:
        num_values = len(values) if values.ndim else 1
        raise UnreadablePropertyError(f"it has {num_values} entries for {num_owners}")
    si.BaseRecording.set_property(extractor, key, values)


def _leave_out(extractor, key: str, where: str, reason: Exception, note: Callable[[str], None]) -> None:
    is_known = key in extractor.get_property_keys()  # the gain stands in binary.json as well
    if key in PROPERTIES_OF_THE_SCALE and isinstance(extractor, si.BaseRecording) and not is_known:
        raise InputError(
            f"{where}: {reason}. Amplitudes depend on it, so the recording is not opened. Attach the file again, "
            "or run preprocessing again."
        )
    advice = ""
    if isinstance(extractor, si.BaseRecording) and not isinstance(reason, ObjectsNotReadError):
        advice = " SpikeInterface opens no recording with it, also not from the result: take it away, or save it again."
    note(f"{where} was left out: {reason}.{advice}")


@contextmanager
def _replaced(owner, name: str, value):
    had_its_own = name in vars(owner)
    earlier = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if had_its_own:
            setattr(owner, name, earlier)
        else:
            delattr(owner, name)
