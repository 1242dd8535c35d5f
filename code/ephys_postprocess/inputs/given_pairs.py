"""Pairs of a sorting and traces as people have them, laid out in scratch as the pipeline lays out data/."""

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.data_folder import RecordingInput, check_name, read_json
from ephys_postprocess.inputs.descriptions import paths_in
from ephys_postprocess.inputs.kilosort_folder import find_kilosort_folder, read_kilosort_folder
from ephys_postprocess.inputs.raw_traces import open_traces_of, raw_file_of
from ephys_postprocess.inputs.saved_objects import open_saved_folder
from ephys_postprocess.machine.given import GivenPair

HIGHPASS_HZ = 300.0

logger = logging.getLogger(__name__)


@contextmanager
def folder_of_jobs(pairs: tuple[GivenPair, ...], scratch: Path) -> Iterator[Path]:
    """A folder that names the recordings as a pipeline's jobs do, empty until each is prepared; removed at the end."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="given_", dir=scratch))
    try:
        for number, pair in enumerate(pairs):
            name = check_name(pair.name, "--name")
            (folder / f"job_{number}.json").write_text(json.dumps({"recording_name": name}), encoding="utf8")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def prepared(item: RecordingInput, pair: GivenPair, consent: Consent, num_threads: int) -> Iterator[RecordingInput]:
    """The recording's inputs in its folder of jobs while this is open.

    Raises
    ------
    InputError
        Something cannot be read, or there is no room to filter.
    """
    notes: list[str] = []
    saved = item.sorting_folder / f"spikesorted_{pair.name}"
    traces = item.preprocessing_folder / f"preprocessed_{pair.name}"
    try:
        sorting_folder = find_kilosort_folder(pair.sorting) or pair.sorting
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a sorting in memory has no provenance to save
            read_sorting(pair.sorting, consent, notes.append).save(folder=saved)
        if pair.traces is None:
            pair = replace(pair, traces=_raw_file(sorting_folder))
        recording, kind = open_traces_of(pair, sorting_folder, consent, notes.append)
        notes.append(f"Sorting from {pair.sorting}; traces from {pair.traces} ({kind}).")
        chain = _filtered(recording, pair, notes)
        if chain is not recording:
            _save(chain, traces, num_threads)
        described = traces.with_name(f"{traces.name}.json")
        chain.dump_to_json(described)
        # Which files are read was decided above: by the caller, or by a reader inside the folder that the caller named.
        places = {_folder_of(Path(path)) for _, _, path in paths_in(read_json(described))}
        yield replace(item, notes=tuple(notes), given_folders=(item.data_folder, *sorted(places)))
    finally:
        for folder in (saved, traces):
            shutil.rmtree(folder, ignore_errors=True)


def read_sorting(path: Path, consent: Consent, note) -> si.BaseSorting:
    """A sorting as the caller has it: Kilosort's or phy's folder, or one that SpikeInterface saved."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder. Correct --sorting.")
    kilosort = find_kilosort_folder(path) if path.is_dir() else None
    if kilosort is not None:
        return read_kilosort_folder(kilosort)
    return open_saved_folder(path, si.BaseSorting, consent=consent, note=note)


def _raw_file(sorting_folder: Path) -> Path:
    found = raw_file_of(sorting_folder)
    if found is None:
        raise InputError(
            f"{sorting_folder}: no --traces, and params.py names no raw file in or beside this folder. Give --traces."
        )
    return found


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _filtered(recording: si.BaseRecording, pair: GivenPair, notes: list[str]) -> si.BaseRecording:
    if recording.is_filtered() and recording.get_annotation("is_filtered"):
        return recording
    if not pair.is_filtered_here:
        notes.append("The traces are taken as they are (--no-filter).")
        return recording
    from spikeinterface.preprocessing import common_reference, highpass_filter

    size_bytes = recording.get_total_samples() * recording.get_num_channels() * np.dtype(recording.get_dtype()).itemsize
    notes.append(
        f"The traces are not filtered: high-pass {HIGHPASS_HZ:g} Hz and common median reference, kept in scratch "
        f"({size_bytes / 1e9:.2g} GB); --no-filter leaves them as they are."
    )
    filtered = highpass_filter(recording, freq_min=HIGHPASS_HZ)
    return common_reference(filtered, reference="global", operator="median")


def _save(recording: si.BaseRecording, folder: Path, num_threads: int) -> None:
    size_bytes = recording.get_total_samples() * recording.get_num_channels() * np.dtype(recording.get_dtype()).itemsize
    free_bytes = shutil.disk_usage(folder.parent).free
    if size_bytes > free_bytes:
        raise InputError(
            f"{folder.parent}: filtering needs {size_bytes / 1e9:.2g} GB and {free_bytes / 1e9:.2g} GB are free. Point "
            "--scratch at a larger disk, or give --no-filter."
        )
    logger.info("  filtering into scratch")
    recording.save(
        folder=folder, verbose=False, progress_bar=False, n_jobs=num_threads, pool_engine="thread", chunk_duration="1s"
    )
