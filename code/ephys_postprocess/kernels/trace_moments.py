"""Sums of traces and of their squares."""

from ephys_postprocess.kernels._jit import kernel


@kernel
def add_moments(traces, shifts, sums, squares):
    """Add each channel's samples, and their squares, once something is taken from every one.

    Parameters
    ----------
    traces : int16 or float32 (num_samples, num_channels)
    shifts : float64 (num_channels,)
        Near the channel's mean, so that squares are small.
    sums, squares : float64 (num_channels,)
        Added to in place; of integers exact below 2**53.
    """
    for sample in range(traces.shape[0]):
        for channel in range(traces.shape[1]):
            value = traces[sample, channel] - shifts[channel]
            sums[channel] += value
            squares[channel] += value * value
