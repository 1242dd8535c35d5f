"""Non-negative least squares: every subset tried, cases by hand, scipy, copies of columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import nonnegative_least_squares as reference
from scipy.optimize import nnls

from ephys_postprocess.kernels.solvers.nonnegative_least_squares import nonnegative_coefficients


def fit(columns, data):
    tableau = np.column_stack([columns.T @ columns, columns.T @ data])
    return nonnegative_coefficients(tableau, (columns**2).sum(axis=0))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0, 0.99))
def test_nonnegative_coefficients_equal_reference_and_scipy(seed, count, similarity):
    rng = np.random.default_rng(seed)
    columns = (1 - similarity) * rng.normal(size=(30, count)) + similarity * rng.normal(size=(30, 1))
    data = columns @ rng.uniform(-1, 2, count) + rng.normal(size=30)
    got = fit(columns, data)
    tableau = np.column_stack([columns.T @ columns, columns.T @ data])
    # Normal equations square the columns' condition, here up to 1e3.
    np.testing.assert_allclose(got, nnls(columns, data)[0], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(
        got, reference.nonnegative_coefficients(tableau, (columns**2).sum(axis=0)), rtol=1e-7, atol=1e-8
    )


def test_two_columns_by_hand():
    columns = np.array([[1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(fit(columns, np.array([3.0, 2.0])), [1, 2], rtol=1e-14)
    # The free solution is (3, -1); without the second column the first one's is 2.
    np.testing.assert_allclose(fit(columns, np.array([2.0, -1.0])), [2, 0], rtol=1e-14)
    np.testing.assert_array_equal(fit(columns, np.array([-2.0, -1.0])), [0, 0])
    np.testing.assert_array_equal(fit(columns, np.zeros(2)), [0, 0])


def test_of_two_copies_the_first_in_order_takes_part():
    column = np.array([1.0, -2.0, 1.0])
    np.testing.assert_allclose(fit(np.stack([column, column], axis=1), 2 * column), [2, 0], rtol=1e-14)
    # The third column enters first and changes place with the first one, which now stands behind its copy.
    other = np.array([30.0, 10.0, -10.0])
    columns = np.stack([column, column, other], axis=1)
    np.testing.assert_allclose(fit(columns, 2 * column + 0.5 * other), [0, 2, 0.5], rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.floats(0, 3))
def test_the_copy_that_takes_part_is_scipys(seed, count, similarity):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(60, count)) + similarity * rng.normal(size=(60, 1))
    for _ in range(2):
        first, second = rng.integers(0, count, 2)
        columns[:, second] = columns[:, first]
    data = columns @ rng.uniform(-0.5, 1.5, count) + rng.normal(size=60)
    # Normal equations square the columns' condition, here up to 1e2.
    np.testing.assert_allclose(fit(columns, data), nnls(columns, data)[0], rtol=1e-9, atol=1e-9)


def test_a_zero_column_stays_out():
    columns = np.array([[0.0, 1.0], [0.0, 2.0]])
    np.testing.assert_allclose(fit(columns, np.array([2.0, 4.0])), [0, 2], rtol=1e-14)


@pytest.mark.parametrize("count", [30, 80])
def test_many_columns_equal_scipy(count):
    rng = np.random.default_rng(count)
    columns = rng.normal(size=(200, count)) + rng.normal(size=(200, 1))
    data = columns @ rng.uniform(-1, 1, count) + rng.normal(size=200)
    # Condition of the products below 1e5.
    np.testing.assert_allclose(fit(columns, data), nnls(columns, data)[0], atol=1e-9)


def test_order_of_columns_does_not_matter():
    rng = np.random.default_rng(3)
    columns, data = rng.normal(size=(20, 5)), rng.normal(size=20)
    order = rng.permutation(5)
    # Another order of elimination rounds differently.
    np.testing.assert_allclose(fit(columns[:, order], data), fit(columns, data)[order], atol=1e-12)
