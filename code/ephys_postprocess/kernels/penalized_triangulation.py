"""Monopolar triangulation with a logarithmic pull away from the probe: a three-variable L-BFGS-B, a problem at a time.

Where SpikeInterface's answer stops depends on scipy's L-BFGS-B, which ends long before the exact minimum. With three
variables its compact matrices are a plain 3 × 3 matrix, so the same steps need little code and no scipy.
"""

import numpy as np

from ephys_postprocess.kernels._jit import kernel
from ephys_postprocess.kernels.solvers.line_search import next_stride
from ephys_postprocess.kernels.solvers.quasi_newton import (
    NUM_PAIRS,
    aim,
    longest_stride,
    projected_gradient,
    remember_pair,
    update_hessian,
)

# scipy.optimize.minimize's defaults
RELATIVE_DECREASE = 2.220446049250313e-09
PROJECTED_GRADIENT = 1e-5
MAX_LINE_STEPS = 20
MAX_ITERATIONS = 15000
DIFFERENCE = 1e-8


@kernel
def triangulate_with_penalty(amplitudes, shares, x_um, y_um, num_contacts, start, low, high, found):
    """Fit a point source to each row of amplitudes, its strength solved for, its distance from the probe favoured.

    Parameters
    ----------
    amplitudes, shares, x_um, y_um : float64 (num_problems, max_num_contacts)
        Shares are amplitudes divided by the highest, rounded as the caller's data type rounds them.
    num_contacts : int64 (num_problems,)
        Contacts in use, packed left.
    start, low, high : float64 (num_problems, 4)
        As `triangulation.initial_guess` makes them; x, y and z are used.
    found : float64 (num_problems, 4)
        Filled with x, y, z (µm) and alpha; NaN where `start` is.

    References
    ----------
    Boussard et al. 2021, doi 10.1101/2021.11.05.467503; Byrd, Lu, Nocedal & Zhu 1995 and Morales & Nocedal 2011
    (L-BFGS-B 3.0), with forward differences as in scipy.optimize.minimize.
    """
    for row in range(found.shape[0]):
        count = num_contacts[row]
        own = amplitudes[row, :count]
        own_x, own_y = x_um[row, :count], y_um[row, :count]
        point = found[row, :3]
        for axis in range(3):
            point[axis] = min(max(start[row, axis], low[row, axis]), high[row, axis])
        if count == 0 or own.max() <= 0.0 or not np.isfinite(point[0] + point[1]):
            found[row, :] = np.nan
            continue
        problem = (own, own_x, own_y, shares[row, :count], np.empty(count), np.empty(count))
        _minimize(point, low[row], high[row], problem)
        found[row, 3] = _strength(point, problem)


@kernel
def _strength(point, problem):
    """Alpha that fits the amplitudes best from `point`."""
    amplitudes, x_um, y_um, _, products, squares = problem
    for contact in range(amplitudes.size):
        inverse = 1.0 / _distance(point, x_um[contact], y_um[contact])
        products[contact] = inverse * amplitudes[contact]
        squares[contact] = inverse * inverse
    return _sum(products) / _sum(squares)


@kernel
def _distance(point, x_um, y_um):
    x, y = point[0] - x_um, point[1] - y_um
    return np.sqrt(x * x + y * y + point[2] * point[2])


@kernel
def _cost(point, problem):
    """Mean squared misfit relative to the highest amplitude, less the reward for depth.

    Each operation is rounded as numpy rounds it in SpikeInterface's objective: the differences that make the gradient
    are 1e-8 µm apart, so they see the last bits.
    """
    amplitudes, x_um, y_um, shares, products, squares = problem
    highest = amplitudes.max()
    for contact in range(amplitudes.size):
        inverse = 1.0 / _distance(point, x_um[contact], y_um[contact])
        products[contact] = inverse * amplitudes[contact] / highest
        squares[contact] = inverse * inverse
    alpha = _sum(products) / _sum(squares)
    for contact in range(amplitudes.size):
        residual = shares[contact] - alpha / _distance(point, x_um[contact], y_um[contact])
        squares[contact] = residual * residual
    return _sum(squares) / amplitudes.size - np.log1p(10.0 * point[2]) / 10000.0


@kernel
def _sum(values):
    """numpy's order of summation: eight running sums, then their sum, then the rest (128 values at most)."""
    total = 0.0
    whole = values.size - values.size % 8
    if whole:
        partial = np.zeros(8)
        for index in range(whole):
            partial[index % 8] += values[index]
        total = (partial[0] + partial[1]) + (partial[2] + partial[3])
        total += (partial[4] + partial[5]) + (partial[6] + partial[7])
    for index in range(whole, values.size):
        total += values[index]
    return total


@kernel
def _cost_and_gradient(point, problem, high, gradient):
    """The cost; fills `gradient` with scipy's forward differences (backward where a bound is too near)."""
    cost = _cost(point, problem)
    for axis in range(3):
        here = point[axis]
        difference = DIFFERENCE if here >= 0.0 else -DIFFERENCE
        if here + difference > high[axis]:
            difference = -difference
        point[axis] = here + difference
        gradient[axis] = (_cost(point, problem) - cost) / (point[axis] - here)
        point[axis] = here
    return cost


@kernel
def _minimize(point, low, high, problem):
    """Move `point` to where L-BFGS-B stops."""
    gradient, old_gradient, old_point, target, step = np.zeros((5, 3))
    steps, changes, hessian = np.zeros((NUM_PAIRS, 3)), np.zeros((NUM_PAIRS, 3)), np.zeros((3, 3))
    num_pairs, theta = 0, 1.0
    cost = _cost_and_gradient(point, problem, high, gradient)
    for iteration in range(MAX_ITERATIONS):
        if projected_gradient(point, gradient, low, high) <= PROJECTED_GRADIENT:
            return
        update_hessian(steps, changes, num_pairs, theta, hessian)
        aim(point, gradient, hessian, low, high, num_pairs > 0, target)
        old_cost = cost
        slope = 0.0
        for axis in range(3):
            old_point[axis], old_gradient[axis] = point[axis], gradient[axis]
            step[axis] = target[axis] - point[axis]
            slope += step[axis] * gradient[axis]
        longest = 1.0 if iteration == 0 else longest_stride(point, step, low, high)
        stride, cost = -1.0, old_cost
        if slope < 0.0:
            stride, cost = _line_search(
                point, old_point, step, target, old_cost, slope, longest, problem, high, gradient
            )
        if stride < 0.0:
            point[:] = old_point
            gradient[:] = old_gradient
            cost = old_cost
            if num_pairs == 0:
                return
            num_pairs, theta = 0, 1.0
            continue
        if old_cost - cost <= RELATIVE_DECREASE * max(abs(old_cost), abs(cost), 1.0):
            return
        num_pairs, theta = remember_pair(steps, changes, num_pairs, theta, step, stride, gradient, old_gradient)


@kernel
def _line_search(point, origin, step, target, cost, slope, longest, problem, high, gradient):
    """(stride, cost) that fulfils the strong Wolfe conditions (Moré & Thuente 1994, MINPACK-2); stride -1: none found.

    `point` and `gradient` are left at the stride tried last.
    """
    best = np.array([0.0, cost, slope])  # stride, cost, slope at one end of the interval
    other = best.copy()
    wanted_slope = 1e-3 * slope
    stride = min(1.0, longest)
    is_bracketed, is_first_stage = False, True
    width, old_width = longest, 2.0 * longest
    lowest_stride, highest_stride = 0.0, stride + 4.0 * stride
    for _ in range(MAX_LINE_STEPS):
        for axis in range(3):
            point[axis] = target[axis] if stride == 1.0 else origin[axis] + stride * step[axis]
        trial = np.array([stride, _cost_and_gradient(point, problem, high, gradient), 0.0])
        for axis in range(3):
            trial[2] += gradient[axis] * step[axis]
        allowed = cost + stride * wanted_slope
        if is_first_stage and trial[1] <= allowed and trial[2] >= 0.0:
            is_first_stage = False
        is_stuck = is_bracketed and (stride <= lowest_stride or stride >= highest_stride)
        is_stuck |= is_bracketed and highest_stride - lowest_stride <= 0.1 * highest_stride
        is_at_end = stride == longest and trial[1] <= allowed and trial[2] <= wanted_slope
        is_at_end |= stride == 0.0 and (trial[1] > allowed or trial[2] >= wanted_slope)
        if is_stuck or is_at_end or (trial[1] <= allowed and abs(trial[2]) <= 0.9 * -slope):
            return stride, trial[1]
        tilt = wanted_slope if is_first_stage and trial[1] <= best[1] and trial[1] > allowed else 0.0
        stride, is_bracketed = next_stride(best, other, trial, tilt, is_bracketed, lowest_stride, highest_stride)
        if is_bracketed:
            if abs(other[0] - best[0]) >= 0.66 * old_width:
                stride = best[0] + 0.5 * (other[0] - best[0])
            old_width, width = width, abs(other[0] - best[0])
            lowest_stride, highest_stride = min(best[0], other[0]), max(best[0], other[0])
        else:
            lowest_stride, highest_stride = stride + 1.1 * (stride - best[0]), stride + 4.0 * (stride - best[0])
        stride = min(max(stride, 0.0), longest)
        if is_bracketed and (
            stride <= lowest_stride
            or stride >= highest_stride
            or highest_stride - lowest_stride <= 0.1 * highest_stride
        ):
            stride = best[0]
    return -1.0, cost
