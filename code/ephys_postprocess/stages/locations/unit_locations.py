"""Where each unit sits, from its template: SpikeInterface's `unit_locations` methods."""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels import location_grid
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.locations import triangulation
from ephys_postprocess.stages.locations.spike_locators import (
    OPTIMIZERS,
    quantile_above,
    require,
    triangulate_with_penalty,
)

# One search by scipy takes 60 to 80 ms: worth it where rounding leads the search this far, as a share of the spread of
# all locations, and for no more units than the larger of this number and this share.
RETRACED_DISTANCE = 3e-4
RETRACED_UNITS = 8
RETRACED_SHARE = 0.04
METHODS = ("monopolar_triangulation", "center_of_mass", "grid_convolution", "max_channel")


def locate_units(
    templates,
    sparsity: Sparsity,
    main_channel_indices,
    channel_locations_um,
    num_before,
    sampling_frequency_hz,
    *,
    method="monopolar_triangulation",
    retrace_slow_searches=True,
    dtype=None,
    **method_kwargs,
):
    """The location of every unit.

    Parameters
    ----------
    templates : float (num_units, num_samples, num_channels)
        Dense average templates; only the channels of `sparsity` count, except in grid convolution.
    sparsity : Sparsity
        The analyzer's; of a dense analyzer, what a radius of `radius_um` (75) around the main channel gives.
    main_channel_indices : int64 (num_units,)
    channel_locations_um : float64 (num_channels, 2)
    num_before : int
        Samples of the template before the spike.
    method : str
        "monopolar_triangulation", "center_of_mass", "grid_convolution" or "max_channel".
    retrace_slow_searches : bool
        Least squares only: where SpikeInterface's answer depends on rounding (its search runs out of evaluations on
        the way, or there are four contacts at most), search again with scipy, at up to 80 ms a unit and half a second
        for its import. Without it some values are up to 1 % of their spread off, on tetrodes more.
    dtype : dtype, optional
        What SpikeInterface calculates with, where `templates` hold the same values in another type: a search that
        runs out of evaluations feels it.
    **method_kwargs
        As in SpikeInterface. What it uses for dense analyzers only (`radius_um`, `peak_sign`, `peak_mode` of the
        first two methods) and `enforce_decrease`, which it ignores, change nothing.

    Returns
    -------
    float64 (num_units, 2 … 4), float32 for "max_channel"
        x, y[, z[, alpha]] in µm (alpha: template unit × µm).

    Raises
    ------
    ParameterError
        An unknown method, feature, optimizer or name.

    References
    ----------
    spikeinterface.postprocessing.localization_tools
    """
    locations = np.ascontiguousarray(np.asarray(channel_locations_um, dtype=np.float64)[:, :2])
    require("unit_locations.method", method, METHODS)
    templates = np.asarray(templates)
    dtype = templates.dtype if dtype is None else np.dtype(dtype)
    inputs = _Templates(templates, dtype, sparsity, np.asarray(main_channel_indices), locations, int(num_before))
    locate, allowed = {
        "monopolar_triangulation": (_triangulate, TRIANGULATION_PARAMETERS),
        "center_of_mass": (_center, CENTER_PARAMETERS),
        "grid_convolution": (_convolve, GRID_PARAMETERS),
        "max_channel": (_main_channel_locations, ()),
    }[method]
    unknown = sorted(set(method_kwargs) - set(allowed))
    if unknown:
        raise ParameterError(f"unit_locations: unknown {', '.join(unknown)}. Allowed: {', '.join(allowed)}.")
    if method == "grid_convolution":
        method_kwargs["sampling_frequency_hz"] = sampling_frequency_hz
    if method == "monopolar_triangulation":
        method_kwargs["retrace_slow_searches"] = retrace_slow_searches
    return locate(inputs, **method_kwargs)


TRIANGULATION_PARAMETERS = (
    "optimizer", "radius_um", "max_distance_um", "return_alpha", "enforce_decrease", "feature", "peak_sign",
    "peak_mode",
)  # fmt: skip
CENTER_PARAMETERS = ("peak_sign", "radius_um", "feature")
GRID_PARAMETERS = (
    "invert_prototype_waveform", "radius_um", "upsampling_um", "sigma_ms", "margin_um", "prototype", "percentile",
    "weight_method",
)  # fmt: skip


class _Templates:
    def __init__(self, templates, dtype, sparsity, main_channel_indices, locations, num_before):
        self.templates = templates
        self.dtype = dtype
        self.sparsity = sparsity
        self.main_channel_indices = main_channel_indices
        self.locations = locations
        self.num_before = num_before

    def template(self, unit_index, channels):
        """(num_samples, num_channels) in `dtype`"""
        return self.templates[unit_index][:, channels].astype(self.dtype)

    def sources(self, feature, is_absolute):
        """`triangulation.PointSources` of every unit on its sparse channels."""
        channels = self.sparsity.channels_of_unit
        features = np.zeros(channels.shape)
        for unit_index, row in enumerate(self.sparsity.mask):
            own = self.template(unit_index, row)[np.newaxis]
            features[unit_index, : own.shape[2]] = triangulation.contact_features(own, feature, self.num_before)[0]
        return triangulation.place_sources(np.abs(features) if is_absolute else features, channels, self.locations)


def _center(inputs, feature="ptp", **_):
    require("feature", feature, ("ptp", "mean", "energy", "peak_voltage"))
    return triangulation.centers_of_mass(inputs.sources(feature, is_absolute=False))


def _triangulate(
    inputs,
    retrace_slow_searches,
    optimizer="least_square",
    max_distance_um=1000.0,
    return_alpha=False,
    feature="ptp",
    **_,
):
    require("feature", feature, ("ptp", "energy", "peak_voltage"))
    require("optimizer", optimizer, OPTIMIZERS)
    sources = inputs.sources(feature, is_absolute=True)
    if optimizer != "least_square":
        found = triangulate_with_penalty(sources, max_distance_um, inputs.dtype)
    elif not retrace_slow_searches:
        found, _ = triangulation.triangulate_least_squares(sources, max_distance_um)
    else:
        found, strayed_um = triangulation.triangulate_twice(sources, max_distance_um)
        _retrace(inputs, feature, found, _led_by_rounding(sources, found, strayed_um), max_distance_um)
    return found if return_alpha else found[:, :3]


def _led_by_rounding(sources, found, strayed_um):
    """int64 (n,): the problems whose answer depends on the last bit of SpikeInterface's operations, the worst first.

    Its search for about one unit in ten runs out of evaluations on its way. Most of these have all but arrived; some
    hop between bounds. Four contacts (a tetrode) can't settle four unknowns: there too rounding leads.
    """
    strayed = np.where(sources.num_residuals <= found.shape[1], np.inf, strayed_um)
    strayed[~np.isfinite(found).all(axis=1)] = 0.0  # no amplitude, no search
    order = np.argsort(-strayed, kind="stable")[: max(RETRACED_UNITS, int(RETRACED_SHARE * found.shape[0]))]
    if not np.isfinite(found[:, :3]).any():
        return order[:0]
    return order[strayed[order] > RETRACED_DISTANCE * np.nanstd(found[:, :3])]


def _retrace(inputs, feature, found, undecided, max_distance_um):
    """Let scipy search again for the units in `undecided`, and write where it stands at its end into `found`."""
    for row in undecided:
        own = inputs.sparsity.mask[row]
        template = inputs.template(row, own)
        if feature == "ptp":
            amplitudes = np.ptp(template, axis=0)
        elif feature == "energy":
            amplitudes = np.linalg.norm(template, axis=0)
        else:
            amplitudes = np.abs(template[inputs.num_before])
        found[row] = _search_with_scipy(amplitudes, inputs.locations[own], max_distance_um)


def _search_with_scipy(amplitudes, contacts_um, max_distance_um):
    """float64 (4,): where scipy's own search runs out of evaluations.

    Operations, their order and their data types are those of SpikeInterface's `make_initial_guess_and_bounds` and
    `estimate_distance_error`, because the last bit of the start matters.
    """
    from scipy.optimize import least_squares  # here, because importing it costs up to half a second

    best = amplitudes.argmax()
    center = (amplitudes[:, np.newaxis] * contacts_um).sum(axis=0) / amplitudes.sum()
    from_best = np.sqrt(((center - contacts_um[best]) ** 2).sum() + triangulation.INITIAL_Z_UM**2)
    start = np.array([*center, triangulation.INITIAL_Z_UM, from_best * amplitudes[best]], dtype=np.float32)
    low = [start[0] - max_distance_um, start[1] - max_distance_um, 1, 0]
    high = [start[0] + max_distance_um, start[1] + max_distance_um]
    high += [max_distance_um * 10, amplitudes[best] * max_distance_um]

    def residuals(point):
        distances = np.sqrt(((contacts_um - point[np.newaxis, :2]) ** 2).sum(axis=1) + point[2] ** 2)
        return amplitudes - point[3] / distances

    return least_squares(residuals, x0=start, bounds=(low, high)).x


def _convolve(
    inputs,
    sampling_frequency_hz,
    invert_prototype_waveform=True,
    sigma_ms=0.25,
    prototype=None,
    percentile=5.0,
    **grid_shape,
):
    num_samples = inputs.templates.shape[1]
    if prototype is None:
        window = inputs.num_before, num_samples - inputs.num_before
        prototype = location_grid.gaussian_prototype(*window, sampling_frequency_hz, sigma_ms)
        prototype *= -1 if invert_prototype_waveform else 1
    grid = location_grid.build_location_grid(inputs.locations, inputs.main_channel_indices, **grid_shape)
    quantile = quantile_above(percentile)
    found = np.zeros((inputs.main_channel_indices.size, 3))
    for unit_index, main_channel in enumerate(inputs.main_channel_indices):
        channels, positions_um, weights = grid.around(main_channel)
        products = (inputs.template(unit_index, channels) * np.ravel(prototype)[:, np.newaxis]).sum(axis=0)
        similarities = np.stack([products @ layer for layer in weights]).astype(np.float32)
        is_kept = similarities >= 0
        if is_kept.any():
            is_kept &= similarities >= np.quantile(similarities[is_kept], quantile)
        kept = np.where(is_kept, similarities, 0.0)
        if kept.any():
            found[unit_index, :2] = kept.sum(axis=0) @ positions_um / kept.sum()
            found[unit_index, 2] = kept.sum(axis=1) @ grid.z_factors / kept.sum()
    return found


def _main_channel_locations(inputs):
    return inputs.locations[inputs.main_channel_indices].astype(np.float32)
