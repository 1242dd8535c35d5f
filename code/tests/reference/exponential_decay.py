"""Exponential fits, a unit at a time, by scipy."""

import numpy as np
from scipy.optimize import least_squares


def fit_exponentials(points):
    return np.array([_fit(distances, amplitudes) for distances, amplitudes in points]).reshape(-1, 3)


def _fit(distances, amplitudes):
    first, least = amplitudes[0], amplitudes.min()
    bounds = [1e-5, 0.5 * first, 0.0], [2.0, 1.5 * first, 2 * least]
    if first <= 0 or least <= 0:
        return np.full(3, np.nan)

    def residuals(curve):
        return curve[1] * np.exp(-curve[0] * distances) + curve[2] - amplitudes

    fit = least_squares(residuals, [1e-3, first, least], bounds=bounds)
    return fit.x if fit.success else np.full(3, np.nan)
