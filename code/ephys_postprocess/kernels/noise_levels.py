"""Exact medians of integer traces from counts of their values: no sorting of samples."""

from ephys_postprocess.kernels._jit import kernel


@kernel
def count_values(traces, lowest_value, counts):
    """Add how often each value occurs on each channel.

    Parameters
    ----------
    traces : int16 (num_samples, num_channels)
    lowest_value : int
        The value counted in column 0; no sample may be lower.
    counts : int32 (num_channels, num_values)
        Added to in place.
    """
    for sample in range(traces.shape[0]):
        for channel in range(traces.shape[1]):
            counts[channel, int(traces[sample, channel]) - lowest_value] += 1


@kernel
def median_and_mad(counts, levels, medians, mads):
    """Fill the median of each channel and the median of the absolute deviations from it.

    Parameters
    ----------
    counts : int32 (num_channels, num_values)
        How often each value occurs; the same total, at least 1, on each channel.
    levels : float32 or float64 (num_channels, num_values)
        The values in the unit asked for, ascending along a row (equal neighbours allowed).
    medians, mads : as levels (num_channels,)
        Outputs; of an even number of samples, half the sum of the middle two.

    References
    ----------
    numpy.median of the samples, and of their absolute deviations: equal bit for bit. Deviations fall towards the
    median and rise beyond it, so walking outwards from it on both sides meets them in ascending order.
    """
    num_values = counts.shape[1]
    total = counts[0].sum()
    lower_rank, upper_rank = (total - 1) // 2, total // 2
    for channel in range(counts.shape[0]):
        lower = 0
        num_below = counts[channel, 0]
        while num_below <= lower_rank:
            lower += 1
            num_below += counts[channel, lower]
        upper = lower
        while num_below <= upper_rank:
            upper += 1
            num_below += counts[channel, upper]
        medians[channel] = (levels[channel, lower] + levels[channel, upper]) / 2

        below, above = lower, lower + 1  # the next values outwards on either side
        num_passed = 0
        lower_deviation = upper_deviation = levels[channel, 0]
        while num_passed <= upper_rank:
            lower_is_passed = num_passed > lower_rank
            deviation_below = medians[channel] - levels[channel, max(below, 0)]
            deviation_above = levels[channel, min(above, num_values - 1)] - medians[channel]
            if above == num_values or (below >= 0 and deviation_below <= deviation_above):
                upper_deviation = deviation_below
                num_passed += counts[channel, below]
                below -= 1
            else:
                upper_deviation = deviation_above
                num_passed += counts[channel, above]
                above += 1
            if not lower_is_passed:
                lower_deviation = upper_deviation
        mads[channel] = (lower_deviation + upper_deviation) / 2
