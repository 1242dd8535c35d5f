"""Tiny inputs in the layout of the capsule's `data/`, made on the fly: usual ones, odd ones and broken ones."""

import functools
import json
from pathlib import Path

import numpy as np
import spikeinterface.core as si

GAIN_UV = 0.195
# All that makes a name hard in one: spaces, '#', dots, parentheses, a double underscore.
NAME = "session 1__block0_imec0.ap#1 (x.y)_recording1_group0"
SKIPPED_REASON = "Too many bad channels"


@functools.lru_cache
def tiny(durations_s=(8.0,), num_channels=12, num_units=5, seed=3):
    """An int16 recording with gains, and its true sorting; copies are the caller's business."""
    truth, sorting = si.generate_ground_truth_recording(
        durations=list(durations_s),
        sampling_frequency=30_000.0,
        num_channels=num_channels,
        num_units=num_units,
        generate_sorting_kwargs={"firing_rates": (8.0, 25.0), "refractory_period_ms": 3.0},
        seed=seed,
    )
    traces = [np.round(truth.get_traces(segment_index=index) / GAIN_UV) for index in range(len(durations_s))]
    recording = recording_like(truth, [segment.astype("int16") for segment in traces], gain_uV=GAIN_UV)
    return recording, si.NumpySorting.from_sorting(sorting)


def recording_like(recording, traces, gain_uV, offset_uV=0.0):
    """Other traces with the channels of a recording; no gains where `gain_uV` is None."""
    made = si.NumpyRecording(traces, recording.sampling_frequency, channel_ids=recording.channel_ids)
    made.set_probe(recording.get_probe())
    if gain_uV is not None:
        made.set_channel_gains(gain_uV)
        made.set_channel_offsets(offset_uV)
    return made


def traces_of(recording) -> list[np.ndarray]:
    return [recording.get_traces(segment_index=index) for index in range(recording.get_num_segments())]


def unsigned(recording):
    """The same in offset binary, as some systems record."""
    traces = [(segment.astype("int32") + 2**15).astype("uint16") for segment in traces_of(recording)]
    return recording_like(recording, traces, gain_uV=GAIN_UV, offset_uV=-GAIN_UV * 2**15)


def floats_without_gains(recording):
    """The same in µV, as preprocessing that whitens or scales leaves it."""
    return recording_like(recording, [np.float32(segment * GAIN_UV) for segment in traces_of(recording)], gain_uV=None)


def on_two_shanks(recording):
    """The same channels with every other one on a second shank."""
    from probeinterface import Probe

    probe = Probe(ndim=2, si_units="um")
    shanks = np.arange(recording.get_num_channels()) % 2
    locations = recording.get_channel_locations() + np.c_[250.0 * shanks, np.zeros(len(shanks))]
    probe.set_contacts(locations, shapes="circle", shape_params={"radius": 5}, shank_ids=shanks.astype(str))
    probe.set_device_channel_indices(np.arange(len(shanks)))
    made = recording_like(recording, traces_of(recording), gain_uV=GAIN_UV)
    made.set_probe(probe)
    return made


def sorting_of(spikes, unit_ids, num_segments=1):
    """A sorting from (sample, unit index, segment) rows."""
    from spikeinterface.core.basesorting import SpikeVectorSortingSegment

    dtype = [("sample_index", "int64"), ("unit_index", "int64"), ("segment_index", "int64")]
    vector = np.array([tuple(spike) for spike in spikes], dtype=dtype)
    vector = vector[np.lexsort((vector["sample_index"], vector["segment_index"]))]
    sorting = si.NumpySorting(vector, 30_000.0, np.asarray(unit_ids))
    for segment_index in range(sorting.get_num_segments(), num_segments):
        sorting.add_sorting_segment(SpikeVectorSortingSegment(vector, segment_index, np.asarray(unit_ids)))
    return sorting


def with_more(sorting, unit_ids, spikes):
    """The sorting with further units; their spikes are (sample, index among the new units, segment)."""
    old = sorting.to_spike_vector()
    num_units = sorting.get_num_units()
    rows = [*zip(old["sample_index"], old["unit_index"], old["segment_index"], strict=True)]
    rows += [(sample, num_units + unit, segment) for sample, unit, segment in spikes]
    return sorting_of(rows, [*map(str, sorting.unit_ids), *unit_ids], sorting.get_num_segments())


def slowed(recording, sorting, sampling_frequency_hz):
    """The same samples and spikes, as if they had been taken at another rate."""
    made = si.NumpyRecording(traces_of(recording), sampling_frequency_hz, channel_ids=recording.channel_ids)
    made.set_probe(recording.get_probe())
    made.set_channel_gains(GAIN_UV)
    made.set_channel_offsets(0.0)
    spikes = sorting.to_spike_vector()
    return made, si.NumpySorting(spikes, sampling_frequency_hz, sorting.unit_ids)


def duplicated(sorting):
    """The sorting with its first unit once more, three samples later, less one spike in twenty."""
    samples = sorting.get_unit_spike_train(sorting.unit_ids[0], segment_index=0)
    copies = [(sample + 3, 0, 0) for row, sample in enumerate(samples) if row % 20]
    return with_more(sorting, ["copy"], copies)


def save(data: Path, name=NAME, recording=None, sorting=None) -> None:
    """preprocessed_{name} and spikesorted_{name}, as the capsules before this one leave them."""
    tiny_recording, tiny_sorting = tiny()
    recording = tiny_recording if recording is None else recording
    recording.save(folder=data / f"preprocessed_{name}", verbose=False, progress_bar=False, n_jobs=1, chunk_size=30_000)
    (tiny_sorting if sorting is None else sorting).save(folder=data / f"spikesorted_{name}")


def save_motion(data: Path, name=NAME) -> None:
    """motion_{name} for `tiny()`: a slow drift of a few µm."""
    from spikeinterface.core.motion import Motion

    displacement = np.linspace(-6, 6, 16).reshape(8, 2)
    motion = Motion([displacement], [np.arange(8) + 0.5003], np.array([20.0, 120.0]))
    folder = data / f"motion_{name}"
    folder.mkdir()
    (folder / "parameters.json").write_text(json.dumps({"preset": "rigid_fast"}))
    motion.save(folder / "motion")


def save_skipped_preprocessing(data: Path, name: str) -> None:
    for prefix in ("preprocessed", "spikesorted"):
        write(data / f"{prefix}_{name}" / "error.txt", SKIPPED_REASON)


def save_skipped_sorting(data: Path, name: str) -> None:
    save(data, name)
    spikesorted = data / f"spikesorted_{name}"
    keep_only(spikesorted)
    write(spikesorted / "error.txt", SKIPPED_REASON)


def save_failed_sorting(data: Path, name: str) -> None:
    save(data, name)
    spikesorted = data / f"spikesorted_{name}"
    keep_only(spikesorted)
    write(spikesorted / "spikeinterface_log.json", '{"error": true}')


def save_cut_short(data: Path, name: str) -> None:
    """A recording whose raw file ends inside a sample, as after a full disk."""
    save(data, name)
    (raw,) = (data / f"preprocessed_{name}").glob("traces_cached_seg0.raw")
    with raw.open("r+b") as handle:
        handle.truncate(raw.stat().st_size // 2 + 1)


def save_session(data: Path, folder_name="ecephys_session") -> None:
    write(data / folder_name / "subject.json", '{"subject_id": "123"}')
    write(data / folder_name / "data_description.json", '{"name": "ecephys_123_today"}')
    write(data / folder_name / "rig.json", "{}")


def save_job(data: Path, name=NAME, number=0, **content) -> None:
    job = {"session_name": "ecephys_123_today", "recording_name": name, "skip_times": False, **content}
    write(data / f"job_{number}.json", json.dumps(job))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def keep_only(folder: Path, *names: str) -> None:
    import shutil

    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
