"""A SortingAnalyzer, finished on disk or in memory, as the plain arrays of a report; traces are never read."""

from dataclasses import replace

import numpy as np

from ephys_postprocess.inputs.trace_sources import spike_trains
from ephys_postprocess.parameters.dictionary import COLUMN_NAMES
from ephys_postprocess.parameters.extensions import EXTENSIONS_WITH_A_PICTURE
from ephys_postprocess.report.contents import (
    Correlograms,
    Duplicate,
    MissingReason,
    Probe,
    ReportData,
    Run,
    Spikes,
    UnitProperty,
)
from ephys_postprocess.report.methods import write_methods
from ephys_postprocess.report.presets import find_presets
from ephys_postprocess.report.read_shapes import read_average, read_templates, read_waveforms
from ephys_postprocess.results.analyzer_tables import dictionary_of
from ephys_postprocess.results.stored_extensions import StoredExtensions, read_field

_METRIC_EXTENSIONS = ("spiketrain_metrics", "template_metrics", "quality_metrics")


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
    average = read_average(extensions)
    main_channel_indices = _main_channels(analyzer, average)
    data_process = data_process or {}
    output = data_process.get("output_parameters") or {}
    spikes = _spikes(analyzer, extensions)
    metrics, sources = _metrics(extensions)
    data = ReportData(
        run=_run(analyzer, recording_name, data_process, output),
        probe=_probe(analyzer),
        unit_ids=tuple(str(unit_id) for unit_id in analyzer.unit_ids),
        unit_ids_are_integers=np.asarray(analyzer.unit_ids).dtype.kind in "iu",
        main_channel_indices=main_channel_indices,
        spikes=spikes,
        is_in_uV=bool(analyzer.return_in_uV),
        locations_um=_floats(extensions.array("unit_locations", "unit_locations")),
        metrics=metrics,
        sources=sources,
        properties=_properties(analyzer.sorting),
        templates=read_templates(analyzer, extensions, average, main_channel_indices, num_threads),
        waveforms=read_waveforms(analyzer, extensions, spikes.unit_indices, main_channel_indices, num_threads),
        correlograms=_correlograms(extensions),
        similarity=_floats(extensions.array("template_similarity", "similarity")),
        noise_levels=_floats(extensions.array("noise_levels", "noise_levels")),
        short_interval_ms=_short_interval_ms(extensions),
        duplicates=tuple(
            Duplicate(str(row["removed_unit_id"]), str(row["kept_unit_id"]), float(row["shared_fraction"]))
            for row in output.get("duplicate_units", ())
        ),
        notes=_notes(output),
        dictionary=dictionary_of(analyzer),
        missing_extensions=tuple(name for name in EXTENSIONS_WITH_A_PICTURE if not extensions.has(name)),
    )
    presets = find_presets(metrics, data.properties, data.num_units, data.is_in_uV)
    has_bombcell = any(preset.column == "bombcell" for preset in presets)
    parameters = _parameters(data_process)
    return replace(
        data,
        presets=presets,
        missing=_missing(output, data),
        methods=write_methods(data.run, extensions, parameters, output, has_bombcell),
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
        is_filtered=(analyzer.rec_attributes or {}).get("is_filtered"),
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
        trains=trains,
        amplitudes=None if amplitudes is None else np.asarray(amplitudes[:], dtype=np.float32),
        depths_um=None if locations is None else read_field(locations, "y").astype(np.float32, copy=False),
        converter_steps=_converter_steps(analyzer),
    )


def _metrics(extensions) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All metrics, in the data dictionary's order and unknown ones last (stores sort by name), and their extensions."""
    columns: dict[str, np.ndarray] = {}
    sources: dict[str, str] = {}
    for name in _METRIC_EXTENSIONS:
        table = extensions.table(name, "metrics")
        columns |= table
        sources |= dict.fromkeys(table, name)
    known = [name for name in COLUMN_NAMES if name in columns]
    return {name: columns[name] for name in [*known, *sorted(set(columns) - set(known))]}, sources


def _missing(output, data: ReportData) -> tuple[MissingReason, ...]:
    """Why values are missing, as the run recorded it; earlier versions recorded whole columns only."""
    index_of = {unit_id: index for index, unit_id in enumerate(data.unit_ids)}
    recorded = output.get("missing_values")
    if recorded is None:
        everywhere = ": no value for any unit: "
        lines = (output.get("metrics_not_computed") or {}).items()
        return tuple(
            MissingReason((name,), (), True, line.split(everywhere, 1)[1]) for name, line in lines if everywhere in line
        )
    return tuple(
        MissingReason(
            tuple(entry["columns"]),
            tuple(index_of[unit_id] for unit_id in entry["unit_ids"] if unit_id in index_of),
            bool(entry["is_everywhere"]),
            str(entry["reason"]),
        )
        for entry in recorded
    )


def _properties(sorting) -> tuple[UnitProperty, ...]:
    """Texts and numbers of each unit that the sorter, or whoever saved the sorting, set."""
    found = []
    for name in sorted(sorting.get_property_keys()):
        values = np.asarray(sorting.get_property(name))
        if name == "main_channel_id" or values.ndim != 1 or values.dtype.kind not in "USOfiub":
            continue
        if values.dtype.kind in "USO" or values.dtype.kind == "b":
            found.append(UnitProperty(str(name), tuple(str(value) for value in values), True))
        else:
            found.append(UnitProperty(str(name), tuple(float(value) for value in values), False))
    return tuple(found)


def _short_interval_ms(extensions) -> float:
    params = (extensions.params("quality_metrics").get("metric_params") or {}).get("isi_violation") or {}
    return float(params.get("isi_threshold_ms", 1.5))


def _parameters(data_process: dict) -> dict:
    code = data_process.get("code")
    parameters = code.get("parameters") if isinstance(code, dict) else data_process.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def _probe(analyzer) -> Probe:
    locations = np.asarray(analyzer.get_channel_locations(), dtype=np.float64)[:, :2]
    return Probe(tuple(str(channel_id) for channel_id in analyzer.channel_ids), locations)


def _floats(stored) -> np.ndarray | None:
    return None if stored is None else np.asarray(stored[:], dtype=np.float64)


def _converter_steps(analyzer) -> np.ndarray | None:
    """One count of the converter in the unit of amplitudes, channel by channel."""
    if not analyzer.return_in_uV:
        return np.ones(analyzer.get_num_channels())
    gains = (analyzer.rec_attributes or {}).get("properties", {}).get("gain_to_uV")
    return None if gains is None else np.abs(np.asarray(gains, dtype=np.float64))


def _main_channels(analyzer, average) -> np.ndarray:
    ids = analyzer.sorting.get_property("main_channel_id")
    if ids is not None:
        of_id = {str(channel_id): index for index, channel_id in enumerate(analyzer.channel_ids)}
        return np.array([of_id[str(channel_id)] for channel_id in ids], dtype=np.int64)
    if average is not None:
        return np.abs(average).max(axis=1).argmax(axis=1).astype(np.int64)
    return np.zeros(analyzer.get_num_units(), dtype=np.int64)


def _correlograms(extensions) -> Correlograms | None:
    counts, edges = extensions.array("correlograms", "ccgs"), extensions.array("correlograms", "bins")
    if counts is None or edges is None:
        return None
    return Correlograms(counts, np.asarray(edges[:], dtype=np.float64))
