"""The whole grid with the weights of every contact, without any cutting up."""

import numpy as np


def build_location_grid(channel_locations_um, radius_um=40.0, upsampling_um=5.0, margin_um=50.0, **weight_method):
    """(positions_um, is_near (channels, positions), weights (layers, channels, positions))"""
    low = channel_locations_um.min(axis=0) - margin_um
    high = channel_locations_um.max(axis=0) + margin_um + upsampling_um / 10
    all_x, all_y = np.meshgrid(*(np.arange(low[axis], high[axis], upsampling_um) for axis in range(2)))
    positions = np.column_stack([all_x.ravel(), all_y.ravel()])
    distances = np.linalg.norm(channel_locations_um[:, np.newaxis] - positions[np.newaxis], axis=2)
    return positions, distances <= radius_um, convolution_weights(distances, len(distances), **weight_method)


def convolution_weights(distances, num_channels, mode="exponential_3d", sigma_3d=2.5, sparsity_threshold=None):
    if mode == "exponential_3d":
        layers = [np.exp(-np.sqrt(distances**2 + z_um**2) / sigma_3d) for z_um in np.linspace(0, 120, 5)]
    else:
        layers = [np.exp(-(distances**2) / (2 * sigma_um**2)) for sigma_um in np.linspace(5, 25, 5)]
    weights = _unit_norm(np.array(layers, dtype=np.float32))
    threshold = 0.5 / np.sqrt(num_channels) if sparsity_threshold is None else sparsity_threshold
    return _unit_norm(np.where(weights < threshold, np.float32(0), weights))


def _unit_norm(weights):
    with np.errstate(all="ignore"):
        weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return np.where(np.isfinite(weights), weights, np.float32(0))
