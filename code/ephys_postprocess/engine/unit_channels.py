"""Sparsity: which channels belong to which unit, chosen in the unit that traces are used in."""

import logging

import numpy as np
from spikeinterface.core import ChannelSparsity

from ephys_postprocess.engine.windows import window_samples
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates import unit_channels as ways
from ephys_postprocess.stages.templates.average_templates import average_dense_templates
from ephys_postprocess.stages.traces.noise_levels import compute_noise_levels, draw_random_slices
from ephys_postprocess.traces import TraceSource

logger = logging.getLogger(__name__)

# SpikeInterface's defaults where the parameters say null, and the seed of `estimate_sparsity`.
DEFAULTS = {
    "num_channels": 5,
    "threshold": 5.0,
    "peak_sign": "both",
    "amplitude_mode": "extremum",
    "num_spikes_for_sparsity": 100,
    "ms_before": 1.0,
    "ms_after": 2.5,
}
SEED = 2205


def choose_unit_channels(
    recording,
    sorting,
    traces: TraceSource,
    spikes: SpikeTrains,
    main_channel_indices: np.ndarray,
    parameters: dict | None,
    chunk_samples: int,
    num_threads: int,
) -> ChannelSparsity:
    """The channels of every unit; all of them where `parameters` is None.

    Raises
    ------
    ParameterError
        A property that does not fit.

    References
    ----------
    SpikeInterface 0.105.3 `estimate_sparsity`, which takes amplitudes from raw counts, whatever they are worth, and
    compares them with noise levels in µV: here both are in µV.
    """
    if parameters is None or spikes.num_units == 0:
        mask = np.ones((spikes.num_units, recording.get_num_channels()), dtype=bool)
        return ChannelSparsity(mask, sorting.unit_ids, recording.channel_ids)
    asked = DEFAULTS | {name: value for name, value in parameters.items() if value is not None}
    locations_um = recording.get_channel_locations() if asked["method"] in ("radius", "closest_channels") else None
    if asked["method"] == "radius":
        mask = ways.within_radius(main_channel_indices, locations_um, asked["radius_um"])
    elif asked["method"] == "closest_channels":
        mask = ways.closest(main_channel_indices, locations_um, asked["num_channels"])
    elif asked["method"] == "by_property":
        mask = _with_main_channels(
            mask_by_property(recording, sorting, asked["by_property"]), main_channel_indices, sorting
        )
    else:
        amplitudes = _amplitudes(traces, spikes, asked, chunk_samples, num_threads)
        if asked["method"] == "best_channels":
            mask = ways.largest(main_channel_indices, amplitudes, asked["num_channels"])
        else:
            noise = None
            if asked["method"] == "snr":
                slices = draw_random_slices(traces.segment_lengths, seed=0)
                noise = compute_noise_levels(traces, slices, num_threads=num_threads)
            mask = ways.above_threshold(main_channel_indices, amplitudes, asked["threshold"], noise)
    return ChannelSparsity(mask, sorting.unit_ids, recording.channel_ids)


def mask_by_property(recording, sorting, name: str) -> np.ndarray:
    """bool (num_units, num_channels): channels with the unit's value; 1 and "1" are the same value."""
    where = {"the recording": recording, "the sorting": sorting}
    without = [label for label, each in where.items() if name not in each.get_property_keys()]
    if without:
        raise ParameterError(f"sparsity.by_property: no property '{name}' in {' and '.join(without)}.")
    of_channels = np.array([str(value) for value in recording.get_property(name)])
    of_units = np.array([str(value) for value in sorting.get_property(name)])
    mask = of_units[:, np.newaxis] == of_channels[np.newaxis]
    lost = sorted(set(of_units[~mask.any(axis=1)]))
    if lost:
        raise ParameterError(
            f"sparsity.by_property: units have '{name}' {', '.join(lost)}, which no channel has "
            f"(channels have {', '.join(sorted(set(of_channels)))})."
        )
    return mask


def _with_main_channels(mask, main_channel_indices, sorting):
    rows = np.arange(len(mask))
    is_outside = ~mask[rows, main_channel_indices]
    if is_outside.any():
        names = ", ".join(str(unit) for unit in sorting.unit_ids[is_outside])
        logger.warning("  main channel outside the channels of its property, so added to them: units %s", names)
    mask[rows, main_channel_indices] = True
    return mask


def _amplitudes(traces, spikes, asked, chunk_samples, num_threads):
    """float64 (num_units, num_channels) in µV, or in counts where traces are used unscaled."""
    num_before = window_samples(asked["ms_before"], spikes.sampling_frequency_hz)
    num_after = window_samples(asked["ms_after"], spikes.sampling_frequency_hz)
    rows = select_random_spikes(
        spikes, "uniform", asked["num_spikes_for_sparsity"], margin_samples=max(num_before, num_after), seed=SEED
    )
    counts = average_dense_templates(traces, spikes, rows, num_before, num_after, chunk_samples, num_threads)
    templates = counts * traces.exact_gains + traces.exact_offsets
    templates[np.bincount(spikes.unit_indices[rows], minlength=spikes.num_units) == 0] = 0.0
    return ways.channel_amplitudes(templates, num_before, asked["peak_sign"], asked["amplitude_mode"])
