import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.small_analyzer import ArrayTraces
from reference.spike_amplitudes import spike_amplitudes

from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces.spike_amplitudes import SpikeAmplitudes
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass


def make_case(seed, num_spikes):
    generator = np.random.default_rng(seed)
    lengths = (90, 40)
    segments = [generator.integers(-(2**15), 2**15, (length, 4)).astype(np.int16) for length in lengths]
    segment_indices = np.sort(generator.integers(0, 2, num_spikes))
    samples = (generator.random(num_spikes) * np.array(lengths)[segment_indices]).astype(np.int64)
    order = np.lexsort((samples, segment_indices))
    spikes = SpikeTrains(samples[order], generator.integers(0, 3, num_spikes), segment_indices, 3, lengths, 30_000.0)
    units = generator.integers(0, 4, 3), generator.integers(-12, 13, 3)
    return segments, spikes, *units, generator.normal(size=4), generator.normal(size=4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.sampled_from([7, 1000]), st.sampled_from([1, 4]))
def test_amplitudes_equal_reference(seed, num_spikes, chunk_samples, num_threads):
    segments, spikes, main_channel_indices, peak_shifts, gains, offsets = case = make_case(seed, num_spikes)
    consumer = SpikeAmplitudes(spikes, main_channel_indices, peak_shifts, gains, offsets)
    run_trace_pass(ArrayTraces(segments), spikes, [consumer], chunk_samples, num_threads)
    np.testing.assert_array_equal(consumer.amplitudes, spike_amplitudes(*case))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_unscaled_amplitudes_are_counts_by_hand(dtype):
    traces = np.array([[1, 2], [3, 4], [5, 6]], dtype)
    spikes = SpikeTrains(np.array([0, 1, 2]), np.array([0, 1, 1]), np.zeros(3, np.int64), 2, (3,), 30_000.0)
    consumer = SpikeAmplitudes(spikes, [1, 0], [0, 1], dtype=dtype)
    consumer.consume(traces, 0, 0, 0, 3)
    assert consumer.amplitudes.tolist() == [2, 5, 0]
    assert consumer.amplitudes.dtype == dtype
