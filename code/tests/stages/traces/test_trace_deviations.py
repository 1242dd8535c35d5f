"""Standard deviations of whole traces, found on the way through them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import trace_moments as reference
from reference.small_analyzer import ArrayTraces

from ephys_postprocess.kernels.trace_moments import add_count_moments, add_moments
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces.trace_deviations import TraceDeviations
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass


def no_spikes(lengths):
    none = np.zeros(0, dtype=np.int64)
    return SpikeTrains(none, none, none, 0, lengths, 30_000.0)


def some_spikes(lengths):
    return SpikeTrains(np.array([5, 190]), np.zeros(2, np.int64), np.array([0, 1]), 1, lengths, 30_000.0)


class Margin:
    margin_samples = 7

    def consume(self, *_):
        pass


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_moments_equal_reference(seed, num_samples):
    generator = np.random.default_rng(seed)
    traces = generator.integers(-(2**15), 2**15, (num_samples, 3)).astype(np.float32)
    shifts = generator.integers(-100, 100, 3).astype(np.float64)
    expected, got = np.ones((2, 2, 3))
    reference.add_moments(traces, shifts, *expected)
    add_moments(traces, shifts, *got)
    np.testing.assert_array_equal(got, expected)  # whole numbers


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(0, 2**15))
def test_count_moments_equal_reference(seed, num_samples, size):
    traces = np.random.default_rng(seed).integers(-size, size, (num_samples, 3), endpoint=True)
    traces = np.clip(traces, -(2**15), 2**15 - 1).astype(np.int16)
    expected, got = np.ones((2, 2, 3), dtype=np.int64)
    reference.add_count_moments(traces, *expected)
    add_count_moments(traces, *got)
    np.testing.assert_array_equal(got, expected)


def test_moments_by_hand():
    sums, squares = np.zeros((2, 1))
    add_moments(np.array([[3], [5], [1]], np.float32), np.array([2.0]), sums, squares)
    assert (sums[0], squares[0]) == (1 + 3 - 1, 1 + 9 + 1)
    sums, squares = np.zeros((2, 1), dtype=np.int64)
    add_count_moments(np.array([[3], [5], [1], [-32768], [-32768]], np.int16), sums, squares)
    assert (sums[0], squares[0]) == (3 + 5 + 1 - 2**16, 9 + 25 + 1 + 2**31)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_deviations_are_numpys_for_any_chunks_and_threads(dtype):
    generator = np.random.default_rng(1)
    segments = [(generator.normal(3000, 40, (length, 4))).astype(dtype) for length in (211, 200, 3)]
    traces = ArrayTraces(segments, gains=[0.195, 2.0, -1.0, 0.01])
    expected = np.std(np.concatenate(segments).astype(np.float64), axis=0) * np.abs(traces.exact_gains)
    for spikes, consumers in ((no_spikes, []), (some_spikes, [Margin()])):
        found = []
        for chunk_samples, num_threads in ((50, 1), (50, 3), (1000, 1)):
            watcher = TraceDeviations(traces)
            lengths = traces.segment_lengths
            run_trace_pass(traces, spikes(lengths), consumers, chunk_samples, num_threads, watcher=watcher)
            found.append(watcher.deviations())
            # a mean of 75 deviations, taken out of squares that are shifted by the first sample only
            np.testing.assert_allclose(found[-1], expected, rtol=1e-10)
        np.testing.assert_array_equal(found[0], found[1])
