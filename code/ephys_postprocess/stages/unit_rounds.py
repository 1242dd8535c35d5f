"""Units in unit order, a few at a time, cut into pieces that threads may work on side by side."""

import functools

import numpy as np

from ephys_postprocess.kernels.principal_components import spikes_by_channel

ROUND_SIZE = 12 * 2**20  # float32 values of the units fitted side by side: 48 MiB, and as much for the next units
GROUP_SIZE = 8  # models that share each call: enough that threads seldom wait for the GIL, few enough for the cache


class UnitRounds:
    """Units with enough spikes, in order and in rounds small enough to hold two rounds of waveforms in memory."""

    def __init__(self, waveforms_of_unit, spike_counts, sparsity, num_samples, n_components, mode):
        self._waveforms_of_unit, self._sparsity, self._mode = waveforms_of_unit, sparsity, mode
        self._sizes = spike_counts * sparsity.num_channels_of_unit * num_samples
        is_enough = rows_in_block(spike_counts, sparsity, mode) >= n_components
        enough = np.flatnonzero(is_enough & (sparsity.num_channels_of_unit > 0))
        self._rounds = []
        used = ROUND_SIZE
        for unit_index in enough:
            used += self._sizes[unit_index]
            if used > ROUND_SIZE:
                self._rounds.append([])
                used = self._sizes[unit_index]
            self._rounds[-1].append(int(unit_index))
        largest = max((self._sizes[units].sum() for units in self._rounds), default=0)
        self._buffers = [np.empty(largest, dtype=np.float32) for _ in range(2)]  # one is fitted, the other filled

    @property
    def num_rounds(self):
        return len(self._rounds)

    def gathers(self, turn):
        """Callables, one a unit of the round: each returns the unit's float32 (num_blocks, num_rows, num_features)."""
        if turn >= self.num_rounds:
            return []
        units, buffer = self._rounds[turn], self._buffers[turn % 2]
        stops = np.cumsum(self._sizes[units])
        return [
            functools.partial(self._gather, unit_index, buffer[stop - self._sizes[unit_index] : stop])
            for unit_index, stop in zip(units, stops, strict=True)
        ]

    def models_of_units(self, turn):
        """For each unit of the round, the model of each of its blocks."""
        if self._mode != "by_channel_local":
            return [[0] for _ in self._rounds[turn]]
        return [np.flatnonzero(self._sparsity.mask[unit_index]).tolist() for unit_index in self._rounds[turn]]

    def _gather(self, unit_index, room):
        waveforms = self._waveforms_of_unit(unit_index)
        num_channels, (num_spikes, num_samples) = self._sparsity.num_channels_of_unit[unit_index], waveforms.shape[:2]
        if self._mode == "concatenated":
            room.reshape(num_spikes, num_samples, num_channels)[:] = waveforms[:, :, :num_channels]
            return room.reshape(1, num_spikes, -1)
        blocks = room.reshape(num_channels, num_spikes, num_samples)
        spikes_by_channel(waveforms, blocks)
        return blocks if self._mode == "by_channel_local" else blocks.reshape(1, -1, num_samples)


def waves_of_updates(models_of_units, blocks_of_units):
    """Groups of (model, block) in waves: within a wave every model occurs once, so its groups may run side by side.

    A model meets its blocks in the order of the units. Groups depend on the units alone, not on the threads.
    """
    waves, num_updates = [], {}
    for models, blocks in zip(models_of_units, blocks_of_units, strict=True):
        for model_index, block in zip(models, blocks, strict=True):
            wave = num_updates.get(model_index, 0)
            num_updates[model_index] = wave + 1
            if wave == len(waves):
                waves.append([])
            waves[wave].append((model_index, block))
    return [[wave[first : first + GROUP_SIZE] for first in range(0, len(wave), GROUP_SIZE)] for wave in waves]


def rows_in_block(spike_counts, sparsity, mode):
    """How many rows each unit shows a model at once."""
    return spike_counts * sparsity.num_channels_of_unit if mode == "by_channel_global" else spike_counts
