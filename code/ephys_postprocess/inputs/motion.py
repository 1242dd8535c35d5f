"""Motion that preprocessing estimated: reading it, fitting it to the segments, and correcting traces with it once."""

from pathlib import Path

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import RecordingInput, read_json
from ephys_postprocess.inputs.npy_files import holds_pickles
from ephys_postprocess.inputs.refusals import NotAttachedError, refusal
from ephys_postprocess.inputs.special_files import check_file_types

LEGACY_FILES = ("motion.npy", "temporal_bins.npy")  # spatial_bins.npy is absent where the motion is rigid
# What the recommended presets of SpikeInterface use; all channels stay.
DEFAULT_INTERPOLATION = {
    "border_mode": "force_extrapolate",
    "spatial_interpolation_method": "kriging",
    "sigma_um": 20.0,
    "p": 2,
}


def correct_motion(recording: si.BaseRecording, recording_input: RecordingInput) -> tuple[si.BaseRecording, str]:
    """The recording with the estimated motion interpolated away, and a line that says how.

    Integer traces become float32, and traces stay scaled as they are. Equals
    `interpolate_motion(astype(recording, "float32"), motion)`; for several segments, equals the pieces of the
    interpolated concatenation, on which the preprocessing capsule estimates motion.

    Raises
    ------
    InputError
        No motion folder, no usable estimate in it, or one that does not fit the recording.
    """
    from spikeinterface.preprocessing import astype
    from spikeinterface.sortingcomponents.motion import interpolate_motion

    folder = recording_input.motion
    motion = load_motion(folder)
    with refusal(folder):
        motion = fitted_to_segments(motion, recording, folder)
    arguments, source = interpolation_arguments(recording_input)
    if np.dtype(recording.get_dtype()).kind != "f":
        recording = astype(recording, "float32")
    with refusal(folder):
        corrected = interpolate_motion(recording, motion=motion, **arguments)
    said = ", ".join(f"{name}={value}" for name, value in arguments.items()) or "SpikeInterface's defaults"
    return corrected, f"Traces are corrected with the motion in {folder.name} ({said}, from {source})."


def is_motion_corrected(recording: si.BaseRecording) -> bool:
    """Whether the recording, or anything it is made from, already interpolates motion."""
    return any(type(one).__name__ == "InterpolateMotionRecording" for one in chain_of(recording))


def chain_of(recording: si.BaseRecording):
    """The recording and every recording it is made from, outermost first."""
    yield recording
    for value in recording._kwargs.values():
        for inner in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(inner, si.BaseRecording):
                yield from chain_of(inner)


def load_motion(folder: Path):
    """The `Motion` in a folder written by SpikeInterface 0.100 (three arrays) or later (subfolder `motion/`)."""
    from spikeinterface.core.motion import Motion

    try:
        check_file_types(folder)
        for npy_file in (*folder.glob("*.npy"), *folder.glob("motion/*.npy")):
            holds_pickles(npy_file)  # numpy refuses those by itself, but allocates whatever a header says
        with refusal(folder):
            if (folder / "motion").is_dir():
                return Motion.load(folder / "motion")
            if all((folder / name).is_file() for name in LEGACY_FILES):
                return _legacy_motion(folder)
    except NotAttachedError as error:
        raise InputError(f"{folder}: incomplete: {error}. Run preprocessing again.") from error
    state = "holds no estimate, so the estimation failed" if folder.is_dir() else "is missing"
    raise InputError(
        f"{folder}: motion-corrected traces were asked for, but this folder {state}. Attach the motion folder, let "
        "preprocessing compute motion, or run without --use-motion-corrected."
    )


def fitted_to_segments(motion, recording: si.BaseRecording, folder: Path):
    """The motion with one displacement per segment, on each segment's own clock.

    Preprocessing estimates several segments' motion on their concatenation, whose clock starts at 0 and never stops;
    each segment gets the whole estimate moved back by where it starts there, so the interpolation bins are the same.
    An estimate of a single segment made on sample time (from 0) is moved to the recording's clock if that is another.
    """
    from spikeinterface.core.motion import Motion

    num_segments = recording.get_num_segments()
    if motion.num_segments == num_segments > 1:
        return motion
    if motion.num_segments != 1:
        raise InputError(
            f"{folder}: an estimate for {motion.num_segments} segments, the recording has {num_segments}. It must have "
            "one or as many. Attach the motion folder of this recording."
        )
    shifts_s = _clock_shifts_s(motion.temporal_bins_s[0], recording)
    return Motion(
        [motion.displacement[0]] * num_segments,
        [motion.temporal_bins_s[0] + shift_s for shift_s in shifts_s],
        motion.spatial_bins_um,
        direction=motion.direction,
        interpolation_method=motion.interpolation_method,
    )


def interpolation_arguments(recording_input: RecordingInput) -> tuple[dict, str]:
    """How to interpolate, and where that was found: what preprocessing applied, what was saved, the preset, or ours."""
    record = recording_input.preprocessing_record
    process = _object_in(_preprocessing_parameters(record), "motion_correction", record)
    if process.get("apply") and "interpolate_motion_kwargs" in process:
        return dict(_object_in(process, "interpolate_motion_kwargs", record)), record.name
    parameters_file = recording_input.motion / "parameters.json"
    saved = read_json(parameters_file) if parameters_file.is_file() else {}
    arguments = _object_in(saved, "interpolate_motion_kwargs", parameters_file)
    if arguments:
        return dict(arguments), "its parameters.json"
    preset = saved.get("preset")
    if not isinstance(preset, str | None):
        raise InputError(f"{parameters_file}: preset must be a name (got {ascii(preset)[:80]}). Attach it again.")
    if preset:
        from spikeinterface.preprocessing.motion import motion_options_preset

        arguments = motion_options_preset.get(preset, {}).get("interpolate_motion_kwargs")
        if arguments:
            return dict(arguments), f"preset {preset}"
    return dict(DEFAULT_INTERPOLATION), "the capsule's default"


def _object_in(document: dict, name: str, file: Path) -> dict:
    """A part of a document that is an object; empty where it is not there, or null."""
    value = document.get(name)
    if not isinstance(value, dict | None):
        raise InputError(f"{file}: {name} must be an object (got {ascii(value)[:80]}). Attach the file again.")
    return value or {}


def _legacy_motion(folder: Path):
    from spikeinterface.core.motion import Motion

    displacement = np.load(folder / "motion.npy")
    displacement = displacement[:, None] if displacement.ndim == 1 else displacement
    has_spatial_bins = (folder / "spatial_bins.npy").is_file()
    spatial_bins_um = np.load(folder / "spatial_bins.npy") if has_spatial_bins else np.zeros(1)
    return Motion([displacement], [np.load(folder / "temporal_bins.npy")], np.atleast_1d(spatial_bins_um))


def _clock_shifts_s(temporal_bins_s: np.ndarray, recording: si.BaseRecording) -> list[float]:
    rate_hz = recording.sampling_frequency
    lengths = [recording.get_num_samples(segment_index=index) for index in range(recording.get_num_segments())]
    starts_s = [float(recording.sample_index_to_time(0, segment_index=index)) for index in range(len(lengths))]
    if len(lengths) > 1:
        offsets_s = np.concatenate([[0], np.cumsum(lengths)[:-1]]) / rate_hz
        return [start_s - offset_s for start_s, offset_s in zip(starts_s, offsets_s, strict=True)]
    middle_s, half_s = float(np.mean(temporal_bins_s)), lengths[0] / rate_hz / 2
    is_nearer_own_clock = abs(middle_s - (starts_s[0] + half_s)) <= abs(middle_s - half_s)
    return [0.0 if is_nearer_own_clock else starts_s[0]]


def _preprocessing_parameters(record_file: Path) -> dict:
    if not record_file.is_file():
        return {}
    record = read_json(record_file)
    code = record.get("code") if isinstance(record.get("code"), dict) else {}
    return _object_in(code, "parameters", record_file) or _object_in(record, "parameters", record_file)
