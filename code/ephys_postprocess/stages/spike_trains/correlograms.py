"""Cross- and auto-correlograms of spike trains."""

import numpy as np

from ephys_postprocess.kernels import correlograms as kernels
from ephys_postprocess.machine.threads import map_in_threads, split_evenly
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import correlogram_bins


def correlograms(
    spikes: SpikeTrains, window_ms: float, bin_ms: float, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of lags between the spikes of every two units.

    Parameters
    ----------
    spikes : SpikeTrains
    window_ms : float
        Whole width; cut to a multiple of the bin on each side.
    bin_ms : float
    num_threads : int

    Returns
    -------
    ccgs : int64 (num_units, num_units, num_bins)
        ccgs[a, b]: time of a's spike minus time of b's, a spike never with itself.
    bins : float64 (num_bins + 1,)
        Edges, ms.

    References
    ----------
    `compute_correlograms(method="numpy")` of SpikeInterface, exactly.
    """
    counter = PairCounter(spikes, window_ms, bin_ms, num_threads)
    return counter.rows(0, spikes.num_units), counter.bins


class PairCounter:
    """The same some units at a time: all of them take 8 * num_bins * num_units² bytes, 1.6 GB for 2000 units.

    Attributes
    ----------
    shape : (num_units, num_units, num_bins)
        Of all counts.
    bins : float64 (num_bins + 1,)
        Edges, ms.
    """

    def __init__(self, spikes: SpikeTrains, window_ms: float, bin_ms: float, num_threads: int = 1):
        self.bins, half_window, bin_samples = correlogram_bins(spikes.sampling_frequency_hz, window_ms, bin_ms)
        self.shape = (spikes.num_units, spikes.num_units, self.bins.size - 1)
        self._bin_of_lag = np.arange(2 * half_window) // bin_samples
        self._spikes, self._num_threads = spikes, num_threads
        self._line = spikes.line_samples(gap_samples=half_window)

    def rows(self, first_unit: int, last_unit: int) -> np.ndarray:
        """int64 (last_unit - first_unit, num_units, num_bins): `ccgs[first_unit:last_unit]`."""
        spikes = self._spikes
        counts = np.zeros((last_unit - first_unit, *self.shape[1:]), dtype=np.int64)
        edges = spikes.unit_edges[first_unit : last_unit + 1]
        line = self._line, spikes.unit_indices, spikes.order_by_unit, edges, self._bin_of_lag
        _count(*line, counts, self._num_threads)
        return counts


def auto_correlograms(
    spikes: SpikeTrains, window_ms: float, bin_ms: float, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The diagonal of `correlograms` alone: int64 (num_units, num_bins), and the edges in ms."""
    bins, half_window, bin_samples = correlogram_bins(spikes.sampling_frequency_hz, window_ms, bin_ms)
    counts = np.zeros((spikes.num_units, 1, bins.size - 1), dtype=np.int64)
    line = spikes.line_samples(gap_samples=half_window)[spikes.order_by_unit]
    # units one after the other on the line, too far apart to meet
    line += np.repeat(np.arange(spikes.num_units), np.diff(spikes.unit_edges)) * (line.max(initial=0) + half_window + 1)
    columns = np.zeros(spikes.num_spikes, dtype=np.int32)
    bin_of_lag = np.arange(2 * half_window) // bin_samples
    rows = np.arange(spikes.num_spikes, dtype=spikes.order_by_unit.dtype)
    _count(line, columns, rows, spikes.unit_edges, bin_of_lag, counts, num_threads)
    return counts[:, 0], bins


def _count(line, columns, rows_by_unit, unit_edges, bin_of_lag, counts, num_threads):
    def work(piece):
        kernels.correlograms(line, columns, rows_by_unit, unit_edges, bin_of_lag, *piece, counts)

    map_in_threads(work, split_evenly(len(counts), 8 * num_threads), num_threads)
