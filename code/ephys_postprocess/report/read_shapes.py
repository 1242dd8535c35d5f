"""Templates and a sample of waveforms of an analyzer, for the report."""

import numpy as np
from spikeinterface.core.core_tools import ms_to_samples

from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.report.contents import Templates, WaveformSample
from ephys_postprocess.report.thinning import choose_rows

SHOWN_MS_BEFORE, SHOWN_MS_AFTER = 1.0, 2.0  # of templates and waveforms
MAX_CHANNELS = 20  # of a template
WAVEFORMS_PER_UNIT = 60


def read_average(extensions):
    """float (num_units, num_samples, num_channels) or None."""
    for name in ("average", "median"):
        templates = extensions.array("templates", name)
        if templates is not None:
            return np.asarray(templates[:])
    return None


def _shown_samples(analyzer, extensions, extension_name: str) -> tuple[int, int, int]:
    """The window shown, as (first, last + 1) of the stored samples, and the samples before the spike in it."""
    rate_khz = float(analyzer.sampling_frequency) / 1000
    params = extensions.params("waveforms") or extensions.params(extension_name)
    num_before = ms_to_samples(params.get("ms_before", 1.0), analyzer.sampling_frequency)  # as the window was cut
    num_shown_before = min(num_before, max(1, round(SHOWN_MS_BEFORE * rate_khz)))
    return num_before - num_shown_before, num_before + max(1, round(SHOWN_MS_AFTER * rate_khz)), num_shown_before


def read_templates(analyzer, extensions, average, main_channel_indices, num_threads) -> Templates | None:
    if average is None or not len(average):
        return None
    first, last, num_before = _shown_samples(analyzer, extensions, "templates")
    average = average[:, first:last]
    sizes = np.ptp(average, axis=1)
    if analyzer.sparsity is not None:
        sizes = np.where(analyzer.sparsity.mask, sizes, -1.0)
    sizes[np.arange(len(sizes)), main_channel_indices] = np.inf
    largest = np.argsort(-sizes, axis=1, kind="stable")[:, :MAX_CHANNELS]
    is_own = np.take_along_axis(sizes, largest, axis=1) >= 0
    width = int(is_own.sum(axis=1).max())
    channels = np.where(is_own, largest, -1)[:, :width]
    values = np.take_along_axis(average, np.maximum(channels, 0)[:, None, :], axis=2)
    values = np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float32)
    stds = _main_stds(extensions, main_channel_indices, slice(first, last), num_threads)
    return Templates(channels, values, num_before, stds)


def _main_stds(extensions, main_channel_indices, window: slice, num_threads: int) -> np.ndarray | None:
    """float32 (num_units, num_samples): of each unit on its main channel."""
    stored = extensions.array("templates", "std")
    if stored is None:
        return None
    units = np.arange(len(main_channel_indices))
    rows_per_block = stored.chunks[0] if hasattr(stored, "chunks") else 1
    return _read_rows(stored, units, main_channel_indices, window, rows_per_block, num_threads)


def read_waveforms(analyzer, extensions, unit_indices, main_channel_indices, num_threads) -> WaveformSample | None:
    stored = extensions.array("waveforms", "waveforms")
    selected = extensions.array("random_spikes", "random_spikes_indices")
    if stored is None or selected is None or not len(selected):
        return None
    unit_of_row = unit_indices[np.asarray(selected[:])]
    num_units = analyzer.get_num_units()
    rows_per_block = stored.chunks[0] if hasattr(stored, "chunks") else 1
    chosen = choose_rows(unit_of_row, num_units, WAVEFORMS_PER_UNIT, rows_per_block)
    columns = main_channel_indices
    if analyzer.sparsity is not None:  # waveforms are packed left
        columns = (np.cumsum(analyzer.sparsity.mask, axis=1) - 1)[np.arange(num_units), main_channel_indices]
    rows = np.concatenate(chosen)
    first, last, num_before = _shown_samples(analyzer, extensions, "waveforms")
    window = slice(first, min(last, stored.shape[1]))
    values = _read_rows(stored, rows, columns[unit_of_row[rows]], window, rows_per_block, num_threads)
    edges = np.concatenate([[0], np.cumsum([len(own) for own in chosen])])
    return WaveformSample(values, edges, num_before)


def _read_rows(stored, rows, columns, window: slice, rows_per_block: int, num_threads: int) -> np.ndarray:
    """float32 (num_rows, num_samples): one column of each row; each block of the store is read once."""
    values = np.empty((rows.size, window.stop - window.start), dtype=np.float32)
    if not hasattr(stored, "chunks"):
        return np.asarray(stored[rows[:, None], np.arange(window.start, window.stop), columns[:, None]], values.dtype)
    block_of_row = rows // rows_per_block

    def read(block: int) -> None:
        mine = np.flatnonzero(block_of_row == block)
        content = stored[block * rows_per_block : (block + 1) * rows_per_block, window]
        values[mine] = content[rows[mine] - block * rows_per_block, :, columns[mine]]

    map_in_threads(read, np.unique(block_of_row).tolist(), num_threads)
    return values
