"""Amplitudes that fade exponentially with distance, fitted for many units side by side."""

from dataclasses import dataclass, fields

import numpy as np

from ephys_postprocess.kernels.solvers.trust_region import search

FIRST_DECAY, LOWEST_DECAY, HIGHEST_DECAY = 1e-3, 1e-5, 2.0  # 1 / µm, SpikeInterface's


@dataclass(frozen=True)
class Fadings:
    """Amplitudes over distance, one unit a row, packed left."""

    distances_um: np.ndarray  # float64 (num_units, max_num_points)
    amplitudes: np.ndarray  # float64, same shape
    is_point: np.ndarray  # bool, same shape: False beyond a unit's own points

    def __getitem__(self, rows):
        return Fadings(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def num_residuals(self):
        """int64 (num_units,)"""
        return self.is_point.sum(axis=1)

    def residuals(self, curves):
        """float64, shape of `amplitudes`; `curves` is (num_units, 3): decay, amplitude, offset."""
        faded = curves[:, 1:2] * np.exp(-curves[:, :1] * self.distances_um) + curves[:, 2:]
        return np.where(self.is_point, faded - self.amplitudes, 0.0)

    def derivatives(self, curves, residuals):
        """(gradient (num_units, 3), Jᵀ J (num_units, 3, 3)) of half the sum of squared residuals."""
        share = np.where(self.is_point, np.exp(-curves[:, :1] * self.distances_um), 0.0)
        jacobian = np.stack([-curves[:, 1:2] * self.distances_um * share, share, self.is_point.astype(float)], axis=1)
        gradient = (jacobian * residuals[:, np.newaxis, :]).sum(axis=2)
        return gradient, (jacobian[:, :, np.newaxis, :] * jacobian[:, np.newaxis, :, :]).sum(axis=3)


def bounds_of(first_amplitude, least_amplitude):
    """(start, low, high) of decay, amplitude and offset, as SpikeInterface starts and bounds the search."""
    start = [FIRST_DECAY, first_amplitude, least_amplitude]
    return (
        start,
        [LOWEST_DECAY, 0.5 * first_amplitude, 0.0],
        [HIGHEST_DECAY, 1.5 * first_amplitude, 2 * least_amplitude],
    )


def fit_exponentials(points):
    """The curve amplitude * exp(-decay * distance) + offset that fits each unit best, within SpikeInterface's bounds.

    Parameters
    ----------
    points : sequence of (float64 (n,), float64 (n,))
        Distances in ascending order, µm, and amplitudes.

    Returns
    -------
    float64 (num_units, 3)
        Decay (1 / µm), amplitude, offset; NaN where the bounds leave no room or the search does not end.
    """
    shape = len(points), max((distances.size for distances, _ in points), default=0)
    fadings = Fadings(np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool))
    starts, lows, highs = np.zeros((3, shape[0], 3))
    for row, (distances, amplitudes) in enumerate(points):
        fadings.distances_um[row, : distances.size] = distances
        fadings.amplitudes[row, : distances.size] = amplitudes
        fadings.is_point[row, : distances.size] = True
        starts[row], lows[row], highs[row] = bounds_of(amplitudes[0], amplitudes.min())
    found, is_unfinished = search(fadings, starts, lows, highs)
    found[is_unfinished] = np.nan
    return found
