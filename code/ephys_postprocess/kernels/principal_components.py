"""The linear algebra of incremental principal components: the leading eigenpairs of several matrices of moments.

Nothing here is compiled: the work is BLAS and LAPACK calls of numpy, which let go of the GIL as a kernel does. Several
matrices share a call, because threads that make many calls of microseconds spend their time waiting for the GIL.
"""

import math

import numpy as np

SMALLEST_ITERATED_SIZE = 96  # below this a full eigendecomposition is as fast as iterating
NUM_FRESH_COLUMNS = 2  # of a start stay random, so that no new direction can be orthogonal to it
MAX_ROUNDS = 12
MAX_DEGREE = 10
ANGLE_TOLERANCE = 1e-6  # bound on the sine between a returned and the true eigenvector
RESIDUAL_FLOOR = 1e-13  # relative to the largest eigenvalue: what rounding leaves, as LAPACK does
LARGEST_LOG_SPREAD = 20.0  # of the amplifications within one filtered block; beyond it small ones drown in rounding
SMALLEST_RATIO = 1e-10  # of eigenvalues; below it squaring has lost the direction
SPIKES_AT_ONCE = 16  # stay in cache while every channel is picked from them: four times faster than all at once


def spikes_by_channel(waveforms, by_channel):
    """Fill the waveforms with the channel axis first, each channel's snippets contiguous.

    Parameters
    ----------
    waveforms : float32 (num_spikes, num_samples, at least num_channels)
        Snippets in µV; channels beyond num_channels are padding.
    by_channel : float32 (num_channels, num_spikes, num_samples)
        Filled.
    """
    num_channels = by_channel.shape[0]
    for first in range(0, len(waveforms), SPIKES_AT_ONCE):
        last = first + SPIKES_AT_ONCE
        by_channel[:, first:last] = waveforms[first:last, :, :num_channels].transpose(2, 0, 1)


def signed_rows(directions):
    """Rows turned so that the entry of largest magnitude is positive (the first one, should two be equal).

    Parameters
    ----------
    directions : float64 (num_models, num_rows, num_features)

    References
    ----------
    `svd_flip(u_based_decision=False)` of scikit-learn.
    """
    largest = np.abs(directions).argmax(axis=2)[:, :, None]
    return directions * np.where(np.take_along_axis(directions, largest, axis=2) < 0, -1.0, 1.0)


def block_width(size, num_pairs):
    """Columns of the block that is iterated: the wanted ones, and some more that let the wanted ones converge fast."""
    return min(size, num_pairs + max(3, num_pairs // 2))


def random_block(size, width):
    """float64 (size, width): a start that is orthogonal to nothing, always the same one."""
    return np.random.default_rng(0).standard_normal((size, width))


def leading_eigenpairs(matrices, num_pairs, starts):
    """The largest eigenvalues of symmetric positive semidefinite matrices, with their eigenvectors.

    Subspace iteration with a Chebyshev filter and Rayleigh-Ritz steps, until the residuals bound every eigenvector's
    error; a full eigendecomposition where that does not happen in a few rounds, and for small matrices.

    Parameters
    ----------
    matrices : float64 (num_matrices, size, size)
    num_pairs : int
        At most `size`.
    starts : float64 (num_matrices, size, width)
        Guesses of the leading eigenvectors, `block_width` of them, of which NUM_FRESH_COLUMNS should be random; they
        change the time, not the answer.

    Returns
    -------
    eigenvalues : float64 (num_matrices, num_pairs)
        Descending, not negative.
    blocks : float64 (num_matrices, size, width)
        Orthonormal; the first `num_pairs` columns are the eigenvectors, the others a start for a similar matrix.

    References
    ----------
    Zhou, Saad, Tiago & Chelikowsky 2006, "Self-consistent-field calculations using Chebyshev-filtered subspace
    iteration"; Parlett, "The Symmetric Eigenvalue Problem", ch. 11 (error bounds from residuals).
    Angles to LAPACK's eigenvectors are at most about 1e-6 where eigenvalues are apart.
    """
    num_matrices, size, width = starts.shape
    eigenvalues, blocks = np.empty((num_matrices, num_pairs)), np.empty_like(starts)
    active = np.arange(num_matrices)
    if size >= max(SMALLEST_ITERATED_SIZE, 4 * width):
        active = _iterate(matrices, num_pairs, starts, eigenvalues, blocks)
    for index in active:
        values, vectors = np.linalg.eigh(matrices[index])
        eigenvalues[index] = np.maximum(values[::-1][:num_pairs], 0.0)
        blocks[index] = vectors[:, ::-1][:, :width]
    return eigenvalues, blocks


def _iterate(matrices, num_pairs, starts, eigenvalues, blocks):
    """Fill the eigenpairs that converge; return the positions of the others."""
    active = np.arange(len(matrices))
    block = matrices @ (matrices @ (matrices @ starts))
    for _ in range(MAX_ROUNDS):
        basis, _ = np.linalg.qr(block)
        image = matrices @ basis
        values, rotation = np.linalg.eigh(basis.transpose(0, 2, 1) @ image)
        values, rotation = values[:, ::-1], rotation[:, :, ::-1]
        basis, image = basis @ rotation, image @ rotation
        errors = _angle_bounds(basis[:, :, :num_pairs], image[:, :, :num_pairs], values)
        done = errors <= ANGLE_TOLERANCE
        eigenvalues[active[done]] = np.maximum(values[done, :num_pairs], 0.0)
        blocks[active[done]] = basis[done]
        if done.any():
            active, matrices = active[~done], matrices[~done]
            basis, image, values, errors = basis[~done], image[~done], values[~done], errors[~done]
        if active.size == 0:
            break
        block = _filtered(matrices, basis, image, values, num_pairs, errors.max())
    return active


def _angle_bounds(vectors, images, values):
    """The largest sine between a wanted Ritz vector and its eigenvector: residual over distance to the next value."""
    num_pairs = vectors.shape[2]
    residuals = images - vectors * values[:, None, :num_pairs]
    norms = np.sqrt((residuals * residuals).sum(axis=1))
    steps = values[:, :num_pairs] - values[:, 1 : num_pairs + 1]
    gaps = steps.copy()
    np.minimum(steps[:, 1:], steps[:, :-1], out=gaps[:, 1:])
    floors = np.maximum(RESIDUAL_FLOOR * values[:, :1], np.finfo(np.float64).tiny)
    return (np.where(norms <= floors, 0.0, norms) / np.maximum(gaps, floors)).max(axis=1)


def _filtered(matrices, basis, images, values, num_pairs, error):
    """A Chebyshev polynomial of the matrices on their bases: small below the last Ritz value, growing fast above it."""
    largest = values[:, 0]
    smallest_wanted = np.maximum(values[:, num_pairs - 1], SMALLEST_RATIO * largest)
    middles = np.maximum(values[:, -1], SMALLEST_RATIO * largest) / 2
    growth = math.acosh(max((smallest_wanted / middles).min() - 1, 1.01))
    wanted = math.ceil(math.log(10 * error / ANGLE_TOLERANCE) / growth)
    allowed = LARGEST_LOG_SPREAD / max(math.log((largest / smallest_wanted).max()), 1.0)
    scales = (1 / middles)[:, None, None]
    previous, current = basis, images * scales - basis
    scales *= 2
    for _ in range(int(min(wanted, allowed, MAX_DEGREE)) - 1):
        following = matrices @ (current * scales)
        following -= previous
        following -= current
        following -= current
        previous, current = current, following
    return current
