"""The leading eigenpairs of a symmetric matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import leading_eigenpairs as reference

from ephys_postprocess.kernels.solvers import leading_eigenpairs as kernels

FEW_EXAMPLES = settings(max_examples=60, deadline=None)


def positive_matrix(rng, size, spectrum):
    """A symmetric matrix with random eigenvectors and `spectrum` as eigenvalues."""
    vectors = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = (vectors * spectrum) @ vectors.T
    return (matrix + matrix.T) / 2


def start_for(size, num_pairs):
    return kernels.random_block(size, kernels.block_width(size, num_pairs))


SPECTRA = {
    "steep": lambda size: 10.0 ** -np.minimum(np.arange(size) / 2, 12),
    "noise": lambda size: 1 / (1 + np.arange(size) / 8),
    "one large": lambda size: np.concatenate([[1e6], 1 / (1 + np.arange(size - 1) / 3)]),
    "flat": lambda size: 1 + np.linspace(0.2, 0, size),
}


@FEW_EXAMPLES
@given(
    st.sampled_from(sorted(SPECTRA)), st.sampled_from([7, 40, 96, 150]), st.integers(1, 6), st.integers(0, 2**32 - 1)
)
def test_leading_eigenpairs_equal_lapacks(kind, size, num_pairs, seed):
    spectrum = SPECTRA[kind](size)
    matrix, start = positive_matrix(np.random.default_rng(seed), size, spectrum), start_for(size, num_pairs)
    values, block = kernels.leading_eigenpairs(matrix, num_pairs, start)
    naive_values, naive_block = reference.leading_eigenpairs(matrix, num_pairs, start)
    np.testing.assert_allclose(values, naive_values, rtol=0, atol=1e-12 * spectrum[0])
    assert block.shape == start.shape
    # the documented angle, or what rounding of the matrix does to a vector whose neighbours are near
    gaps = -np.diff(spectrum[: num_pairs + 1]) if size > num_pairs else -np.diff(spectrum[:num_pairs], append=0.0)
    gaps = np.minimum(gaps, np.concatenate([[np.inf], gaps[:-1]]))
    found, naive = block[:, :num_pairs], naive_block[:, :num_pairs]
    naive = naive * np.sign((found * naive).sum(axis=0))
    assert (np.linalg.norm(found - naive, axis=0) <= 2 * kernels.ANGLE_TOLERANCE + 1e-12 * spectrum[0] / gaps).all()
    np.testing.assert_allclose(found.T @ found, np.eye(num_pairs), atol=1e-12)


@pytest.mark.parametrize("size", [5, 120])
def test_leading_eigenpairs_by_hand(size):
    diagonal = np.zeros(size)
    diagonal[[1, 3, 4]] = 5.0, 2.0, 9.0
    values, block = kernels.leading_eigenpairs(np.diag(diagonal), 3, start_for(size, 3))
    np.testing.assert_allclose(values, [9.0, 5.0, 2.0], rtol=1e-14)
    np.testing.assert_allclose(np.abs(block[[4, 1, 3], [0, 1, 2]]), 1.0, rtol=1e-14)


def test_leading_eigenpairs_of_nothing_are_orthonormal():
    values, block = kernels.leading_eigenpairs(np.zeros((120, 120)), 3, start_for(120, 3))
    assert not values.any()
    np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-12)


@pytest.mark.parametrize("rank", [1, 4, 6])
def test_leading_eigenpairs_of_few_dimensions(rank):
    spectrum = np.where(np.arange(130) < rank, 100.0 - np.arange(130), 0.0)
    values, block = kernels.leading_eigenpairs(
        positive_matrix(np.random.default_rng(2), 130, spectrum), 5, start_for(130, 5)
    )
    np.testing.assert_allclose(values, spectrum[:5], rtol=0, atol=1e-11)
    np.testing.assert_allclose(block[:, :5].T @ block[:, :5], np.eye(5), atol=1e-12)


def test_iteration_gives_up_where_eigenvalues_do_not_part():
    # the fifth is one of many that are nearly equal
    spectrum = np.concatenate([[9.0, 8.0, 7.0, 6.0], 1 - 1e-6 * np.arange(116)])
    matrix, start = positive_matrix(np.random.default_rng(4), 120, spectrum), start_for(120, 5)
    assert not kernels.iterate_to_eigenpairs(matrix, 5, start, np.empty(8), np.empty((120, 8)))
    values, _ = kernels.leading_eigenpairs(matrix, 5, start)
    np.testing.assert_allclose(values, spectrum[:5], rtol=1e-12)


def test_leading_eigenpairs_do_not_depend_on_the_start():
    matrix = positive_matrix(np.random.default_rng(3), 150, SPECTRA["noise"](150))
    start = start_for(150, 5)
    _, block = kernels.leading_eigenpairs(matrix, 5, start)
    # a start that holds exactly the wrong ones: only its random columns know the leading directions
    wrong = np.linalg.eigh(matrix)[1][:, : start.shape[1]].copy()
    wrong[:, -kernels.NUM_FRESH_COLUMNS :] = kernels.random_block(150, kernels.NUM_FRESH_COLUMNS)
    _, other = kernels.leading_eigenpairs(matrix, 5, wrong)
    cosines = np.abs((block[:, :5] * other[:, :5]).sum(axis=0))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-13)
