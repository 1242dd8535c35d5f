"""Metrics that need more of a workspace than arrays: principal components, and waveforms beside noise."""

from typing import Any

import numpy as np

from ephys_postprocess.engine.stored_waveforms import StoredWaveforms
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.quality import spike_train_metrics
from ephys_postprocess.stages.quality.nn_advanced import nn_advanced
from ephys_postprocess.stages.quality.pc_metrics import pc_metrics
from ephys_postprocess.stages.traces.noise_levels import draw_random_slices
from ephys_postprocess.stages.traces.waveforms import WaveformSource


def pc_metrics_of_all_units(work: Workspace, params_by_metric: dict[str, dict[str, Any]]):
    """Every metric of principal components that is asked for, by one visit to each unit's neighborhood."""
    return pc_metrics(
        np.asarray(work.data_of("principal_components")["pca_projection"]),
        work.spikes.unit_indices[work.random_spike_rows],
        work.sparsity.mask,
        work.main_channel_indices,
        params_by_metric,
        work.num_threads,
    )


class _WaveformsOnDemand:
    """Stands in for the array of all waveforms: those of one unit are gathered when they are asked for."""

    def __init__(self, source: WaveformSource | StoredWaveforms, sparsity: Sparsity):
        self._source = source
        self._sparsity = sparsity

    def __getitem__(self, is_wanted: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(is_wanted)
        waveforms = self._source.gather(rows)
        if self._sparsity is self._source.selection.sparsity or not rows.size:
            return waveforms
        return waveforms[:, :, self._sparsity.mask[self._source.selection.trains.unit_indices[rows[0]]]]


def nn_advanced_of_all_units(work: Workspace, params: dict[str, Any]):
    """Isolation of every unit's waveforms from those of other units, and from noise drawn at random."""
    source = work.open_waveforms_again()
    # The waveforms of a dense analyzer have all channels, which belong to no unit in particular.
    is_dense = work.analyzer.sparsity is None
    sparsity = work.sparsity_within(params["radius_um"]) if is_dense else source.selection.sparsity
    num_samples = source.selection.num_samples
    seed = work.metrics_seed if params["seed"] is None else params["seed"]
    num_noise = max(1, params["max_spikes"] // len(work.segment_lengths))
    slices = draw_random_slices(work.segment_lengths, num_noise, num_samples, seed)
    noise = np.stack([work.traces.read(*stretch) for stretch in slices]) * work.traces.gains + work.traces.offsets
    return nn_advanced(
        _WaveformsOnDemand(source, sparsity),
        source.selection.trains.unit_indices,
        sparsity.mask,
        spike_train_metrics.num_spikes(work.spikes)[0]["num_spikes"],
        spike_train_metrics.firing_rate(work.spikes)[0]["firing_rate"],
        noise.astype(np.float32),
        {**params, "seed": seed},
        work.num_threads,
    )
