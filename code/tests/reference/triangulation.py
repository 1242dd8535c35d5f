"""Center of mass and triangulation, a problem at a time, with scipy's own searches."""

import numpy as np
from scipy.optimize import least_squares, minimize


def centers_of_mass(amplitudes, contacts):
    """float64 (2,)"""
    with np.errstate(all="ignore"):
        return (amplitudes[:, np.newaxis] * contacts).sum(axis=0) / amplitudes.sum()


def contact_features(window, feature, num_before):
    """float64 (num_contacts,) of one window (num_samples, num_contacts)"""
    return {
        "ptp": lambda: np.ptp(window, axis=0),
        "energy": lambda: np.linalg.norm(window, axis=0),
        "mean": lambda: window.mean(axis=0),
        "peak_voltage": lambda: window[num_before],
    }[feature]()


def initial_guess(amplitudes, contacts, max_distance_um):
    center = centers_of_mass(amplitudes, contacts)
    highest = amplitudes.max()
    alpha = np.sqrt(((center - contacts[amplitudes.argmax()]) ** 2).sum() + 20.0**2) * highest
    start = np.array([*center, 20.0, alpha], dtype=np.float32)
    reach = np.float32(max_distance_um)
    low = [start[0] - reach, start[1] - reach, 1, 0]
    high = [start[0] + reach, start[1] + reach, max_distance_um * 10, highest * max_distance_um]
    return start.astype(np.float64), np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)


def _distances(point, contacts):
    return np.sqrt(((contacts - point[:2]) ** 2).sum(axis=1) + point[2] ** 2)


def triangulate_least_squares(amplitudes, contacts, max_distance_um):
    def derivatives(point):
        distances = _distances(point, contacts)[:, np.newaxis]
        in_plane = -point[3] * (contacts - point[:2]) / distances**3
        return np.hstack([in_plane, point[3] * point[2] / distances**3, -1 / distances])

    start, low, high = initial_guess(amplitudes, contacts, max_distance_um)
    search = least_squares(
        lambda point: amplitudes - point[3] / _distances(point, contacts), start, derivatives, bounds=(low, high)
    )
    return search.x, search.status > 0


def triangulate_with_penalty(amplitudes, contacts, max_distance_um):
    highest = amplitudes.max()

    def strength(point):
        inverse = 1 / _distances(point, contacts)
        return (inverse * amplitudes).sum() / (inverse**2).sum()

    def cost(point):
        inverse = 1 / _distances(point, contacts)
        share = (inverse * amplitudes / highest).sum() / (inverse * inverse).sum()
        misfit = amplitudes / highest - share / _distances(point, contacts)
        return (misfit**2).mean() - np.log1p(10 * point[2]) / 10000

    start, low, high = initial_guess(amplitudes, contacts, max_distance_um)
    point = minimize(cost, start[:3], bounds=list(zip(low[:3], high[:3], strict=True))).x
    return np.array([*point, strength(point)]), cost
