"""Shape of each unit's template on its main channel and over the channels around it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.stages.templates.extrema import EXTREMA, find_extrema, half_width, upsample, upsampling_matrix
from ephys_postprocess.stages.templates.footprint import exp_decays

PEAKS_DATA_PROPERTIES = ("index", "width_left", "width_right", "half_width_left", "half_width_right")
# Metric: its function and all its parameters. The function takes what a unit's template is and gives {column: value}.
Metrics = Mapping[str, tuple[Callable, Mapping[str, object]]]


@dataclass(frozen=True)
class TemplateMetrics:
    """The extension's table and what it is made from."""

    columns: dict[str, np.ndarray]  # {name: float64 or int64 (num_units,)}
    reasons: dict[str, dict[int, str]]  # {column: {unit index: why its value is missing}}
    peaks_data: dict[str, np.ndarray]  # {"trough_index" …: int64 (num_units,)}
    main_channel_templates: np.ndarray  # float (num_units, num_samples * upsampling_factor), dtype of the templates


def template_metrics(
    templates: np.ndarray,
    main_channel_indices: np.ndarray,
    mask: np.ndarray,
    channel_locations_um: np.ndarray,
    sampling_frequency_hz: float,
    main_channel_metrics: Metrics,
    footprint_metrics: Metrics,
    *,
    upsampling_factor: int,
    depth_direction: str,
    min_thresh_detect_peaks_troughs: float,
    edge_exclusion_ms: float,
    min_peak_trough_distance_ratio: float,
    min_extremum_distance_samples: int,
) -> TemplateMetrics:
    """Template metrics by name.

    Parameters
    ----------
    templates : float32 or float64 (num_units, num_samples, num_channels)
        µV.
    main_channel_indices : int64 (num_units,)
    mask : bool (num_units, num_channels)
        Channels for the metrics over several channels; all true where templates are dense.
    channel_locations_um : float64 (num_channels, 2 or 3)
        The third is not used.
    main_channel_metrics : mapping
        Their functions take (values, extrema, sampling_frequency_hz) of the template on the main channel.
    footprint_metrics : mapping
        Their functions take (template, locations_um, sampling_frequency_hz, depth_axis) on all of the unit's channels.

    References
    ----------
    `compute_template_metrics` of SpikeInterface 0.105. Where one unit makes it fail, all its units get NaN in that
    metric; here that unit alone does.
    """
    matrix = upsampling_matrix(templates.shape[1], upsampling_factor)
    frequency = sampling_frequency_hz * max(upsampling_factor, 1)
    num_units = templates.shape[0]
    main = templates[np.arange(num_units), :, main_channel_indices].astype(np.float64) @ matrix.T
    edge_samples = max(int(edge_exclusion_ms / 1000 * frequency), 0)
    options = edge_samples, min_peak_trough_distance_ratio, min_extremum_distance_samples
    extrema = [find_extrema(values, min_thresh_detect_peaks_troughs, *options) for values in main]
    rows: list[dict] = [{} for _ in range(num_units)]
    for unit_index, row in enumerate(rows):
        for function, params in main_channel_metrics.values():
            row |= function(main[unit_index], extrema[unit_index], frequency, **params)
        if footprint_metrics:
            own = mask[unit_index]
            template = upsample(matrix, templates[unit_index][:, own].astype(np.float64))
            where = channel_locations_um[own, :2], frequency, 1 if depth_direction == "y" else 0
            for function, params in footprint_metrics.values():
                row |= function(template, *where, **params)
    if "exp_decay" in footprint_metrics:
        _fit_decays(rows, footprint_metrics["exp_decay"][1])
    columns = {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}
    reasons = {name: _reasons(values) for name, values in columns.items() if values.dtype.kind == "f"}
    return TemplateMetrics(columns, reasons, _peaks_data(extrema), main.astype(templates.dtype))


def _fit_decays(rows, params):
    """Put the decay where each row has the points it is fitted to: all fits at once are a fraction of the time."""
    decays = exp_decays([row["exp_decay"] for row in rows], params["min_r2"], params["linear_fit"])
    for row, decay in zip(rows, decays, strict=True):
        row["exp_decay"] = decay


def _reasons(values):
    return dict.fromkeys(np.flatnonzero(np.isnan(values)).tolist(), "the template's shape does not define it")


def _peaks_data(extrema):
    names = [f"{name}_{key}" for name in EXTREMA for key in PEAKS_DATA_PROPERTIES]
    return {name: np.array([row[name] for row in extrema], dtype=np.int64) for name in names}


def peak_to_trough_duration(_values, extrema, frequency):
    """s from the trough to the peak after it."""
    return {"peak_to_trough_duration": (extrema["peak_after_index"] - extrema["trough_index"]) / frequency}


def half_widths(values, extrema, frequency):
    """s at half height, of the trough and of the higher peak."""
    before, after = extrema["peak_before_index"], extrema["peak_after_index"]
    peak = after if values[after] >= values[before] else before
    widths = {}
    for name, (first, last) in {
        "trough_half_width": half_width(-values, extrema["trough_index"]),
        "peak_half_width": half_width(values, peak),
    }.items():
        widths[name] = (last - first) / frequency if first >= 0 else np.nan
    return widths


def repolarization_slope(values, extrema, frequency):
    """µV/s between the trough and the return to zero; NaN if there is none or it is closer than 3 samples."""
    trough = extrema["trough_index"]
    returns = np.flatnonzero(values[trough:] >= 0)
    is_defined = trough != 0 and returns.size > 0 and returns[0] >= 3
    slope = _slope(values[trough : trough + returns[0]], frequency) if is_defined else np.nan
    return {"repolarization_slope": slope}


def recovery_slope(values, extrema, frequency, recovery_window_ms):
    """µV/s in the window after the peak that follows the trough."""
    peak = extrema["peak_after_index"]
    stop = min(int(peak + recovery_window_ms / 1000 * frequency), values.size)
    return {"recovery_slope": _slope(values[peak:stop], frequency) if peak > 0 and stop - peak > 1 else np.nan}


def number_of_peaks(_values, extrema, _frequency):
    """Peaks and troughs above the prominence asked for."""
    positive = extrema["peak_before_count"] + extrema["peak_after_count"]
    return {"num_positive_peaks": positive, "num_negative_peaks": extrema["trough_count"]}


def main_to_next_extremum_duration(values, extrema, frequency):
    """s between the largest extremum and the next one (the trough, where the largest is a peak)."""
    largest = max(EXTREMA, key=lambda name: abs(values[extrema[f"{name}_index"]]))
    other = "peak_after" if largest == "trough" else "trough"
    samples = abs(extrema[f"{other}_index"] - extrema[f"{largest}_index"])
    return {"main_to_next_extremum_duration": samples / frequency}


def waveform_ratios(values, extrema, _frequency):
    """Ratios of the extrema's heights."""
    trough, before, after = (abs(values[extrema[f"{name}_index"]]) for name in EXTREMA)
    pairs = {
        "peak_before_to_trough_ratio": (before, trough),
        "peak_after_to_trough_ratio": (after, trough),
        "peak_before_to_peak_after_ratio": (before, after),
        "main_peak_to_trough_ratio": (max(before, after), trough),
    }
    return {name: over / under if under != 0 else np.nan for name, (over, under) in pairs.items()}


def waveform_widths(_values, extrema, frequency):
    """s at half prominence; NaN where nothing is prominent."""
    return {f"{name}_width": extrema[f"{name}_width"] * (1.0 / frequency) for name in EXTREMA}


def waveform_baseline_flatness(values, _extrema, frequency, baseline_window_ms):
    """Largest deviation in the baseline window over the largest of all, both from the window's mean."""
    flatness = np.nan
    if baseline_window_ms is not None:
        start, stop = (int(edge / 1000 * frequency) for edge in baseline_window_ms)
        baseline = values[max(0, start) : min(values.size, stop)]
        if baseline.size:
            deviations = np.abs(values - baseline.mean())
            if deviations.max() > 0:
                flatness = np.abs(baseline - baseline.mean()).max() / deviations.max()
    return {"waveform_baseline_flatness": flatness}


def _slope(values, frequency):
    times = np.arange(values.size) / frequency
    times -= times.mean()
    return (times * (values - values.mean())).sum() / (times**2).sum()
