"""The leading eigenpairs of one symmetric matrix, by subspace iteration in compiled code."""

import math

import numpy as np

from ephys_postprocess.kernels._jit import kernel

SMALLEST_ITERATED_SIZE = 96  # below this a full eigendecomposition is as fast as iterating
NUM_FRESH_COLUMNS = 2  # of a start stay random, so that no new direction can be orthogonal to it
MAX_ROUNDS = 12
MAX_DEGREE = 10
ANGLE_TOLERANCE = 1e-6  # bound on the sine between a returned and the true eigenvector
RESIDUAL_FLOOR = 1e-13  # relative to the largest eigenvalue: what rounding leaves, as LAPACK does
LARGEST_LOG_SPREAD = 20.0  # of the amplifications within one filtered block; beyond it small ones drown in rounding
SMALLEST_RATIO = 1e-10  # of eigenvalues; below it squaring has lost the direction
TINY = np.finfo(np.float64).tiny


def block_width(size, num_pairs):
    """Columns of the block that is iterated: the wanted ones, and some more that let the wanted ones converge fast."""
    return min(size, num_pairs + max(3, num_pairs // 2))


def random_block(size, width):
    """float64 (size, width): a start that is orthogonal to nothing, always the same one."""
    return np.random.default_rng(0).standard_normal((size, width))


def leading_eigenpairs(matrix, num_pairs, start):
    """The largest eigenvalues of a symmetric positive semidefinite matrix, with their eigenvectors.

    Subspace iteration with a Chebyshev filter and Rayleigh-Ritz steps, until the residuals bound every eigenvector's
    error; a full eigendecomposition where that does not happen in a few rounds, and for small matrices.

    Parameters
    ----------
    matrix : float64 (size, size)
    num_pairs : int
        At most `size`.
    start : float64 (size, width)
        Guesses of the leading eigenvectors, `block_width` of them, of which NUM_FRESH_COLUMNS should be random; they
        change the time, not the answer.

    Returns
    -------
    eigenvalues : float64 (num_pairs,)
        Descending, not negative.
    block : float64 (size, width)
        Orthonormal; the first `num_pairs` columns are the eigenvectors, the others a start for a similar matrix.

    References
    ----------
    Zhou, Saad, Tiago & Chelikowsky 2006, "Self-consistent-field calculations using Chebyshev-filtered subspace
    iteration"; Parlett, "The Symmetric Eigenvalue Problem", ch. 11 (error bounds from residuals).
    Angles to LAPACK's eigenvectors are at most about 1e-6 where eigenvalues are apart.
    """
    size, width = start.shape
    if is_large_enough(size, width):
        values, block = np.empty(width), np.empty((size, width))
        if iterate_to_eigenpairs(matrix, num_pairs, start, values, block):
            return np.maximum(values[:num_pairs], 0.0), block
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values[::-1][:num_pairs], 0.0), np.ascontiguousarray(vectors[:, ::-1][:, :width])


@kernel
def is_large_enough(size, width):
    """Whether a block of this width is iterated rather than all of the matrix decomposed."""
    return size >= max(SMALLEST_ITERATED_SIZE, 4 * width)


@kernel
def iterate_to_eigenpairs(matrix, num_pairs, start, values, block):
    """The iteration of `leading_eigenpairs`.

    Parameters
    ----------
    matrix, num_pairs, start
        As there; arrays C-contiguous.
    values : float64 (width,)
        Filled with Ritz values, descending.
    block : float64 (size, width)
        Filled with Ritz vectors.

    Returns
    -------
    bool
        Whether the first `num_pairs` are as near their eigenvectors as ANGLE_TOLERANCE asks.
    """
    images, spare, rotation = np.empty_like(start), np.empty_like(start), np.empty((values.size, values.size))
    filtered = np.empty_like(start)
    np.dot(matrix, start, filtered)
    np.dot(matrix, filtered, spare)
    np.dot(matrix, spare, filtered)
    for _ in range(MAX_ROUNDS):
        if not _orthonormalize(filtered):
            return False
        np.dot(matrix, filtered, spare)
        _descending_eigenpairs(filtered.T, spare, values, rotation)
        np.dot(filtered, rotation, block)
        np.dot(spare, rotation, images)
        error = _angle_bound(block, images, values, num_pairs)
        if error <= ANGLE_TOLERANCE:
            return True
        _filter(matrix, block, images, values, num_pairs, error, spare, filtered)
    return False


@kernel
def _orthonormalize(block):
    """Make the columns an orthonormal basis of what they span (Gram-Schmidt, twice); False where one becomes zero."""
    shares = np.empty(block.shape[1])
    for column in range(block.shape[1]):
        for _ in range(2):
            _take_shares(block, column, shares)
            if not shares[column] > 0.0:
                return False
            for other in range(column):
                for row in range(block.shape[0]):
                    block[row, column] -= shares[other] * block[row, other]
        _take_shares(block, column, shares)
        if not shares[column] > 0.0:
            return False
        norm = math.sqrt(shares[column])
        for row in range(block.shape[0]):
            block[row, column] /= norm
    return True


@kernel
def _take_shares(block, column, shares):
    """Fill in the products of one column with every column."""
    shares[:] = 0.0
    for row in range(block.shape[0]):
        for other in range(block.shape[1]):
            shares[other] += block[row, column] * block[row, other]


@kernel
def _descending_eigenpairs(basis_rows, images, values, vectors):
    """Fill in all eigenvalues and eigenvectors of the small matrix that is a matrix's image on its basis."""
    ascending, columns = np.linalg.eigh(np.dot(basis_rows, images))
    for pair in range(values.size):
        values[pair] = ascending[values.size - 1 - pair]
        for row in range(values.size):
            vectors[row, pair] = columns[row, values.size - 1 - pair]


@kernel
def _angle_bound(vectors, images, values, num_pairs):
    """The largest sine between a wanted Ritz vector and its eigenvector: residual over distance to the next value."""
    floor = max(RESIDUAL_FLOOR * values[0], TINY)
    largest = 0.0
    for pair in range(num_pairs):
        residual = 0.0
        for row in range(vectors.shape[0]):
            residual += (images[row, pair] - vectors[row, pair] * values[pair]) ** 2
        gap = values[pair] - values[pair + 1]
        if pair > 0:
            gap = min(gap, values[pair - 1] - values[pair])
        if math.sqrt(residual) > floor:
            largest = max(largest, math.sqrt(residual) / max(gap, floor))
    return largest


@kernel
def _filter(matrix, vectors, images, values, num_pairs, error, spare, filtered):
    """Fill `filtered` with a Chebyshev polynomial of the matrix on the vectors: small below the last Ritz value,
    growing fast above it. `images` and `spare` are overwritten.
    """
    smallest_wanted = max(values[num_pairs - 1], SMALLEST_RATIO * values[0])
    middle = max(values[-1], SMALLEST_RATIO * values[0], TINY) / 2
    growth = math.acosh(max(smallest_wanted / middle - 1, 1.01))
    wanted = math.ceil(math.log(10 * error / ANGLE_TOLERANCE) / growth)
    allowed = LARGEST_LOG_SPREAD / max(math.log(values[0] / smallest_wanted), 1.0)
    degree = int(min(wanted, allowed, MAX_DEGREE))
    previous, current, following = spare, images, filtered
    for row in range(current.shape[0]):
        for column in range(current.shape[1]):
            previous[row, column] = vectors[row, column]
            current[row, column] = current[row, column] / middle - previous[row, column]
    for _ in range(degree - 1):
        np.dot(matrix, current, following)
        for row in range(current.shape[0]):
            for column in range(current.shape[1]):
                twice = 2 * (following[row, column] / middle - current[row, column])
                following[row, column] = twice - previous[row, column]
        previous, current, following = current, following, previous
    for row in range(current.shape[0]):
        for column in range(current.shape[1]):
            filtered[row, column] = current[row, column]
