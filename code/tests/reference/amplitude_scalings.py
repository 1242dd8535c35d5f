"""Amplitude scalings the slow and obvious way: explicit columns, one spike at a time."""

import numpy as np
from reference.nonnegative_least_squares import nonnegative_coefficients
from scipy.optimize import nnls


def amplitude_scalings(
    segments, spikes, templates, num_before, mask, gains, offsets, *, handle_collisions=True, delta_samples=60
):
    """(scalings float64, collision_mask) of all spikes; `segments` are whole recordings' unscaled traces."""
    scalings = np.zeros(spikes.num_spikes)
    collides = np.zeros(spikes.num_spikes, dtype=bool)
    overlaps = (mask[:, None, :] & mask[None, :, :]).any(axis=2)
    for segment_index, traces in enumerate(segments):
        margin = 2 * delta_samples + templates.shape[1]
        padded = np.pad(traces.astype(np.float64), ((margin, margin), (0, 0))) * gains + offsets
        rows = np.flatnonzero(spikes.segment_indices == segment_index)
        samples, units = spikes.samples[rows] + margin, spikes.unit_indices[rows]
        for spike, row in enumerate(rows):
            together = [spike]
            if handle_collisions:
                _, others = find_collisions(samples, units, spike, spike + 1, delta_samples, overlaps)
                together += list(others)
            collides[row] = len(together) > 1
            scalings[row] = _joint_fit(padded, samples[together] - num_before, units[together], templates, mask)
    return scalings, collides


def _joint_fit(padded, starts, units, templates, mask):
    first, last = starts.min(), starts.max() + templates.shape[1]
    channels = np.flatnonzero(mask[units].any(axis=0))
    data = padded[first:last, channels].ravel()
    columns = np.zeros((units.size, last - first, channels.size))
    for column, start, unit in zip(columns, starts - first, units, strict=True):
        column[start : start + templates.shape[1]] = templates[unit][:, channels]
    columns = columns.reshape(units.size, -1).T
    if not columns.size or np.ptp(columns[:, 0]) == 0:
        return 0.0
    columns, data = columns - columns.mean(axis=0), data - data.mean()
    return nnls(columns, data)[0][0] if units.size > 1 else columns[:, 0] @ data / (columns[:, 0] @ columns[:, 0])


def find_collisions(samples, unit_indices, first_spike, last_spike, delta_samples, overlaps):
    edges, found = [0], []
    for spike in range(first_spike, last_spike):
        for other in range(samples.size):
            lag = samples[other] - samples[spike]
            is_near = -delta_samples <= lag < delta_samples or (lag == 0 and other < spike)
            if other != spike and is_near and overlaps[unit_indices[spike], unit_indices[other]]:
                found.append(other)
        edges.append(len(found))
    return np.array(edges, dtype=np.int64), np.array(found, dtype=np.int64)


def pack_templates(templates, unit_channels):
    packed = np.zeros((*templates.shape[:2], unit_channels.shape[1]))
    for unit, channels in enumerate(unit_channels):
        for position, channel in enumerate(channels):
            if channel >= 0:
                packed[unit, :, position] = templates[unit, :, channel]
    return packed


def template_pair_products(packed_templates, unit_channels, pairs, max_lag):
    num_units, num_samples, _ = packed_templates.shape
    pair_indices = np.full((num_units, num_units), -1)
    pair_products = []
    for first in range(num_units):
        for second in range(first, num_units):
            if not pairs[first, second]:
                continue
            pair_indices[first, second] = len(pair_products)
            products = np.zeros(2 * max_lag + 1)
            for lag in range(-max_lag, max_lag + 1):
                for own, channel in enumerate(unit_channels[first]):
                    for other in np.flatnonzero((unit_channels[second] == channel) & (channel >= 0)):
                        for sample in range(max(0, -lag), min(num_samples, num_samples - lag)):
                            products[lag + max_lag] += (
                                packed_templates[first, sample, own] * packed_templates[second, sample + lag, other]
                            )
            pair_products.append(products)
    return pair_indices, np.array(pair_products).reshape(-1, 2 * max_lag + 1)


def window_of(traces, start, stop, channels):
    rows = np.arange(start, stop)
    is_inside = (rows >= 0) & (rows < traces.shape[0])
    values = np.zeros((rows.size, len(channels)))
    values[is_inside] = traces[rows[is_inside]][:, channels]
    return values


def template_moments(traces, window_starts, unit_indices, unit_channels, packed_templates, gains):
    moments = []
    for start, unit in zip(window_starts, unit_indices, strict=True):
        channels = unit_channels[unit][unit_channels[unit] >= 0]
        template = packed_templates[unit][:, : channels.size]
        window = window_of(traces, start, start + len(template), channels)
        moments.append((window * template * gains[channels]).sum())
    return np.array(moments)


def sum_fit_windows(
    traces,
    origin_sample,  # noqa: ARG001  the result does not depend on it
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
    trace_sums, num_values = [], []
    for fit in range(collision_edges.size - 1):
        others = collision_spikes[collision_edges[fit] : collision_edges[fit + 1]]
        together = [first_spike + fit, *others]
        channels = np.unique(unit_channels[unit_indices[together]])
        channels = channels[channels >= 0]
        start, stop = window_starts[together].min(), window_starts[together].max() + num_samples
        values = window_of(traces, start, stop, channels)
        trace_sums.append((values * gains[channels] + offsets[channels]).sum())
        num_values.append(values.size)
    return np.array(trace_sums), np.array(num_values, dtype=np.int64)


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
    max_lag = pair_products.shape[1] // 2

    def product(spike, other):
        lag = window_starts[spike] - window_starts[other]
        first, second = unit_indices[spike], unit_indices[other]
        if first > second:
            first, second, lag = second, first, -lag
        pair = pair_indices[first, second]
        return pair_products[pair, lag + max_lag] if pair >= 0 and abs(lag) <= max_lag else 0.0

    scalings = []
    for fit in range(trace_sums.size):
        if num_values[fit] == 0:
            scalings.append(0.0)
            continue
        together = [first_spike + fit, *collision_spikes[collision_edges[fit] : collision_edges[fit + 1]]]
        sums = template_sums[unit_indices[together]]
        raw = np.array([[product(spike, other) for other in together] for spike in together])
        gram = raw - np.outer(sums, sums) / num_values[fit]
        targets = moments[together] - sums * trace_sums[fit] / num_values[fit]
        if len(together) > 1:
            scalings.append(nonnegative_coefficients(np.column_stack([gram, targets]), raw.diagonal())[0])
        else:
            scalings.append(targets[0] / gram[0, 0] if gram[0, 0] > 1e-11 * raw[0, 0] else 0.0)
    return np.array(scalings)
