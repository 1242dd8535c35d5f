"""Naive twins of template_extrema.py: SciPy's own functions."""

import numpy as np
from scipy.signal import find_peaks as scipy_find_peaks
from scipy.signal import resample_poly


def upsampling_matrix(num_samples, factor):
    return np.stack([resample_poly(column, factor, 1) for column in np.eye(num_samples)], axis=1)


def find_peaks(values, min_prominence):
    positions, found = scipy_find_peaks(values, prominence=min_prominence, width=0)
    return positions, found["prominences"], found["widths"], found["left_ips"], found["right_ips"]
