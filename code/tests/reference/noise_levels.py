"""Counting and medians, by numpy on the samples themselves."""

import numpy as np


def count_values(traces, lowest_value, counts):
    for row in traces:
        for channel, value in enumerate(row):
            counts[channel, int(value) - lowest_value] += 1


def median_and_mad(counts, levels, medians, mads):
    for channel, (channel_counts, channel_levels) in enumerate(zip(counts, levels, strict=True)):
        samples = np.repeat(channel_levels, channel_counts)
        medians[channel] = np.median(samples)
        mads[channel] = np.median(np.abs(samples - np.median(samples)))
