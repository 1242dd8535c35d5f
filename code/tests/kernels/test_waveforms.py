import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import waveforms as reference

from ephys_postprocess.kernels import waveforms as kernels

FEW = settings(max_examples=30, deadline=None)


def make_case(seed, num_spikes, dtype=np.int16, num_rows=25, num_channels=6, width=4):
    """Random traces, and windows that hang over both ends; ties and repeated spikes occur."""
    generator = np.random.default_rng(seed)
    traces = generator.integers(-(2**15), 2**15, (num_rows, num_channels)).astype(dtype)
    first_rows = generator.integers(-12, num_rows + 3, num_spikes)
    channels = np.full((num_spikes, width), -1)
    for spike in range(num_spikes):
        own = generator.choice(num_channels, generator.integers(0, width + 1), replace=False)
        channels[spike, : own.size] = np.sort(own)
    return traces, first_rows, channels, generator


@FEW
@given(st.integers(0, 10**6), st.integers(0, 6), st.sampled_from([np.int16, np.float32]))
def test_gather_windows_equals_reference(seed, num_spikes, dtype):
    traces, first_rows, channels, generator = make_case(seed, num_spikes, dtype)
    places = generator.permutation(num_spikes)
    expected, got = (np.full((num_spikes, 10, 4), 7, dtype) for _ in range(2))
    reference.gather_windows(traces, first_rows, channels, places, expected)
    kernels.gather_windows(traces, first_rows, channels, places, got)
    np.testing.assert_array_equal(got, expected)


@FEW
@given(st.integers(0, 10**6), st.integers(0, 6), st.sampled_from([1, 4]))
def test_scale_windows_equals_reference(seed, num_waveforms, width):
    generator = np.random.default_rng(seed)
    windows = generator.integers(-(2**15), 2**15, (5, 8, 4)).astype(np.int16)
    rows, unit_indices = generator.integers(0, 5, num_waveforms), generator.integers(0, 3, num_waveforms)
    gains, offsets = (generator.normal(size=(3, 4)).astype(np.float32) for _ in range(2))
    first_samples, stop_samples = generator.integers(0, 4, num_waveforms), generator.integers(4, 9, num_waveforms)
    expected, got = (np.full((num_waveforms, 8, width), np.nan, np.float32) for _ in range(2))
    arguments = (windows, rows, unit_indices, gains, offsets, first_samples, stop_samples)
    reference.scale_windows(*arguments, expected)
    kernels.scale_windows(*arguments, got)
    np.testing.assert_array_equal(got, expected)


@FEW
@given(
    st.integers(0, 10**6),
    st.integers(0, 6),
    st.sampled_from([(np.int16, np.int32), (np.float32, np.float32), (np.int16, np.float64)]),
)
def test_sum_windows_equals_reference(seed, num_spikes, dtypes):
    traces, first_rows, _, generator = make_case(seed, num_spikes, dtypes[0])
    unit_indices = generator.integers(0, 3, num_spikes)
    expected, got = (np.ones((3, 10, 6), dtypes[1]) for _ in range(2))
    reference.sum_windows(traces, first_rows, unit_indices, 1, 5, expected)
    kernels.sum_windows(traces, first_rows, unit_indices, 1, 5, got)
    np.testing.assert_array_equal(got, expected)


@FEW
@given(st.integers(0, 10**6), st.integers(0, 6), st.sampled_from([np.float32, np.float64]))
def test_sum_squared_deviations_equals_reference(seed, num_rows, dtype):
    generator = np.random.default_rng(seed)
    values = (1e4 + generator.normal(size=(num_rows, 5))).astype(np.float32)
    means = generator.normal(1e4, 1, 5).astype(dtype)
    expected, got = np.zeros(5, dtype), np.zeros(5, dtype)
    reference.sum_squared_deviations(values, means, expected)
    kernels.sum_squared_deviations(values, means, got)
    np.testing.assert_array_equal(got, expected)


def test_gather_windows_by_hand():
    traces = np.arange(8, dtype=np.int16).reshape(4, 2)  # rows (0, 1), (2, 3), (4, 5), (6, 7)
    windows = np.full((2, 3, 2), -9, np.int16)
    kernels.gather_windows(traces, np.array([-1, 2]), np.array([[1, -1], [0, 1]]), np.array([1, 0]), windows)
    assert windows[1].tolist() == [[0, 0], [1, 0], [3, 0]]
    assert windows[0].tolist() == [[4, 5], [6, 7], [0, 0]]


def test_sum_windows_holds_as_many_full_scale_windows_as_it_promises():
    traces = np.full((1, 1), -(2**15), np.int16)
    sums = np.zeros((1, 1, 1), np.int32)
    num_windows = 65_536
    kernels.sum_windows(traces, np.zeros(num_windows, np.int64), np.zeros(num_windows, np.int64), 0, 1, sums)
    assert sums[0, 0, 0] == -(2**15) * num_windows


@pytest.mark.parametrize("split", [1, 3])
def test_sum_windows_of_channel_ranges_make_the_whole(split):
    traces, first_rows, _, _ = make_case(1, 20)
    whole, parts = np.zeros((1, 10, 6), np.int32), np.zeros((1, 10, 6), np.int32)
    unit_indices = np.zeros(20, np.int64)
    kernels.sum_windows(traces, first_rows, unit_indices, 0, 6, whole)
    kernels.sum_windows(traces, first_rows, unit_indices, 0, split, parts)
    kernels.sum_windows(traces, first_rows, unit_indices, split, 6, parts)
    np.testing.assert_array_equal(parts, whole)
