"""Kernels of the PC metrics against their naive twins."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import pc_metrics as reference

from ephys_postprocess.kernels import pc_metrics as kernels

few = settings(max_examples=30, deadline=None)


@few
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(1, 3), st.integers(1, 4))
def test_gather_features_equals_reference(seed, num_rows, num_components, num_channels):
    rng = np.random.default_rng(seed)
    projections = rng.normal(size=(8, num_components, 5)).astype(np.float32)
    arguments = (
        projections,
        rng.integers(0, 8, num_rows),
        rng.integers(0, 3, num_rows),
        rng.integers(-1, 5, (3, num_channels)),
    )
    np.testing.assert_array_equal(kernels.gather_features(*arguments), reference.gather_features(*arguments))


def test_gather_features_by_hand():
    projections = np.array([[[1, 2], [3, 4]]], dtype=np.float32)  # one spike, two components, two channels
    features = kernels.gather_features(projections, np.array([0]), np.array([0]), np.array([[1, -1, 0]]))
    np.testing.assert_array_equal(features, [[2, 0, 1, 4, 0, 3]])


@few
@given(st.integers(0, 2**32 - 1), st.integers(0, 7), st.integers(0, 9))
def test_add_picked_equals_reference(seed, num_features, num_dimensions):
    rng = np.random.default_rng(seed)
    unit_scatter = rng.normal(size=(num_features, num_features))
    features = rng.integers(0, num_features + 1, num_dimensions)
    ours = rng.normal(size=(num_dimensions, num_dimensions))
    expected = ours.copy()
    kernels.add_picked(ours, unit_scatter, features)
    reference.add_picked(expected, unit_scatter, features)
    np.testing.assert_array_equal(ours, expected)


def test_add_picked_by_hand():
    scatter = np.ones((3, 3))
    kernels.add_picked(scatter, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 2, 0]))
    np.testing.assert_array_equal(scatter, [[5, 1, 4], [1, 1, 1], [3, 1, 2]])


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_nearest_rows_equals_reference(seed, num_rows, num_dimensions, num_neighbors, is_bounded):
    # Whole numbers in a small range make many ties, and rounding noise on the approximation must not break them.
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 4, (num_rows, num_dimensions)).astype(np.float32)
    rows = rng.integers(0, num_rows, min(num_rows, 6))
    exact = ((features[rows][:, None] - features) ** 2).sum(axis=2)
    approximate = (exact + rng.uniform(-0.4, 0.4, exact.shape)).astype(np.float32)
    margins, bounds = np.full(rows.size, 0.5), np.full(rows.size, np.inf)
    expected = reference.nearest_rows(approximate, rows, features, margins, bounds, num_neighbors)
    if is_bounded and num_rows > num_neighbors:
        bounds = exact[np.arange(rows.size), expected[:, -1]].astype(np.float64)
    nearest = kernels.nearest_rows(approximate, rows, features, margins, bounds, num_neighbors)
    np.testing.assert_array_equal(nearest, expected)


def test_nearest_rows_by_hand():
    features = np.array([[0], [1], [3], [3.5]], dtype=np.float32)
    rows = np.array([1, 2])
    approximate = ((features[rows] - features.T) ** 2).astype(np.float32)
    no_help = np.full(2, np.inf)
    nearest = kernels.nearest_rows(approximate, rows, features, np.zeros(2), no_help, 2)
    np.testing.assert_array_equal(nearest, [[0, 2], [3, 1]])


@few
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(1, 4))
def test_farthest_candidates_equals_reference(seed, num_rows, num_neighbors):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(10, 7)).astype(np.float32)
    rows = rng.integers(0, 10, num_rows)
    candidates = rng.integers(-1, 10, (num_rows, num_neighbors))
    farthest = kernels.farthest_candidates(features, rows, candidates)
    # Sums of seven float64 in another order.
    np.testing.assert_allclose(farthest, reference.farthest_candidates(features, rows, candidates), rtol=1e-13)


def test_squared_distance_by_hand():
    features = np.array([[0, 0, 1, 2, 0], [3, 4, 1, 2, 1]], dtype=np.float32)
    assert kernels.squared_distance(features, 0, 1) == reference.squared_distance(features, 0, 1) == 26.0


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 3, 20, 89, 90, 600])
def test_chi_square_tails_equal_reference(degrees_of_freedom):
    values = degrees_of_freedom * np.concatenate([[0.0, 1e-300], np.geomspace(1e-6, 30, 80), [1e4]])
    tails = kernels.chi_square_tails(values, degrees_of_freedom)
    # exp(-x + s log x - log Gamma) loses about |x| * 1e-16 of its relative precision; tails below 1e-290 do not matter.
    np.testing.assert_allclose(tails, reference.chi_square_tails(values, degrees_of_freedom), rtol=1e-10, atol=1e-290)


def test_chi_square_tails_by_hand():
    # Two degrees of freedom are exponential with mean 2; one is a squared normal.
    np.testing.assert_allclose(kernels.chi_square_tails(np.array([2.0, 4.0]), 2), np.exp([-1.0, -2.0]), rtol=1e-14)
    np.testing.assert_allclose(kernels.chi_square_tails(np.array([1.0]), 1), 2 * scipy.special.ndtr(-1.0), rtol=1e-14)
