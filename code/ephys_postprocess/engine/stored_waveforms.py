"""Waveforms that an analyzer already holds, offered as `stages.waveforms.WaveformSource` offers those it gathers."""

import numpy as np
import zarr

from ephys_postprocess.stages.traces.waveforms import WaveformSelection


class StoredWaveforms:
    """The array of a `waveforms` extension, in memory, memory-mapped or zarr; read a few rows at a time."""

    common_gain = None  # stored in µV

    def __init__(self, array, selection: WaveformSelection):
        self.selection = selection
        self._array = array

    def gather(self, rows: np.ndarray, width: int | None = None, out: np.ndarray | None = None) -> np.ndarray:
        """float32 (len(rows), num_samples, width), zero beyond a unit's own channels."""
        rows = np.asarray(rows, dtype=np.int64)
        stored = self._array.oindex[rows] if isinstance(self._array, zarr.Array) else self._array[rows]
        waveforms = np.ascontiguousarray(stored[:, :, :width], dtype=np.float32)
        if out is None:
            return waveforms
        out[...] = waveforms
        return out

    def gather_unit(self, unit_index: int) -> np.ndarray:
        """float32 (n, num_samples, num_channels_of_unit): all waveforms of one unit, in time order."""
        width = int(self.selection.sparsity.num_channels_of_unit[unit_index])
        return self.gather(self.selection.trains.rows_of_unit(unit_index), width)

    def close(self) -> None:
        """Nothing to give back: the array is the analyzer's."""
