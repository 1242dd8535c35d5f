"""Bounded least squares, all problems side by side in numpy: nothing to compile or import."""

from dataclasses import dataclass, fields, replace

import numpy as np

# scipy.optimize.least_squares' defaults: where SpikeInterface's answers stop depends on them.
FTOL = XTOL = GTOL = 1e-8
EVALUATIONS_AN_UNKNOWN = 100


def search(problem, start, low, high):
    """The trust-region reflective method of scipy.optimize.least_squares step by step, for many problems at once.

    Parameters
    ----------
    problem : object
        `residuals(x)` gives float64 (n, max_num_residuals), `derivatives(x, residuals)` the gradient (n, num_unknowns)
        of half their sum of squares and Jᵀ J (n, num_unknowns, num_unknowns); `num_residuals` is int64 (n,), and
        `problem[rows]` is the same for some problems.
    start, low, high : float64 (n, num_unknowns)

    Returns
    -------
    found : float64 (n, num_unknowns)
        NaN where `start` is not within the bounds, or these leave no room.
    is_unfinished : bool (n,)
        True where the evaluations ran out before a minimum was reached.

    References
    ----------
    Branch, Coleman & Li 1999.
    """
    found = np.full(start.shape, np.nan)
    is_unfinished = np.zeros(start.shape[0], dtype=bool)
    rows = np.flatnonzero(((low < high) & (start >= low) & (start <= high)).all(axis=1))
    problem = problem[rows]
    state = _begin(problem, start[rows], low[rows], high[rows])
    for _ in range(EVALUATIONS_AN_UNKNOWN * start.shape[1] - 1):
        if rows.size == 0:
            break
        is_done = _iterate(state, problem)
        if is_done.any():
            found[rows[is_done]] = state.x[is_done]
            rows, state, problem = rows[~is_done], state[~is_done], problem[~is_done]
    found[rows] = state.x
    is_unfinished[rows] = True
    return found, is_unfinished


@dataclass
class _Search:
    """State of every problem still searched; `x` and what follows from it, and the trust region; p unknowns."""

    x: np.ndarray  # (n, p)
    low: np.ndarray  # (n, p)
    high: np.ndarray  # (n, p)
    cost: np.ndarray  # (n,)
    gradient: np.ndarray  # (n, p)
    hessian: np.ndarray  # (n, p, p) Jᵀ J
    radius: np.ndarray  # (n,) of the trust region, in scaled variables
    damping: np.ndarray  # (n,) Levenberg-Marquardt's

    def __getitem__(self, rows):
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def _begin(problem, start, low, high):
    residuals = problem.residuals(start)
    gradient, hessian = problem.derivatives(start, residuals)
    scaling = _coleman_li(start, gradient, low, high)
    radius = _norm(start / np.sqrt(scaling))
    radius[radius == 0] = 1.0
    return _Search(start, low, high, _cost(residuals), gradient, hessian, radius, np.zeros(radius.size))


def _iterate(search, problem):
    """Try one step for every problem, update `search` and return which problems are finished, bool (n,)."""
    scaling = _coleman_li(search.x, search.gradient, search.low, search.high)
    optimality = np.abs(search.gradient * scaling).max(axis=1)
    model = _Model(search, np.sqrt(scaling))
    full_step, damping = _trust_region_step(model, search.radius, search.damping, problem.num_residuals)
    theta = np.maximum(0.995, 1 - optimality)
    scaled_step, predicted = _feasible_step(search, model, full_step, theta)
    step = model.scale * scaled_step
    is_optimal = optimality < GTOL
    tried = _strictly_inside(search.x + step, search.low, search.high)
    residuals = problem.residuals(tried)
    cost = _cost(residuals)
    reduction = search.cost - cost
    new_radius, ratio = _new_radius(search.radius, reduction, predicted, _norm(scaled_step))
    is_done = (reduction < FTOL * search.cost) & (ratio > 0.25)
    is_done |= _norm(step) < XTOL * (XTOL + _norm(search.x))
    search.damping = damping * search.radius / new_radius
    search.radius = new_radius
    is_better = (reduction > 0) & ~is_optimal
    search.x = np.where(is_better[:, np.newaxis], tried, search.x)
    search.cost = np.where(is_better, cost, search.cost)
    if not (is_done | is_optimal).all():
        gradient, hessian = problem.derivatives(search.x, problem.residuals(search.x))
        search.gradient, search.hessian = gradient, hessian
    return is_done | is_optimal


class _Model:
    """The quadratic model around x, in variables scaled so that a bound is as far as the trust region."""

    def __init__(self, search, scale):
        self.scale = scale  # (n, p)
        self.gradient = scale * search.gradient  # (n, p)
        self.hessian = scale[:, :, np.newaxis] * search.hessian * scale[:, np.newaxis, :]
        unknowns = np.arange(scale.shape[1])
        self.hessian[:, unknowns, unknowns] += np.abs(search.gradient)  # curvature that the scaling itself adds

    def __getitem__(self, rows):
        part = object.__new__(_Model)
        part.scale, part.gradient, part.hessian = self.scale[rows], self.gradient[rows], self.hessian[rows]
        return part

    def curvature(self, first, second):
        """firstᵀ H second, (n,)"""
        return (first * (self.hessian * second[:, np.newaxis, :]).sum(axis=2)).sum(axis=1)

    def value(self, step):
        """Predicted change of cost, (n,)"""
        return 0.5 * self.curvature(step, step) + _dot(step, self.gradient)


def _cost(residuals):
    return 0.5 * (residuals**2).sum(axis=1)


def _norm(vectors):
    return np.sqrt((vectors**2).sum(axis=1))


def _dot(first, second):
    return (first * second).sum(axis=1)


def _coleman_li(x, gradient, low, high):
    """Distance to the bound that a step against the gradient would meet, (n, p): Coleman-Li scaling."""
    return np.where(gradient < 0, high - x, np.where(gradient > 0, x - low, 1.0))


def _trust_region_step(model, radius, damping, num_residuals):
    """(step (n, p), damping (n,)): minimizer of the model within `radius` (Moré 1977, one eigendecomposition)."""
    eigenvalues, vectors = np.linalg.eigh(model.hessian)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    slopes = (vectors * model.gradient[:, :, np.newaxis]).sum(axis=1)
    singular = np.sqrt(eigenvalues)
    is_full_rank = singular[:, 0] > np.finfo(float).eps * num_residuals * singular[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = slopes / eigenvalues
        is_inside = is_full_rank & (_norm(newton) <= radius)
    damping = _damping(eigenvalues, slopes, radius, damping, is_full_rank)
    with np.errstate(divide="ignore", invalid="ignore"):
        damped = slopes / (eigenvalues + damping[:, np.newaxis])
        damped *= (radius / _norm(damped))[:, np.newaxis]
    chosen = np.where(is_inside[:, np.newaxis], newton, damped)
    return -(vectors * chosen[:, np.newaxis, :]).sum(axis=2), np.where(is_inside, 0.0, damping)


def _damping(eigenvalues, slopes, radius, initial, is_full_rank):
    """The damping that brings the step's length to within 1 % of `radius`, (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        upper = _norm(slopes) / radius
        excess, derivative = _length_excess(eigenvalues, slopes, radius, np.zeros(radius.size))
        lower = np.where(is_full_rank, -excess / derivative, 0.0)
        middle = np.maximum(0.001 * upper, np.sqrt(np.maximum(lower * upper, 0.0)))
        damping = np.where(~is_full_rank & (initial == 0), middle, initial)
        is_open = np.ones(radius.size, dtype=bool)
        for _ in range(10):
            middle = np.maximum(0.001 * upper, np.sqrt(np.maximum(lower * upper, 0.0)))
            damping = np.where(is_open & ((damping < lower) | (damping > upper)), middle, damping)
            excess, derivative = _length_excess(eigenvalues, slopes, radius, damping)
            upper = np.where(is_open & (excess < 0), damping, upper)
            ratio = excess / derivative
            lower = np.where(is_open, np.maximum(lower, damping - ratio), lower)
            damping = np.where(is_open, damping - (excess + radius) * ratio / radius, damping)
            is_open &= ~(np.abs(excess) < 0.01 * radius)
            if not is_open.any():
                break
    return damping


def _length_excess(eigenvalues, slopes, radius, damping):
    """(length of the damped step minus `radius`, its derivative by the damping), (n,) each."""
    denominators = eigenvalues + damping[:, np.newaxis]
    length = _norm(slopes / denominators)
    return length - radius, -(slopes**2 / denominators**3).sum(axis=1) / length


def _feasible_step(search, model, full_step, theta):
    """(scaled step (n, p), predicted reduction (n,)): the full step, or the best of three that stay inside."""
    x_new = search.x + model.scale * full_step
    is_outside = ((x_new < search.low) | (x_new > search.high)).any(axis=1)
    step = full_step.copy()
    predicted = -model.value(full_step)
    rows = np.flatnonzero(is_outside)
    if rows.size:
        step[rows], predicted[rows] = _step_at_bound(search[rows], model[rows], full_step[rows], theta[rows])
    return step, predicted


def _step_at_bound(search, model, full_step, theta):
    """Best of the shortened, the reflected and the steepest-descent step, (scaled step, predicted reduction)."""
    stride, is_hit = _stride_to_bound(search.x, model.scale * full_step, search)
    to_bound = full_step * stride[:, np.newaxis]
    reflected, reflected_value = _reflected_step(search, model, to_bound, full_step, stride, is_hit, theta)
    shortened = to_bound * theta[:, np.newaxis]
    descent = _descent_step(search, model, theta)
    values = np.stack([model.value(shortened), reflected_value, model.value(descent)])
    is_first = (values[0] < values[1]) & (values[0] < values[2])
    is_second = ~is_first & (values[1] < values[0]) & (values[1] < values[2])
    step = np.where(is_first[:, np.newaxis], shortened, np.where(is_second[:, np.newaxis], reflected, descent))
    return step, -np.where(is_first, values[0], np.where(is_second, values[1], values[2]))


def _reflected_step(search, model, to_bound, full_step, stride, is_hit, theta):
    """Go to the bound, then on along the mirrored direction; value infinite where there is no room for it."""
    mirrored = np.where(is_hit, -full_step, full_step)
    square = _dot(mirrored, mirrored)
    half = _dot(to_bound, mirrored)
    rest = np.minimum(_dot(to_bound, to_bound) - search.radius**2, 0.0)
    to_region = (-half + np.sqrt(half**2 - square * rest)) / square
    to_next_bound, _ = _stride_to_bound(search.x + model.scale * to_bound, model.scale * mirrored, search)
    room = np.minimum(to_next_bound, to_region)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(room > 0, (1 - theta) * stride / room, 0.0)
    last = np.where(room > 0, np.where(room == to_next_bound, theta * to_next_bound, to_region), -1.0)
    a = 0.5 * model.curvature(mirrored, mirrored)
    b = _dot(model.gradient, mirrored) + model.curvature(to_bound, mirrored)
    length = _minimize_parabola(a, b, first, last)
    step = to_bound + mirrored * length[:, np.newaxis]
    return step, np.where(first <= last, model.value(step), np.inf)


def _descent_step(search, model, theta):
    """The best step against the gradient inside bounds and trust region."""
    direction = -model.gradient
    to_region = search.radius / _norm(direction)
    to_bound, _ = _stride_to_bound(search.x, model.scale * direction, search)
    last = np.where(to_bound < to_region, theta * to_bound, to_region)
    a = 0.5 * model.curvature(direction, direction)
    length = _minimize_parabola(a, _dot(model.gradient, direction), np.zeros(last.size), last)
    return direction * length[:, np.newaxis]


def _minimize_parabola(a, b, first, last):
    """Where a t² + b t is least on [first, last], (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = -0.5 * b / a
    candidates = np.stack([first, last, np.where((a != 0) & (first < vertex) & (vertex < last), vertex, first)])
    values = candidates * (a * candidates + b)
    return np.take_along_axis(candidates, values.argmin(axis=0)[np.newaxis], axis=0)[0]


def _stride_to_bound(x, step, search):
    """(how often `step` fits before a bound, (n,); which bounds are then hit, bool (n, p))."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        strides = np.maximum((search.low - x) / step, (search.high - x) / step)
    strides = np.where(step == 0, np.inf, strides)
    nearest = strides.min(axis=1)
    return nearest, (strides == nearest[:, np.newaxis]) & (step != 0)


def _strictly_inside(x, low, high):
    inside = np.where(x <= low, np.nextafter(low, high), np.where(x >= high, np.nextafter(high, low), x))
    return np.where((inside < low) | (inside > high), 0.5 * (low + high), inside)


def _new_radius(radius, reduction, predicted, step_length):
    """(radius of the next trust region, reduction as a share of the predicted one), (n,) each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(predicted > 0, reduction / predicted, np.where((predicted == 0) & (reduction == 0), 1.0, 0.0))
    wider = np.where((ratio > 0.75) & (step_length > 0.95 * radius), 2.0 * radius, radius)
    return np.where(ratio < 0.25, 0.25 * step_length, wider), ratio
