"""The linear algebra of incremental principal components."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import principal_components as reference

from ephys_postprocess.kernels import principal_components as kernels

FEW_EXAMPLES = settings(max_examples=30, deadline=None)


@FEW_EXAMPLES
@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 5), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_spikes_by_channel_is_a_plain_copy(num_spikes, num_samples, num_channels, padding, seed):
    waveforms = np.random.default_rng(seed).normal(size=(num_spikes, num_samples, num_channels + padding))
    waveforms = waveforms.astype(np.float32)
    ours = np.full((num_channels, num_spikes, num_samples), np.nan, dtype=np.float32)
    naive = ours.copy()
    kernels.spikes_by_channel(waveforms, ours)
    reference.spikes_by_channel(waveforms, naive)
    np.testing.assert_array_equal(ours, naive)


@FEW_EXAMPLES
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_signed_rows_have_a_positive_peak(num_models, num_rows, num_features, seed):
    directions = np.random.default_rng(seed).integers(-3, 4, size=(num_models, num_rows, num_features)).astype(float)
    np.testing.assert_array_equal(kernels.signed_rows(directions), reference.signed_rows(directions))


def test_signed_rows_by_hand():
    # of two equal magnitudes the first decides
    rows = kernels.signed_rows(np.array([[[-2.0, 2.0, 1.0], [2.0, -2.0, 1.0], [0.0, 0.0, 0.0]]]))
    assert rows.tolist() == [[[2.0, -2.0, -1.0], [2.0, -2.0, 1.0], [0.0, 0.0, 0.0]]]


def positive_matrices(rng, num_matrices, size, spectrum):
    """Symmetric matrices with random eigenvectors and `spectrum` as eigenvalues."""
    vectors = np.linalg.qr(rng.normal(size=(num_matrices, size, size)))[0]
    matrices = (vectors * spectrum) @ vectors.transpose(0, 2, 1)
    return (matrices + matrices.transpose(0, 2, 1)) / 2


def starts_for(num_matrices, size, num_pairs):
    return np.repeat(kernels.random_block(size, kernels.block_width(size, num_pairs))[None], num_matrices, axis=0)


SPECTRA = {
    "steep": lambda size: 10.0 ** -np.minimum(np.arange(size) / 2, 12),
    "noise": lambda size: 1 / (1 + np.arange(size) / 8),
    "one large": lambda size: np.concatenate([[1e6], 1 / (1 + np.arange(size - 1) / 3)]),
    "flat": lambda size: 1 + np.linspace(0.2, 0, size),
}


@FEW_EXAMPLES
@given(
    st.sampled_from(sorted(SPECTRA)),
    st.integers(1, 3),
    st.sampled_from([7, 40, 96, 150]),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_leading_eigenpairs_equal_lapacks(kind, num_matrices, size, num_pairs, seed):
    spectrum = SPECTRA[kind](size)
    matrices = positive_matrices(np.random.default_rng(seed), num_matrices, size, spectrum)
    starts = starts_for(num_matrices, size, num_pairs)
    values, blocks = kernels.leading_eigenpairs(matrices, num_pairs, starts)
    naive_values, naive_blocks = reference.leading_eigenpairs(matrices, num_pairs, starts)
    np.testing.assert_allclose(values, naive_values, rtol=0, atol=1e-12 * spectrum[0])
    assert blocks.shape == starts.shape
    # the documented angle, or what rounding of the matrix does to a vector whose neighbours are near
    gaps = -np.diff(spectrum[: num_pairs + 1]) if size > num_pairs else -np.diff(spectrum[:num_pairs], append=0.0)
    gaps = np.minimum(gaps, np.concatenate([[np.inf], gaps[:-1]]))
    for block, naive in zip(blocks[:, :, :num_pairs], naive_blocks[:, :, :num_pairs], strict=True):
        naive = naive * np.sign((block * naive).sum(axis=0))
        assert (np.linalg.norm(block - naive, axis=0) <= 2 * kernels.ANGLE_TOLERANCE + 1e-12 * spectrum[0] / gaps).all()
        np.testing.assert_allclose(block.T @ block, np.eye(num_pairs), atol=1e-12)


@pytest.mark.parametrize("size", [5, 120])
def test_leading_eigenpairs_by_hand(size):
    diagonal = np.zeros(size)
    diagonal[[1, 3, 4]] = 5.0, 2.0, 9.0
    values, blocks = kernels.leading_eigenpairs(np.diag(diagonal)[None], 3, starts_for(1, size, 3))
    np.testing.assert_allclose(values, [[9.0, 5.0, 2.0]], rtol=1e-14)
    np.testing.assert_allclose(np.abs(blocks[0, [4, 1, 3], [0, 1, 2]]), 1.0, rtol=1e-14)


def test_leading_eigenpairs_of_nothing_are_orthonormal():
    values, blocks = kernels.leading_eigenpairs(np.zeros((2, 120, 120)), 3, starts_for(2, 120, 3))
    assert not values.any()
    np.testing.assert_allclose(blocks[0].T @ blocks[0], np.eye(blocks.shape[2]), atol=1e-12)


def test_leading_eigenpairs_do_not_depend_on_the_start():
    rng = np.random.default_rng(3)
    matrices = positive_matrices(rng, 1, 150, SPECTRA["noise"](150))
    width = kernels.block_width(150, 5)
    _, blocks = kernels.leading_eigenpairs(matrices, 5, starts_for(1, 150, 5))
    # a start that holds exactly the wrong ones: only its random columns know the leading directions
    wrong = np.linalg.eigh(matrices)[1][:, :, :width].copy()
    wrong[:, :, -kernels.NUM_FRESH_COLUMNS :] = kernels.random_block(150, kernels.NUM_FRESH_COLUMNS)
    _, others = kernels.leading_eigenpairs(matrices, 5, wrong)
    cosines = np.abs((blocks[0, :, :5] * others[0, :, :5]).sum(axis=0))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-13)
