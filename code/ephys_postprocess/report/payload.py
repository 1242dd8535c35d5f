"""A report's data as compact JSON-like values: thinned, quantized, packed as base64; what the page draws from."""

import base64

import numpy as np

from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.report.thinning import evenly, interval_histograms, rows_by_unit, spread_sample
from ephys_postprocess.results.columns import QC_COLUMNS, THRESHOLDS, describe

RASTER_SPIKES = 30_000
AMPLITUDES_OF_ALL_UNITS = 200_000
MOST_AMPLITUDES_PER_UNIT = 400
HISTOGRAM_BINS = 40
NUM_NEIGHBOURS = 5
ISI_BIN_MS, ISI_BINS = 0.5, 100
_UINT16 = 2**16 - 1


def build_payload(data: ReportData) -> dict:
    """Everything the page draws, as values that `json` can write; the same data give the same bytes."""
    neighbours = _neighbours(data)
    return {
        "duration_s": data.run.duration_s,
        "segment_ends_s": np.cumsum(data.run.segment_durations_s).tolist(),
        "amplitude_unit": data.amplitude_unit,
        "sampling_frequency_hz": data.run.sampling_frequency_hz,
        "probe": {"ids": list(data.probe.channel_ids), "locations": pack(data.probe.locations_um, np.float32)},
        "units": _units(data),
        "columns": [_column(name) for name in data.metrics],
        "qc_columns": [name for name in QC_COLUMNS if name in data.metrics],
        "metrics": {name: pack(values, np.float64) for name, values in data.metrics.items()},
        "templates": _templates(data),
        "waveforms": _waveforms(data),
        "raster": _raster(data),
        "amplitudes": _amplitudes(data),
        "isi": _intervals(data),
        "correlograms": _correlograms(data, neighbours),
        "neighbours": pack(neighbours, np.int32),
        "similarity": None if data.similarity is None else pack(np.clip(data.similarity, 0, 1) * 255, np.uint8),
    }


def pack(values, dtype) -> dict:
    """An array as base64 text with its dtype and shape; rounded where `dtype` is an integer. Little-endian."""
    values = np.asarray(values)
    if np.dtype(dtype).kind in "iu" and values.dtype.kind == "f":
        values = np.rint(values)
    packed = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    text = base64.b64encode(packed.tobytes()).decode("ascii")
    return {"dtype": np.dtype(dtype).name, "shape": list(packed.shape), "data": text}


def pack_counts(counts: np.ndarray) -> dict:
    """Counts in the smallest unsigned integers that hold them."""
    return pack(counts, np.min_scalar_type(int(counts.max(initial=0))))


def pack_by_unit(values: np.ndarray, unit_of_row: np.ndarray, num_units: int) -> dict:
    """Curves as int8 with one scale a unit: a 254th of its largest value is finer than a screen shows."""
    largest = np.zeros(num_units, dtype=np.float32)
    if values.size:
        np.maximum.at(largest, unit_of_row, np.abs(np.nan_to_num(values)).reshape(len(values), -1).max(axis=1))
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    by_row = scales[unit_of_row].reshape(-1, *[1] * (values.ndim - 1))
    return {"scales": pack(scales, np.float32), "values": pack(np.nan_to_num(values) / by_row, np.int8)}


def _units(data):
    locations = data.locations_um
    if locations is None:
        locations = data.probe.locations_um[data.main_channels]
    return {
        "ids": list(data.unit_ids),
        "main_channels": pack(data.main_channels, np.int32),
        "locations": pack(locations[:, :2], np.float32),
        "has_locations": data.locations_um is not None,
        "num_spikes": pack(np.bincount(data.spikes.unit_indices, minlength=data.num_units), np.float64),
    }


def _column(name):
    column, threshold = describe(name), THRESHOLDS.get(name)
    entry = {"name": name, "unit": column.unit, "meaning": column.meaning, "source": column.source}
    if threshold is not None:
        entry["threshold"] = {
            "value": threshold.value,
            "is_good_above": threshold.is_good_above,
            "text": threshold.text(),
            "source": threshold.source,
        }
    return entry


def _templates(data):
    if data.templates is None:
        return None
    return {
        "channels": pack(data.templates.channels, np.int32),
        "num_before": data.templates.num_before,
        **pack_by_unit(data.templates.values, np.arange(data.num_units), data.num_units),
    }


def _waveforms(data):
    sample = data.waveforms
    if sample is None:
        return None
    unit_of_row = np.repeat(np.arange(data.num_units), np.diff(sample.unit_edges))
    packed = pack_by_unit(sample.values, unit_of_row, data.num_units)
    return {"edges": pack(sample.unit_edges, np.int32), "num_before": sample.num_before, **packed}


def _scaled_times(data, rows):
    return pack(data.spikes.times_s[rows] / max(data.run.duration_s, 1e-12) * _UINT16, np.uint16)


def _quantized(values, low: float, high: float, dtype):
    levels = np.iinfo(dtype).max
    return pack(np.clip((values - low) / max(high - low, 1e-12), 0, 1) * levels, dtype)


def _raster(data):
    spikes = data.spikes
    if spikes.depths_um is None or not spikes.depths_um.size:
        return None
    rows = evenly(spikes.depths_um.size, RASTER_SPIKES)
    rows = rows[np.isfinite(spikes.depths_um[rows])]
    depths = spikes.depths_um[rows]
    low, high = float(depths.min(initial=0)), float(depths.max(initial=1))
    raster = {
        "num_spikes": int(spikes.depths_um.size),
        "times": _scaled_times(data, rows),
        "depths": _quantized(depths, low, high, np.uint16),
        "units": pack(spikes.unit_indices[rows], np.min_scalar_type(max(1, data.num_units))),
        "low_um": low,
        "high_um": high,
    }
    if spikes.amplitudes is not None:
        sizes = np.abs(spikes.amplitudes[rows])
        low_size, high_size = np.percentile(sizes, [2, 98]).tolist() if sizes.size else (0.0, 1.0)
        raster |= {"sizes": _quantized(sizes, low_size, high_size, np.uint8), "sizes_range": [low_size, high_size]}
    return raster


def _amplitudes(data):
    spikes = data.spikes
    if spikes.amplitudes is None or not data.num_units:
        return None
    wanted = int(np.clip(AMPLITUDES_OF_ALL_UNITS // data.num_units, 50, MOST_AMPLITUDES_PER_UNIT))
    ranges = np.zeros((data.num_units, 2))
    counts = np.zeros((data.num_units, HISTOGRAM_BINS), dtype=np.int64)
    chosen, levels = [], []
    for unit_index, rows in enumerate(rows_by_unit(spikes.unit_indices, data.num_units)):
        rows = rows[np.isfinite(spikes.amplitudes[rows])]
        values = spikes.amplitudes[rows].astype(np.float64)
        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        high = high if high > low else low + 1.0
        ranges[unit_index] = low, high
        counts[unit_index] = np.histogram(values, bins=HISTOGRAM_BINS, range=(low, high))[0]
        some = spread_sample(values, wanted) if values.size else np.arange(0)
        chosen.append(rows[some])
        levels.append((values[some] - low) / (high - low) * _UINT16)
    return {
        "edges": pack(np.concatenate([[0], np.cumsum([rows.size for rows in chosen])]), np.int32),
        "times": _scaled_times(data, np.concatenate(chosen)),
        "values": pack(np.concatenate(levels), np.uint16),
        "ranges": pack(ranges, np.float32),
        "counts": pack_counts(counts),
    }


def _intervals(data):
    spikes = data.spikes
    counts = interval_histograms(
        spikes.times_s, spikes.unit_indices, spikes.segment_indices, data.num_units, ISI_BIN_MS, ISI_BINS
    )
    return {"bin_ms": ISI_BIN_MS, "counts": pack_counts(counts)}


def _neighbours(data) -> np.ndarray:
    """int64 (num_units, num_neighbours): the most similar units first; the nearest where similarity is not known."""
    number = min(NUM_NEIGHBOURS, max(0, data.num_units - 1))
    if data.similarity is not None:
        closeness = np.array(data.similarity, dtype=np.float64)
    else:
        places = data.probe.locations_um[data.main_channels] if data.locations_um is None else data.locations_um
        closeness = -np.linalg.norm(places[:, None, :2] - places[None, :, :2], axis=2)
    np.fill_diagonal(closeness, -np.inf)
    return np.argsort(-closeness, axis=1, kind="stable")[:, :number]


def _correlograms(data, neighbours):
    if data.correlograms is None:
        return None
    units = np.arange(data.num_units)
    return {
        "edges_ms": data.correlograms.edges_ms.tolist(),
        "auto": pack_counts(data.correlograms.counts[units, units]),
        "cross": pack_counts(data.correlograms.counts[units[:, None], neighbours]),
    }
