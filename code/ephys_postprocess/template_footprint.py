"""How a waveform travels and fades over the channels around its unit."""

import numpy as np


def velocity_fits(template, locations_um, sampling_frequency_hz, depth_axis, min_channels, min_r2, column_range):
    """(above, below): speed of the trough away from the largest channel, µm/ms; NaN where a line does not fit.

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
    return tuple(velocities)


def exp_decay(
    template,
    locations_um,
    peak_function="ptp",
    min_r2=0.2,
    linear_fit=False,
    channel_tolerance=None,
    min_channels_for_fit=None,
    num_channels_for_fit=None,
    normalize_decay=False,
):
    """Decay of the amplitude with distance from the largest channel: 1/µm, or µV/µm for a line; NaN without a fit.

    Parameters
    ----------
    template : float64 (num_samples, num_channels)
    locations_um : float64 (num_channels, 2)
    peak_function, min_r2, linear_fit, channel_tolerance, min_channels_for_fit, num_channels_for_fit, normalize_decay
        As in SpikeInterface.

    References
    ----------
    `get_exp_decay` of SpikeInterface 0.105, by the same solver. Where the decay is determined within 1e-8; a singular
    fit carries rounding of the template further (3e-6 seen), in SpikeInterface as here.
    """
    amplitudes = np.abs(template.min(axis=0) if peak_function == "min" else np.ptp(template, axis=0))
    origin = locations_um[amplitudes.argmax()]
    distances_um = np.sqrt(((locations_um - origin) ** 2).sum(axis=1))
    if channel_tolerance is not None:
        is_near = np.abs(locations_um[:, 0] - origin[0]) <= channel_tolerance
        if is_near.sum() < (min_channels_for_fit or (5 if linear_fit else 8)):
            return np.nan
        depths = np.abs(locations_um[:, 1] - origin[1])
        closest = np.argsort(np.where(is_near, depths, depths.max() + 1))
        chosen = closest[: num_channels_for_fit or (6 if linear_fit else 10)]
        distances_um, amplitudes = distances_um[chosen], np.abs(template[:, chosen]).max(axis=0)
    order = np.argsort(distances_um)
    distances_um, amplitudes = distances_um[order], amplitudes[order].astype(np.float64)
    if channel_tolerance is not None and normalize_decay and amplitudes.max() > 0:
        amplitudes = amplitudes / amplitudes.max()
    fit = _fit_line if linear_fit else _fit_exponential
    decay, predicted = fit(distances_um, amplitudes)
    return decay if _r2(amplitudes, predicted) >= min_r2 else np.nan


def spread(template, locations_um, depth_axis, spread_threshold=0.2, spread_smooth_um=20, column_range=None):
    """µm along the depth between the outermost channels whose smoothed amplitude exceeds the threshold.

    References
    ----------
    `get_spread` of SpikeInterface 0.105. NaN where channels share one depth and smoothing is on, or amplitudes are 0.
    """
    from scipy.ndimage import gaussian_filter1d

    template, locations_um = _in_column(template, locations_um, column_range, 0)
    template, locations_um = _by_depth(template, locations_um, depth_axis)
    amplitudes, depths = np.ptp(template, axis=0), locations_um[:, depth_axis]
    if spread_smooth_um:
        distinct = np.unique(depths)
        if distinct.size < 2:
            return np.nan
        amplitudes = gaussian_filter1d(amplitudes, spread_smooth_um / np.median(np.diff(distinct)))
    if not amplitudes.max() > 0:
        return np.nan
    return np.ptp(depths[amplitudes / amplitudes.max() > spread_threshold])


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


def _fit_line(x, y):
    centered = x - x.mean()
    if not (centered**2).sum() > 0:
        return np.nan, np.full(y.size, np.nan)
    slope = (centered * (y - y.mean())).sum() / (centered**2).sum()
    return -slope, slope * centered + y.mean()


def _fit_exponential(x, y):
    """(decay, predicted) of amplitude * exp(-decay * x) + offset, within SpikeInterface's bounds."""
    from scipy.optimize import least_squares

    nothing = np.nan, np.full(y.size, np.nan)
    amplitude, offset = y[0], y.min()
    if not (amplitude > 0 and offset > 0):
        return nothing  # bounds without room

    # Derivatives by differences, as SpikeInterface: with as few channels as a tetrode's the decay is often not
    # determined, the Jacobian is singular, and the value is where this solver happens to stop.
    def residuals(p):
        return p[1] * np.exp(-p[0] * x) + p[2] - y

    bounds = [1e-5, 0.5 * amplitude, 0.0], [2.0, 1.5 * amplitude, 2 * offset]
    fit = least_squares(residuals, [1e-3, amplitude, offset], bounds=bounds)
    return (fit.x[0], fit.fun + y) if fit.success else nothing


def _r2(y, predicted):
    total = ((y - y.mean()) ** 2).sum()
    return 1 - ((y - predicted) ** 2).sum() / total if total > 0 else 0.0
