"""Non-negative least squares of a few columns, from their products."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel

# A column whose part independent of the columns already in the fit is below this (squared, relative) is a copy of
# them: float64 products leave about 1e-15 of noise there, float32 templates that truly differ leave far more.
DEPENDENCE = 1e-11
# Gradients closer than this are the same number with other rounding; the earlier column then goes first.
TIE = 1e-9


@kernel
def nonnegative_coefficients(tableau, norms):
    """Non-negative least squares from its normal equations: the active-set method of Lawson and Hanson.

    Parameters
    ----------
    tableau : float64 (count, count + 1)
        Products of the centred columns with each other and, last, with the data. Overwritten.
    norms : float64 (count,)
        Squared norms before centring, the scale below which a column counts as dependent.

    Returns
    -------
    float64 (count,)
        The unique solution where there is one. Of columns that are copies of each other one takes part: the first
        in `order`, as in scipy, so the second where another column entered before both.

    References
    ----------
    Lawson & Hanson 1995, Solving Least Squares Problems, chapter 23. `scipy.optimize.nnls` solves the same problem
    from the columns themselves; here a column enters or leaves the fit by one pivot, after which the last column
    holds the least-squares solution (columns in the fit) and the gradient (columns outside).
    """
    count = norms.size
    coefficients = np.empty(count)
    order = np.empty(count, np.int64)  # columns in the fit, then the others; which copy takes part depends on it
    for column in range(count):
        coefficients[column] = 0.0
        order[column] = column
    num_fitted = 0
    for _ in range(3 * count):  # scipy's limit, which only rounding could reach
        position = _entering_position(tableau, norms, order, num_fitted)
        if position < 0:
            break
        column = order[position]
        order[position] = order[num_fitted]
        order[num_fitted] = column
        num_fitted += 1
        _pivot(tableau, column)
        position = _step_to_solution(tableau, order, num_fitted, coefficients)
        while position >= 0:
            column = order[position]
            num_fitted -= 1
            for index in range(position, num_fitted):
                order[index] = order[index + 1]
            order[num_fitted] = column
            _pivot(tableau, column)
            position = _step_to_solution(tableau, order, num_fitted, coefficients)
    return coefficients


@kernel
def _entering_position(tableau, norms, order, num_fitted):
    """Where in `order` the independent column stands along which the error falls fastest; -1 if none lowers it."""
    entering = -1
    steepest = 0.0
    for position in range(num_fitted, norms.size):
        column = order[position]
        gradient = tableau[column, norms.size]
        if gradient > steepest * (1 + TIE) and tableau[column, column] > DEPENDENCE * norms[column]:
            entering = position
            steepest = gradient
    return entering


@kernel
def _step_to_solution(tableau, order, num_fitted, coefficients):
    """Move towards the fit's solution until a coefficient becomes zero; return its position, or -1 when there."""
    count = coefficients.size
    leaving = -1
    step = 1.0
    for position in range(num_fitted):
        value = coefficients[order[position]]
        solution = tableau[order[position], count]
        if solution <= 0 and value <= step * (value - solution):
            leaving = position
            step = value / (value - solution) if value > 0 else 0.0
    for position in range(num_fitted):
        column = order[position]
        coefficients[column] += step * (tableau[column, count] - coefficients[column])
    if leaving >= 0:
        coefficients[order[leaving]] = 0.0
    return leaving


@kernel
def _pivot(tableau, pivot):
    """Exchange one column's place in the fit: the principal pivot, its own inverse."""
    inverse = 1.0 / tableau[pivot, pivot]
    for row in range(tableau.shape[0]):
        if row != pivot:
            factor = tableau[row, pivot] * inverse
            for column in range(tableau.shape[1]):
                tableau[row, column] -= factor * tableau[pivot, column]
            tableau[row, pivot] = -factor
    for column in range(tableau.shape[1]):
        tableau[pivot, column] *= inverse
    tableau[pivot, pivot] = inverse
