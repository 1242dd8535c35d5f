"""The first look at the traces: some spikes a unit give main channels, sparsity and the de-duplication templates."""

from dataclasses import dataclass

import numpy as np
from spikeinterface.core import ChannelSparsity
from spikeinterface.core.core_tools import ms_to_samples

from ephys_postprocess.engine.unit_channels import choose_unit_channels
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates.average_templates import average_dense_templates, average_packed_templates
from ephys_postprocess.stages.templates.templates import find_main_channels
from ephys_postprocess.stages.traces.microvolts import Scaling
from ephys_postprocess.stages.traces.waveforms import WaveformSelection
from ephys_postprocess.traces import TraceSource

# SpikeInterface's own: what create_sorting_analyzer samples for main channels, and the default window of templates.
PEAK_SIGN, PEAK_MODE = "both", "extremum"
NUM_SPIKES_FOR_MAIN_CHANNEL = 100
MAIN_CHANNEL_MS_BEFORE, MAIN_CHANNEL_MS_AFTER = 1.0, 2.5
DEDUPLICATION_MS_BEFORE, DEDUPLICATION_MS_AFTER = 1.0, 2.0


@dataclass(frozen=True)
class SampledTemplates:
    """What a few spikes of every unit of the sorting say, duplicates included."""

    main_channel_indices: np.ndarray  # int64 (num_units,)
    sparsity: ChannelSparsity  # all channels for every unit where the analyzer is to be dense
    is_dense: bool
    templates: np.ndarray  # float32 (num_units, num_samples, max_num_channels), packed on each unit's channels
    main_columns: np.ndarray  # int64 (num_units,): where the main channel is in `templates`
    nbefore: int


def find_main_channels_of(traces: TraceSource, spikes: SpikeTrains, seed: int, chunk_samples: int, num_threads: int):
    """int64 (num_units,): each unit's main channel, from the spikes SpikeInterface takes at this seed.

    The largest in µV where `traces` are used in µV; the first channel for a unit without any of these spikes.

    References
    ----------
    SpikeInterface 0.105.3 `estimate_main_channel_from_recording`, which compares raw counts: the same channels where
    all have one positive gain and no offset.
    """
    nbefore = ms_to_samples(MAIN_CHANNEL_MS_BEFORE, spikes.sampling_frequency_hz)
    nafter = ms_to_samples(MAIN_CHANNEL_MS_AFTER, spikes.sampling_frequency_hz)
    rows = select_random_spikes(
        spikes, "uniform", NUM_SPIKES_FOR_MAIN_CHANNEL, margin_samples=max(nbefore, nafter), seed=seed
    )
    templates = average_dense_templates(traces, spikes, rows, nbefore, nafter, chunk_samples, num_threads)
    templates = Scaling.of(traces).comparable(templates)
    templates[np.bincount(spikes.unit_indices[rows], minlength=spikes.num_units) == 0] = 0.0
    return find_main_channels(templates, PEAK_SIGN, PEAK_MODE, nbefore)


def sample_templates(
    recording,
    sorting,
    main_channels: np.ndarray | None,
    traces: TraceSource,
    spikes: SpikeTrains,
    parameters,
    chunk_samples: int,
    num_threads: int,
) -> SampledTemplates:
    """Main channels, sparsity, and templates of up to `random_spikes.max_spikes_per_unit` spikes per unit.

    `main_channels` (int64, (num_units,)) are those that the sorter chose; they are estimated where it is None.

    References
    ----------
    SpikeInterface 0.105.3 `create_sorting_analyzer`, then `random_spikes` and `templates` with their own windows.
    """
    if main_channels is None:
        main_channels = find_main_channels_of(traces, spikes, parameters.seed, chunk_samples, num_threads)
    asked = None if parameters.sparsity is None else parameters.sparsity.arguments()
    work = chunk_samples, num_threads
    sparsity = choose_unit_channels(recording, sorting, traces, spikes, main_channels, asked, *work)
    nbefore = ms_to_samples(DEDUPLICATION_MS_BEFORE, spikes.sampling_frequency_hz)
    nafter = ms_to_samples(DEDUPLICATION_MS_AFTER, spikes.sampling_frequency_hz)
    random_spikes = parameters.extensions.random_spikes
    sampling = random_spikes.arguments() if random_spikes is not None else {"seed": parameters.seed}
    rows = select_random_spikes(spikes, **random_spike_arguments(sampling))
    selection = WaveformSelection(spikes, rows, Sparsity(np.asarray(sparsity.mask)), nbefore, nafter)
    templates = average_packed_templates(traces, selection, chunk_samples, num_threads)
    is_main = selection.sparsity.channels_of_unit == main_channels[:, None]
    main_columns = is_main.argmax(axis=1) if spikes.num_units else np.zeros(0, dtype=np.int64)
    return SampledTemplates(main_channels, sparsity, parameters.sparsity is None, templates, main_columns, nbefore)


def random_spike_arguments(params: dict) -> dict:
    """SpikeInterface's names of the `random_spikes` parameters as `select_random_spikes` has them, with units."""
    renamed = {"margin_size": "margin_samples", "maximum_rate": "maximum_rate_hz"}
    return {renamed.get(name, name): value for name, value in params.items()}
