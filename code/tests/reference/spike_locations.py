"""Spike locations, the obvious way."""

import numba
import numpy as np


def cut_windows(traces, first_rows, channels, windows):
    padded = np.pad(traces.astype(np.float32), ((1000, 1000), (0, 1)))  # the last column stands for "no channel"
    for spike, first in enumerate(first_rows):
        windows[spike] = padded[first + 1000 : first + 1000 + windows.shape[1]][:, channels[spike]]


def project_windows(traces, first_rows, groups, channels, prototype, products):
    windows = np.empty((first_rows.size, prototype.size, channels.shape[1]), dtype=np.float32)
    cut_windows(traces, first_rows, channels[groups], windows)
    # Samples last and contiguous, as SpikeInterface's pick of channels leaves them: numpy then sums in pairs.
    by_channel = np.ascontiguousarray((windows * prototype[:, np.newaxis]).transpose(2, 0, 1))
    products[:] = by_channel.sum(axis=2).T


def locate_on_grid(products, groups, grid, quantile):
    """float64 (num_spikes, 3)"""
    found = np.zeros((groups.size, 3))
    for spike, group in enumerate(groups):
        channels, positions, weights = group_arrays(grid, group)
        similarities = np.zeros(weights.shape[1:], dtype=np.float32)
        for product, of_channel in zip(products[spike, : channels.size], weights, strict=True):
            similarities = rounded_sum(similarities, product, of_channel)
        is_kept = similarities >= 0
        if is_kept.any():
            is_kept &= similarities >= np.percentile(similarities[is_kept], 100 * quantile)
        best = np.where(is_kept, similarities, 0).astype(np.float64)
        if best.sum() > 0:
            found[spike, :2] = best.sum(axis=0) @ positions / best.sum()
            found[spike, 2] = best.sum(axis=1) @ grid.z_factors / best.sum()
    return found


def rounded_sum(sums, product, weights):
    """float32 sums + product * weights, rounded once as BLAS and compiled kernels do; twice where nothing compiles."""
    if numba.config.DISABLE_JIT:
        return sums + product * weights
    return (sums + product.astype(np.float64) * weights).astype(np.float32)  # exact but for the last step


def group_arrays(grid, group):
    """(channels, positions_um, weights (channels, layers, positions)) of one group, out of the flat arrays."""
    channels = grid.channels[group][grid.channels[group] >= 0]
    count = grid.num_positions[group]
    positions = grid.positions_um[grid.position_starts[group] :][:count]
    shape = channels.size, grid.z_factors.size, count
    weights = grid.weights[grid.weight_starts[group] :][: np.prod(shape)].reshape(shape)
    return channels, positions, weights
