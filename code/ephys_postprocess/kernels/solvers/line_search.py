"""Safeguarded steps of Moré & Thuente's line search (MINPACK-2), doi 10.1145/192115.192132."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel


@kernel
def next_stride(best, other, trial, tilt, is_bracketed, lowest_stride, highest_stride):
    """(next stride, is_bracketed) by safeguarded cubic and quadratic steps; updates the interval's ends.

    `tilt` is taken off costs (times stride) and slopes while the search is in its first stage.
    """
    a, fa, da = best[0], best[1] - best[0] * tilt, best[2] - tilt
    b, fb, db = other[0], other[1] - other[0] * tilt, other[2] - tilt
    t, ft, dt = trial[0], trial[1] - trial[0] * tilt, trial[2] - tilt
    turns = dt * (da / abs(da)) < 0.0
    middle = 3.0 * (fa - ft) / (t - a) + da + dt
    scale = max(abs(middle), abs(da), abs(dt))
    under_root = (middle / scale) ** 2 - (da / scale) * (dt / scale)
    root = scale * np.sqrt(max(0.0, under_root))
    secant = t + dt / (dt - da) * (a - t) if dt != da else np.inf
    if ft > fa:
        root = -root if t < a else root
        cubic = a + ((root - da) + middle) / (((root - da) + root) + dt) * (t - a)
        quadratic = a + (da / ((fa - ft) / (t - a) + da)) / 2.0 * (t - a)
        stride = cubic if abs(cubic - a) < abs(quadratic - a) else cubic + (quadratic - cubic) / 2.0
        is_bracketed = True
    elif turns:
        root = -root if t > a else root
        cubic = t + ((root - dt) + middle) / (((root - dt) + root) + da) * (a - t)
        stride = cubic if abs(cubic - t) > abs(secant - t) else secant
        is_bracketed = True
    elif abs(dt) < abs(da):
        root = -root if t > a else root
        share = ((root - dt) + middle) / ((root + (da - dt)) + root)
        cubic = highest_stride if t > a else lowest_stride
        if share < 0.0 and root != 0.0:
            cubic = t + share * (a - t)
        if is_bracketed:
            stride = cubic if abs(cubic - t) < abs(secant - t) else secant
            limit = t + 0.66 * (b - t)
            stride = min(limit, stride) if t > a else max(limit, stride)
        else:
            stride = cubic if abs(cubic - t) > abs(secant - t) else secant
            stride = max(lowest_stride, min(highest_stride, stride))
    elif is_bracketed:
        stride = _cubic_between(t, ft, dt, b, fb, db)
    else:
        stride = highest_stride if t > a else lowest_stride
    if ft > fa:
        other[:] = trial
    else:
        if turns:
            other[:] = best
        best[:] = trial
    return stride, is_bracketed


@kernel
def _cubic_between(t, ft, dt, b, fb, db):
    middle = 3.0 * (ft - fb) / (b - t) + db + dt
    scale = max(abs(middle), abs(db), abs(dt))
    root = scale * np.sqrt((middle / scale) ** 2 - (db / scale) * (dt / scale))
    root = -root if t > b else root
    return t + ((root - dt) + middle) / (((root - dt) + root) + db) * (b - t)
