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
    bins, half_window, bin_samples = correlogram_bins(spikes.sampling_frequency_hz, window_ms, bin_ms)
    counts = np.zeros((spikes.num_units, spikes.num_units, bins.size - 1), dtype=np.int64)
    line = spikes.line_samples(gap_samples=half_window)
    _count(spikes, line, spikes.unit_indices, spikes.order_by_unit, half_window, bin_samples, counts, num_threads)
    return counts, bins


def auto_correlograms(
    spikes: SpikeTrains, window_ms: float, bin_ms: float, num_threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The diagonal of `correlograms` alone: int64 (num_units, num_bins), and the edges in ms."""
    bins, half_window, bin_samples = correlogram_bins(spikes.sampling_frequency_hz, window_ms, bin_ms)
    counts = np.zeros((spikes.num_units, 1, bins.size - 1), dtype=np.int64)
    line = spikes.line_samples(gap_samples=half_window)[spikes.order_by_unit]
    # units one after the other on the line, too far apart to meet
    line += np.repeat(np.arange(spikes.num_units), np.diff(spikes.unit_edges)) * (line.max(initial=0) + half_window + 1)
    columns = np.zeros(spikes.num_spikes, dtype=np.int64)
    _count(spikes, line, columns, np.arange(spikes.num_spikes), half_window, bin_samples, counts, num_threads)
    return counts[:, 0], bins


def _count(spikes, line, columns, rows_by_unit, half_window, bin_samples, counts, num_threads):
    bin_of_lag = np.arange(2 * half_window) // bin_samples

    def work(piece):
        first, last = piece
        kernels.correlograms(line, columns, rows_by_unit, spikes.unit_edges, bin_of_lag, first, last, counts)

    map_in_threads(work, split_evenly(spikes.num_units, 8 * num_threads), num_threads)
