"""Spike amplitudes, one spike at a time."""

import numpy as np


def spike_amplitudes(segments, spikes, main_channel_indices, peak_shifts, gains, offsets):
    amplitudes = np.zeros(spikes.num_spikes, np.float32)
    for spike in range(spikes.num_spikes):
        unit = spikes.unit_indices[spike]
        segment, channel = segments[spikes.segment_indices[spike]], main_channel_indices[unit]
        sample = spikes.samples[spike] + peak_shifts[unit]
        count = segment[sample, channel] if 0 <= sample < len(segment) else 0
        amplitudes[spike] = np.float32(np.float64(np.float32(count)) * gains[channel])
        amplitudes[spike] = np.float32(np.float64(amplitudes[spike]) + offsets[channel])
    return amplitudes
