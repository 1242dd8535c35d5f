"""Second moments of int16 snippets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import count_products as reference

from ephys_postprocess.kernels import count_products as kernels

FEW_EXAMPLES = settings(max_examples=30, deadline=None)


@FEW_EXAMPLES
@given(
    st.integers(0, 140), st.integers(1, 9), st.integers(0, 4), st.integers(0, 2), st.integers(0, 33), st.integers(0, 99)
)
def test_counts_by_channel_is_a_plain_copy(num_spikes, num_samples, num_channels, extra, room, seed):
    rng = np.random.default_rng(seed)
    windows = rng.integers(-(2**15), 2**15, size=(num_spikes, num_samples, num_channels + extra)).astype(np.int16)
    ours = np.full((num_channels, num_samples + extra, num_spikes + room), 77, dtype=np.int16)
    naive = ours.copy()
    kernels.counts_by_channel(windows, ours)
    reference.counts_by_channel(windows, naive)
    np.testing.assert_array_equal(ours, naive)


def upwards(products):
    """What `sum_count_products` promises: whole tiles from the diagonal upwards."""
    tiles = np.arange(len(products)) // kernels.TILE
    return products[tiles[:, None] <= tiles[None, :]]


@FEW_EXAMPLES
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 5),
    st.sampled_from([1, 300, 2_000, 8_191, 8_192, 20_000, 32_767, 32_768]),
    st.integers(0, 2**32 - 1),
)
def test_sums_of_products_are_exact(num_parts, num_tiles, num_strips, largest, seed):
    rng = np.random.default_rng(seed)
    shape = (num_parts, num_tiles * kernels.TILE, num_strips * kernels.COLUMNS_AT_ONCE)
    counts = rng.integers(-largest, min(largest, 2**15 - 1) + 1, size=shape).astype(np.int16)
    ours = np.full((shape[1], shape[1]), -5), np.full(shape[1], -5)
    naive = np.empty((shape[1], shape[1]), dtype=np.int64), np.empty(shape[1], dtype=np.int64)
    kernels.sum_count_products(counts, *ours)
    reference.sum_count_products(counts, *naive)
    np.testing.assert_array_equal(upwards(ours[0]), upwards(naive[0]))
    np.testing.assert_array_equal(ours[1], naive[1])


@pytest.mark.parametrize("value", [-(2**15), 2**15 - 1, 8_192, 46])
def test_sums_of_equal_counts_do_not_overflow(value):
    # where every product has one sign, 32 bits are full soonest
    counts = np.full((2, 4, 3_200), value, dtype=np.int16)
    products, sums = np.empty((4, 4), dtype=np.int64), np.empty(4, dtype=np.int64)
    kernels.sum_count_products(counts, products, sums)
    assert (products == 6_400 * value**2).all()
    assert (sums == 6_400 * value).all()


def test_sums_of_products_by_hand():
    counts = np.zeros((1, 4, 32), dtype=np.int16)
    counts[0, 0, :2], counts[0, 1, 1:3] = [3, 4], [5, 6]
    products, sums = np.empty((4, 4), dtype=np.int64), np.empty(4, dtype=np.int64)
    kernels.sum_count_products(counts, products, sums)
    assert products[:2, :2].tolist() == [[25, 20], [20, 61]]
    assert not products[2:].any()
    assert sums.tolist() == [7, 11, 0, 0]


@FEW_EXAMPLES
@given(st.integers(1, 9), st.integers(0, 3), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_centered_products_equal_the_naive_ones(num_features, padding, num_values, seed):
    counts = np.random.default_rng(seed).integers(-900, 900, size=(1, num_features + padding, num_values))
    counts = counts.astype(np.int16)
    products, sums = np.empty(2 * [num_features + padding], dtype=np.int64), np.empty(num_features + padding, np.int64)
    reference.sum_count_products(counts, products, sums)
    ours, naive = ((np.full((num_features, num_features), np.nan), np.empty(num_features)) for _ in range(2))
    kernels.center_products(products, sums, num_values, 0.5, *ours)
    reference.center_products(products, sums, num_values, 0.5, *naive)
    np.testing.assert_array_equal(ours[1], naive[1])
    # differences of sums of squares
    scale = products.diagonal().max()
    np.testing.assert_allclose(np.triu(ours[0]), np.triu(naive[0]), rtol=0, atol=1e-14 * scale)
    centered = 0.5 * (counts[0, :num_features] - counts[0, :num_features].mean(axis=1, keepdims=True))
    np.testing.assert_allclose(np.triu(ours[0]), np.triu(centered @ centered.T), rtol=0, atol=1e-12 * scale)


@FEW_EXAMPLES
@given(st.integers(0, 6), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_row_products_equal_the_naive_ones(num_rows, num_features, seed):
    rng = np.random.default_rng(seed)
    rows, ours = rng.normal(size=(num_rows, num_features)), rng.normal(size=(num_features, num_features))
    naive = ours.copy()
    kernels.add_row_products(rows, ours)
    reference.add_row_products(rows, naive)
    np.testing.assert_allclose(ours, naive, rtol=1e-13, atol=1e-13)  # a sum in another order
    np.testing.assert_array_equal(ours, ours.T)


def test_row_products_by_hand():
    moments = np.array([[1.0, 2.0], [99.0, 3.0]])
    kernels.add_row_products(np.array([[10.0, 1.0]]), moments)
    assert moments.tolist() == [[101.0, 12.0], [12.0, 4.0]]
