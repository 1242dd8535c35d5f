"""Which channels belong to which unit: one function a way of choosing them. The main channel is always among them."""

import numpy as np


def within_radius(main_channel_indices: np.ndarray, locations_um: np.ndarray, radius_um: float) -> np.ndarray:
    """bool (num_units, num_channels): channels at most this far from the main channel."""
    return _distances(main_channel_indices, locations_um) <= radius_um


def closest(main_channel_indices: np.ndarray, locations_um: np.ndarray, num_channels: int) -> np.ndarray:
    """bool (num_units, num_channels): the channels nearest to the main channel, itself the first."""
    distances = _distances(main_channel_indices, locations_um)
    distances[np.arange(len(distances)), main_channel_indices] = -1.0
    return _first(np.argsort(distances, axis=1), num_channels)


def largest(main_channel_indices: np.ndarray, amplitudes: np.ndarray, num_channels: int) -> np.ndarray:
    """bool (num_units, num_channels): the main channel and those with the largest amplitudes.

    Parameters
    ----------
    main_channel_indices : int64 (num_units,)
    amplitudes : float (num_units, num_channels)
        Of the templates, see `channel_amplitudes`.
    num_channels : int
        A probe with fewer has them all.

    References
    ----------
    `ChannelSparsity.from_best_channels` of SpikeInterface, which may leave the main channel out: it estimates templates
    from other spikes than that is found with.
    """
    amplitudes = amplitudes.astype(np.float64)
    amplitudes[np.arange(len(amplitudes)), main_channel_indices] = np.inf
    return _first(np.argsort(amplitudes, axis=1)[:, ::-1], num_channels)


def above_threshold(
    main_channel_indices: np.ndarray, amplitudes: np.ndarray, threshold: float, noise_levels: np.ndarray | None = None
) -> np.ndarray:
    """bool (num_units, num_channels): the main channel, and those with at least this amplitude.

    Parameters
    ----------
    main_channel_indices : int64 (num_units,)
    amplitudes : float (num_units, num_channels)
    threshold : float
        In the unit of `amplitudes`, or of `noise_levels` where there are any.
    noise_levels : float (num_channels,), optional

    References
    ----------
    `ChannelSparsity.from_amplitude` and `from_snr` of SpikeInterface, which leave a weak unit without a channel.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mask = (amplitudes if noise_levels is None else amplitudes / noise_levels) >= threshold
    mask[np.arange(len(mask)), main_channel_indices] = True
    return mask


def channel_amplitudes(templates: np.ndarray, num_before: int, peak_sign: str, mode: str) -> np.ndarray:
    """float (num_units, num_channels): how large a template is on each channel, never negative.

    Parameters
    ----------
    templates : float (num_units, num_samples, num_channels)
    num_before : int
        Samples before the spike.
    peak_sign : "neg" | "pos" | "both"
    mode : "extremum" | "peak_to_peak" | "at_index"
    """
    if mode == "peak_to_peak":
        return np.ptp(templates, axis=1)
    if mode == "at_index":
        return np.abs(templates[:, num_before])
    extremum = {"neg": np.min, "pos": np.max, "both": lambda values, axis: np.abs(values).max(axis)}[peak_sign]
    return np.abs(extremum(templates, axis=1))


def _distances(main_channel_indices, locations_um):
    return np.linalg.norm(locations_um[main_channel_indices][:, np.newaxis] - locations_um[np.newaxis], axis=2)


def _first(order, num_channels):
    mask = np.zeros(order.shape, dtype=bool)
    np.put_along_axis(mask, order[:, :num_channels], True, axis=1)
    return mask
