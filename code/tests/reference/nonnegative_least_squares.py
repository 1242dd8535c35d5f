"""Non-negative least squares by trying every subset of the columns."""

import itertools

import numpy as np


def nonnegative_coefficients(tableau, norms):
    count = norms.size
    gram, targets = tableau[:, :count], tableau[:, count]
    best, lowest = np.zeros(count), 0.0
    for size in range(1, count + 1):
        for chosen in itertools.combinations(range(count), size):
            own = np.ix_(chosen, chosen)
            if np.linalg.matrix_rank(gram[own], tol=1e-10 * norms.max(), hermitian=True) < size:
                continue
            solution = np.linalg.solve(gram[own], targets[list(chosen)])
            error = -solution @ targets[list(chosen)]  # what the fit takes off the squared error
            # Of two equal fits the earlier, smaller one stays.
            if (solution > 0).all() and error < lowest - 1e-9 * abs(lowest):
                best, lowest = np.zeros(count), error
                best[list(chosen)] = solution
    return best
