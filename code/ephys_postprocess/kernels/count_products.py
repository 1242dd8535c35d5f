"""Second moments of int16 snippets, exactly: products of integers, summed by the processor's integer dot products."""

import numpy as np

from ephys_postprocess.kernels._count_tile import COLUMNS_AT_ONCE, TILE, TURNED, add_tile, turn_tile
from ephys_postprocess.kernels._jit import kernel

SPIKES_AT_ONCE = 64  # stay in cache while every channel is picked from them
INT32_MAX = 2**31 - 1


@kernel
def counts_by_channel(windows, by_channel):
    """Turn snippets around: channels first, then samples, each sample's spikes contiguous.

    Parameters
    ----------
    windows : int16 (num_spikes, num_samples, at least num_channels)
    by_channel : int16 (num_channels, at least num_samples, at least num_spikes)
        Filled; zero beyond the samples and spikes there are.
    """
    num_spikes, num_samples, _ = windows.shape
    num_channels = by_channel.shape[0]
    for first in range(0, num_spikes, SPIKES_AT_ONCE):
        last = min(first + SPIKES_AT_ONCE, num_spikes)
        if min(last - first, num_channels) < TURNED:
            for sample in range(num_samples):
                for channel in range(num_channels):
                    for spike in range(first, last):
                        by_channel[channel, sample, spike] = windows[spike, sample, channel]
            continue
        for sample in range(num_samples):
            for channel in range(0, num_channels, TURNED):
                channel = min(channel, num_channels - TURNED)  # the last tile overlaps the one before
                for spike in range(first, last, TURNED):
                    turn_tile(windows, min(spike, last - TURNED), sample, channel, by_channel)
    by_channel[:, num_samples:] = 0
    by_channel[:, :num_samples, num_spikes:] = 0


def sum_count_products(counts, products, sums):
    """Products of rows with each other, and sums of rows, over all columns of all parts.

    Parameters
    ----------
    counts : int16 (num_parts, num_rows, num_columns)
        num_rows a multiple of TILE, num_columns one of COLUMNS_AT_ONCE; C-contiguous.
    products : int64 (num_rows, num_rows)
        Filled where i // TILE <= j // TILE: the sum over parts and columns of row i times row j.
    sums : int64 (num_rows,)
        Filled.
    """
    products[:], sums[:] = 0, 0
    for part in counts:
        if not _add_part(part, products, sums):
            values = part.astype(np.float64)  # holds sums of up to eight million products exactly
            products += (values @ values.T).astype(np.int64)


@kernel
def _add_part(counts, products, sums):
    """Add one part's sums of rows, and its products of rows if 32 bits are enough for 32 of them: then True."""
    num_rows, num_columns = counts.shape
    peak = _add_rows(counts, sums)
    # as many columns as int32 sums can hold
    step = INT32_MAX // (peak * peak) // COLUMNS_AT_ONCE * COLUMNS_AT_ONCE
    if step == 0:
        return False
    for first in range(0, num_columns, step):
        stop = min(first + step, num_columns)
        for row in range(0, num_rows, TILE):
            for column in range(row, num_rows, TILE):
                add_tile(counts, row, column, first, stop, products)
    return True


@kernel
def _add_rows(counts, sums):
    """Add up each row; the largest magnitude of all (1 for zeros alone)."""
    peak = np.int64(1)
    for row in range(counts.shape[0]):
        values = counts[row]
        lowest = highest = np.int16(0)
        for column in range(values.size):
            lowest = values[column] if values[column] < lowest else lowest
            highest = values[column] if values[column] > highest else highest
        total = np.int64(0)
        for column in range(values.size):
            total += np.int64(values[column])
        sums[row] += total
        peak = max(peak, np.int64(highest), -np.int64(lowest))
    return peak


@kernel
def center_products(products, sums, num_values, gain, moments, mean):
    """Second moments about the mean, from `sum_count_products`.

    Parameters
    ----------
    products : int64 (num_rows, num_rows), as `sum_count_products` fills it
    sums : int64 (num_rows,)
    num_values : int
        Columns that were summed, of all parts together, but for padding.
    gain : float
        µV a count.
    moments : float64 (num_features, num_features)
        Filled from the diagonal upwards, µV²; num_features is at most num_rows.
    mean : float64 (num_features,)
        Filled, µV.
    """
    for row in range(mean.size):
        mean[row] = gain * sums[row] / num_values
        for column in range(row, mean.size):
            own = np.float64(products[row, column]) - np.float64(sums[row]) * np.float64(sums[column]) / num_values
            moments[row, column] = gain * gain * own


@kernel
def add_row_products(rows, moments):
    """Add the products of each row with itself, rows.T @ rows, to moments that are right from the diagonal upwards.

    Parameters
    ----------
    rows : float64 (num_added, num_features)
    moments : float64 (num_features, num_features)
        Symmetric afterwards, whatever was below the diagonal.
    """
    num_features = rows.shape[1]
    for feature in range(num_features):
        upwards = moments[feature, feature:]
        for row in range(rows.shape[0]):
            share, others = rows[row, feature], rows[row, feature:]
            for other in range(upwards.size):
                upwards[other] += share * others[other]
    for feature in range(num_features):
        for other in range(feature):
            moments[feature, other] = moments[other, feature]
