"""Naive twin of stages/isi_histograms.py: numpy's histogram, train by train."""

import numpy as np


def isi_histograms(spikes, window_ms=50.0, bin_ms=1.0):
    bin_samples = round(spikes.sampling_frequency_hz * bin_ms * 1e-3)
    window = round(spikes.sampling_frequency_hz * window_ms * 1e-3) // bin_samples * bin_samples
    bins = np.arange(0, window + bin_samples, bin_samples)
    counts = np.zeros((spikes.num_units, bins.size - 1), dtype=np.int64)
    for unit in range(spikes.num_units):
        for segment in range(len(spikes.segment_lengths)):
            train = spikes.samples[(spikes.unit_indices == unit) & (spikes.segment_indices == segment)]
            counts[unit] += np.histogram(np.diff(train), bins=bins)[0]
    return counts, bins * 1e3 / spikes.sampling_frequency_hz
