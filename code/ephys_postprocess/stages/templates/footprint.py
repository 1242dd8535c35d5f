"""How a waveform travels and fades over the channels around its unit."""

import itertools

import numpy as np

from ephys_postprocess.stages.templates.exponential_decay import bounds_of, fit_exponentials

LEAST_DISTANCES = 4  # a tetrode's: up to so many different ones do not determine an exponential


def velocity_fits(template, locations_um, sampling_frequency_hz, depth_axis, *, min_channels, min_r2, column_range):
    """velocity_above, _below: speed of the trough away from the largest channel, µm/ms; NaN where a line does not fit.

    Parameters
    ----------
    template : float64 (num_samples, num_channels)
    locations_um : float64 (num_channels, 2)
    depth_axis : int
        1 for depth along y, 0 along x.
    min_channels : int
    min_r2 : float
    column_range : float or None
        Only channels this close to the largest one across the depth.

    References
    ----------
    `get_velocity_fits` of SpikeInterface 0.105: Theil-Sen line of the trough's time over distance.
    """
    if template.shape[1] == 0:
        return {"velocity_above": np.nan, "velocity_below": np.nan}
    template, locations_um = _in_column(template, locations_um, column_range, 1 - depth_axis)
    template, locations_um = _by_depth(template, locations_um, depth_axis)
    _, peak_channel = np.unravel_index(template.argmin(), template.shape)
    times_ms = template.argmin(axis=0) / sampling_frequency_hz * 1000
    times_ms -= times_ms[peak_channel]
    distances_um = np.sqrt(((locations_um - locations_um[peak_channel]) ** 2).sum(axis=1))
    depths = locations_um[:, depth_axis]
    velocities = []
    for is_beside in (depths >= depths[peak_channel], depths <= depths[peak_channel]):
        slowness, r2 = np.nan, -np.inf
        if is_beside.sum() >= min_channels:
            slowness, r2 = _robust_line(distances_um[is_beside], times_ms[is_beside])
        velocities.append(1 / slowness if r2 > min_r2 and slowness != 0 else np.nan)
    return dict(zip(("velocity_above", "velocity_below"), velocities, strict=True))


def exp_decay(template, locations_um, _frequency, _depth_axis, *, min_r2, **options):  # noqa: ARG001 - `exp_decays` asks
    """exp_decay: not yet the decay, but the unit's `fading` or None; `exp_decays` then fits all units side by side."""
    return {"exp_decay": fading(template, locations_um, **options) if template.shape[1] else None}


def exp_decays(fadings, min_r2, linear_fit):
    """Decay of the amplitude with distance from the largest channel: 1/µm, or µV/µm for a line; NaN without a fit.

    Parameters
    ----------
    fadings : sequence of ((float64 (n,), float64 (n,)) or None)
        Each unit's `fading`.
    min_r2, linear_fit
        As in SpikeInterface.

    Returns
    -------
    float64 (num_units,)

    References
    ----------
    `get_exp_decay` of SpikeInterface 0.105; where the decay is determined within about 1e-6, of which most is where the
    reference's solver stops.
    """
    decays = np.full(len(fadings), np.nan)
    units = [unit for unit, fading_of_unit in enumerate(fadings) if fading_of_unit is not None]
    fit = _fit_lines if linear_fit else _fit_exponentials
    for unit, (decay, predicted) in zip(units, fit([fadings[unit] for unit in units]), strict=True):
        if _r2(fadings[unit][1], predicted) >= min_r2:
            decays[unit] = decay
    return decays


def fading(
    template,
    locations_um,
    *,
    peak_function,
    linear_fit,
    channel_tolerance,
    min_channels_for_fit,
    num_channels_for_fit,
    normalize_decay,
):
    """(distances from the largest channel, ascending, µm; amplitudes there), or None where channels are too few.

    Parameters
    ----------
    template : float64 (num_samples, num_channels)
    locations_um : float64 (num_channels, 2)
    peak_function, linear_fit, channel_tolerance, min_channels_for_fit, num_channels_for_fit, normalize_decay
        As `exp_decay` in SpikeInterface.
    """
    amplitudes = np.abs(template.min(axis=0) if peak_function == "min" else np.ptp(template, axis=0))
    origin = locations_um[amplitudes.argmax()]
    distances_um = np.sqrt(((locations_um - origin) ** 2).sum(axis=1))
    if channel_tolerance is not None:
        is_near = np.abs(locations_um[:, 0] - origin[0]) <= channel_tolerance
        if is_near.sum() < (min_channels_for_fit or (5 if linear_fit else 8)):
            return None
        depths = np.abs(locations_um[:, 1] - origin[1])
        closest = np.argsort(np.where(is_near, depths, depths.max() + 1))
        chosen = closest[: num_channels_for_fit or (6 if linear_fit else 10)]
        distances_um, amplitudes = distances_um[chosen], np.abs(template[:, chosen]).max(axis=0)
    order = np.argsort(distances_um)
    distances_um, amplitudes = distances_um[order], amplitudes[order].astype(np.float64)
    if channel_tolerance is not None and normalize_decay and amplitudes.max() > 0:
        amplitudes = amplitudes / amplitudes.max()
    return distances_um, amplitudes


def spread(template, locations_um, _frequency, depth_axis, *, spread_threshold, spread_smooth_um, column_range):
    """spread: µm along the depth between the outermost channels whose smoothed amplitude exceeds the threshold.

    References
    ----------
    `get_spread` of SpikeInterface 0.105. NaN where channels share one depth and smoothing is on, or amplitudes are 0.
    """
    if template.shape[1] == 0:
        return {"spread": np.nan}
    template, locations_um = _in_column(template, locations_um, column_range, 0)
    template, locations_um = _by_depth(template, locations_um, depth_axis)
    amplitudes, depths = np.ptp(template, axis=0), locations_um[:, depth_axis]
    if spread_smooth_um:
        distinct = np.unique(depths)
        if distinct.size < 2:
            return {"spread": np.nan}
        amplitudes = _smoothed_mirrored(amplitudes, spread_smooth_um / np.median(np.diff(distinct)))
    if not amplitudes.max() > 0:
        return {"spread": np.nan}
    beyond = depths[amplitudes / amplitudes.max() > spread_threshold]
    return {"spread": np.ptp(beyond) if beyond.size else np.nan}  # nothing exceeds a threshold of 1


def _smoothed_mirrored(values, sigma):
    """Gaussian filter over four deviations, mirrored at the ends, as `scipy.ndimage`, which takes 0.2 s to import."""
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 / sigma**2 * np.arange(-reach, reach + 1) ** 2)
    return np.convolve(np.pad(values, reach, mode="symmetric"), weights / weights.sum(), mode="valid")


def _in_column(template, locations_um, column_range, across_axis):
    if column_range is None:
        return template, locations_um
    # SpikeInterface measures from the largest channel's x, whichever axis it then compares
    center = locations_um[np.ptp(template, axis=0).argmax(), 0]
    is_near = np.abs(locations_um[:, across_axis] - center) <= column_range
    return template[:, is_near], locations_um[is_near]


def _by_depth(template, locations_um, depth_axis):
    order = np.argsort(locations_um[:, depth_axis])
    return template[:, order], locations_um[order]


def _robust_line(x, y):
    """(slope, r2) by the median of the slopes of all pairs."""
    first, second = np.triu_indices(x.size, k=1)
    runs = x[second] - x[first]
    is_apart = np.abs(runs) > 1e-12
    if not is_apart.any():
        return np.nan, -np.inf
    slope = np.median((y[second] - y[first])[is_apart] / runs[is_apart])
    residuals = y - slope * x - np.median(y - slope * x)
    return slope, 1 - (residuals**2).sum() / (((y - y.mean()) ** 2).sum() + 1e-12)


def _fit_lines(fadings):
    return [_fit_line(*points) for points in fadings]


def _fit_line(x, y):
    centered = x - x.mean()
    if not (centered**2).sum() > 0:
        return np.nan, np.full(y.size, np.nan)
    slope = (centered * (y - y.mean())).sum() / (centered**2).sum()
    return -slope, slope * centered + y.mean()


def _fit_exponentials(fadings):
    """For each (decay, predicted) of amplitude * exp(-decay * x) + offset, within SpikeInterface's bounds."""
    is_determined = [np.unique(x).size > LEAST_DISTANCES for x, _ in fadings]
    curves = np.full((len(fadings), 3), np.nan)
    curves[is_determined] = fit_exponentials(list(itertools.compress(fadings, is_determined)))
    for row in np.flatnonzero(~np.array(is_determined, dtype=bool)):
        curves[row] = _fit_with_scipy(*fadings[row])
    return [
        (decay, amplitude * np.exp(-decay * x) + offset)
        for (x, _), (decay, amplitude, offset) in zip(fadings, curves, strict=True)
    ]


def _fit_with_scipy(x, y):
    """(decay, amplitude, offset) where the reference's own solver stops.

    With as few channels as a tetrode's the decay is often not determined, the Jacobian is singular, and the value
    depends on the solver's derivatives by differences; rounding of the template is carried further (3e-6 seen).
    """
    from scipy.optimize import least_squares  # here, because importing it costs 0.3 s

    start, low, high = bounds_of(y[0], y.min())
    if not np.less(low, high).all():
        return np.full(3, np.nan)
    fit = least_squares(lambda p: p[1] * np.exp(-p[0] * x) + p[2] - y, start, bounds=(low, high))
    return fit.x if fit.success else np.full(3, np.nan)


def _r2(y, predicted):
    total = ((y - y.mean()) ** 2).sum()
    return 1 - ((y - predicted) ** 2).sum() / total if total > 0 else 0.0
