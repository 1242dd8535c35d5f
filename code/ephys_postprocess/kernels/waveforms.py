"""Windows of the traces around spikes: copied, scaled, summed."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel


@kernel
def gather_windows(traces, first_rows, channels, places, windows):
    """Fill `windows` with the unscaled traces around each spike, channels packed left, zeros elsewhere.

    Parameters
    ----------
    traces : int16 or float32 (num_rows, num_channels)
        A stretch of one segment; a row outside of it is taken to lie outside the segment.
    first_rows : int64 (num_spikes,)
        Row of each window's first sample; may be negative or beyond the end.
    channels : int64 (num_spikes, width)
        Channels of each spike's unit, packed left, -1 beyond.
    places : int64 (num_spikes,)
        Where each spike's window goes in `windows`. Spikes in time order find their neighbours' samples in the cache,
        whatever order the output has.
    windows : as traces (num_spikes, num_samples, width)
        Output.
    """
    num_spikes, num_samples, width = windows.shape
    num_rows = traces.shape[0]
    for spike in range(num_spikes):
        place = places[spike]
        num_used = 0
        while num_used < width and channels[spike, num_used] >= 0:
            num_used += 1
        for sample in range(num_samples):
            row = first_rows[spike] + sample
            num_filled = num_used if 0 <= row < num_rows else 0
            for column in range(num_filled):
                windows[place, sample, column] = traces[row, channels[spike, column]]
            for column in range(num_filled, width):
                windows[place, sample, column] = 0


@kernel
def scale_windows(windows, rows, unit_indices, gains, offsets, first_samples, stop_samples, waveforms):
    """Fill `waveforms` with some of the windows in µV; samples outside the segment stay exactly zero.

    Parameters
    ----------
    windows : int16 or float32 (num_windows, num_samples, max_width)
        Unscaled.
    rows : int64 (num_waveforms,)
        Which windows.
    unit_indices : int32 (num_waveforms,)
        Row of `gains` and `offsets` for each waveform.
    gains, offsets : float32 (num_units, max_width)
        µV a count and µV of each unit's channels, packed left; zero in unused columns.
    first_samples, stop_samples : int64 (num_waveforms,)
        Samples first:stop of the window lie inside the segment.
    waveforms : float32 (num_waveforms, num_samples, width)
        Output, µV: count * gain + offset, rounded after each step; width may be less than max_width.

    References
    ----------
    SpikeInterface 0.105.3 `extract_waveforms_to_single_buffer`, equal bit for bit.
    """
    num_waveforms, num_samples, width = waveforms.shape
    for waveform in range(num_waveforms):
        row, unit = rows[waveform], unit_indices[waveform]
        for sample in range(num_samples):
            if first_samples[waveform] <= sample < stop_samples[waveform]:
                for column in range(width):
                    count = np.float32(windows[row, sample, column])
                    waveforms[waveform, sample, column] = count * gains[unit, column] + offsets[unit, column]
            else:
                for column in range(width):
                    waveforms[waveform, sample, column] = 0.0


@kernel
def sum_windows(traces, first_rows, unit_indices, first_channel, last_channel, sums):
    """Add the unscaled window of each spike, in order, to its unit's sums on channels first_channel:last_channel.

    Parameters
    ----------
    traces : int16 or float32 (num_rows, num_channels)
        A stretch of one segment; rows outside of it add nothing.
    first_rows : int64 (num_spikes,)
        Row of each window's first sample; may be negative or beyond the end.
    unit_indices : int32 (num_spikes,)
        First index into `sums`.
    first_channel, last_channel : int
        Half-open range, so that threads can share one unit without sharing a cell.
    sums : int32, float32 or float64 (num_units, num_samples, num_channels)
        Added to in place, in its own precision. int32 holds 65,536 windows of int16.
    """
    num_samples = sums.shape[1]
    for spike in range(first_rows.size):
        unit = unit_indices[spike]
        start = max(0, -first_rows[spike])
        stop = min(num_samples, traces.shape[0] - first_rows[spike])
        for sample in range(start, stop):
            # Views, because an index that may be negative, as far as the compiler sees, keeps it from vectorizing.
            of_sample = sums[unit, sample, first_channel:last_channel]
            values = traces[first_rows[spike] + sample, first_channel:last_channel]
            for channel in range(of_sample.size):
                of_sample[channel] += values[channel]


@kernel
def sum_squared_deviations(values, means, sums):
    """Add each column's squared deviations from its mean, row after row, in the precision of `means`.

    Parameters
    ----------
    values : float32 (num_rows, num_columns)
    means : float32 or float64 (num_columns,)
    sums : as means (num_columns,)
        Added to in place.
    """
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            deviation = values[row, column] - means[column]
            sums[column] += deviation * deviation
