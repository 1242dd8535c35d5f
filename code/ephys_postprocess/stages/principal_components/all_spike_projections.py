"""Principal component projections of every spike, as a consumer of the trace pass (what an export to Phy asks for)."""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.principal_components.models import PrincipalComponentModels

ROWS_AT_ONCE = 128  # traces are turned channel first in strips that stay in cache


class AllSpikeProjections:
    """Projects the snippet of each spike, in µV, on the models of its unit's channels.

    Parameters
    ----------
    models : PrincipalComponentModels
        One of the modes by channel.
    spikes : SpikeTrains
    sparsity : Sparsity
    num_before, num_after : int
        Samples before and from the spike on; together the length of the snippets that were fitted.
    gains, offsets : float32 (num_channels,)
        Of the traces, in µV.
    projections : optional
        Takes float32 (num_spikes, num_components, max_num_channels) by stretches, `projections[first:last] = block`,
        where all spikes are too many for memory.

    Attributes
    ----------
    projections : float32 (num_spikes, num_components, max_num_channels)
        Zero beyond a unit's own channels, for channels without a fit, and for spikes whose snippet leaves the segment.

    References
    ----------
    `ComputePrincipalComponents.run_for_all_spikes` of SpikeInterface 0.105.3, which however projects traces that are
    not scaled to µV, and those of the first segment only.
    """

    def __init__(
        self,
        models: PrincipalComponentModels,
        spikes: SpikeTrains,
        sparsity: Sparsity,
        num_before: int,
        num_after: int,
        gains: np.ndarray,
        offsets: np.ndarray,
        projections: np.ndarray | None = None,
    ):
        if models.mode == "concatenated":
            raise ParameterError(
                "principal_components.mode: 'concatenated' cannot project all spikes; use by_channel_*."
            )
        self.margin_samples = max(num_before, num_after)
        self._spikes, self._sparsity = spikes, sparsity
        self._num_before, self._num_after = num_before, num_after
        self._weights, self._shifts = _for_counts(models, gains, offsets)
        self._positions = np.cumsum(sparsity.mask, axis=1) - 1  # of a channel among a unit's packed ones
        if projections is None:
            shape = (spikes.num_spikes, models.components.shape[1], sparsity.max_num_channels)
            projections = np.zeros(shape, dtype=np.float32)
        self.projections = projections

    def consume(self, traces, origin_sample, segment_index, first_spike, last_spike):
        spikes = self._spikes
        starts = spikes.samples[first_spike:last_spike] - self._num_before
        stops = spikes.samples[first_spike:last_spike] + self._num_after
        inside = np.flatnonzero((starts >= 0) & (stops <= spikes.segment_lengths[segment_index]))
        units = spikes.unit_indices[first_spike:last_spike][inside]
        starts = starts[inside] - origin_sample
        is_used = self._sparsity.mask[np.unique(units)].any(axis=0)
        channels = np.flatnonzero(is_used)
        shape = (last_spike - first_spike, self._weights.shape[2], self._sparsity.max_num_channels)
        block = np.zeros(shape, dtype=np.float32)
        for channel, trace in zip(channels, _by_channel(traces, channels), strict=True):
            own = np.flatnonzero(self._sparsity.mask[units, channel])
            windows = np.lib.stride_tricks.sliding_window_view(trace, self._num_before + self._num_after)[starts[own]]
            own_projections = windows.astype(np.float64) @ self._weights[channel] - self._shifts[channel]
            block[inside[own], :, self._positions[units[own], channel]] = own_projections
        self.projections[first_spike:last_spike] = block


def _for_counts(models, gains, offsets):
    """Weights and shifts of each channel for traces as they are stored: scaling the weights spares scaling traces."""
    weights, shifts = models.weights_and_offsets()
    own = models.model_of_channel(np.arange(gains.size))
    shifts = shifts[own] - offsets[:, None].astype(np.float64) * weights[own].sum(axis=1)
    return weights[own] * gains[:, None, None].astype(np.float64), shifts


def _by_channel(traces, channels):
    """The same values, (num_channels, num_rows)."""
    by_channel = np.empty((channels.size, len(traces)), dtype=traces.dtype)
    are_all = channels.size == traces.shape[1]
    for first in range(0, len(traces), ROWS_AT_ONCE):
        rows = traces[first : first + ROWS_AT_ONCE]
        by_channel[:, first : first + ROWS_AT_ONCE] = (rows if are_all else rows[:, channels]).T
    return by_channel
