"""Channels in runs of eight, and the sums over them."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import octets as reference

from ephys_postprocess.kernels import _octet_loops as loops
from ephys_postprocess.kernels import octets
from ephys_postprocess.kernels._jit import kernel

FEW_EXAMPLES = settings(max_examples=30, deadline=None)


@kernel
def sum_products(traces, first_row, num_rows, channel, weights, sums):
    loops.sum_products(traces, first_row, num_rows, channel, weights, sums)


@kernel
def lane_products(traces, first_row, channel, factors, sums):
    loops.lane_products(traces, first_row, channel, factors, sums)


@FEW_EXAMPLES
@given(
    st.integers(0, 23),
    st.sampled_from([np.int16, np.float32]),
    st.sampled_from([np.float32, np.float64]),
    st.integers(8, 13),
    st.integers(0, 2**32 - 1),
)
def test_sums_of_products_equal_the_naive_ones(num_rows, dtype, weight_dtype, num_channels, seed):
    rng = np.random.default_rng(seed)
    traces = rng.integers(-(2**15), 2**15, size=(num_rows + 5, num_channels)).astype(dtype)
    weights = rng.normal(size=(num_rows, loops.OCTET)).astype(weight_dtype)
    first_row, channel = int(rng.integers(0, 6)), int(rng.integers(0, num_channels - 7))
    start = rng.normal(size=loops.OCTET)
    ours, naive = start.copy(), start.copy()
    sum_products(traces, first_row, num_rows, channel, weights, ours)
    reference.sum_products(traces, first_row, num_rows, channel, weights, naive)
    np.testing.assert_allclose(ours, naive, rtol=1e-12, atol=1e-9)  # the order of a float64 sum


@FEW_EXAMPLES
@given(
    st.integers(0, 35),
    st.integers(-40, 30),
    st.sampled_from([np.int16, np.float32]),
    st.integers(8, 13),
    st.integers(0, 2**32 - 1),
)
def test_lane_products_are_numpys_sums_to_the_bit(num_samples, first_row, dtype, num_channels, seed):
    rng = np.random.default_rng(seed)
    traces = rng.integers(-(2**15), 2**15, size=(20, num_channels)).astype(dtype)
    factors, channel = rng.normal(size=num_samples).astype(np.float32), int(rng.integers(0, num_channels - 7))
    ours, naive = np.full((2, loops.OCTET), np.nan, dtype=np.float32)
    lane_products(traces, first_row, channel, factors, ours)
    reference.lane_products(traces, first_row, channel, factors, naive)
    np.testing.assert_array_equal(ours, naive)


def test_sums_by_hand():
    traces = np.arange(16, dtype=np.int16).reshape(2, 8)
    sums = np.full(8, 100.0)
    sum_products(traces, 0, 2, 0, np.array([[1.0] * 8, [-1.0] * 8]), sums)
    assert sums.tolist() == [92.0] * 8
    found = np.empty(8, dtype=np.float32)
    lane_products(traces, 1, 0, np.array([2.0, 7.0], dtype=np.float32), found)  # the second sample is beyond the end
    assert found.tolist() == [16.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0, 30.0]


@FEW_EXAMPLES
@given(st.integers(8, 60), st.lists(st.sets(st.integers(0, 59), max_size=20), max_size=4))
def test_octets_hold_every_channel(num_channels, sets):
    own_channels = [sorted(channel for channel in own if channel < num_channels) for own in sets]
    width = max(map(len, own_channels), default=0)
    channels = np.full((len(sets), width), -1)
    for row, own in zip(channels, own_channels, strict=True):
        row[: len(own)] = own
    cover = octets.cover_with_octets(channels, num_channels)
    assert ((cover.starts >= -1) & (cover.starts <= num_channels - loops.OCTET)).all()
    np.testing.assert_array_equal(cover.places >= 0, channels >= 0)
    for starts, places, own in zip(cover.starts, cover.places, channels, strict=True):
        found = starts[places // loops.OCTET] + places % loops.OCTET
        np.testing.assert_array_equal(found[own >= 0], own[own >= 0])
    packed = np.random.default_rng(0).normal(size=(len(sets), 3, width)) * (channels >= 0)[:, None]
    spread = cover.spread(packed)
    assert spread.shape == (*cover.starts.shape, 3, loops.OCTET)
    np.testing.assert_allclose(spread.sum(axis=(1, 3)), packed.sum(axis=2), rtol=1e-12, atol=1e-12)


def test_octets_by_hand():
    cover = octets.cover_with_octets(np.array([[3, 5, 10, 11, 29], [0, -1, -1, -1, -1]]), 32)
    assert cover.starts.tolist() == [[3, 11, 24], [0, -1, -1]]
    assert cover.places.tolist() == [[0, 2, 7, 8, 21], [0, -1, -1, -1, -1]]
    spread = cover.spread(np.array([[1, 2, 3, 4, 5], [6, 0, 0, 0, 0]]))
    assert spread[0].tolist() == [[1, 0, 2, 0, 0, 0, 0, 3], [4, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 5, 0, 0]]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="compiled code alone asks for it")
def test_arrays_with_gaps_are_refused():
    traces = np.zeros((4, 32), dtype=np.int16)[:, ::2]
    with pytest.raises(numba.TypingError):
        lane_products(traces, 0, 0, np.ones(3, dtype=np.float32), np.empty(8, dtype=np.float32))
    assert octets.with_room_for_octets(traces).flags.c_contiguous


@pytest.mark.parametrize("num_channels", [1, 4, 8, 9])
def test_few_channels_get_room(num_channels):
    traces = np.arange(5 * num_channels, dtype=np.int16).reshape(5, num_channels)
    wide = octets.with_room_for_octets(traces)
    np.testing.assert_array_equal(wide[:, :num_channels], traces)
    assert not wide[:, num_channels:].any()
    assert wide.shape[1] == max(num_channels, loops.OCTET)
    assert wide.dtype == traces.dtype
