"""A report's data as compact JSON-like values: what the page draws from; the same data give the same bytes."""

import hashlib
import json

import numpy as np

from ephys_postprocess.parameters.dictionary import QC_COLUMNS, THRESHOLDS
from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.report.histograms import waveform_density
from ephys_postprocess.report.packing import pack, pack_by_unit, pack_counts
from ephys_postprocess.report.payload_pairs import correlograms, find_neighbours
from ephys_postprocess.report.payload_spikes import amplitudes, intervals, raster, rates
from ephys_postprocess.report.thinning import evenly

CURVES_PER_UNIT = 20
DENSITY_COLUMNS, DENSITY_LEVELS = 45, 24
_SHOWN = {"s": ("ms", 1000.0)}  # unit of the result: unit that the page shows, and its factor


def build_payload(data: ReportData) -> dict:
    """Everything the page draws, as values that `json` can write."""
    neighbours = find_neighbours(data)
    return {
        "recording_name": data.run.recording_name,
        "identity": _identity(data),
        "duration_s": data.run.duration_s,
        "segment_ends_s": np.cumsum(data.run.segment_durations_s).tolist(),
        "amplitude_unit": data.amplitude_unit,
        "sampling_frequency_hz": data.run.sampling_frequency_hz,
        "probe": {"ids": list(data.probe.channel_ids), "locations": pack(data.probe.locations_um, np.float32)},
        "units": _units(data),
        "columns": [_column(data, name) for name in data.metrics],
        "qc_columns": list(QC_COLUMNS) if all(name in data.metrics for name in QC_COLUMNS) else [],
        "columns_beside_metrics": [_column(data, name) for name in ("unit_id", "main_channel_id", "x_um", "y_um")],
        "metrics": {name: pack(values, np.float64) for name, values in data.metrics.items()},
        "missing": [_missing(entry) for entry in data.missing],
        "presets": [{**vars(preset), "labels": list(preset.labels)} for preset in data.presets],
        "properties": [_property(entry) for entry in data.properties],
        "templates": _templates(data),
        "spreads": _spreads(data),
        "waveforms": _waveforms(data),
        "densities": _densities(data),
        "noise": None if data.noise_levels is None else pack(data.noise_levels, np.float32),
        "raster": raster(data),
        "amplitudes": amplitudes(data),
        "isi": intervals(data),
        "rates": rates(data),
        "correlograms": correlograms(data, neighbours),
        "neighbours": pack(neighbours, np.int32),
        "similarity": None
        if data.similarity is None
        else pack(np.clip(np.nan_to_num(data.similarity), 0, 1) * 255, np.uint8),
    }


def _identity(data) -> str:
    """What tells this result from others for a browser that keeps labels: its name, units and their spikes."""
    counts = np.diff(data.spikes.trains.unit_edges).tolist()
    text = json.dumps([data.run.recording_name, data.unit_ids, counts])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _units(data):
    locations = data.locations_um
    if locations is None:
        locations = data.probe.locations_um[data.main_channel_indices]
    return {
        "ids": list(data.unit_ids),
        "are_integers": data.unit_ids_are_integers,
        "main_channels": pack(data.main_channel_indices, np.int32),
        "locations": pack(locations[:, :2], np.float32),
        "has_locations": data.locations_um is not None,
        "num_spikes": pack(np.diff(data.spikes.trains.unit_edges), np.float64),
    }


def _column(data, name):
    column, threshold = data.column(name), THRESHOLDS.get(name)
    unit, scale = _SHOWN.get(column.unit, (column.unit, 1.0))
    group = data.sources.get(name, "")
    entry = {"name": name, "unit": unit, "scale": scale, "meaning": column.meaning, "source": column.source}
    entry["group"] = group
    if threshold is not None:
        entry["threshold"] = {
            "value": threshold.value * scale,
            "is_good_above": threshold.is_good_above,
            "text": threshold.text(),
            "source": threshold.source,
        }
    return entry


def _missing(entry):
    packed = pack(entry.unit_indices, np.int32)
    return {
        "columns": list(entry.columns),
        "is_everywhere": entry.is_everywhere,
        "units": packed,
        "reason": entry.reason,
    }


def _property(entry):
    values = list(entry.values) if entry.is_text else [value if np.isfinite(value) else None for value in entry.values]
    return {"name": entry.name, "is_text": entry.is_text, "values": values}


def _similarity(data):
    if data.similarity is None:
        return None
    return pack(np.clip(np.nan_to_num(data.similarity), 0, 1) * 255, np.uint8)


def _templates(data):
    if data.templates is None:
        return None
    return {
        "channels": pack(data.templates.channels, np.int32),
        "num_before": data.templates.num_before,
        **pack_by_unit(data.templates.values, np.arange(data.num_units), data.num_units),
    }


def _spreads(data):
    if data.templates is None or data.templates.main_stds is None:
        return None
    return pack_by_unit(data.templates.main_stds, np.arange(data.num_units), data.num_units)


def _waveforms(data):
    sample = data.waveforms
    if sample is None:
        return None
    sizes = np.diff(sample.unit_edges)
    chosen = [start + evenly(size, CURVES_PER_UNIT) for start, size in zip(sample.unit_edges, sizes, strict=False)]
    rows = np.concatenate([np.zeros(0, np.int64), *chosen])
    shown = np.minimum(sizes, CURVES_PER_UNIT)
    packed = pack_by_unit(sample.values[rows], np.repeat(np.arange(data.num_units), shown), data.num_units)
    edges = np.concatenate([[0], np.cumsum(shown)])
    return {"edges": pack(edges, np.int32), "num_before": sample.num_before, **packed}


def _densities(data):
    sample = data.waveforms
    if sample is None or not sample.values.size:
        return None
    counts, ranges = waveform_density(sample.values, sample.unit_edges, DENSITY_COLUMNS, DENSITY_LEVELS)
    numbers = np.diff(sample.unit_edges)
    return {"counts": pack_counts(counts), "ranges": pack(ranges, np.float32), "numbers": pack(numbers, np.int32)}
