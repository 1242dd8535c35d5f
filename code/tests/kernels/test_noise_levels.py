import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import noise_levels as reference

from ephys_postprocess.kernels import noise_levels as kernels

FEW = settings(max_examples=40, deadline=None)


@FEW
@given(st.integers(0, 10**6), st.integers(0, 30), st.sampled_from([3, 2**15]))
def test_count_values_equals_reference(seed, num_samples, limit):
    traces = np.random.default_rng(seed).integers(-limit, limit, (num_samples, 2)).astype(np.int16)
    expected, got = (np.zeros((2, 2 * limit), np.int32) for _ in range(2))
    reference.count_values(traces, -limit, expected)
    kernels.count_values(traces, -limit, got)
    np.testing.assert_array_equal(got, expected)


@FEW
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 9), st.sampled_from([np.float32, np.float64]))
def test_median_and_mad_equals_reference(seed, num_samples, num_values, dtype):
    generator = np.random.default_rng(seed)
    samples = generator.integers(0, num_values, (3, num_samples))
    counts = np.stack([np.bincount(row, minlength=num_values) for row in samples]).astype(np.int32)
    levels = np.sort(generator.normal(size=(3, num_values)), axis=1).round(1).astype(dtype)  # rounded: equal levels
    expected, got = (np.full((2, 3), np.nan, dtype) for _ in range(2))
    reference.median_and_mad(counts, levels, *expected)
    kernels.median_and_mad(counts, levels, *got)
    np.testing.assert_array_equal(got, expected)


def test_median_and_mad_by_hand():
    counts = np.array([[1, 0, 2, 1]], np.int32)  # samples 0, 4, 4, 6: median 4, deviations 0, 0, 2, 4
    medians, mads = np.zeros(1, np.float32), np.zeros(1, np.float32)
    kernels.median_and_mad(counts, np.array([[0, 2, 4, 6]], np.float32), medians, mads)
    assert (medians[0], mads[0]) == (4.0, 1.0)


def test_a_shift_of_all_levels_moves_the_median_only():
    generator = np.random.default_rng(3)
    counts = generator.multinomial(101, [0.1] * 10, size=4).astype(np.int32)
    levels = np.tile(np.arange(10, dtype=np.float64), (4, 1))
    at_zero, shifted = np.zeros((2, 4)), np.zeros((2, 4))
    kernels.median_and_mad(counts, levels, *at_zero)
    kernels.median_and_mad(counts, levels + 64, *shifted)
    np.testing.assert_array_equal(shifted, at_zero + np.array([[64], [0]]))
