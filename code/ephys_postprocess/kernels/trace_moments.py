"""Sums of traces and of their squares."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel

ROWS_AT_ONCE = 4  # fewer times that the sums are loaded and stored


@kernel
def add_moments(traces, shifts, sums, squares):
    """Add each channel's samples, and their squares, once something is taken from every one.

    Parameters
    ----------
    traces : float32 (num_samples, num_channels)
    shifts : float64 (num_channels,)
        Near the channel's mean, so that squares are small.
    sums, squares : float64 (num_channels,)
        Added to in place.
    """
    for sample in range(traces.shape[0]):
        for channel in range(traces.shape[1]):
            value = traces[sample, channel] - shifts[channel]
            sums[channel] += value
            squares[channel] += value * value


@kernel
def add_count_moments(traces, sums, squares):
    """The same of counts, exactly.

    Parameters
    ----------
    traces : int16 (num_samples, num_channels)
    sums, squares : int64 (num_channels,)
        Added to in place; they hold those of 2**33 samples.
    """
    num_together = traces.shape[0] - traces.shape[0] % ROWS_AT_ONCE
    for sample in range(0, num_together, ROWS_AT_ONCE):
        first, second, third, fourth = traces[sample], traces[sample + 1], traces[sample + 2], traces[sample + 3]
        for channel in range(first.size):
            a, b = np.int64(first[channel]), np.int64(second[channel])
            c, d = np.int64(third[channel]), np.int64(fourth[channel])
            sums[channel] += (a + b) + (c + d)
            squares[channel] += (a * a + b * b) + (c * c + d * d)
    for sample in range(num_together, traces.shape[0]):
        for channel in range(traces.shape[1]):
            value = np.int64(traces[sample, channel])
            sums[channel] += value
            squares[channel] += value * value
