"""The first look at the traces: some spikes of each unit give main channels, sparsity and a rough template."""

from dataclasses import dataclass

import numpy as np
from spikeinterface.core import ChannelSparsity

from ephys_postprocess.engine.unit_channels import choose_unit_channels
from ephys_postprocess.engine.windows import window_samples
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.spike_trains.deduplicate import template_peaks
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates.average_templates import average_dense_templates
from ephys_postprocess.stages.templates.templates import find_main_channels
from ephys_postprocess.stages.traces.microvolts import Scaling
from ephys_postprocess.traces import TraceSource

# SpikeInterface's own: what create_sorting_analyzer samples for main channels.
PEAK_SIGN, PEAK_MODE = "both", "extremum"
NUM_SPIKES_FOR_MAIN_CHANNEL = 100
MAIN_CHANNEL_MS_BEFORE, MAIN_CHANNEL_MS_AFTER = 1.0, 2.5


@dataclass(frozen=True)
class SampledTemplates:
    """What a few spikes of every unit of the sorting say, duplicates included."""

    main_channel_indices: np.ndarray  # int64 (num_units,)
    sparsity: ChannelSparsity  # all channels for every unit where the analyzer is to be dense
    is_dense: bool
    # See `template_peaks`; amplitudes for comparing units only. None where the sorter chose the main channels.
    rough_peaks: tuple[np.ndarray, np.ndarray] | None


def find_main_channels_of(traces: TraceSource, spikes: SpikeTrains, seed: int, chunk_samples: int, num_threads: int):
    """int64 (num_units,): each unit's main channel, from the spikes SpikeInterface takes at this seed.

    The largest in µV where `traces` are used in µV; the first channel for a unit without any of these spikes.

    References
    ----------
    SpikeInterface 0.105.3 `estimate_main_channel_from_recording`, which compares raw counts: the same channels where
    all have one positive gain and no offset.
    """
    templates, num_before = _rough_templates(traces, spikes, seed, chunk_samples, num_threads)
    return find_main_channels(templates, PEAK_SIGN, PEAK_MODE, num_before)


def sample_templates(
    recording,
    sorting,
    main_channel_indices: np.ndarray | None,
    traces: TraceSource,
    spikes: SpikeTrains,
    parameters,
    chunk_samples: int,
    num_threads: int,
) -> SampledTemplates:
    """Main channels and sparsity, and where the templates of the same spikes peak.

    `main_channel_indices` (int64, (num_units,)) are those that the sorter chose; they are estimated where it is None.

    References
    ----------
    SpikeInterface 0.105.3 `create_sorting_analyzer`.
    """
    work, templates = (chunk_samples, num_threads), None
    if main_channel_indices is None:
        templates, num_before = _rough_templates(traces, spikes, parameters.seed, *work)
        main_channel_indices = find_main_channels(templates, PEAK_SIGN, PEAK_MODE, num_before)
    asked = None if parameters.sparsity is None else parameters.sparsity.arguments()
    sparsity = choose_unit_channels(recording, sorting, traces, spikes, main_channel_indices, asked, *work)
    peaks = None
    if templates is not None:
        templates[:, num_before] *= sparsity.mask  # amplitudes are those of a unit's own channels
        peaks = template_peaks(templates, main_channel_indices, num_before)
    return SampledTemplates(main_channel_indices, sparsity, parameters.sparsity is None, peaks)


def _rough_templates(traces, spikes, seed, chunk_samples, num_threads):
    """float32 (num_units, num_samples, num_channels), comparable between channels; the spike's own sample."""
    num_before = window_samples(MAIN_CHANNEL_MS_BEFORE, spikes.sampling_frequency_hz)
    num_after = window_samples(MAIN_CHANNEL_MS_AFTER, spikes.sampling_frequency_hz)
    rows = select_random_spikes(
        spikes, "uniform", NUM_SPIKES_FOR_MAIN_CHANNEL, margin_samples=max(num_before, num_after), seed=seed
    )
    templates = average_dense_templates(traces, spikes, rows, num_before, num_after, chunk_samples, num_threads)
    templates = Scaling.of(traces).comparable(templates)
    templates[np.bincount(spikes.unit_indices[rows], minlength=spikes.num_units) == 0] = 0.0
    return templates, num_before


def random_spike_arguments(params: dict) -> dict:
    """SpikeInterface's names of the `random_spikes` parameters as `select_random_spikes` has them, with units."""
    renamed = {"margin_size": "margin_samples", "maximum_rate": "maximum_rate_hz"}
    return {renamed.get(name, name): value for name, value in params.items()}
