"""A SortingAnalyzer, finished on disk or in memory, as the plain arrays of a report; traces are never read."""

import numpy as np

from ephys_postprocess.inputs.trace_sources import spike_trains
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.report.contents import (
    Correlograms,
    Duplicate,
    Probe,
    ReportData,
    Run,
    Spikes,
    Templates,
    WaveformSample,
)
from ephys_postprocess.report.thinning import choose_rows
from ephys_postprocess.results.columns import COLUMNS
from ephys_postprocess.results.stored_extensions import StoredExtensions

SHOWN_MS_BEFORE, SHOWN_MS_AFTER = 1.0, 2.0  # of templates and waveforms
MAX_CHANNELS = 20  # of a template
WAVEFORMS_PER_UNIT = 30
# Extensions that have a picture on the page, for the sentence about those that are not there.
SHOWN_EXTENSIONS = (
    *("templates", "waveforms", "unit_locations", "spike_locations", "spike_amplitudes", "correlograms"),
    *("template_similarity", "quality_metrics", "template_metrics"),
)


def read_report_data(
    analyzer,
    recording_name: str,
    data_process: dict | None = None,
    num_threads: int = 1,
) -> ReportData:
    """What the report shows of an analyzer, whatever extensions it has.

    Parameters
    ----------
    analyzer : spikeinterface.SortingAnalyzer
        In memory, in a zarr store or in a folder, with or without its extensions loaded.
    recording_name : str
    data_process : dict, optional
        The DataProcess JSON of the run: versions, time, duplicates, notes.
    num_threads : int
        For decompression; changes nothing in the result.
    """
    extensions = StoredExtensions(analyzer)
    channel_ids = tuple(str(channel_id) for channel_id in analyzer.channel_ids)
    locations = np.asarray(analyzer.get_channel_locations(), dtype=np.float64)[:, :2]
    average = _average_templates(extensions)
    main_channels = _main_channels(analyzer, average)
    unit_locations = extensions.array("unit_locations", "unit_locations")
    output = (data_process or {}).get("output_parameters") or {}
    spikes = _spikes(analyzer, extensions)
    return ReportData(
        run=_run(analyzer, recording_name, data_process or {}, output),
        probe=Probe(channel_ids, locations),
        unit_ids=tuple(str(unit_id) for unit_id in analyzer.unit_ids),
        main_channels=main_channels,
        spikes=spikes,
        is_in_uV=bool(analyzer.return_in_uV),
        locations_um=None if unit_locations is None else np.asarray(unit_locations[:], dtype=np.float64),
        metrics=_metrics(extensions),
        templates=_templates(analyzer, extensions, average, main_channels),
        waveforms=_waveforms(analyzer, extensions, spikes.unit_indices, main_channels, num_threads),
        correlograms=_correlograms(extensions),
        similarity=_similarity(extensions),
        duplicates=tuple(
            Duplicate(str(row["removed_unit_id"]), str(row["kept_unit_id"]), float(row["shared_fraction"]))
            for row in output.get("duplicate_units", ())
        ),
        notes=_notes(output),
        missing_extensions=tuple(name for name in SHOWN_EXTENSIONS if not extensions.has(name)),
    )


def _run(analyzer, recording_name, data_process, output) -> Run:
    rate = float(analyzer.sampling_frequency)
    num_samples = [int(analyzer.get_num_samples(segment)) for segment in range(analyzer.get_num_segments())]
    code = data_process.get("code")
    version = code.get("version") if isinstance(code, dict) else data_process.get("software_version")
    stages = output.get("stages") or ()
    return Run(
        recording_name=recording_name,
        sampling_frequency_hz=rate,
        segment_durations_s=tuple(length / rate for length in num_samples),
        stored_by=StoredExtensions(analyzer).stored_by(),
        num_units_in=output.get("num_units_in"),
        version=version,
        started=data_process.get("start_date_time"),
        seconds=sum(stage["seconds"] for stage in stages) if stages else None,
    )


def _notes(output) -> tuple[str, ...]:
    excess = output.get("excess_spikes_removed") or {}
    notes = [str(note) for note in output.get("notes") or ()]
    if excess:
        notes.append(
            f"{sum(excess.values())} spikes beyond the end of the recording were removed "
            f"({len(excess)} units): check that sorting and recording belong together."
        )
    return tuple(notes)


def _spikes(analyzer, extensions) -> Spikes:
    lengths = tuple(analyzer.get_num_samples(segment) for segment in range(analyzer.get_num_segments()))
    trains = spike_trains(analyzer.sorting, lengths)
    locations = extensions.array("spike_locations", "spike_locations")
    amplitudes = extensions.array("spike_amplitudes", "amplitudes")
    return Spikes(
        times_s=trains.line_samples(gap_samples=0) / float(analyzer.sampling_frequency),
        unit_indices=trains.unit_indices,
        segment_indices=trains.segment_indices,
        amplitudes=None if amplitudes is None else np.asarray(amplitudes[:], dtype=np.float32),
        depths_um=None if locations is None else np.ascontiguousarray(locations[:]["y"], dtype=np.float32),
    )


def _metrics(extensions) -> dict[str, np.ndarray]:
    """All metrics in the data dictionary's order (stores sort theirs by name); columns unknown to it come last."""
    columns: dict[str, np.ndarray] = {}
    for name in ("spiketrain_metrics", "template_metrics", "quality_metrics"):
        columns |= extensions.table(name, "metrics")
    known = [name for name in COLUMNS if name in columns]
    return {name: columns[name] for name in [*known, *sorted(set(columns) - set(known))]}


def _average_templates(extensions):
    """float (num_units, num_samples, num_channels) or None."""
    for name in ("average", "median"):
        templates = extensions.array("templates", name)
        if templates is not None:
            return np.asarray(templates[:])
    return None


def _main_channels(analyzer, average) -> np.ndarray:
    ids = analyzer.sorting.get_property("main_channel_id")
    if ids is not None:
        of_id = {str(channel_id): index for index, channel_id in enumerate(analyzer.channel_ids)}
        return np.array([of_id[str(channel_id)] for channel_id in ids], dtype=np.int64)
    if average is not None:
        return np.abs(average).max(axis=1).argmax(axis=1).astype(np.int64)
    return np.zeros(analyzer.get_num_units(), dtype=np.int64)


def _shown_samples(analyzer, extensions, extension_name: str) -> tuple[int, int, int]:
    """The window shown, as (first, last + 1) of the stored samples, and the samples before the spike in it."""
    rate_khz = float(analyzer.sampling_frequency) / 1000
    params = extensions.params("waveforms") or extensions.params(extension_name)
    num_before = int(params.get("ms_before", 1.0) * rate_khz)
    num_shown_before = min(num_before, round(SHOWN_MS_BEFORE * rate_khz))
    return num_before - num_shown_before, num_before + round(SHOWN_MS_AFTER * rate_khz), num_shown_before


def _templates(analyzer, extensions, average, main_channels) -> Templates | None:
    if average is None or not len(average):
        return None
    first, last, num_before = _shown_samples(analyzer, extensions, "templates")
    average = average[:, first:last]
    sizes = np.ptp(average, axis=1)
    if analyzer.sparsity is not None:
        sizes = np.where(analyzer.sparsity.mask, sizes, -1.0)
    sizes[np.arange(len(sizes)), main_channels] = np.inf
    largest = np.argsort(-sizes, axis=1, kind="stable")[:, :MAX_CHANNELS]
    is_own = np.take_along_axis(sizes, largest, axis=1) >= 0
    width = int(is_own.sum(axis=1).max())
    channels = np.where(is_own, largest, -1)[:, :width]
    values = np.take_along_axis(average, np.maximum(channels, 0)[:, None, :], axis=2)
    return Templates(channels, np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float32), num_before)


def _waveforms(analyzer, extensions, unit_indices, main_channels, num_threads) -> WaveformSample | None:
    stored = extensions.array("waveforms", "waveforms")
    selected = extensions.array("random_spikes", "random_spikes_indices")
    if stored is None or selected is None or not len(selected):
        return None
    unit_of_row = unit_indices[np.asarray(selected[:])]
    num_units = analyzer.get_num_units()
    rows_per_block = stored.chunks[0] if hasattr(stored, "chunks") else 1
    chosen = choose_rows(unit_of_row, num_units, WAVEFORMS_PER_UNIT, rows_per_block)
    columns = main_channels
    if analyzer.sparsity is not None:  # waveforms are packed left
        columns = (np.cumsum(analyzer.sparsity.mask, axis=1) - 1)[np.arange(num_units), main_channels]
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


def _correlograms(extensions) -> Correlograms | None:
    counts, edges = extensions.array("correlograms", "ccgs"), extensions.array("correlograms", "bins")
    if counts is None or edges is None:
        return None
    return Correlograms(np.asarray(counts[:]), np.asarray(edges[:], dtype=np.float64))


def _similarity(extensions) -> np.ndarray | None:
    similarity = extensions.array("template_similarity", "similarity")
    return None if similarity is None else np.asarray(similarity[:], dtype=np.float32)
