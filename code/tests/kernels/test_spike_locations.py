"""Kernels of grid convolution and of window gathering against their obvious twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import location_grid as dense
from reference import spike_locations as reference

from ephys_postprocess.kernels import spike_locations as kernels
from ephys_postprocess.kernels.location_grid import LocationGrid, build_location_grid
from ephys_postprocess.kernels.octets import OCTET, cover_with_octets, with_room_for_octets
from ephys_postprocess.stages.locations.spike_locators import locate_on_grid

STAGGERED_UM = np.array([[16.0 * (row % 2) + 32.0 * side, 20.0 * row] for row in range(6) for side in range(2)])
quick = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def grid():
    return build_location_grid(STAGGERED_UM, [0, 5, 5, 11])


@quick
@given(
    seed=st.integers(0, 99),
    num_spikes=st.integers(0, 6),
    num_samples=st.sampled_from([1, 7, 8, 9, 16, 30]),
    is_float=st.booleans(),
)
def test_windows_equal_reference(seed, num_spikes, num_samples, is_float):
    rng = np.random.default_rng(seed)
    traces = rng.integers(-500, 500, (40, 4)).astype(np.float32 if is_float else np.int16)
    first_rows = rng.integers(-12, 45, num_spikes)  # some reach over either end, some lie wholly outside
    channels = np.array([[0, 1, 2], [3, -1, -1]])
    groups = rng.integers(0, 2, num_spikes)
    prototype = rng.normal(size=num_samples).astype(np.float32)
    windows, expected = np.ones((2, num_spikes, num_samples, 3), dtype=np.float32)
    kernels.cut_windows(traces, first_rows, channels[groups], windows)
    reference.cut_windows(traces, first_rows, channels[groups], expected)
    np.testing.assert_array_equal(windows, expected)
    products, expected = np.ones((2, num_spikes, 3), dtype=np.float32)
    octets = cover_with_octets(channels, OCTET)
    wide = with_room_for_octets(traces)
    kernels.project_windows(wide, first_rows, groups, octets.starts, octets.places, prototype, products)
    reference.project_windows(traces, first_rows, groups, channels, prototype, expected)
    np.testing.assert_array_equal(products, expected)


@quick
@given(seed=st.integers(0, 99), num_spikes=st.integers(0, 5), percentile=st.sampled_from([0.0, 5.0, 37.0, 100.0]))
def test_locations_equal_reference(grid, seed, num_spikes, percentile):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, num_spikes)
    products = rng.normal(size=(num_spikes, grid.channels.shape[1])).astype(np.float32)
    quantile = 1 - percentile / 100
    found = locate_on_grid(products, groups, grid, quantile)
    # Similarities are float32: 1e-5 of their size moves a mean of positions within 100 µm by less than 1e-2 µm, unless
    # one of about 1000 positions falls on the other side of the threshold.
    np.testing.assert_allclose(found, reference.locate_on_grid(products, groups, grid, quantile), atol=2e-2)


@pytest.mark.parametrize(
    ("quantile", "expected"),
    # Similarities 2 1 0 at depth 0 and 1 1 1 at depth 40. All of them: x (10 + 10 + 20) / 6, z 3 * 40 / 6.
    # Above the median, 1, the zero goes, which weighs nothing; above 1.5 the 2 alone is left.
    [(0.0, [40 / 6, 0, 20]), (0.5, [40 / 6, 0, 20]), (0.9, [0, 0, 0])],
)
def test_three_positions_by_hand(quantile, expected):
    by_hand = LocationGrid(
        group_of_channel=np.array([0]),
        channels=np.array([[0]]),
        num_positions=np.array([3]),
        position_starts=np.array([0]),
        positions_um=np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]),
        weight_starts=np.array([0]),
        weights=np.array([1.0, 0.5, 0.0, 0.5, 0.5, 0.5], dtype=np.float32),
        seen_positions=np.array([[[[0, 2], [0, 3]]]]),
        z_factors=np.array([0.0, 40.0]),
    )
    found = locate_on_grid(np.array([[2.0]], dtype=np.float32), np.array([0]), by_hand, quantile)
    np.testing.assert_allclose(found, [expected], atol=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_nothing_positive_is_the_origin(grid, value):
    products = np.full((1, grid.channels.shape[1]), value, dtype=np.float32)
    np.testing.assert_array_equal(locate_on_grid(products, np.array([0]), grid, 0.95), np.zeros((1, 3)))


def test_size_and_company_of_a_spike_change_nothing(grid):
    rng = np.random.default_rng(3)
    products = rng.normal(size=(50, grid.channels.shape[1])).astype(np.float32)
    groups = rng.integers(0, 3, 50)
    together = locate_on_grid(products, groups, grid, 0.95)
    alone = [locate_on_grid(products[row : row + 1], groups[row : row + 1], grid, 0.95)[0] for row in range(50)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, locate_on_grid(4 * products, groups, grid, 0.95))


@quick
@given(seed=st.integers(0, 999), size=st.integers(1, 60), quantile=st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]))
def test_threshold_is_numpys_percentile(seed, size, quantile):
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 6, size).astype(np.float32)  # few values, many ties
    values += rng.random(size, dtype=np.float32) * np.float32(seed % 2)
    picked = np.empty(size, dtype=np.int64)
    best = np.empty(size, dtype=np.int32)
    num_picked, threshold = kernels._pick_best(values.view(np.int32), quantile, picked, best)
    kept = values[values >= 0]
    expected = np.percentile(kept, 100 * quantile) if kept.size else 0.0
    np.testing.assert_allclose(threshold, expected, rtol=1e-6)
    assert set(np.flatnonzero(values >= max(threshold, np.float32(0)))) <= set(picked[:num_picked])


@pytest.mark.parametrize(
    "parameters",
    [{}, {"mode": "gaussian_2d"}, {"sigma_3d": 20.0, "sparsity_threshold": 0.1}],
)
def test_grid_equals_the_whole_one(parameters):
    positions, is_near, weights = dense.build_location_grid(STAGGERED_UM, **parameters)
    grid = build_location_grid(STAGGERED_UM, range(12), weight_method=parameters)
    for channel in range(12):
        own, own_positions, own_weights = reference.group_arrays(grid, grid.group_of_channel[channel])
        np.testing.assert_array_equal(own_positions, positions[is_near[channel]])
        expected = weights[:, :, is_near[channel]]
        np.testing.assert_array_equal(own, np.flatnonzero((expected > 0).any(axis=(0, 2))))
        np.testing.assert_allclose(own_weights, expected[:, own].transpose(1, 0, 2), rtol=1e-5)


def test_grid_of_no_channels():
    grid = build_location_grid(STAGGERED_UM, [])
    assert grid.channels.shape == (0, 0)
    assert locate_on_grid(np.zeros((0, 0), np.float32), np.zeros(0, np.int64), grid, 0.95).shape == (0, 3)
