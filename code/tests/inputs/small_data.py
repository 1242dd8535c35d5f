"""Recordings and sortings of a second or two, and the data folder that holds them."""

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.basesorting import SpikeVectorSortingSegment

from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.loading import load_recording_and_sorting

NAME = "block0_None_a.b #1"
RATE_HZ = 10000.0
SPIKE_DTYPE = [("sample_index", "int64"), ("unit_index", "int64"), ("segment_index", "int64")]


def make_recording(lengths=(20000,), num_channels=4, dtype="int16", *, gain=2.0, probe=True, seed=0):
    rng = np.random.default_rng(seed)
    offset = 1000 if np.dtype(dtype).kind == "u" else 0
    traces = [(rng.normal(0, 50, size=(length, num_channels)) + offset).astype(dtype) for length in lengths]
    recording = si.NumpyRecording(traces, RATE_HZ, channel_ids=[f"AP{channel}" for channel in range(num_channels)])
    if gain is not None:
        recording.set_channel_gains(gain)
        recording.set_channel_offsets(-gain * offset)
    if probe:
        recording.set_dummy_probe_from_locations(np.c_[np.zeros(num_channels), 20.0 * np.arange(num_channels)])
    recording.annotate(is_filtered=True)
    return recording


def make_sorting(spikes=((100, 0, 0), (200, 1, 0), (300, 0, 0)), unit_ids=("u0", "u1", "u2"), num_segments=1):
    vector = np.array([tuple(spike) for spike in spikes], dtype=SPIKE_DTYPE)
    sorting = si.NumpySorting(vector, RATE_HZ, np.array(unit_ids))
    for segment in range(sorting.get_num_segments(), num_segments):
        sorting.add_sorting_segment(SpikeVectorSortingSegment(vector, segment, unit_ids))
    sorting.set_property("KSLabel", np.array(["good"] * len(unit_ids)))
    return sorting


def save(data, recording=None, sorting=None, name=NAME):
    recording = make_recording() if recording is None else recording
    sorting = make_sorting() if sorting is None else sorting
    saved = recording.save(folder=data / f"preprocessed_{name}", verbose=False)
    if sorting is not False:
        sorting.save(folder=data / f"spikesorted_{name}")
    return saved


def load(data, **options):
    return load_recording_and_sorting(find_recordings(data).recordings[0], **options)
