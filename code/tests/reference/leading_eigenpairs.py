"""Leading eigenpairs the obvious way: all of them, from LAPACK."""

import numpy as np


def leading_eigenpairs(matrix, num_pairs, start):
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:num_pairs], vectors[:, ::-1][:, : start.shape[1]]
