"""Which recording traces are read from, which one the result refers to, and whether the two agree."""

import numbers
from pathlib import Path

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import ALLOW_PICKLE_SWITCH, Consent
from ephys_postprocess.inputs.counts import MAX_DURATION_S
from ephys_postprocess.inputs.data_folder import RecordingInput
from ephys_postprocess.inputs.descriptions import own_words
from ephys_postprocess.inputs.motion import chain_of, is_motion_corrected, load_motion
from ephys_postprocess.inputs.refusals import (
    ClassNotAllowedError,
    CodecNotAllowedError,
    NotAttachedError,
    NotBuiltError,
    refusal,
)
from ephys_postprocess.inputs.saved_objects import open_dump, open_saved_folder
from ephys_postprocess.inputs.trace_sources import PLAIN_BINARY


def open_recording_to_read(recording_input: RecordingInput, journal, *, use_motion_corrected: bool, consent: Consent):
    """The recording whose traces are computed on: binary_{name}, else the saved folder, else the lazy chain.

    A pickled binary_{name} is what preprocessing writes when it applied motion correction: the sorter saw corrected
    traces and the saved folder holds the uncorrected ones. It is opened with consent; without, motion correction can
    be rebuilt from the folder and the estimate if that was asked for, and anything else would be other traces than the
    sorter's, so it is an error.
    """
    where = recording_input.preprocessing_folder
    candidates = [
        (recording_input.binary_json, [where]),
        (recording_input.binary_pickle, [where]),
        (recording_input.saved_traces, None),
        *((lazy, _bases_of_lazy(recording_input)) for lazy in (recording_input.lazy_json, recording_input.lazy_pickle)),
    ]
    for path, base_folders in candidates:
        if path is None or (
            path == recording_input.binary_pickle
            and not consent.pickles
            and _may_leave_pickle_closed(recording_input, journal, use_motion_corrected=use_motion_corrected)
        ):
            continue
        try:
            return _open(journal.used(path), base_folders, journal, consent=consent)
        except NotAttachedError as error:
            raise InputError(
                f"{path}: the traces cannot be read: {error}. Attach everything preprocessing wrote."
            ) from error
    raise InputError(
        f"No traces for recording {recording_input.recording_name!r}: looked in {where} for "
        f"preprocessed_{recording_input.recording_name} and binary_{recording_input.recording_name}.json, and found "
        f"{_listing(where)}. Attach the preprocessing output of this recording."
    )


def open_recording_to_store(
    recording_input: RecordingInput, read: si.BaseRecording, journal, *, consent: Consent
) -> tuple[si.BaseRecording, dict | None]:
    """The recording the result refers to, with the channels, samples and rate of the one to read, and its own words.

    The lazy chain where it opens, since it leads to the raw data; otherwise the saved folder's. Always one that
    SpikeInterface can write as JSON: the results collector stops for anything else. The words are those of its file
    (see `own_words`), or None where there is no file, or not of exactly this recording.
    """
    stored, words = _open_lazy(recording_input, journal, consent=consent), None
    if stored is not None and stored.check_serializability("json"):
        words = own_words(
            recording_input.lazy_json, _bases_of_lazy(recording_input), list(recording_input.given_folders) or None
        )
    else:
        stored = _serialisable(recording_input, read, journal, consent=consent)
    if is_motion_corrected(read) and set(read.channel_ids.tolist()) < set(stored.channel_ids.tolist()):
        stored, words = stored.select_channels(read.channel_ids), None
    differences = differences_between(stored, read)
    if differences:
        raise InputError(
            f"{recording_input.recording_name}: the lazy recording and the traces differ in {'; '.join(differences)}. "
            "They must be the same recording. Attach files of one preprocessing run."
        )
    if stored.get_dtype() != read.get_dtype():
        journal.note(f"Traces are {read.get_dtype()}, the recording the result refers to is {stored.get_dtype()}.")
    return stored, words


def check_traces(recording: si.BaseRecording, where: str) -> None:
    """InputError for traces that are cut short, empty, without locations, or with channel ids used twice."""
    try:
        with refusal(where):  # a probe, or a layout, may be broken in ways that show when it is asked
            _check_traces(recording, where)
    except NotAttachedError as error:
        raise InputError(
            f"{where}: the traces cannot be read: {error}. Attach everything preprocessing wrote."
        ) from error


def _check_traces(recording: si.BaseRecording, where: str) -> None:
    for one in chain_of(recording):
        _check_layout(one, where)
        if type(one) in PLAIN_BINARY:
            _check_raw_files(one)
        if type(one).__name__ == "ZarrRecordingExtractor":
            _check_zarr_chunks(one)
    ids, counts = np.unique(recording.channel_ids, return_counts=True)
    if np.any(counts > 1):
        raise InputError(f"{where}: channel ids used more than once: {ids[counts > 1].tolist()}. Each must be unique.")
    if not recording.has_channel_location():
        raise InputError(
            f"{where}: the recording has no channel locations (no probe). Sparsity, unit and spike locations, motion "
            "correction and most template metrics need them. Attach a probe and run preprocessing again."
        )
    if not np.all(np.isfinite(recording.get_channel_locations())):
        raise InputError(
            f"{where}: some channel locations are not numbers. Correct the probe and run preprocessing again."
        )


def differences_between(one: si.BaseRecording, other: si.BaseRecording) -> list[str]:
    """What two recordings that should be the same disagree on, in words; dtype is not compared."""
    differences = []
    if one.channel_ids.tolist() != other.channel_ids.tolist():
        differences.append(f"channels ({_named(one.channel_ids)} against {_named(other.channel_ids)})")
    elif not np.allclose(one.get_channel_locations(), other.get_channel_locations()):
        differences.append("channel locations")
    if one.sampling_frequency != other.sampling_frequency:
        differences.append(f"sampling rate ({one.sampling_frequency} Hz against {other.sampling_frequency} Hz)")
    samples = [
        [each.get_num_samples(segment_index=index) for index in range(each.get_num_segments())] for each in (one, other)
    ]
    if samples[0] != samples[1]:
        differences.append(f"samples per segment ({samples[0]} against {samples[1]}{_in_bytes(samples, other)})")
    return differences


def reset_times(recording: si.BaseRecording) -> None:
    """Forget recorded clocks. On every recording of the chain: preprocessors answer with their parent's times."""
    for one in chain_of(recording):
        one.reset_times()


def _open(path: Path, base_folders: list[Path] | None, journal, *, consent: Consent) -> si.BaseRecording:
    if base_folders is None:
        return open_saved_folder(path, si.BaseRecording, consent=consent, note=journal.note)
    given = list(journal.given_folders) or None
    return open_dump(path, base_folders, si.BaseRecording, consent=consent, note=journal.note, given_folders=given)


def _may_leave_pickle_closed(recording_input: RecordingInput, journal, *, use_motion_corrected: bool) -> bool:
    pickled = recording_input.binary_pickle
    if not use_motion_corrected or recording_input.saved_traces is None:
        raise InputError(
            f"{pickled}: preprocessing applied motion correction and could only pickle the corrected recording, which "
            "the spike sorter used; preprocessed_* holds the uncorrected traces. Pickles run code when decoded, so it "
            f"is not opened by itself. Give {ALLOW_PICKLE_SWITCH} if you trust its writer, give --use-motion-corrected "
            "to rebuild the correction from the motion folder, or remove the file to use uncorrected traces."
        )
    load_motion(recording_input.motion)
    journal.note(
        f"{pickled.name} (motion-corrected traces) is a pickle and was not opened; the correction is rebuilt from "
        f"{recording_input.saved_traces.name} and {recording_input.motion.name}."
    )
    return True


def _open_lazy(recording_input: RecordingInput, journal, *, consent: Consent) -> si.BaseRecording | None:
    lazy = recording_input.lazy_json
    if lazy is None:
        if recording_input.lazy_pickle is not None:
            journal.note(
                f"{recording_input.lazy_pickle.name} was not opened: what is pickled cannot be written as JSON, so no "
                "result can refer to it."
            )
        return None
    reason = None
    try:
        recording = _open(lazy, _bases_of_lazy(recording_input), journal, consent=consent)
        if not recording.has_channel_location():
            reason = f"{lazy.name} has lost its channel locations"
        else:
            with refusal(lazy, NotBuiltError):  # a probe group without probes is said to be there
                recording.get_channel_locations()
    except (NotAttachedError, ClassNotAllowedError, CodecNotAllowedError) as error:
        reason = str(error)
    except NotBuiltError as error:
        reason = f"{lazy.name}: {error.short()}"
    if reason is not None:
        journal.note(f"The result refers to the preprocessed traces, not to the raw data: {reason}.")
        return None
    journal.used(lazy)
    return recording


def _bases_of_lazy(recording_input: RecordingInput) -> list[Path]:
    return [recording_input.data_folder, recording_input.preprocessing_folder]


def _serialisable(recording_input: RecordingInput, read: si.BaseRecording, journal, *, consent: Consent):
    if read.check_serializability("json"):
        return read
    folder = recording_input.saved_traces
    if folder is not None:
        journal.note(f"The result refers to {folder.name}: motion-corrected recordings cannot be written as JSON.")
        return _open(journal.used(folder), None, journal, consent=consent)
    raise InputError(
        f"{recording_input.recording_name}: the traces come from a recording that cannot be written as JSON, and there "
        f"is no folder preprocessed_{recording_input.recording_name} to refer to instead. Attach it."
    )


def _check_layout(recording: si.BaseRecording, where: str) -> None:
    """Refuse what no trace can have; reading a file as Python objects would take its bytes for addresses."""
    dtype, rate_hz = np.dtype(recording.get_dtype()), recording.sampling_frequency
    if dtype.kind not in "iuf":
        raise InputError(f"{where}: the traces' dtype is {dtype}. It must be an integer or floating-point number.")
    if not (isinstance(rate_hz, numbers.Real) and 0 < rate_hz < np.inf):
        raise InputError(f"{where}: the sampling rate is {rate_hz!r}. It must be a positive number of Hz.")
    lengths = [recording.get_num_samples(segment_index=index) for index in range(recording.get_num_segments())]
    if max(lengths, default=0) / rate_hz > MAX_DURATION_S:
        raise InputError(
            f"{where}: a segment of {max(lengths)} samples lasts more than a year. Run preprocessing again."
        )
    if recording.get_num_channels() < 1 or recording.get_num_segments() < 1:
        raise InputError(f"{where}: the recording has no channels or no segments. Run preprocessing again.")
    if recording.has_scaleable_traces():
        gains, offsets = recording.get_channel_gains(), recording.get_channel_offsets()
        if gains.dtype.kind not in "iuf" or offsets.dtype.kind not in "iuf":
            raise InputError(
                f"{where}: gains and offsets must be numbers (gain_to_uV is {gains.dtype}, offset_to_uV "
                f"{offsets.dtype}). Set them with set_channel_gains and set_channel_offsets, and save it again."
            )
        if not (np.isfinite(gains).all() and np.isfinite(offsets).all() and np.all(gains)):
            raise InputError(f"{where}: some channels have a gain of 0, or a gain or offset that is not a number.")
    if type(recording) in PLAIN_BINARY and recording.get_binary_description()["time_axis"] not in (0, 1):
        raise InputError(f"{where}: its time axis must be 0 or 1. Save the recording again.")


def _check_raw_files(recording: si.BaseRecording) -> None:
    description = recording.get_binary_description()
    row_bytes = description["num_channels"] * description["dtype"].itemsize
    for segment_index, path in enumerate(description["file_paths"]):
        found = Path(path).stat().st_size - description["file_offset"]
        num_stamps = _num_time_stamps(recording.segments[segment_index])
        expected = found - found % row_bytes if num_stamps is None else num_stamps * row_bytes
        if found <= 0:
            raise InputError(f"{path}: holds no traces. Copy the file again or run preprocessing again.")
        if found != expected:
            wanted = (
                f"{expected}, as there are {num_stamps} time stamps" if num_stamps else f"a multiple of {row_bytes}"
            )
            raise InputError(
                f"{path}: cut short, or not this recording's: found {found} bytes for {description['num_channels']} "
                f"channels of {description['dtype']}, expected {wanted}. Copy it again or run preprocessing again."
            )


def _num_time_stamps(segment) -> int | None:
    if segment.file_timestamps_path is not None:  # SpikeInterface 0.105 maps as many stamps as there are samples
        return Path(segment.file_timestamps_path).stat().st_size // np.dtype(np.float64).itemsize
    times = segment.get_times_kwargs()["time_vector"]
    return None if times is None else len(times)


def _check_zarr_chunks(recording: si.BaseRecording) -> None:
    for segment_index, segment in enumerate(recording.segments):
        array = segment._timeseries
        if array.nchunks_initialized < array.nchunks:
            raise InputError(
                f"{recording._kwargs['folder_path']}: traces of segment {segment_index} are incomplete: "
                f"{array.nchunks_initialized} chunks found, expected {array.nchunks}; missing ones would read as "
                "zeros. Copy the folder again or run preprocessing again."
            )
        if array.shape[0] == 0:
            raise InputError(f"{recording._kwargs['folder_path']}: segment {segment_index} holds no traces.")


def _in_bytes(samples: list[list[int]], read: si.BaseRecording) -> str:
    if type(read) not in PLAIN_BINARY:
        return ""
    row_bytes = read.get_num_channels() * np.dtype(read.get_dtype()).itemsize
    return f"; the raw files hold {sum(samples[1]) * row_bytes} bytes, expected {sum(samples[0]) * row_bytes}"


def _named(ids: np.ndarray) -> str:
    return f"{len(ids)} from {ids[0]!s} to {ids[-1]!s}" if len(ids) else "none"


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return (", ".join(names[:8]) + (", …" if len(names) > 8 else "")) if names else "nothing"
