"""Average templates of selected spikes straight from the traces, without keeping a waveform."""

import numpy as np

from ephys_postprocess.kernels.waveforms import sum_windows
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.traces.reading import InOrder, InTurn, for_each_stretch
from ephys_postprocess.stages.traces.stretches import Stretch, Windows, plan_stretches
from ephys_postprocess.stages.traces.waveforms import WaveformSelection, gather_stretch
from ephys_postprocess.traces import TraceSource

WINDOWS_IN_INT32 = 65_536  # that many windows of int16 add up in int32 for certain


def average_dense_templates(
    traces: TraceSource,
    spikes: SpikeTrains,
    spike_rows: np.ndarray,
    num_samples_before: int,
    num_samples_after: int,
    chunk_samples: int,
    num_threads: int,
) -> np.ndarray:
    """Unscaled average window of each unit's selected spikes on every channel.

    The windows are read in time order and added in it, so the number of threads and the chunks change no byte.

    Parameters
    ----------
    traces : TraceSource
    spikes : SpikeTrains
    spike_rows : int64 (num_selected,)
        Ascending rows of `spikes`.
    num_samples_before, num_samples_after : int
    chunk_samples : int
        Spikes of so many samples are read for at a time; `num_threads` such chunks are in memory.
    num_threads : int

    Returns
    -------
    float32 (num_units, num_samples_before + num_samples_after, num_channels)
        Counts. Zero for units without a selected spike; samples outside the segment count as zeros.

    References
    ----------
    SpikeInterface 0.105.3 `estimate_templates_with_accumulator` with return_in_uV=False: equal bit for bit for int16
    (sums of integers are exact) and, with one worker there, for float32 without offsets.
    """
    no_sparsity = Sparsity(np.zeros((spikes.num_units, traces.num_channels), dtype=bool))
    selection = WaveformSelection(spikes, spike_rows, no_sparsity, num_samples_before, num_samples_after)
    trains = selection.trains
    counts = np.bincount(trains.unit_indices, minlength=spikes.num_units)
    # With offsets, as of unsigned integers, counts may be far from zero: float32 sums would lose what is compared.
    sum_dtype = _sum_dtype(traces, counts, np.float64 if traces.offsets.any() else np.float32)
    sums = np.zeros((spikes.num_units, selection.num_samples, traces.num_channels), sum_dtype)

    # Sums of floats depend on their order. Units fall into parts; each part's sums take the stretches in turn, while
    # another thread is at another part, or reads.
    orders = [InOrder() for _ in range(num_threads)]

    def add(stretch, window):
        rows = np.arange(*stretch.rows_of(trains))
        parts = trains.unit_indices[rows] % num_threads
        for part, order in enumerate(orders):
            own = rows[parts == part]
            first_rows = trains.samples[own] - num_samples_before - stretch.origin_sample
            with order.turn_of(stretch.index):
                sum_windows(window, first_rows, trains.unit_indices[own], 0, traces.num_channels, sums)

    stretches = plan_stretches(traces, [selection.windows], chunk_samples)
    for_each_stretch(traces, stretches, add, num_threads, orders)
    return _divide_in_place(sums, counts)


def _divide_in_place(sums, counts):
    """float32: the sums over the counts, in the sums' own memory where they are as wide."""
    averages = sums.view(np.float32) if sums.itemsize == 4 else np.empty(sums.shape, dtype=np.float32)
    for unit_index, count in enumerate(np.maximum(counts, 1)):
        averages[unit_index] = sums[unit_index] / count
    return averages


def average_packed_templates(
    traces: TraceSource, selection: WaveformSelection, chunk_samples: int, num_threads: int
) -> np.ndarray:
    """Average waveform of each unit on its own channels, packed left, in µV.

    Parameters
    ----------
    traces : TraceSource
    selection : WaveformSelection
        With a mask of main channels only, this is all that alignment needs.
    chunk_samples, num_threads : int

    Returns
    -------
    float32 (num_units, num_samples, width)
        µV; zero for units without a selected spike and in unused columns.

    References
    ----------
    SpikeInterface 0.105.3 `ComputeTemplates` without waveforms, average; it adds up µV in float32 in an order that
    depends on its workers, here counts are added exactly, so the two agree to float32's rounding.
    """
    averages = PackedAverages(traces, selection)
    stretches = plan_stretches(traces, [selection.windows], chunk_samples)
    for_each_stretch(traces, stretches, averages.add, num_threads)
    return averages.averages()


class PackedAverages:
    """What `average_packed_templates` returns, for a pass over the traces that serves others, too."""

    def __init__(self, traces: TraceSource, selection: WaveformSelection):
        self._traces, self._selection = traces, selection
        self._counts = np.bincount(selection.trains.unit_indices, minlength=selection.spikes.num_units)
        shape = (self._counts.size, selection.num_samples, selection.width)
        self._sums = np.zeros(shape, _sum_dtype(traces, self._counts, np.float64))
        self._in_turn = InTurn(self._add_windows)

    @property
    def windows(self) -> Windows:
        """What must be read of the traces."""
        return self._selection.windows

    def add(self, stretch: Stretch, window: np.ndarray) -> None:
        """Add the spikes of one stretch; from any thread, each stretch of a pass once."""
        pieces = gather_stretch(self._selection, stretch, window)
        self._in_turn.give(stretch.index, [(rows, windows.copy()) for rows, windows in pieces])

    def averages(self) -> np.ndarray:
        """float32 (num_units, num_samples, width), when every stretch was added."""
        return _scale_sums(self._sums, self._counts, self._traces, self._selection).astype(np.float32)

    def _add_windows(self, pieces):
        for rows, windows in pieces:
            windows.flags.writeable = False  # one array type for kernels
            first_rows = np.arange(rows.size) * windows.shape[1]
            unit_indices = self._selection.trains.unit_indices[rows]
            columns = windows.reshape(-1, windows.shape[2])
            sum_windows(columns, first_rows, unit_indices, 0, columns.shape[1], self._sums)


def _sum_dtype(traces, counts, float_dtype):
    if traces.dtype != np.int16:
        return float_dtype
    return np.int32 if counts.max(initial=0) <= WINDOWS_IN_INT32 else np.float64


def _scale_sums(totals, counts, traces, selection):
    """µV averages of summed counts; the offset belongs to samples inside the segment only."""
    channels = selection.sparsity.channels_of_unit
    gains = np.where(channels >= 0, traces.gains[channels], 0)[:, np.newaxis].astype(np.float64)
    offsets = np.where(channels >= 0, traces.offsets[channels], 0)[:, np.newaxis].astype(np.float64)
    first_samples, stop_samples = selection.samples_inside(np.arange(selection.num_waveforms))
    steps = np.zeros((counts.size, selection.num_samples + 1), dtype=np.int64)
    np.add.at(steps, (selection.trains.unit_indices, first_samples), 1)
    np.add.at(steps, (selection.trains.unit_indices, stop_samples), -1)
    num_inside = np.cumsum(steps, axis=1)[:, :-1, np.newaxis]
    return (totals * gains + num_inside * offsets) / np.maximum(counts, 1)[:, np.newaxis, np.newaxis]
