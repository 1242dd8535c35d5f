"""Below every chain of preprocessors: raw files that may be cut short, and zarr chunks, decoded once per pass."""

import os
import threading

import numpy as np
import pytest
import spikeinterface.core as si
from spikeinterface.preprocessing import bandpass_filter, common_reference

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.trace_roots import DecodedChunks, guard_roots, is_chain, root_segments
from ephys_postprocess.inputs.trace_sources import trace_source
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces.reading import for_each_stretch
from ephys_postprocess.stages.traces.stretches import Windows, plan_stretches
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

RATE_HZ, CHUNK_SAMPLES, NUM_CHUNKS = 1000.0, 1000, 12


@pytest.fixture
def recording():
    values = np.random.default_rng(0).integers(-500, 500, (CHUNK_SAMPLES * NUM_CHUNKS - 300, 4)).astype(np.int16)
    made = si.NumpyRecording([values], RATE_HZ)
    made.set_dummy_probe_from_locations(np.array([[0.0, 20.0 * row] for row in range(4)]))
    made.set_channel_gains(0.5)
    made.set_channel_offsets(0.0)
    return made


@pytest.fixture
def saved(recording, tmp_path):
    def save(form):
        options = {"n_jobs": 1, "verbose": False, "progress_bar": False, "chunk_size": CHUNK_SAMPLES}
        return recording.save(folder=tmp_path / f"saved.{form}", format=form, **options)

    return save


CHAINS = {
    "none": lambda saved: saved,
    "filter": lambda saved: bandpass_filter(saved, freq_min=150.0, freq_max=300.0, margin_ms=20.0),
    "slices": lambda saved: saved.frame_slice(100, 9000).select_channels(saved.channel_ids[[2, 0]]),
    "aggregated": lambda saved: si.aggregate_channels([saved.select_channels(saved.channel_ids[:2]), saved]),
    "concatenated": lambda saved: common_reference(si.concatenate_recordings([saved, saved])),
}


class CountingArray:
    """An array that counts how often each of its chunks is decoded."""

    def __init__(self, array):
        self._array = array
        self.chunks, self.shape, self.dtype = array.chunks, array.shape, array.dtype
        self.num_decoded = np.zeros(-(-array.shape[0] // array.chunks[0]), dtype=int)

    def __getitem__(self, rows):
        self.num_decoded[rows.start // self.chunks[0] : -(-rows.stop // self.chunks[0])] += 1
        return self._array[rows]


def spikes_everywhere(length):
    samples = np.arange(3, length, 37)
    zeros = np.zeros_like(samples)
    return SpikeTrains(samples, zeros, zeros, 1, (length,), RATE_HZ)


@pytest.mark.parametrize("form", ["binary", "zarr"])
@pytest.mark.parametrize("chain", CHAINS)
def test_guarded_roots_give_the_same_values(saved, tmp_path, form, chain):
    plain, guarded = CHAINS[chain](saved(form)), CHAINS[chain](si.load(tmp_path / f"saved.{form}"))
    guard_roots(guarded, num_threads=2)
    length = plain.get_num_samples()
    for start, stop in ((0, 60), (980, 1020), (0, length), (length - 50, length), (1000, 2000), (500, 3700)):
        expected = plain.get_traces(start_frame=start, end_frame=stop)
        np.testing.assert_array_equal(guarded.get_traces(start_frame=start, end_frame=stop), expected)
    assert is_chain(guarded) == (chain != "none")


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("chain", ["none", "filter"])
def test_each_chunk_is_decoded_once_a_pass(saved, chain, num_threads):
    recording = CHAINS[chain](saved("zarr"))
    (root,) = root_segments(recording)
    root._timeseries = counting = CountingArray(root._timeseries)
    guard_roots(recording, num_threads)
    traces = trace_source(recording, return_in_uV=True)
    spikes = spikes_everywhere(traces.segment_lengths[0])
    for_each_stretch(
        traces, plan_stretches(traces, [Windows(spikes, 30, 40)], CHUNK_SAMPLES), lambda *_: None, num_threads
    )
    assert counting.num_decoded.tolist() == [1] * NUM_CHUNKS


def test_without_the_guard_a_filter_decodes_chunks_again(saved):
    """What the test above would find, so that it can fail."""
    recording = CHAINS["filter"](saved("zarr"))
    (root,) = root_segments(recording)
    root._timeseries = counting = CountingArray(root._timeseries)
    traces = trace_source(recording, return_in_uV=True)
    for start in range(0, 3000, 1000):
        traces.read(0, start, start + 1000)
    assert counting.num_decoded.max() == 3


@pytest.mark.parametrize("chain", ["filter", "slices"])
def test_a_raw_file_cut_short_under_a_chain_is_an_input_error(saved, chain):
    binary = saved("binary")
    recording = CHAINS[chain](binary)
    guard_roots(recording, num_threads=1)
    (path,) = binary.get_binary_description()["file_paths"]
    os.truncate(path, 8 * 4500)
    traces = trace_source(recording, return_in_uV=True)
    traces.read(0, 0, 1000)
    with pytest.raises(InputError, match="cut short meanwhile"):
        traces.read(0, 4000, 6000)


def test_every_thread_is_told_of_a_chunk_that_cannot_be_decoded():
    class Broken:
        chunks, shape, dtype = (10, 1), (100, 1), np.dtype("int16")

        def __getitem__(self, rows):
            raise RuntimeError("error during blosc decompression")

    chunks, told = DecodedChunks(Broken(), 3), []

    def ask():
        try:
            chunks.get_traces(5, 15)
        except RuntimeError as error:
            told.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert told == ["error during blosc decompression"] * 4


def test_no_more_chunks_are_kept_than_asked_for(saved):
    (root,) = root_segments(saved("zarr"))
    chunks = DecodedChunks(root._timeseries, 3)
    for start in range(0, 9000, 500):
        chunks.get_traces(start, start + 700)
    assert sorted(chunks._chunks) == [7, 8, 9]


def test_traces_of_a_chain_do_not_depend_on_the_chunk_asked_for(saved):
    class Keep:
        margin_samples = 25

        def __init__(self, spikes):
            self.samples, self.values = spikes.samples, np.zeros((spikes.num_spikes, 4), np.int16)

        def consume(self, traces, origin_sample, segment_index, first_spike, last_spike):  # noqa: ARG002
            self.values[first_spike:last_spike] = traces[self.samples[first_spike:last_spike] - origin_sample]

    traces = trace_source(CHAINS["filter"](saved("binary")), return_in_uV=True)
    assert traces.fixed_chunk_samples == 1000
    spikes, kept = spikes_everywhere(traces.segment_lengths[0]), []
    for chunk_samples, num_threads, most_at_once in ((1000, 1, None), (77, 2, 1), (50_000, 3, 2)):
        traces.most_at_once = most_at_once
        kept.append(Keep(spikes))
        run_trace_pass(traces, spikes, [kept[-1]], chunk_samples, num_threads)
    for other in kept[1:]:
        np.testing.assert_array_equal(other.values, kept[0].values)
