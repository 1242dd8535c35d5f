"""The payload's part that is made of spikes: over the probe, amplitudes, intervals, rates."""

import numpy as np

from ephys_postprocess.records import blocks_of_spikes
from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.report.histograms import amplitude_bins, count_in_bins, interval_histograms, spike_counts
from ephys_postprocess.report.packing import pack, pack_counts, quantized
from ephys_postprocess.report.thinning import evenly, spread_sample

RASTER_SPIKES = 30_000
AMPLITUDES_OF_ALL_UNITS = 200_000
MOST_AMPLITUDES_PER_UNIT = 400
HISTOGRAM_BINS = 40
ISI_BIN_MS, ISI_BINS = 0.5, 100
RATE_BINS = 100
_UINT16 = 2**16 - 1


def raster(data: ReportData) -> dict | None:
    """Some spikes, evenly chosen: time, depth, unit and size."""
    spikes = data.spikes
    if spikes.depths_um is None or not spikes.depths_um.size:
        return None
    rows = evenly(spikes.depths_um.size, RASTER_SPIKES)
    rows = rows[np.isfinite(spikes.depths_um[rows])]
    depths = spikes.depths_um[rows]
    low, high = (float(depths.min()), float(depths.max())) if depths.size else (0.0, 1.0)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    found = {
        "num_spikes": int(spikes.depths_um.size),
        "times": _scaled_times(data, rows),
        "depths": quantized(depths, low, high, np.uint16),
        "units": pack(spikes.unit_indices[rows], np.min_scalar_type(max(1, data.num_units))),
        "low_um": low,
        "high_um": high,
    }
    if spikes.amplitudes is not None:
        sizes = np.nan_to_num(np.abs(spikes.amplitudes[rows]))
        low_size, high_size = np.percentile(sizes, [2, 98]).tolist() if sizes.size else (0.0, 1.0)
        found |= {"sizes": quantized(sizes, low_size, high_size, np.uint8), "sizes_range": [low_size, high_size]}
    return found


def amplitudes(data: ReportData) -> dict | None:
    """Some amplitudes of each unit over time, and the histogram of all."""
    spikes = data.spikes
    if spikes.amplitudes is None or not data.num_units:
        return None
    wanted = int(np.clip(AMPLITUDES_OF_ALL_UNITS // data.num_units, 50, MOST_AMPLITUDES_PER_UNIT))
    ranges, bins = np.zeros((data.num_units, 2)), np.tile([0.0, 1.0], (data.num_units, 1))
    counts = np.zeros((data.num_units, HISTOGRAM_BINS), dtype=np.int64)
    chosen, levels = [], []
    for unit_index in range(data.num_units):
        rows = spikes.trains.rows_of_unit(unit_index)
        rows = rows[np.isfinite(spikes.amplitudes[rows])]
        values = spikes.amplitudes[rows].astype(np.float64)
        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        high = high if high > low else low + 1.0
        ranges[unit_index] = low, high
        if values.size:
            bins[unit_index] = amplitude_bins(values, _converter_step(data, unit_index), HISTOGRAM_BINS)
            counts[unit_index] = count_in_bins(values, *bins[unit_index], HISTOGRAM_BINS)
        some = spread_sample(values, wanted) if values.size else np.arange(0)
        chosen.append(rows[some])
        levels.append((values[some] - low) / (high - low) * _UINT16)
    return {
        "edges": pack(np.concatenate([[0], np.cumsum([rows.size for rows in chosen])]), np.int32),
        "times": _scaled_times(data, np.concatenate(chosen)),
        "values": pack(np.concatenate(levels), np.uint16),
        "ranges": pack(ranges, np.float32),
        "bins": pack(bins, np.float32),
        "counts": pack_counts(counts),
    }


def intervals(data: ReportData) -> dict:
    """Inter-spike intervals in bins of whole samples, so that none holds more samples than another."""
    spikes, rate_khz = data.spikes, data.run.sampling_frequency_hz / 1000
    bin_ms = max(1, round(ISI_BIN_MS * rate_khz)) / rate_khz
    units = (spikes.trains.rows_of_unit(unit_index) for unit_index in range(data.num_units))
    trains = ((spikes.times_s(rows), spikes.trains.segment_indices[rows]) for rows in units)
    counts, short = interval_histograms(trains, data.num_units, bin_ms, ISI_BINS, data.short_interval_ms)
    limit_ms = data.short_interval_ms
    return {"bin_ms": bin_ms, "limit_ms": limit_ms, "counts": pack_counts(counts), "short": pack_counts(short)}


def rates(data: ReportData) -> dict:
    """Spikes of each unit in bins over the recording."""
    bin_s = max(data.run.duration_s / RATE_BINS, 1e-6)
    counts = np.zeros((data.num_units, RATE_BINS), dtype=np.int64)
    for block in blocks_of_spikes(data.spikes.trains.num_spikes):
        rows = np.arange(block.start, block.stop)
        unit_indices = data.spikes.unit_indices[rows]
        counts += spike_counts(data.spikes.times_s(rows), unit_indices, data.num_units, bin_s, RATE_BINS)
    return {"bin_s": bin_s, "counts": pack_counts(counts)}


def _converter_step(data, unit_index) -> float:
    steps = data.spikes.converter_steps
    return float("nan") if steps is None else float(steps[data.main_channel_indices[unit_index]])


def _scaled_times(data, rows):
    return pack(data.spikes.times_s(rows) / max(data.run.duration_s, 1e-12) * _UINT16, np.uint16)
