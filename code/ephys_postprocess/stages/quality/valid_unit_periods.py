"""When each unit is well isolated: few refractory violations and few spikes lost below the threshold."""

import itertools
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import (
    fraction_missing,
    num_partners,
    refractory_contamination,
    unit_positions,
)

PERIOD_DTYPE = np.dtype(
    [
        ("segment_index", "int64"),
        ("start_sample_index", "int64"),
        ("end_sample_index", "int64"),
        ("unit_index", "int64"),
    ]
)  # SpikeInterface's unit_period_dtype

# Units are looked at some at a time: their spikes in order, with what tells violations, take 60 bytes each.
SPIKES_AT_ONCE = 2**17


@dataclass(frozen=True)
class ValidUnitPeriods:
    """The extension's four arrays."""

    valid_unit_periods: np.ndarray  # PERIOD_DTYPE (num_valid,): by segment, unit, start; merged and long enough
    all_periods: np.ndarray  # PERIOD_DTYPE (num_periods,): by segment, unit, start
    fps: np.ndarray  # float64 (num_periods,): contamination; 1 where unknown
    fns: np.ndarray  # float64 (num_periods,): fraction missing; 1 where unknown


def valid_unit_periods(
    spikes: SpikeTrains,
    amplitude_scalings: np.ndarray,
    *,
    period_duration_s_absolute: float,
    period_target_num_spikes: int,
    period_mode: str,
    relative_margin_size: float,
    min_num_periods_relative: int,
    fp_threshold: float,
    fn_threshold: float,
    minimum_n_spikes: int,
    minimum_valid_period_duration: float,
    refractory_period_ms: float,
    censored_period_ms: float,
    num_histogram_bins: int,
    histogram_smoothing_value: float,
    amplitudes_bins_min_ratio: float,
    user_defined_periods: np.ndarray | None = None,
    num_threads: int = 1,
) -> ValidUnitPeriods:
    """Periods of each unit with few false positives and few false negatives.

    Parameters
    ----------
    spikes : SpikeTrains
    amplitude_scalings : float32 (num_spikes,)
    period_duration_s_absolute, period_target_num_spikes, period_mode, min_num_periods_relative
        Length of a period: in s ("absolute") or by a number of spikes ("relative").
    relative_margin_size : float
        Both rates are estimated on the period and this many periods on either side.
    fp_threshold, fn_threshold : float
        A valid period is below both.
    minimum_n_spikes : int
        A valid period has at least so many spikes, its margins included: both rates are estimated from these.
    minimum_valid_period_duration : float
        s; shorter stretches of valid periods are dropped.
    refractory_period_ms, censored_period_ms : float
        For the false positives.
    num_histogram_bins, histogram_smoothing_value, amplitudes_bins_min_ratio
        For the false negatives.
    user_defined_periods : PERIOD_DTYPE (num_user_periods,) or None
        Added to those that are found (method "combined").
    num_threads : int
        Changes nothing in the result.

    References
    ----------
    `compute_valid_unit_periods` of SpikeInterface, exactly but for the false negatives (see `fraction_missing`), where
    no period has fewer than `minimum_n_spikes` and yet low rates: it documents that parameter and does not look at it.
    """
    if period_mode not in ("absolute", "relative"):
        raise ParameterError(f"valid_unit_periods.period_mode: must be absolute or relative (got {period_mode!r}).")
    division = (
        period_duration_s_absolute,
        period_target_num_spikes,
        period_mode == "relative",
        relative_margin_size,
        min_num_periods_relative,
    )
    histogram = num_histogram_bins, histogram_smoothing_value, amplitudes_bins_min_ratio
    _ = spikes.order_by_unit  # once, rather than in each thread

    def rate(group):
        periods_ms = refractory_period_ms, censored_period_ms
        return _rated_periods(spikes, amplitude_scalings, group, division, periods_ms, histogram)

    groups = map_in_threads(rate, spikes.groups_of_units(SPIKES_AT_ONCE) or [(0, 0)], num_threads)
    periods, num_spikes, fps, fns = (np.concatenate(arrays) for arrays in zip(*groups, strict=True))
    by_segment = np.argsort(periods["segment_index"], kind="stable")  # units ascend from group to group
    periods, num_spikes, fps, fns = (array[by_segment] for array in (periods, num_spikes, fps, fns))
    valid = periods[(num_spikes >= minimum_n_spikes) & (fps < fp_threshold) & (fns < fn_threshold)]
    if user_defined_periods is not None:
        valid = np.concatenate([valid, user_defined_periods.astype(PERIOD_DTYPE)])
    merged = merge_touching(valid)
    lengths = merged["end_sample_index"] - merged["start_sample_index"]
    is_long = lengths >= int(minimum_valid_period_duration * spikes.sampling_frequency_hz)
    return ValidUnitPeriods(merged[is_long], periods, fps, fns)


def _rated_periods(spikes, amplitude_scalings, group, division, periods_ms, histogram):
    """Periods of the units first:last with their numbers of spikes, margins included, and both rates; 1 if unknown."""
    rows, first_unit = spikes.rows_of_units(*group), group[0]
    own = spikes.of_units(*group)
    periods, wide_periods = _divide(own, *division)
    ordered, part_edges, pieces = _rows_of_periods(own, wide_periods)
    samples = own.samples[ordered]
    fps = _false_positives(samples, part_edges, wide_periods, pieces, own.sampling_frequency_hz, *periods_ms)
    fns = fraction_missing(_made_positive(amplitude_scalings[rows[ordered]], part_edges), pieces, *histogram)
    fps, fns = (np.where(np.isnan(rates), 1.0, rates) for rates in (fps, fns))
    periods["unit_index"] += first_unit
    return periods, pieces[:, 1] - pieces[:, 0], fps, fns


def _divide(spikes, duration_s, target_num_spikes, is_relative, margin, min_num_periods):
    """All periods, and the same with their margins."""
    frequency = spikes.sampling_frequency_hz
    counts = np.diff(spikes.unit_edges)
    total_s = sum(spikes.segment_lengths) / frequency
    parts, wide_parts = [], []
    for segment_index, length in enumerate(spikes.segment_lengths):
        for unit_index, count in enumerate(counts):
            size = np.inf if is_relative and count == 0 else duration_s * frequency
            if is_relative and count > 0:
                size = target_num_spikes / (count / total_s) * frequency
            size = int(np.round(size)) if np.isfinite(size) else length + 1
            margin_samples = int(np.round(margin * size))
            if is_relative and round(length / size) < min_num_periods:
                size = length // min_num_periods
                margin_samples = int(margin * size)
            starts = np.arange(0, length, size)
            ends = np.minimum(starts + size, length)
            parts.append(_as_periods(segment_index, unit_index, starts, ends))
            wide_starts, wide_ends = np.maximum(starts - margin_samples, 0), np.minimum(ends + margin_samples, length)
            wide_parts.append(_as_periods(segment_index, unit_index, wide_starts, wide_ends))
    empty = np.empty(0, dtype=PERIOD_DTYPE)
    return np.concatenate([empty, *parts]), np.concatenate([empty, *wide_parts])


def _as_periods(segment_index, unit_index, starts, ends):
    periods = np.empty(starts.size, dtype=PERIOD_DTYPE)
    periods["segment_index"] = segment_index
    periods["start_sample_index"] = starts
    periods["end_sample_index"] = ends
    periods["unit_index"] = unit_index
    return periods


def _rows_of_periods(spikes, periods):
    """Spike rows by segment and unit, where each such part starts, and (num_periods, 2) rows of that order."""
    parts = spikes.segment_indices * spikes.num_units + spikes.unit_indices
    ordered = np.argsort(parts, kind="stable")
    num_parts = len(spikes.segment_lengths) * spikes.num_units
    part_edges = np.concatenate([[0], np.cumsum(np.bincount(parts, minlength=num_parts))])
    period_parts = periods["segment_index"] * spikes.num_units + periods["unit_index"]
    stride = spikes.samples.max(initial=0) + max(spikes.segment_lengths) + 1
    keys = parts[ordered] * stride + spikes.samples[ordered]
    starts = np.searchsorted(keys, period_parts * stride + periods["start_sample_index"])
    stops = np.searchsorted(keys, period_parts * stride + periods["end_sample_index"])
    return ordered, part_edges, np.stack([starts, stops], axis=1)


def _false_positives(samples, part_edges, periods, rows, frequency, refractory_period_ms, censored_period_ms):
    censored, refractory = round(censored_period_ms * frequency * 1e-3), round(refractory_period_ms * frequency * 1e-3)
    partners = num_partners(unit_positions(samples, part_edges.size - 1, part_edges, refractory), refractory)
    # partners beyond the period's end do not count
    violations = [
        np.minimum(partners[start:stop], np.arange(stop - start)[::-1]).sum() if stop > start else 0
        for start, stop in rows
    ]
    total_samples = periods["end_sample_index"] - periods["start_sample_index"]
    return refractory_contamination(violations, rows[:, 1] - rows[:, 0], total_samples, censored, refractory)


def _made_positive(amplitudes, part_edges):
    for start, stop in itertools.pairwise(part_edges):
        if stop > start and np.median(amplitudes[start:stop]) < 0:
            amplitudes[start:stop] *= -1
    return amplitudes


def merge_touching(periods):
    """Periods of one unit and segment that touch or overlap become one; sorted by segment, unit, start."""
    keys = periods["start_sample_index"], periods["unit_index"], periods["segment_index"]
    merged = []
    for period in periods[np.lexsort(keys)]:
        last = merged[-1] if merged else None
        is_same = last is not None and all(last[name] == period[name] for name in ("segment_index", "unit_index"))
        if is_same and period["start_sample_index"] <= last["end_sample_index"]:
            last["end_sample_index"] = max(last["end_sample_index"], period["end_sample_index"])
        else:
            merged.append(period.copy())
    return np.array(merged, dtype=PERIOD_DTYPE)
