"""Grid convolution a spike at a time, and the gathering of the windows that every location method looks at."""

import numpy as np

from ephys_postprocess.kernels._jit import fused_kernel, kernel
from ephys_postprocess.kernels._octet_loops import OCTET, lane_products

_HIGHEST_BITS = np.int32(2**31 - 1)  # of no float that is a number


@kernel
def cut_windows(traces, first_rows, channels, windows):
    """Copy the window of each spike; samples outside `traces` and channels -1 are 0.

    Parameters
    ----------
    traces : int16 or float32 (num_rows, num_channels)
    first_rows : int64 (num_spikes,)
        Row of `traces` where each window starts; may lie outside.
    channels : int64 (num_spikes, num_window_channels)
    windows : float32 (num_spikes, num_window_samples, num_window_channels)
        Filled.
    """
    for spike in range(windows.shape[0]):
        for sample in range(windows.shape[1]):
            row = first_rows[spike] + sample
            for position in range(windows.shape[2]):
                channel = channels[spike, position]
                if channel < 0 or row < 0 or row >= traces.shape[0]:
                    windows[spike, sample, position] = 0.0
                else:
                    windows[spike, sample, position] = traces[row, channel]


@kernel
def project_windows(traces, first_rows, groups, octet_starts, places, prototype, products):
    """Dot product of each spike's window with the prototype, on each channel of the spike's group.

    Parameters
    ----------
    traces : int16 or float32 (num_rows, at least OCTET channels)
    first_rows : int64 (num_spikes,)
        Row of `traces` where each window starts; samples outside `traces` count as 0.
    groups : int64 (num_spikes,)
    octet_starts : int64 (num_groups, num_octets)
        Octets that hold each group's channels; see `octets.OctetCover`.
    places : int64 (num_groups, max_num_channels)
        Where each packed channel is in these; -1 beyond a group's own.
    prototype : float32 (num_window_samples,)
    products : float32 (num_spikes, max_num_channels)
        Filled; 0 beyond a group's own channels. In float32, summed in the order of numpy's sum along contiguous
        samples (up to 128), which is SpikeInterface's: see `locate_on_grid` for why the last bit counts.
    """
    sums = np.empty(octet_starts.shape[1] * OCTET, np.float32)
    for spike in range(first_rows.size):
        group = groups[spike]
        for octet in range(octet_starts.shape[1]):
            channel = octet_starts[group, octet]
            if channel >= 0:
                own = sums[octet * OCTET : (octet + 1) * OCTET]
                lane_products(traces, first_rows[spike], channel, prototype, own)
        for position in range(places.shape[1]):
            place = places[group, position]
            products[spike, position] = sums[place] if place >= 0 else np.float32(0.0)


@kernel
def locate_on_grid(products, groups, grid, quantile, similarities, similarity_bits, picked, best, locations_um):
    """Weighted mean of the grid positions whose imagined source resembles the spike best.

    Each position and layer has a similarity: the spike's products times the position's weights. Negative ones are
    dropped; of the others those at or above `quantile` are averaged. One spike at a time in one order, so that the
    bytes do not depend on which spikes are handed over together.

    Positions that see one contact only have all but the same similarity, and its last bit decides which of them pass
    the quantile: on a wide tetrode that moves one spike in twenty by micrometres. So similarities are rounded as BLAS
    rounds the product of several spikes with the weights.

    Parameters
    ----------
    products : float32 (num_spikes, max_num_channels)
    groups : int64 (num_spikes,)
        Row of the grid's groups; fastest where equal ones follow each other.
    grid : location_grid.LocationGrid
    quantile : float
        0 … 1, of the similarities that are not negative.
    similarities, similarity_bits : float32 and int32 (num_layers * most positions,)
        Room to work in: two views of the same bytes. Floats that are not negative sort as their bits do.
    picked, best : int64 and int32 (num_layers * most positions,)
        Room to work in.
    locations_um : float64 (num_spikes, 3)
        Filled with x, y, z; zeros where no similarity is positive.

    References
    ----------
    spikeinterface.sortingcomponents.peak_localization.grid.LocalizeGridConvolution.compute, within float32 rounding.
    """
    for spike in range(groups.size):
        group = groups[spike]
        num_positions = grid.num_positions[group]
        size = num_positions * grid.z_factors.size
        _fill_similarities(products[spike], group, grid, similarities[:size])
        num_picked, threshold = _pick_best(similarity_bits[:size], quantile, picked, best)
        x_sum, y_sum, z_sum, total = 0.0, 0.0, 0.0, 0.0
        for index in range(num_picked):
            similarity = similarities[picked[index]]
            if similarity >= threshold:
                layer = picked[index] // num_positions
                row = grid.position_starts[group] + picked[index] - layer * num_positions
                x_sum += similarity * grid.positions_um[row, 0]
                y_sum += similarity * grid.positions_um[row, 1]
                z_sum += similarity * grid.z_factors[layer]
                total += similarity
        if total == 0.0:
            total = 1.0
        locations_um[spike, 0] = x_sum / total
        locations_um[spike, 1] = y_sum / total
        locations_um[spike, 2] = z_sum / total


@fused_kernel
def _fill_similarities(products, group, grid, similarities):
    for index in range(similarities.size):
        similarities[index] = 0.0
    num_positions = grid.num_positions[group]
    weight_start = grid.weight_starts[group]
    for channel in range(products.size):
        if grid.channels[group, channel] < 0:
            break
        for layer in range(grid.z_factors.size):
            first, last = grid.seen_positions[group, channel, layer]
            # Slices, because LLVM vectorizes only where an index cannot be negative.
            seen = similarities[layer * num_positions + first : layer * num_positions + last]
            weights = grid.weights[weight_start + first : weight_start + last]
            for index in range(seen.size):
                seen[index] += products[channel] * weights[index]
            weight_start += num_positions


@kernel
def _pick_best(bits, quantile, picked, best):
    """(num_picked, threshold): `picked` gets every index at or above the threshold, and some below; `best` their bits.

    The threshold is numpy's linear percentile of the values that are not negative, with its float32 arithmetic.
    """
    num_kept = 0
    highest = np.int32(-1)
    for index in range(bits.size):
        num_kept += bits[index] >= 0
        highest = max(highest, bits[index])
    if num_kept == 0:
        return 0, np.float32(0.0)
    virtual_rank = (num_kept - 1) * quantile
    below = int(virtual_rank)
    fraction = virtual_rank - below
    rank = num_kept - below
    num_picked = _collect_highest(bits, highest, rank, picked)
    for index in range(num_picked):
        best[index] = bits[picked[index]]
    lower_bits, upper_bits = _two_order_statistics(best[:num_picked], rank)
    lower, upper = np.int32(lower_bits).view(np.float32), np.int32(upper_bits).view(np.float32)
    if fraction < 0.5:
        return num_picked, lower + (upper - lower) * np.float32(fraction)
    return num_picked, upper - (upper - lower) * np.float32(1.0 - fraction)


@kernel
def _collect_highest(bits, highest, rank, picked):
    """Put at least the `rank` highest, and rarely many more, into `picked` and return how many."""
    low = 0
    high = int(highest) + 1
    middle = max(0, int(highest) - (1 << 23))  # half the highest value: the best few per cent mostly lie above
    while high - low > 1:
        count = 0
        for index in range(bits.size):
            count += bits[index] >= middle
        if count >= rank:
            low = middle
            if count <= rank + 16:  # few enough to go through one by one
                break
        else:
            high = middle
        middle = (low + high) // 2
    num_picked = 0
    for index in range(bits.size):
        picked[num_picked] = index
        num_picked += bits[index] >= low
    return num_picked


@kernel
def _two_order_statistics(bits, rank):
    """The `rank`-th highest value, and the one above it (itself where it is the highest), both as bits."""
    num_below = bits.size - rank
    lower, num_ties = _smallest_above(bits, np.int32(-1))
    while num_below >= num_ties:
        num_below -= num_ties
        lower, num_ties = _smallest_above(bits, lower)
    if num_below + 1 < num_ties:
        return lower, lower
    upper, num_ties = _smallest_above(bits, lower)
    return lower, upper if num_ties else lower


@kernel
def _smallest_above(bits, floor):
    """(value, count): the smallest above `floor`, which is not the largest there can be, and how often it occurs."""
    smallest = _HIGHEST_BITS
    for index in range(bits.size):
        smallest = np.int32(min(smallest, bits[index] if bits[index] > floor else _HIGHEST_BITS))
    count = 0
    for index in range(bits.size):
        count += bits[index] == smallest
    return smallest, count
