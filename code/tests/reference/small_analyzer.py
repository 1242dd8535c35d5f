"""A small recording with what is easily got wrong: uneven gains, offsets, two segments, spikes at the ends."""

from pathlib import Path

import numpy as np

from ephys_postprocess.raw_files import RawFile
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.traces import RawTraces, RecordingTraces


class ArrayTraces:
    """Traces held in memory, one array per segment, that counts how often each sample is asked for."""

    def __init__(self, segments, gains=None, offsets=None, is_raw=True):
        self.segments = segments
        self.num_channels = segments[0].shape[1]
        self.segment_lengths = tuple(len(segment) for segment in segments)
        self.sampling_frequency_hz = 30_000.0
        self.dtype = segments[0].dtype
        self.gains = np.ones(self.num_channels, np.float32) if gains is None else np.float32(gains)
        self.offsets = np.zeros(self.num_channels, np.float32) if offsets is None else np.float32(offsets)
        self.exact_gains, self.exact_offsets = np.float64(self.gains), np.float64(self.offsets)
        self.is_raw = is_raw
        self.fixed_chunk_samples = self.most_at_once = None
        self.num_readers = 0
        self.num_reads = [np.zeros(length, dtype=int) for length in self.segment_lengths]

    def read(self, segment_index, start_sample, stop_sample, ranges=None, buffer=None):
        assert 0 <= start_sample <= stop_sample <= self.segment_lengths[segment_index]
        traces = self.segments[segment_index][start_sample:stop_sample].view()
        if ranges is None or not self.is_raw:
            ranges = np.array([[start_sample, stop_sample]])
        if buffer is not None and self.is_raw:
            traces = buffer.array(traces.shape, traces.dtype)
            traces[:] = 12_345  # what nobody asked for
        for start, stop in ranges.tolist():
            assert start_sample <= start < stop <= stop_sample
            traces[start - start_sample : stop - start_sample] = self.segments[segment_index][start:stop]
            self.num_reads[segment_index][start:stop] += 1
        traces.flags.writeable = False
        return traces

    def expect(self, segment_index, ranges):
        assert len(ranges) == 0 or 0 <= ranges[0, 0] < ranges[-1, 1] <= self.segment_lengths[segment_index]


def make_recording_and_sorting(durations_s=(4.0, 3.0), num_channels=12, num_units=5, seed=0):
    """An int16 recording with gains and offsets float32 can't hold, and a sorting with spikes at every end."""
    from spikeinterface.core import NumpyRecording, NumpySorting, generate_ground_truth_recording

    truth, truth_sorting = generate_ground_truth_recording(
        durations=list(durations_s),
        sampling_frequency=30_000.0,
        num_channels=num_channels,
        num_units=num_units,
        seed=seed,
    )
    counts = [
        np.round(truth.get_traces(segment_index=index) / 0.195).astype("int16") for index in range(len(durations_s))
    ]
    recording = NumpyRecording(counts, sampling_frequency=truth.sampling_frequency, channel_ids=truth.channel_ids)
    recording.set_probe(truth.get_probe())
    recording.set_channel_gains(0.195 + 0.001 * np.arange(num_channels))
    recording.set_channel_offsets(np.where(np.arange(num_channels) % 3 == 0, 1.7, 0.0))
    return recording, NumpySorting(
        _with_spikes_at_ends(truth_sorting, [len(segment) for segment in counts]),
        truth.sampling_frequency,
        np.append(truth_sorting.unit_ids.astype(str), "silent"),
    )


def _with_spikes_at_ends(sorting, lengths):
    spikes = sorting.to_spike_vector()
    at_ends = np.array(
        [(sample, 0, segment) for segment, length in enumerate(lengths) for sample in (0, 7, length - 9, length - 1)],
        dtype=spikes.dtype,
    )
    spikes = np.concatenate([spikes, at_ends])
    return spikes[np.lexsort((spikes["unit_index"], spikes["sample_index"], spikes["segment_index"]))]


def columns_of(sorting, recording):
    spikes = sorting.to_spike_vector()
    return SpikeTrains(
        spikes["sample_index"].astype(np.int64),
        spikes["unit_index"].astype(np.int64),
        spikes["segment_index"].astype(np.int64),
        len(sorting.unit_ids),
        tuple(recording.get_num_samples(index) for index in range(recording.get_num_segments())),
        float(recording.sampling_frequency),
    )


def trace_sources(recording, folder, return_in_uV=True):
    """The same traces from files and through `get_traces`."""
    num_channels = recording.get_num_channels()
    gains = recording.get_channel_gains() if return_in_uV else np.ones(num_channels)
    offsets = recording.get_channel_offsets() if return_in_uV else np.zeros(num_channels)
    files = []
    for index in range(recording.get_num_segments()):
        path = Path(folder) / f"segment{index}.raw"
        traces = recording.get_traces(segment_index=index)
        traces.tofile(path)
        files.append(RawFile(str(path), traces.dtype, num_channels, 0, len(traces)))
    raw = RawTraces(files, recording.sampling_frequency, gains, offsets)
    return {"raw": raw, "get_traces": RecordingTraces(recording, gains, offsets)}
