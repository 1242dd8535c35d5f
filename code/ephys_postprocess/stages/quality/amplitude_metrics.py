"""Quality metrics of spike amplitudes.

Every metric returns its columns, {name: array (num_units,)}, and {unit index: why a value is missing}. Names and values
are those of SpikeInterface 0.105; `spikes.periods` are its `periods`. `spike_amplitudes` and `amplitude_scalings` are
float32 (num_spikes,), in the order of the spike vector.
"""

import itertools
from collections.abc import Mapping

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import fraction_missing, reasons_where
from ephys_postprocess.stages.quality.observed_time import observed_time

MOST_SAMPLES = 2.0**62  # longer than any recording


def snr(
    average_templates: np.ndarray,
    main_channel_indices: np.ndarray,
    noise_levels: np.ndarray,
    num_before: int,
    peak_sign: str,
    method: str,
):
    """snr: float64, the template's amplitude on its main channel over the noise there.

    Parameters
    ----------
    average_templates : float32 (num_units, num_samples, num_channels)
    main_channel_indices : int64 (num_units,)
    noise_levels : float (num_channels,)
    num_before : int
        Samples before the spike.
    peak_sign : "both" | "neg" | "pos"
    method : "extremum" | "at_index" | "peak_to_peak"

    References
    ----------
    `compute_snrs` of SpikeInterface, exactly; NaN where that is infinite, for a noise level of 0.
    """
    on_main = average_templates[np.arange(average_templates.shape[0]), :, main_channel_indices]
    if method == "extremum":
        extremum = {
            "both": lambda t: np.abs(t).max(axis=1),
            "neg": lambda t: t.min(axis=1),
            "pos": lambda t: t.max(axis=1),
        }
        values = extremum[peak_sign](on_main)
    elif method == "at_index":
        values = on_main[:, num_before]
    elif method == "peak_to_peak":
        values = np.ptp(on_main, axis=1)
    else:
        raise ParameterError(f"snr.method: must be extremum, at_index or peak_to_peak (got {method!r}).")
    noise = noise_levels[main_channel_indices]
    with np.errstate(divide="ignore", invalid="ignore"):
        snrs = np.where(noise == 0, np.nan, np.abs(values) / noise).astype(np.float64)
    return {"snr": snrs}, reasons_where(noise == 0, "the noise level of the main channel is 0")


def amplitude_median(spikes: SpikeTrains, spike_amplitudes: np.ndarray):
    """amplitude_median: float64, as the amplitudes; NaN without spikes."""
    medians = np.full(spikes.num_units, np.nan)
    for unit_index, own in _by_unit(spikes, spike_amplitudes):
        medians[unit_index] = np.median(own)
    return {"amplitude_median": medians}, _no_spikes(spikes)


def amplitude_cutoff(
    spikes: SpikeTrains,
    amplitude_scalings: np.ndarray,
    num_histogram_bins: int,
    histogram_smoothing_value: float,
    amplitudes_bins_min_ratio: float,
):
    """amplitude_cutoff: float64 share of spikes missing below the threshold, at most 0.5.

    References
    ----------
    `compute_amplitude_cutoffs` of SpikeInterface, exactly; where there are no amplitude scalings it is given
    `spike_amplitudes`. NaN for fewer than num_histogram_bins * amplitudes_bins_min_ratio spikes.
    """
    ordered = amplitude_scalings[spikes.order_by_unit]
    for start, stop in itertools.pairwise(spikes.unit_edges):
        if stop > start and np.median(ordered[start:stop]) < 0:
            ordered[start:stop] *= -1
    pieces = np.stack([spikes.unit_edges[:-1], spikes.unit_edges[1:]], axis=1)
    values = fraction_missing(ordered, pieces, num_histogram_bins, histogram_smoothing_value, amplitudes_bins_min_ratio)
    few = f"fewer than {amplitudes_bins_min_ratio * num_histogram_bins:g} spikes"
    is_few = np.diff(spikes.unit_edges) / num_histogram_bins < amplitudes_bins_min_ratio
    return {"amplitude_cutoff": values}, reasons_where(
        np.isnan(values), "amplitudes that are not finite"
    ) | reasons_where(is_few, few)


def noise_cutoff(
    spikes: SpikeTrains,
    spike_amplitudes: np.ndarray,
    high_quantile: float,
    low_quantile: float,
    n_bins: int,
):
    """noise_cutoff: float64 standard deviations by which low bins exceed high ones; noise_ratio: low over highest bin.

    References
    ----------
    IBL 2024; `compute_noise_cutoffs` of SpikeInterface, exactly.
    """
    cutoffs, ratios = np.full(spikes.num_units, np.nan), np.full(spikes.num_units, np.nan)
    reasons = _no_spikes(spikes)
    for unit_index, own in _by_unit(spikes, spike_amplitudes):
        if np.median(own) < 0:
            own = -own
        cutoffs[unit_index], ratios[unit_index], reason = _noise_cutoff(own, high_quantile, low_quantile, n_bins)
        if reason is not None:
            reasons[unit_index] = reason
    return {"noise_cutoff": cutoffs, "noise_ratio": ratios}, reasons


def amplitude_cv(
    spikes: SpikeTrains,
    amplitudes: Mapping[str, np.ndarray],
    amplitude_extension: str,
    average_num_spikes_per_bin: float,
    percentiles: tuple[float, float],
    min_num_bins: int,
):
    """amplitude_cv_median, amplitude_cv_range: float64, of the standard deviation over the mean in time bins.

    Parameters
    ----------
    spikes : SpikeTrains
    amplitudes : mapping to float32 (num_spikes,)
        By extension.
    amplitude_extension : "spike_amplitudes" | "amplitude_scalings"
    average_num_spikes_per_bin : float
        Sets each unit's own bin by its firing rate.
    percentiles : (float, float)
        Of the range.
    min_num_bins : int
        Fewer give NaN; so does a bin without spikes, as in SpikeInterface.

    References
    ----------
    `compute_amplitude_cv_metrics` of SpikeInterface, within 1e-5: it sums in float32.
    """
    medians, ranges = np.full(spikes.num_units, np.nan), np.full(spikes.num_units, np.nan)
    reasons = _no_spikes(spikes)
    spreads, spread_edges = _spreads_in_bins(spikes, amplitudes[amplitude_extension], average_num_spikes_per_bin)
    for unit_index in np.flatnonzero(np.diff(spikes.unit_edges)):
        own = spreads[spread_edges[unit_index] : spread_edges[unit_index + 1]]
        if own.size < min_num_bins:
            reasons[int(unit_index)] = f"{own.size} time bins, {min_num_bins} needed"
        elif np.isnan(own).any():
            reasons[int(unit_index)] = "a time bin without spikes"
        else:
            low, middle, high = np.percentile(own, [percentiles[0], 50, percentiles[1]])
            medians[unit_index], ranges[unit_index] = middle, high - low
    return {"amplitude_cv_median": medians, "amplitude_cv_range": ranges}, reasons


def _by_unit(spikes, amplitudes):
    ordered = amplitudes[spikes.order_by_unit]
    for unit_index, (start, stop) in enumerate(itertools.pairwise(spikes.unit_edges)):
        if stop > start:
            yield unit_index, ordered[start:stop]


def _no_spikes(spikes):
    return reasons_where(np.diff(spikes.unit_edges) == 0, "no spikes")


def _noise_cutoff(amplitudes, high_quantile, low_quantile, n_bins):
    """(cutoff, ratio, reason or None) of one unit."""
    if not np.isfinite(amplitudes).all():
        return np.nan, np.nan, "amplitudes that are not finite"
    counts, edges = np.histogram(amplitudes, bins=n_bins)
    low_value, high_value = np.quantile(amplitudes, q=low_quantile), np.quantile(amplitudes, q=1 - high_quantile)
    low_counts, high_counts = counts[edges[1:] <= low_value], counts[edges[:-1] >= high_value]
    if low_counts.size == 0:
        return np.nan, np.nan, "no bin below low_quantile"
    ratio = low_counts.mean() / counts.max()
    if high_counts.size < 2:
        return np.nan, ratio, "fewer than two bins above high_quantile"
    deviation = np.std(high_counts)
    if deviation == 0:
        return np.nan, ratio, "all bins above high_quantile hold equally many spikes"
    return (low_counts.mean() - high_counts.mean()) / deviation, ratio, None


def _spreads_in_bins(spikes, amplitudes, average_num_spikes_per_bin):
    """float64 (all bins): standard deviation over the mean in the segment; and where each unit's bins start."""
    counts = np.diff(spikes.unit_edges)
    num_segments = len(spikes.segment_lengths)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = counts / (spikes.observed_samples / spikes.sampling_frequency_hz)
        bin_samples = np.minimum(average_num_spikes_per_bin / rates * spikes.sampling_frequency_hz, MOST_SAMPLES)
    bin_samples = np.maximum(np.where(counts == 0, MOST_SAMPLES, bin_samples).astype(np.int64), 1)
    time = observed_time(spikes)
    bins, bin_edges, unit_edges = time.bins(bin_samples)
    is_inside = bins >= 0
    flat = bins[is_inside]
    values = amplitudes.astype(np.float64)
    parts = spikes.unit_indices * num_segments + spikes.segment_indices
    part_of_stretch = np.repeat(np.arange(spikes.num_units), np.diff(time.unit_edges)) * num_segments
    part_of_bin = np.repeat(part_of_stretch + time.segment_indices, np.diff(bin_edges))
    num_parts = spikes.num_units * num_segments
    with np.errstate(divide="ignore", invalid="ignore"):
        part_means = np.bincount(parts, values, minlength=num_parts) / np.bincount(parts, minlength=num_parts)
        sizes = np.bincount(flat, minlength=bin_edges[-1])
        means = np.bincount(flat, values[is_inside], minlength=bin_edges[-1]) / sizes
        squares = np.bincount(flat, (values[is_inside] - means[flat]) ** 2, minlength=bin_edges[-1])
        spreads = np.sqrt(squares / sizes) / np.abs(part_means)[part_of_bin]
    return spreads, unit_edges
