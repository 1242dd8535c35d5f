"""Units in unit order, a few at a time, cut into pieces that threads may work on side by side."""

import functools

import numpy as np

from ephys_postprocess.stages.principal_components.scratch import empty_on_a_line
from ephys_postprocess.stages.principal_components.snippet_blocks import block_size, blocks_of_unit

ROUND_BYTES = 48 * 2**20  # of the waveforms of the units fitted side by side, and as much of the next ones'
MODELS_A_PIECE = 4  # few enough to share a round's work evenly, enough that handing on pieces costs nothing


class UnitRounds:
    """Units with enough spikes, in order and in rounds small enough to hold two rounds of waveforms in memory."""

    def __init__(self, waveforms_of_unit, spike_counts, sparsity, num_samples, n_components, mode, gain_uV):
        self._waveforms_of_unit, self._sparsity, self._mode = waveforms_of_unit, sparsity, mode
        self._gain_uV = gain_uV
        self._sizes = block_size(sparsity.num_channels_of_unit, spike_counts, num_samples, gain_uV)
        dtype = np.dtype(np.float32 if gain_uV is None else np.int16)
        most = ROUND_BYTES // dtype.itemsize
        is_enough = rows_in_block(spike_counts, sparsity, mode) >= n_components
        enough = np.flatnonzero(is_enough & (sparsity.num_channels_of_unit > 0))
        self._rounds = []
        used = most
        for unit_index in enough:
            used += self._sizes[unit_index]
            if used > most:
                self._rounds.append([])
                used = self._sizes[unit_index]
            self._rounds[-1].append(int(unit_index))
        largest = max((self._sizes[units].sum() for units in self._rounds), default=0)
        self._buffers = [empty_on_a_line(largest, dtype) for _ in range(2)]  # one is fitted, the other filled

    @property
    def num_rounds(self):
        return len(self._rounds)

    def gathers(self, turn):
        """Callables, one per unit of the round: each returns the unit's blocks."""
        if turn >= self.num_rounds:
            return []
        units, buffer = self._rounds[turn], self._buffers[turn % 2]
        stops = np.cumsum(self._sizes[units])
        return [
            functools.partial(self._gather, unit_index, buffer[stop - self._sizes[unit_index] : stop])
            for unit_index, stop in zip(units, stops, strict=True)
        ]

    def updates(self, turn, blocks_of_units):
        """Pieces that touch no model of another piece: lists of (model, block), each model's blocks in unit order.

        Parameters
        ----------
        turn : int
        blocks_of_units : list of lists
            What the gathers of this turn returned.
        """
        by_model = {}
        for unit_index, blocks in zip(self._rounds[turn], blocks_of_units, strict=True):
            is_local = self._mode == "by_channel_local"
            models = np.flatnonzero(self._sparsity.mask[unit_index]).tolist() if is_local else [0]
            for model, block in zip(models, blocks, strict=True):
                by_model.setdefault(model, []).append((model, block))
        chains = list(by_model.values())
        return [
            [update for chain in chains[first : first + MODELS_A_PIECE] for update in chain]
            for first in range(0, len(chains), MODELS_A_PIECE)
        ]

    def _gather(self, unit_index, room):
        num_channels = self._sparsity.num_channels_of_unit[unit_index]
        return blocks_of_unit(self._waveforms_of_unit(unit_index), room, num_channels, self._mode, self._gain_uV)


def rows_in_block(spike_counts, sparsity, mode):
    """How many rows each unit shows a model at once."""
    return spike_counts * sparsity.num_channels_of_unit if mode == "by_channel_global" else spike_counts
