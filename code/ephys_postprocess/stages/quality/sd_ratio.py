"""The quality metric that compares a unit's amplitudes with the noise of its main channel."""

import itertools

import numpy as np

from ephys_postprocess.kernels.censored_period import keep_outside_period
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import reasons_where


def sd_ratio(
    spikes: SpikeTrains,
    spike_amplitudes: np.ndarray,
    average_templates: np.ndarray,
    main_channel_indices: np.ndarray,
    trace_deviations: np.ndarray,
    censored_period_ms: float,
    correct_for_drift: bool,
    correct_for_template_itself: bool,
    num_spikes_in_traces: np.ndarray | None = None,
):
    """sd_ratio: float64 standard deviation of a unit's amplitudes over that of the noise on its main channel.

    Parameters
    ----------
    spikes : SpikeTrains
    spike_amplitudes : float32 (num_spikes,)
    average_templates : float32 (num_units, num_samples, num_channels)
    main_channel_indices : int64 (num_units,)
    trace_deviations : float64 (num_channels,)
        Standard deviations of the whole traces.
    censored_period_ms : float
        Spikes that follow a kept one within it are left out.
    correct_for_drift, correct_for_template_itself : bool
        Take differences of successive amplitudes; take the template's own variance out of the noise.
    num_spikes_in_traces : int64 (num_units,), optional
        Where `spikes` are those of periods: how many there are in the whole traces.

    References
    ----------
    `compute_sd_ratio` of SpikeInterface, exactly for equal noise. It takes the noise from 10 s drawn without a seed;
    how many of the unit's spikes happen to lie there decides what is left once the template's variance is taken out.
    """
    is_kept = _outside_censored_period(spikes, round(censored_period_ms * 1e-3 * spikes.sampling_frequency_hz))
    ordered = spike_amplitudes[spikes.order_by_unit]
    noise = trace_deviations[main_channel_indices]
    if correct_for_template_itself:
        num_spikes = np.diff(spikes.unit_edges) if num_spikes_in_traces is None else num_spikes_in_traces
        num_samples = sum(spikes.segment_lengths)
        variances = _template_variances(num_spikes, num_samples, average_templates, main_channel_indices)
        with np.errstate(invalid="ignore"):
            noise = np.sqrt(noise**2 - variances)
    ratios = np.full(spikes.num_units, np.nan)
    for unit_index, (start, stop) in enumerate(itertools.pairwise(spikes.unit_edges)):
        own = ordered[start:stop][is_kept[start:stop]]
        if own.size == 1:
            ratios[unit_index] = 0.0
        elif own.size > 1:
            deviation = np.std(np.diff(own)) / np.sqrt(2) if correct_for_drift else np.std(own)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios[unit_index] = deviation / noise[unit_index]
    ratios[np.isinf(ratios)] = np.nan
    return {"sd_ratio": ratios}, _reasons(spikes, ratios, noise, trace_deviations[main_channel_indices])


def _reasons(spikes, ratios, noise, deviations):
    is_missing = np.isnan(ratios)
    return {
        **reasons_where(is_missing, "the template's variance exceeds the noise's"),
        **reasons_where(is_missing & (noise == 0), "the main channel has no noise"),
        **reasons_where(is_missing & np.isnan(deviations), "no traces, or some that are not finite"),
        **reasons_where(np.diff(spikes.unit_edges) == 0, "no spikes"),
    }


def _outside_censored_period(spikes, censored_samples):
    """bool (num_spikes,), ordered by unit: false for spikes within the period of a kept one before them."""
    is_kept = np.zeros(spikes.num_spikes, dtype=bool)
    line_samples = spikes.line_samples(censored_samples + 1)[spikes.order_by_unit]
    keep_outside_period(line_samples, spikes.unit_edges, censored_samples, is_kept)
    return is_kept


def _template_variances(num_spikes, num_samples, templates, main_channel_indices):
    """float64 (num_units,): variance of a trace of zeros and the unit's templates, none overlapping."""
    on_main = templates[np.arange(templates.shape[0]), :, main_channel_indices]
    share = on_main.shape[1] * num_spikes / num_samples
    return share * np.mean(on_main**2, axis=1) - share**2 * np.mean(on_main, axis=1).astype(np.float64) ** 2
