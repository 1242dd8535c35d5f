"""The link from a result to its recording, written anew where one of them was moved."""

from pathlib import Path

import numpy as np
import spikeinterface.core as si
import zarr
from spikeinterface.core.recording_tools import do_recording_attributes_match

from ephys_postprocess.errors import InputError, ResultError
from ephys_postprocess.results.files import ResultFiles, refuse_links
from ephys_postprocess.results.finished_result import open_result
from ephys_postprocess.results.manifest import FILE_NAME, checksum, renew_in_manifest
from ephys_postprocess.results.result_store import recording_link
from ephys_postprocess.results.seals import seal_json_again
from ephys_postprocess.results.stored_analyzer import is_pickled
from ephys_postprocess.results.stored_record import UnusableRecordError, read_stored_record

_CHUNK = "recording/0"


def relink(files: ResultFiles, recording: si.BaseRecording, described: dict | None = None) -> None:
    """Let a finished result refer to `recording`, as a run would have written it; its seals are renewed.

    `described`: the recording in the words of whoever wrote it; None: in those of the SpikeInterface here.

    Raises
    ------
    InputError
        There is no such result, or the recording is not the one it was made from.
    ResultError
        The result is damaged, or not one whose link can be written.
    """
    analyzer = open_result(files.analyzer)
    does_match, difference = do_recording_attributes_match(recording, analyzer.rec_attributes, check_dtype=False)
    if not does_match:
        raise InputError(
            f"{files.analyzer.name}: the recording in --data is not the one it was made from. {difference} "
            "Point --data at the inputs of this result."
        )
    array = _array_of_link(files.analyzer)
    sealed = _checksum_of_manifest(files)
    holder = np.empty(1, dtype=object)
    holder[0] = recording_link(described or recording.to_dict(recursive=True), files.analyzer)
    array[:] = holder
    if sealed is not None:
        _replace_in_sealed(files.data_process, sealed, renew_in_manifest(files.analyzer, _CHUNK))


def _checksum_of_manifest(files: ResultFiles) -> str | None:
    """As the data process names it; None for a result of stock SpikeInterface, which carries no seals."""
    manifest = files.analyzer / FILE_NAME
    if not manifest.exists():
        return None
    try:
        told = read_stored_record(files).integrity.manifest_sha256
    except UnusableRecordError as error:
        raise ResultError(f"{files.analyzer.name} is damaged: {error}. Postprocess the recording again.") from error
    if checksum(manifest) != told:
        raise ResultError(f"{files.analyzer.name} is damaged: see --verify. Postprocess the recording again.")
    return told


def _array_of_link(store: Path) -> zarr.Array:
    array = zarr.open_group(str(store), mode="r+").get("recording")
    if not isinstance(array, zarr.Array) or array.size != 1 or is_pickled(array):
        raise ResultError(f"{store.name} has no link to its recording that could be written without a pickle.")
    return array


def _replace_in_sealed(path: Path, old: str, new: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    refuse_links(beside)
    beside.write_text(seal_json_again(path.read_text(encoding="utf-8").replace(old, new)), encoding="utf-8")
    beside.replace(path)
