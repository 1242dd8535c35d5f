"""Windows of the traces around spikes, one value at a time."""

import numpy as np


def gather_windows(traces, first_rows, channels, places, windows):
    windows[places] = 0
    for first_row, own_channels, place in zip(first_rows, channels, places, strict=True):
        for sample in range(windows.shape[1]):
            for column, channel in enumerate(own_channels[own_channels >= 0]):
                if 0 <= first_row + sample < len(traces):
                    windows[place, sample, column] = traces[first_row + sample, channel]


def scale_windows(windows, rows, unit_indices, gains, offsets, first_samples, stop_samples, waveforms):
    width = waveforms.shape[2]
    waveforms[:] = 0
    for waveform, (row, unit) in enumerate(zip(rows, unit_indices, strict=True)):
        inside = slice(first_samples[waveform], stop_samples[waveform])
        counts = windows[row, inside, :width].astype(np.float32)
        waveforms[waveform, inside] = counts * gains[unit, :width] + offsets[unit, :width]


def sum_windows(traces, first_rows, unit_indices, first_channel, last_channel, sums):
    for first_row, unit in zip(first_rows, unit_indices, strict=True):
        for sample in range(sums.shape[1]):
            if 0 <= first_row + sample < len(traces):
                for channel in range(first_channel, last_channel):
                    sums[unit, sample, channel] += traces[first_row + sample, channel]


def sum_squared_deviations(values, means, sums):
    for row in values:
        deviations = row - means
        sums += deviations * deviations
