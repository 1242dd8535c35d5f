"""Average templates of selected spikes straight from the traces, without keeping a waveform."""

import numpy as np

from ephys_postprocess.kernels.waveforms import sum_windows
from ephys_postprocess.machine.threads import map_in_threads, split_evenly
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.traces.trace_pass import chunks_in_time
from ephys_postprocess.stages.traces.waveforms import WaveformSelection, gather_chunk
from ephys_postprocess.traces import TraceSource

WINDOWS_IN_INT32 = 65_536  # that many windows of int16 add up in int32 for certain
# Windows that one map of the file serves. Mapped pages count as this process's memory until the map goes.
WINDOWS_PER_MAP = 128
# Sparse sums are taken in this many stretches of time and added in their order, whatever the number of threads.
NUM_STRETCHES = 16


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

    Where the traces are mapped, only the windows are touched; elsewhere every chunk with a spike is read once.

    Parameters
    ----------
    traces : TraceSource
    spikes : SpikeTrains
    spike_rows : int64 (num_selected,)
        Ascending rows of `spikes`.
    num_samples_before, num_samples_after : int
    chunk_samples : int
        How much is read at a time where the traces aren't mapped; `num_threads` chunks are in memory.
    num_threads : int

    Returns
    -------
    float32 (num_units, num_samples_before + num_samples_after, num_channels)
        Counts. Zero for units without a selected spike; samples outside the segment count as zeros.

    References
    ----------
    SpikeInterface 0.105.3 `estimate_templates_with_accumulator` with return_in_uV=False: equal bit for bit for int16
    (sums of integers are exact) and, with one worker there, for float32.
    """
    no_sparsity = Sparsity(np.zeros((spikes.num_units, traces.num_channels), dtype=bool))
    selection = WaveformSelection(spikes, spike_rows, no_sparsity, num_samples_before, num_samples_after)
    counts = np.bincount(selection.trains.unit_indices, minlength=spikes.num_units)
    sum_dtype = _sum_dtype(traces, counts, np.float32)
    if traces.is_mapped:
        return _average_unit_by_unit(traces, selection, counts, sum_dtype, num_threads)
    sums = _sum_chunk_by_chunk(traces, selection, sum_dtype, chunk_samples, num_threads)
    averages = np.empty(sums.shape, dtype=np.float32)
    np.divide(sums, np.maximum(counts, 1)[:, np.newaxis, np.newaxis], out=averages, casting="unsafe")
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
    counts = np.bincount(selection.trains.unit_indices, minlength=selection.spikes.num_units)
    shape = (counts.size, selection.num_samples, selection.width)
    chunks = list(chunks_in_time(selection.spikes.segment_lengths, chunk_samples))

    def sum_stretch(stretch):
        sums = np.zeros(shape, dtype=_sum_dtype(traces, counts, np.float64))
        for chunk in chunks[slice(*stretch)]:
            for rows, windows in gather_chunk(traces, selection, *chunk):
                first_rows = np.arange(rows.size) * shape[1]
                unit_indices = selection.trains.unit_indices[rows]
                sum_windows(windows.reshape(-1, shape[2]), first_rows, unit_indices, 0, shape[2], sums)
        return sums

    totals = np.zeros(shape)
    for sums in map_in_threads(sum_stretch, split_evenly(len(chunks), NUM_STRETCHES), num_threads):
        totals += sums
    return _scale_sums(totals, counts, traces, selection).astype(np.float32)


def _sum_dtype(traces, counts, float_dtype):
    if traces.dtype != np.int16:
        return float_dtype
    return np.int32 if counts.max(initial=0) <= WINDOWS_IN_INT32 else np.float64


def _average_unit_by_unit(traces, selection, counts, sum_dtype, num_threads):
    """One unit after another, so that its sums stay in the processor's cache."""
    shape = (counts.size, selection.num_samples, traces.num_channels)
    averages = np.zeros(shape, dtype=np.float32)

    def work(unit_index):
        sums = np.zeros((1, *shape[1:]), dtype=sum_dtype)
        rows = selection.trains.rows_of_unit(unit_index)
        for first in range(0, rows.size, WINDOWS_PER_MAP):
            _add_rows(traces, selection, rows[first : first + WINDOWS_PER_MAP], sums)
        averages[unit_index] = sums[0] / counts[unit_index]

    map_in_threads(work, np.flatnonzero(counts), num_threads)
    return averages


def _add_rows(traces, selection, rows, sums):
    trains = selection.trains
    for segment_index in np.unique(trains.segment_indices[rows]):
        samples = trains.samples[rows[trains.segment_indices[rows] == segment_index]]
        chunk, origin = _read_around(traces, selection, segment_index, samples)
        first_rows = samples - selection.num_samples_before - origin
        sum_windows(chunk, first_rows, np.zeros(samples.size, np.int64), 0, traces.num_channels, sums)


def _read_around(traces, selection, segment_index, samples):
    origin = max(0, int(samples[0]) - selection.num_samples_before)
    end = min(traces.segment_lengths[segment_index], int(samples[-1]) + selection.num_samples_after)
    return traces.read(segment_index, origin, end), origin


def _sum_chunk_by_chunk(traces, selection, sum_dtype, chunk_samples, num_threads):
    """Read as many chunks as there are threads side by side, then add them in order, each thread its own channels."""
    trains = selection.trains
    sums = np.zeros((trains.num_units, selection.num_samples, traces.num_channels), dtype=sum_dtype)
    chunks = list(chunks_in_time(trains.segment_lengths, chunk_samples))

    def read(chunk):
        first, last = trains.rows_between(*chunk)
        if first == last:
            return None
        samples, unit_indices = trains.samples[first:last], trains.unit_indices[first:last]
        window, origin = _read_around(traces, selection, chunk[0], samples)
        return window, samples - selection.num_samples_before - origin, unit_indices

    for first in range(0, len(chunks), num_threads):
        pieces = map_in_threads(read, chunks[first : first + num_threads], num_threads)
        pieces = [piece for piece in pieces if piece is not None]

        def add(channels, pieces=pieces):
            for piece in pieces:
                sum_windows(*piece, *channels, sums)

        map_in_threads(add, split_evenly(traces.num_channels, num_threads), num_threads)
    return sums


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
