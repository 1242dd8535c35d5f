"""How a chunk's spikes are located once their channels are known: one class a method, as SpikeInterface's nodes.

A locator is called with the traces (num_rows, num_channels), the row where each spike's window starts and each spike's
channel; it returns float64 (num_spikes, num_columns). The same spike gives the same bytes whatever it is handed with.
"""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels import location_grid, penalized_triangulation
from ephys_postprocess.kernels import spike_locations as kernels
from ephys_postprocess.kernels.octets import cover_with_octets, with_room_for_octets
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.locations import triangulation

OPTIMIZERS = ("least_square", "minimize_with_log_penality")  # spelled as SpikeInterface spells it
PEAK_SIGNS = ("neg", "pos", "both")


class LargestChannels:
    """Each spike's own channel: where the trace is lowest (or highest) at the spike, near the unit's main channel."""

    PARAMETERS = ("radius_um", "peak_sign")

    def __init__(self, locations, radius_um=50.0, peak_sign="neg"):
        require("peak_sign", peak_sign, PEAK_SIGNS)
        neighbors = channels_within(locations, radius_um)
        # A row's last channel fills it up: a repeated candidate never wins over its first appearance.
        last = np.take_along_axis(neighbors, (neighbors >= 0).sum(axis=1, keepdims=True) - 1, axis=1)
        self._candidates = np.where(neighbors >= 0, neighbors, last)
        self._peak_sign = peak_sign

    def __call__(self, traces, rows, main_channel_indices):
        candidates = self._candidates[main_channel_indices]
        values = traces[rows[:, np.newaxis], candidates].astype(np.float32)
        if self._peak_sign == "both":
            values = np.abs(values)
        best = values.argmin(axis=1) if self._peak_sign == "neg" else values.argmax(axis=1)
        return candidates[np.arange(rows.size), best]


class GridLocator:
    """Grid convolution: see `kernels.spike_locations.locate_on_grid`."""

    PARAMETERS = (
        "prototype", "percentile", "peak_sign", "sigma_ms", "radius_um", "upsampling_um", "margin_um", "weight_method",
    )  # fmt: skip

    def __init__(
        self,
        locations,
        window,
        sampling_frequency_hz,
        main_channel_indices,
        prototype=None,
        percentile=5.0,
        peak_sign="neg",
        sigma_ms=0.25,
        **grid_shape,
    ):
        if prototype is None:
            sign = -1 if peak_sign == "neg" else 1
            prototype = sign * location_grid.gaussian_prototype(*window, sampling_frequency_hz, sigma_ms)
        self._prototype = np.ascontiguousarray(prototype, dtype=np.float32).ravel()
        self._quantile = quantile_above(percentile)
        self._grid = location_grid.build_location_grid(locations, main_channel_indices, **grid_shape)
        self._octets = cover_with_octets(self._grid.channels, len(locations))
        if self._prototype.size != sum(window):
            raise ParameterError(
                f"spike_locations: the prototype has {self._prototype.size} samples, ms_before and ms_after ask for "
                f"{sum(window)}."
            )

    def __call__(self, traces, first_rows, channels):
        groups = self._grid.group_of_channel[channels]
        products = np.empty((groups.size, self._grid.channels.shape[1]), dtype=np.float32)
        octets = (self._octets.starts, self._octets.places)
        kernels.project_windows(with_room_for_octets(traces), first_rows, groups, *octets, self._prototype, products)
        is_defined = np.isfinite(products).all(axis=1)  # not with the prototype of spikes without any height
        is_defined &= (products != 0).any(axis=1)  # blanked: nothing to locate
        products[~is_defined] = 0.0
        order = np.argsort(groups, kind="stable")  # so that a group's weights stay in the processor's cache
        found = np.empty((order.size, 3))
        found[order] = locate_on_grid(products[order], groups[order], self._grid, self._quantile)
        found[~is_defined] = np.nan
        return found


class CenterLocator:
    """Center of mass of one number a channel."""

    PARAMETERS = ("radius_um", "feature")

    def __init__(self, locations, window, radius_um=75.0, feature="ptp", **_):
        require("feature", feature, ("ptp", "mean", "energy", "peak_voltage"))
        self._sources = _SourcesAround(locations, window, radius_um, feature)

    def __call__(self, traces, first_rows, channels):
        return triangulation.centers_of_mass(self._sources(traces, first_rows, channels))


class TriangulationLocator:
    """Monopolar triangulation.

    `enforce_decrease` is taken and changes nothing: SpikeInterface 0.105 drops the array it computes from it.
    """

    PARAMETERS = ("radius_um", "max_distance_um", "optimizer", "enforce_decrease", "feature")

    def __init__(
        self,
        locations,
        window,
        radius_um=75.0,
        max_distance_um=150.0,
        optimizer="minimize_with_log_penality",
        enforce_decrease=True,  # noqa: ARG002
        feature="ptp",
        search_dtype=None,  # what amplitudes are divided in; that of the traces by default, as in SpikeInterface
        **_,
    ):
        require("feature", feature, ("ptp", "energy", "peak_voltage"))
        require("optimizer", optimizer, OPTIMIZERS)
        self._sources = _SourcesAround(locations, window, radius_um, feature, is_absolute=True)
        self._max_distance_um = max_distance_um
        self._optimizer = optimizer
        self._search_dtype = search_dtype

    def __call__(self, traces, first_rows, channels):
        sources = self._sources(traces, first_rows, channels)
        if self._optimizer == "least_square":
            return triangulation.triangulate_least_squares(sources, self._max_distance_um)[0]
        return triangulate_with_penalty(sources, self._max_distance_um, self._search_dtype or traces.dtype)


class _SourcesAround:
    """Amplitudes on the channels within `radius_um` of each spike's channel, `triangulation.PointSources`."""

    def __init__(self, locations, window, radius_um, feature, is_absolute=False):
        self._locations = locations
        self._is_absolute = is_absolute
        self._neighbors = channels_within(locations, radius_um)
        self._num_before = window[0]
        self._num_samples = sum(window)
        self._feature = feature

    def __call__(self, traces, first_rows, channels):
        neighbors = self._neighbors[channels]
        windows = np.empty((first_rows.size, self._num_samples, neighbors.shape[1]), dtype=np.float32)
        kernels.cut_windows(traces, first_rows, neighbors, windows)
        features = triangulation.contact_features(windows, self._feature, self._num_before)
        if self._is_absolute:
            features = np.abs(features)
        return triangulation.place_sources(features, neighbors, self._locations)


def channels_within(locations, radius_um):
    """int64 (num_channels, most neighbors): channels within `radius_um` of each, itself included, -1 beyond."""
    distances = np.linalg.norm(locations[:, np.newaxis] - locations[np.newaxis], axis=-1)
    return Sparsity(distances <= radius_um).channels_of_unit


def triangulate_with_penalty(sources, max_distance_um, dtype=np.float64):
    """`kernels.penalized_triangulation` from SpikeInterface's first guess.

    Parameters
    ----------
    sources : triangulation.PointSources
    max_distance_um : float
    dtype : dtype
        What the amplitudes were before they became float64: where the search stops depends on how they were divided.

    Returns
    -------
    float64 (num_problems, 4)
        x, y, z in µm and alpha; NaN where there is nothing to fit.
    """
    start, low, high = triangulation.initial_guess(sources, max_distance_um)
    exact = sources.amplitudes.astype(np.float32 if dtype == np.float32 else np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (exact / exact.max(axis=1, initial=0.0, keepdims=True)).astype(np.float64)
    found = np.empty(start.shape)
    num_contacts = sources.is_contact.sum(axis=1)
    penalized_triangulation.triangulate_with_penalty(
        sources.amplitudes, shares, sources.x_um, sources.y_um, num_contacts, start, low, high, found
    )
    return found


def locate_on_grid(products, groups, grid, quantile):
    """float64 (num_spikes, 3): `kernels.spike_locations.locate_on_grid` with the room it works in."""
    room = grid.z_factors.size * int(grid.num_positions.max(initial=1))
    similarities = np.empty(room, dtype=np.float32)
    found = np.empty((groups.size, 3))
    kernels.locate_on_grid(
        products,
        groups,
        grid,
        quantile,
        similarities,
        similarities.view(np.int32),
        np.empty(room, dtype=np.int64),
        np.empty(room, dtype=np.int32),
        found,
    )
    return found


def quantile_above(percentile):
    """The quantile that leaves the best `percentile` per cent above it, 0 … 1."""
    if not 0 <= percentile <= 100:
        raise ParameterError(f"percentile: must be in 0 … 100 (got {percentile}).")
    return (100.0 - percentile) / 100


def require(name, value, allowed):
    """Raise ParameterError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise ParameterError(f"{name}: unknown {value!r}. Allowed: {', '.join(allowed)}.")
