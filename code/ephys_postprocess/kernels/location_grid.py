"""The grid of imagined source positions that grid convolution compares each spike with, cut up by main channel."""

import math
from typing import NamedTuple

import numpy as np

DEFAULT_Z_LIST_UM = tuple(np.linspace(0, 120.0, 5))
DEFAULT_SIGMA_LIST_UM = tuple(np.linspace(5, 25, 5))
NEGLIGIBLE_EXPONENT = 20.0  # exp(-20)² relative to the nearest contact is far below float32's resolution


class LocationGrid(NamedTuple):
    """Positions near each main channel and how strongly a source there shows on each contact.

    Flat arrays hold one stretch a group (main channel), because groups differ in how many positions they have. A tuple,
    so that kernels take it whole.
    """

    group_of_channel: np.ndarray  # int64 (num_channels,) -1 where a channel is nobody's main channel
    channels: np.ndarray  # int64 (num_groups, max_num_channels) contacts that see the group's positions, -1 beyond
    num_positions: np.ndarray  # int64 (num_groups,)
    position_starts: np.ndarray  # int64 (num_groups,) first row of the group in `positions_um`
    positions_um: np.ndarray  # float64 (total_positions, 2) x, y
    weight_starts: np.ndarray  # int64 (num_groups,) first entry of the group's (channels, layers, positions) block
    weights: np.ndarray  # float32 (total_weights,)
    seen_positions: (
        np.ndarray
    )  # int64 (num_groups, max_num_channels, num_layers, 2) outside [first, last) weights are 0
    z_factors: np.ndarray  # float64 (num_layers,) depth (or width) that each layer stands for, µm

    def around(self, main_channel):
        """(channels, positions_um, weights (num_layers, num_channels, num_positions)) of one main channel's group."""
        group = self.group_of_channel[main_channel]
        channels = self.channels[group][self.channels[group] >= 0]
        start, count = self.position_starts[group], self.num_positions[group]
        shape = channels.size, self.z_factors.size, count
        weights = self.weights[self.weight_starts[group] :][: math.prod(shape)].reshape(shape)
        return channels, self.positions_um[start : start + count], weights.transpose(1, 0, 2)


def build_location_grid(
    channel_locations_um, main_channel_indices, radius_um=40.0, upsampling_um=5.0, margin_um=50.0, weight_method=None
):
    """The grid around every channel that occurs in `main_channel_indices`.

    Parameters
    ----------
    channel_locations_um : float64 (num_channels, 2)
    main_channel_indices : int64 (any,)
        Channels to prepare; duplicates are welcome.
    radius_um, upsampling_um, margin_um : float
        Reach of a main channel, pitch of the grid, and how far the grid goes beyond the outermost contacts.
    weight_method : dict, optional
        `mode` ("exponential_3d" or "gaussian_2d"), `z_list_um`, `sigma_3d`, `sigma_list_um`, `sparsity_threshold`.

    Returns
    -------
    LocationGrid

    References
    ----------
    spikeinterface.postprocessing.localization_tools.get_grid_convolution_templates_and_weights, of which only the
    parts near a main channel are made: the full array has 181 MB on a Neuropixels probe.
    """
    locations = np.asarray(channel_locations_um, dtype=np.float64)[:, :2]
    axes = grid_axes(locations, upsampling_um, margin_um)
    groups = np.unique(np.asarray(main_channel_indices, dtype=np.int64))
    parts = [_group_around(locations, channel, axes, radius_um, dict(weight_method or {})) for channel in groups]
    z_factors, _ = layers(**dict(weight_method or {}))
    return _pack(locations.shape[0], groups, parts, z_factors)


def gaussian_prototype(num_before, num_after, sampling_frequency_hz, sigma_ms=0.25):
    """float64 (num_before + num_after,): a bump of height 1 at the spike."""
    times_ms = np.arange(-num_before, num_after) * 1000 / sampling_frequency_hz
    return np.exp(-(times_ms**2) / (2 * sigma_ms**2))


def grid_axes(locations, upsampling_um, margin_um):
    """The grid's x values and y values, float64, µm."""
    reach = upsampling_um / 10  # the last step is kept when rounding lets it fall just short
    low = locations.min(axis=0) - margin_um
    high = locations.max(axis=0) + margin_um + reach
    return tuple(np.arange(low[axis], high[axis], upsampling_um) for axis in range(2))


def euclidean_distances(first, second):
    """float64 (len(first), len(second)): scikit-learn's expansion, so that ties with a radius round as there."""
    distances = -2 * (first @ second.T)
    distances += np.einsum("ij,ij->i", first, first)[:, np.newaxis]
    distances += np.einsum("ij,ij->i", second, second)[np.newaxis, :]
    np.maximum(distances, 0, out=distances)
    return np.sqrt(distances, out=distances)


def layers(mode="exponential_3d", z_list_um=None, sigma_list_um=None, **_):
    """(factors, mode): the depths of the exponential layers or the widths of the Gaussian ones, float64, µm."""
    chosen = {
        "exponential_3d": DEFAULT_Z_LIST_UM if z_list_um is None else z_list_um,
        "gaussian_2d": DEFAULT_SIGMA_LIST_UM if sigma_list_um is None else sigma_list_um,
    }[mode]
    return np.asarray(chosen, dtype=np.float64), mode


def convolution_weights(distances, num_channels, sparsity_threshold=None, sigma_3d=2.5, **layer_parameters):
    """How strongly a source shows on each contact, unit norm over contacts, small ones cut.

    Parameters
    ----------
    distances : float64 (num_near_channels, num_positions)
        µm, in the plane of the probe.
    num_channels : int
        Of the whole probe: the default threshold depends on it.
    sparsity_threshold : float, optional
        Weights below it become 0; by default 0.5 / sqrt(num_channels).

    Returns
    -------
    float32 (num_layers, num_near_channels, num_positions)
    """
    factors, mode = layers(**layer_parameters)
    weights = np.empty((factors.size, *distances.shape), dtype=np.float32)
    for layer, factor in enumerate(factors):
        if mode == "exponential_3d":
            weights[layer] = np.exp(-np.sqrt(distances**2 + factor**2) / sigma_3d)
        else:
            weights[layer] = np.exp(-(distances**2) / (2 * factor**2))
    _normalize(weights)
    if sparsity_threshold is None:
        sparsity_threshold = 0.5 / np.sqrt(num_channels)
    weights[weights < sparsity_threshold] = 0
    _normalize(weights)
    return weights


def _normalize(weights):
    # Float32 on purpose: at large depth the squares are subnormal, and what they round to decides which weights stay.
    with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
        weights /= np.sqrt(np.add.reduce(weights * weights, axis=1))[:, np.newaxis, :]
    weights[~np.isfinite(weights)] = 0.0


def _group_around(locations, main_channel, axes, radius_um, weight_method):
    """(channels, positions_um, weights (channels, layers, positions)) near one main channel."""
    x, y = locations[main_channel]
    near_x, near_y = (axis[np.abs(axis - centre) <= radius_um + 1.0] for axis, centre in zip(axes, (x, y), strict=True))
    all_x, all_y = np.meshgrid(near_x, near_y)
    positions = np.column_stack([all_x.ravel(), all_y.ravel()])
    positions = positions[euclidean_distances(locations[main_channel : main_channel + 1], positions)[0] <= radius_um]
    reach = radius_um + _weight_reach_um(radius_um, **weight_method)
    near = np.flatnonzero(((locations - locations[main_channel]) ** 2).sum(axis=1) <= reach**2)
    distances = euclidean_distances(locations[near], positions)
    weights = convolution_weights(distances, locations.shape[0], **weight_method)
    is_seen = (weights > 0).any(axis=(0, 2))
    return near[is_seen], positions, np.ascontiguousarray(weights[:, is_seen].transpose(1, 0, 2))


def _weight_reach_um(radius_um, sigma_3d=2.5, **layer_parameters):
    """Beyond this distance from a position a contact adds nothing to the norm, given one contact within `radius_um`."""
    factors, mode = layers(**{key: value for key, value in layer_parameters.items() if key != "sparsity_threshold"})
    if mode == "gaussian_2d":
        return np.sqrt(radius_um**2 + 2 * NEGLIGIBLE_EXPONENT * (factors**2).max())
    slant = np.sqrt(radius_um**2 + factors**2) + NEGLIGIBLE_EXPONENT * sigma_3d
    return np.sqrt((slant**2 - factors**2).max())


def _pack(num_channels, groups, parts, z_factors):
    group_of_channel = np.full(num_channels, -1, dtype=np.int64)
    group_of_channel[groups] = np.arange(groups.size)
    width = max((part[0].size for part in parts), default=0)
    channels = np.full((groups.size, width), -1, dtype=np.int64)
    seen_positions = np.zeros((groups.size, width, z_factors.size, 2), dtype=np.int64)
    for group, (own_channels, _, weights) in enumerate(parts):
        channels[group, : own_channels.size] = own_channels
        seen_positions[group, : own_channels.size] = _non_zero_stretches(weights)
    num_positions = np.array([part[1].shape[0] for part in parts], dtype=np.int64)
    weight_sizes = np.array([part[2].size for part in parts], dtype=np.int64)
    return LocationGrid(
        group_of_channel=group_of_channel,
        channels=channels,
        num_positions=num_positions,
        position_starts=np.cumsum(num_positions) - num_positions,
        positions_um=np.concatenate([part[1] for part in parts] or [np.zeros((0, 2))]),
        weight_starts=np.cumsum(weight_sizes) - weight_sizes,
        weights=np.concatenate([part[2].ravel() for part in parts] or [np.zeros(0, np.float32)]),
        seen_positions=seen_positions,
        z_factors=z_factors,
    )


def _non_zero_stretches(weights):
    """int64 (..., 2): first and one past the last non-zero entry along the last axis; (0, 0) where there is none."""
    is_seen = weights > 0
    first = is_seen.argmax(axis=-1)
    last = weights.shape[-1] - is_seen[..., ::-1].argmax(axis=-1)
    return np.stack([first, np.where(is_seen.any(axis=-1), last, first)], axis=-1)
