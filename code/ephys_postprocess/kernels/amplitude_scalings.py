"""Amplitude scalings: what the fits need from the traces, and the fits of all spikes."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel
from ephys_postprocess.kernels._octet_loops import OCTET, sum_products
from ephys_postprocess.kernels.solvers.nonnegative_least_squares import DEPENDENCE, nonnegative_coefficients

# Rows of traces summed once and shared by every window that covers them. Blocks start at multiples of this sample
# number within the segment, so a window's sum is made of the same pieces wherever a chunk begins.
BLOCK_SAMPLES = 32


@kernel
def template_moments(traces, window_starts, unit_indices, octet_starts, octet_templates, octet_gains):
    """Product of every spike's window with its unit's template, without the offsets.

    Parameters
    ----------
    traces : int16 or float32 (num_rows, num_channels)
        A stretch of one segment, unscaled. Rows a window asks for beyond it count as zeros.
    window_starts : int64 (num_spikes,)
        Row of the first sample of each spike's window; negative before the stretch.
    unit_indices : int32 (num_spikes,)
    octet_starts : int64 (num_units, num_octets)
        First channel of each of a unit's octets, -1 beyond; see `octets.OctetCover`.
    octet_templates : float32 or float64 (num_units, num_octets, num_samples, OCTET)
        Templates on the octets' channels; zero on those that are not the unit's.
    octet_gains : float64 (num_units, num_octets, OCTET)
        µV a count.

    Returns
    -------
    float64 (num_spikes,)
    """
    moments = np.empty(window_starts.size)
    num_samples = octet_templates.shape[2]
    sums = np.empty(OCTET)
    for spike in range(window_starts.size):
        unit, start = unit_indices[spike], window_starts[spike]
        first, stop = max(start, 0), min(start + num_samples, traces.shape[0])
        moment = 0.0
        for octet in range(octet_starts.shape[1] if stop > first else 0):
            channel = octet_starts[unit, octet]
            if channel >= 0:
                for position in range(OCTET):
                    sums[position] = 0.0
                weights = octet_templates[unit, octet, first - start :]
                sum_products(traces, first, stop - first, channel, weights, sums)
                for position in range(OCTET):
                    moment += sums[position] * octet_gains[unit, octet, position]
        moments[spike] = moment
    return moments


@kernel
def sum_fit_windows(
    traces,
    origin_sample,
    window_starts,
    unit_indices,
    first_spike,
    collision_edges,
    collision_spikes,
    num_samples,
    unit_channels,
    gains,
    offsets,
):
    """Sum of the traces over each fit's window: its channels are those of all its units.

    Parameters
    ----------
    traces, window_starts, unit_indices
        As in `template_moments`.
    origin_sample : int
        Sample of row 0 within the segment.
    first_spike : int
        The spikes that are fitted are first_spike, first_spike + 1, ...; the others only collide with them.
    collision_edges : int64 (num_fits + 1,)
        Fit f collides with collision_spikes[collision_edges[f]:collision_edges[f + 1]], ascending.
    collision_spikes : int64
    num_samples : int
        Of each spike's window.
    unit_channels : int64 (num_units, max_num_channels)
        Each unit's channels packed left, -1 beyond.
    gains, offsets : float64 (num_channels,)
        µV a count, and µV.

    Returns
    -------
    trace_sums : float64 (num_fits,)
        In µV, from the first window's start to the last one's end.
    num_values : int64 (num_fits,)
        How many values that sum has.
    """
    num_fits = collision_edges.size - 1
    trace_sums = np.empty(num_fits)
    num_values = np.empty(num_fits, np.int64)
    phase = origin_sample % BLOCK_SAMPLES
    block_sums = np.empty(((traces.shape[0] + phase) // BLOCK_SAMPLES + 1, traces.shape[1]))
    # Loops, because np.full and np.zeros cost 0.1 s of compiling for each dtype.
    is_summed = np.empty(block_sums.shape[0], np.int64)
    for block in range(is_summed.size):
        is_summed[block] = 0
    seen_by = np.empty(traces.shape[1], np.int64)
    for channel in range(seen_by.size):
        seen_by[channel] = -1
    # Unsigned, because numba then leaves out its test for negative indices.
    channels = np.empty(traces.shape[1], np.uint64)
    sums = np.empty(traces.shape[1])
    for fit in range(num_fits):
        spike = first_spike + fit
        start = stop = window_starts[spike]
        num_channels = _add_channels(unit_channels[unit_indices[spike]], fit, seen_by, channels, 0)
        for entry in range(collision_edges[fit], collision_edges[fit + 1]):
            other = collision_spikes[entry]
            if window_starts[other] < start:
                start = window_starts[other]
            elif window_starts[other] > stop:
                stop = window_starts[other]
            num_channels = _add_channels(unit_channels[unit_indices[other]], fit, seen_by, channels, num_channels)
        stop += num_samples
        _sum_window(traces, start, stop, phase, channels, num_channels, block_sums, is_summed, sums)
        total = 0.0
        for index in range(num_channels):
            total += gains[channels[index]] * sums[index] + (stop - start) * offsets[channels[index]]
        trace_sums[fit] = total
        num_values[fit] = (stop - start) * num_channels
    return trace_sums, num_values


@kernel
def _add_channels(unit_channels, owner, seen_by, channels, num_channels):
    """Append the channels `owner` has not seen yet; return how many there are now."""
    for channel in unit_channels:
        if channel >= 0 and seen_by[channel] != owner:
            seen_by[channel] = owner
            channels[num_channels] = channel
            num_channels += 1
    return num_channels


@kernel
def _sum_window(traces, start, stop, phase, channels, num_channels, block_sums, is_summed, sums):
    """Sums of rows [start, stop) on each of the first `num_channels` channels, into `sums`."""
    for index in range(num_channels):
        sums[index] = 0.0
    row = max(start, 0)
    stop = min(stop, traces.shape[0])
    while row < stop:
        block = (row + phase) // BLOCK_SAMPLES
        if (row + phase) % BLOCK_SAMPLES == 0 and row + BLOCK_SAMPLES <= stop:
            block_sum = block_sums[block]
            if is_summed[block] == 0:
                is_summed[block] = 1
                for channel in range(block_sum.size):
                    block_sum[channel] = 0.0
                for block_row in range(row, row + BLOCK_SAMPLES):
                    samples = traces[block_row]
                    for channel in range(samples.size):
                        block_sum[channel] += samples[channel]
            for index in range(num_channels):
                sums[index] += block_sum[channels[index]]
            row += BLOCK_SAMPLES
        else:
            samples = traces[row]
            for index in range(num_channels):
                sums[index] += samples[channels[index]]
            row += 1


@kernel
def fit_scalings(
    moments,
    trace_sums,
    num_values,
    window_starts,
    unit_indices,
    first_spike,
    collision_edges,
    collision_spikes,
    template_sums,
    pair_indices,
    pair_products,
):
    """Scaling of each spike's template: a regression with intercept, joint and non-negative where spikes collide.

    Parameters
    ----------
    moments : float64 (num_spikes,)
        Sum of template times traces in µV over each spike's window.
    trace_sums, num_values, window_starts, unit_indices, first_spike, collision_edges, collision_spikes
        As in `sum_fit_windows`, and what it returns.
    template_sums : float64 (num_units,)
        Sum of each template.
    pair_indices : int64 (num_units, num_units)
        Row of `pair_products` of each pair, lower unit first; -1 where two units share no channel.
    pair_products : float64 (num_pairs, 2 * max_lag + 1)
        Sum over t of first[t] * second[t + lag] for lag -max_lag to max_lag.

    Returns
    -------
    float64 (num_fits,)
        0 where the template is constant.
    """
    scalings = np.empty(trace_sums.size)
    max_lag = pair_products.shape[1] // 2
    for fit in range(trace_sums.size):
        scalings[fit] = 0.0
        if num_values[fit] == 0:
            continue
        first_entry = collision_edges[fit]
        count = collision_edges[fit + 1] - first_entry + 1
        tableau = np.empty((count, count + 1))
        norms = np.empty(count)
        for row in range(count):
            spike = first_spike + fit if row == 0 else collision_spikes[first_entry + row - 1]
            unit = unit_indices[spike]
            mean = template_sums[unit] / num_values[fit]
            tableau[row, count] = moments[spike] - mean * trace_sums[fit]
            for column in range(count):
                other = first_spike + fit if column == 0 else collision_spikes[first_entry + column - 1]
                other_unit = unit_indices[other]
                lag = window_starts[spike] - window_starts[other]
                if unit > other_unit:
                    pair, lag = pair_indices[other_unit, unit], -lag
                else:
                    pair = pair_indices[unit, other_unit]
                product = 0.0
                if pair >= 0 and -max_lag <= lag <= max_lag:
                    product = pair_products[pair, max_lag + lag]
                if row == column:
                    norms[row] = product
                tableau[row, column] = product - mean * template_sums[other_unit]
        if count > 1:
            scalings[fit] = nonnegative_coefficients(tableau, norms)[0]
        elif tableau[0, 0] > DEPENDENCE * norms[0]:
            scalings[fit] = tableau[0, 1] / tableau[0, 0]
    return scalings
