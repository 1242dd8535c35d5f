"""Steps of L-BFGS-B in three variables, where its compact matrices are a plain 3 × 3 matrix.

References: Byrd, Lu, Nocedal & Zhu 1995, doi 10.1137/0916069; Morales & Nocedal 2011, doi 10.1145/2049662.2049669.
"""

import numpy as np

from ephys_postprocess.kernels._jit import kernel

NUM_PAIRS = 10  # scipy.optimize.minimize's default
EPSILON = 2.220446049250313e-16


@kernel
def projected_gradient(point, gradient, low, high):
    """Largest move that a unit step against the gradient can still make inside the bounds."""
    largest = 0.0
    for axis in range(3):
        move = point[axis] - min(max(point[axis] - gradient[axis], low[axis]), high[axis])
        largest = max(largest, abs(move))
    return largest


@kernel
def remember_pair(steps, changes, num_pairs, theta, step, stride, gradient, old_gradient):
    """Keep the newest pairs of step and gradient change; return (num_pairs, theta)."""
    curvature, square, decrease = 0.0, 0.0, 0.0
    for axis in range(3):
        change = gradient[axis] - old_gradient[axis]
        curvature += change * step[axis] * stride
        square += change * change
        decrease -= old_gradient[axis] * step[axis] * stride
    if curvature <= EPSILON * decrease:
        return num_pairs, theta
    if num_pairs == NUM_PAIRS:
        for pair in range(NUM_PAIRS - 1):
            for axis in range(3):
                steps[pair, axis] = steps[pair + 1, axis]
                changes[pair, axis] = changes[pair + 1, axis]
        num_pairs -= 1
    for axis in range(3):
        steps[num_pairs, axis] = step[axis] * stride
        changes[num_pairs, axis] = gradient[axis] - old_gradient[axis]
    return num_pairs + 1, square / curvature


@kernel
def update_hessian(steps, changes, num_pairs, theta, hessian):
    """BFGS updates of theta × identity by the kept pairs, oldest first."""
    for row in range(3):
        for column in range(3):
            hessian[row, column] = theta if row == column else 0.0
    product = np.zeros(3)
    for pair in range(num_pairs):
        curvature, change = 0.0, 0.0
        for row in range(3):
            product[row] = 0.0
            for column in range(3):
                product[row] += hessian[row, column] * steps[pair, column]
            curvature += product[row] * steps[pair, row]
            change += changes[pair, row] * steps[pair, row]
        for row in range(3):
            for column in range(3):
                hessian[row, column] += changes[pair, row] * changes[pair, column] / change
                hessian[row, column] -= product[row] * product[column] / curvature


@kernel
def _curvature(hessian, first, second):
    total = 0.0
    for row in range(3):
        for column in range(3):
            total += first[row] * hessian[row, column] * second[column]
    return total


@kernel
def aim(point, gradient, hessian, low, high, has_pairs, target):
    """Fill `target` with the model's minimizer: along the projected gradient, then among the variables left free."""
    is_free = np.ones(3, dtype=np.bool_)
    _cauchy_point(point, gradient, hessian, low, high, is_free, target)
    if not has_pairs or not (is_free[0] or is_free[1] or is_free[2]):
        return
    move = _newton_move(point, gradient, hessian, is_free, target)
    cauchy = target.copy()
    is_clipped, slope = False, 0.0
    for axis in range(3):
        if is_free[axis]:
            target[axis] = min(max(cauchy[axis] + move[axis], low[axis]), high[axis])
            is_clipped |= target[axis] == low[axis] or target[axis] == high[axis]
        slope += (target[axis] - point[axis]) * gradient[axis]
    if not is_clipped or slope <= 0.0:
        return
    for axis in range(3):
        move[axis] = move[axis] if is_free[axis] else 0.0
    stride = min(1.0, longest_stride(cauchy, move, low, high))
    for axis in range(3):
        target[axis] = min(max(cauchy[axis] + stride * move[axis], low[axis]), high[axis])


@kernel
def _cauchy_point(point, gradient, hessian, low, high, is_free, target):
    """First minimizer of the model along the gradient bent at the bounds; `is_free` says which variables hit none."""
    direction, moved = np.zeros(3), np.zeros(3)
    breaks = np.full(3, np.inf)
    for axis in range(3):
        target[axis] = point[axis]
        direction[axis] = -gradient[axis]
        room = high[axis] - point[axis] if direction[axis] > 0 else low[axis] - point[axis]
        if direction[axis] != 0.0:
            breaks[axis] = room / direction[axis]
        if breaks[axis] <= 0.0:
            direction[axis], breaks[axis] = 0.0, np.inf
            is_free[axis] = False
    time = 0.0
    least = EPSILON * _curvature(hessian, direction, direction)
    while True:
        slope = _curvature(hessian, direction, moved)
        for axis in range(3):
            slope += gradient[axis] * direction[axis]
        curvature = max(_curvature(hessian, direction, direction), least)
        stride = max(0.0, -slope / curvature) if curvature > 0.0 else 0.0
        first = np.argmin(breaks)
        if time + stride < breaks[first]:
            break
        time = breaks[first]
        target[first] = high[first] if direction[first] > 0 else low[first]
        direction[first], breaks[first] = 0.0, np.inf
        is_free[first] = False
        for axis in range(3):
            moved[axis] = time * direction[axis] if is_free[axis] else target[axis] - point[axis]
    for axis in range(3):
        if is_free[axis]:
            target[axis] = point[axis] + (time + stride) * direction[axis]


@kernel
def _newton_move(point, gradient, hessian, is_free, target):
    """The move of the free variables from `target` to the model's minimizer, by elimination."""
    matrix = np.zeros((3, 4))
    for row in range(3):
        matrix[row, row] = 1.0
        if is_free[row]:
            matrix[row, 3] = -gradient[row]
            for column in range(3):
                matrix[row, column] = hessian[row, column] if is_free[column] else 0.0
                matrix[row, 3] -= hessian[row, column] * (target[column] - point[column])
    for pivot in range(3):  # positive definite: no exchange of rows needed
        for row in range(3):
            if row != pivot:
                factor = matrix[row, pivot] / matrix[pivot, pivot]
                for column in range(4):
                    matrix[row, column] -= factor * matrix[pivot, column]
    move = np.zeros(3)
    for axis in range(3):
        move[axis] = matrix[axis, 3] / matrix[axis, axis]
    return move


@kernel
def longest_stride(point, step, low, high):
    """How often `step` fits before the first bound; at most 1e10."""
    longest = 1e10
    for axis in range(3):
        room = high[axis] - point[axis] if step[axis] > 0 else low[axis] - point[axis]
        if step[axis] != 0.0:
            longest = min(longest, max(0.0, room / step[axis]))
    return longest
