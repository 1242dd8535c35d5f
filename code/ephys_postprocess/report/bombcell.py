"""Bombcell's labels with its default thresholds, as SpikeInterface applies them, without importing pandas."""

from collections.abc import Mapping

import numpy as np

# Metric: (least, most), either may be None; as `bombcell_get_default_thresholds` of SpikeInterface 0.105.
NOISE = {
    "num_positive_peaks": (None, 2),
    "num_negative_peaks": (None, 1),
    "peak_to_trough_duration": (0.0001, 0.00115),
    "waveform_baseline_flatness": (None, 0.5),
    "peak_after_to_trough_ratio": (None, 0.8),
    "exp_decay": (0.01, 0.1),
}
MUA = {
    "amplitude_median": (30, None),  # of the absolute value, in µV
    "snr": (5, None),
    "amplitude_cutoff": (None, 0.2),
    "num_spikes": (300, None),
    "sliding_rp_violation": (None, 0.1),
    "presence_ratio": (0.7, None),
    "drift_ptp": (None, 100),
    "isolation_distance": (20, None),
    "l_ratio": (None, 0.3),
}
NON_SOMATIC = {
    "peak_before_to_trough_ratio": (None, 3),
    "peak_before_width": (0.00015, None),
    "trough_width": (0.0002, None),
    "peak_before_to_peak_after_ratio": (None, 3),
    "main_peak_to_trough_ratio": (None, 0.8),
}
_ABSOLUTE = {"amplitude_median"}
_MISSING_FAILS = {"sliding_rp_violation"}  # no contamination could be excluded
_WIDTHS = ("peak_before_width", "trough_width")
_RATIOS = ("peak_before_to_trough_ratio", "peak_before_to_peak_after_ratio")


def bombcell_labels(metrics: Mapping[str, np.ndarray], num_units: int) -> list[str]:
    """A label for each unit: noise, mua, good or non_soma.

    Parameters
    ----------
    metrics : mapping
        Column: float (num_units,), NaN where there is no value; rules of columns that are not there are left out.
    num_units : int

    References
    ----------
    Fabre et al. 2023; `bombcell_label_units` of SpikeInterface.
    """

    def exceeds(name: str, rules: dict, is_missing_exceeding: bool) -> np.ndarray:
        if name not in metrics:
            return np.zeros(num_units, dtype=bool)
        values = np.asarray(metrics[name], dtype=np.float64)
        values = np.abs(values) if name in _ABSOLUTE else values
        least, most = rules[name]
        is_outside = np.zeros(num_units, dtype=bool)
        if least is not None:
            is_outside |= values < least
        if most is not None:
            is_outside |= values > most
        return is_outside | (np.isnan(values) & is_missing_exceeding)

    def any_of(masks) -> np.ndarray:
        return np.any([np.zeros(num_units, dtype=bool), *masks], axis=0)

    is_noise = any_of(exceeds(name, NOISE, True) for name in NOISE)
    is_mua = any_of(exceeds(name, MUA, name in _MISSING_FAILS) for name in MUA)
    is_narrow = _is_narrow(metrics, num_units, exceeds)
    has_large_ratio = any_of(exceeds(name, NON_SOMATIC, False) for name in _RATIOS)
    is_non_somatic = (is_narrow & has_large_ratio) | exceeds("main_peak_to_trough_ratio", NON_SOMATIC, False)
    labels = np.where(is_mua, "mua", "good").astype(object)
    labels[is_non_somatic] = "non_soma"
    labels[is_noise] = "noise"
    return labels.tolist()


def _is_narrow(metrics: Mapping[str, np.ndarray], num_units: int, exceeds) -> np.ndarray:
    """Every width that has a value is too small; a unit without any counts as narrow, as in SpikeInterface."""
    there = [name for name in _WIDTHS if name in metrics]
    if not there:
        return np.zeros(num_units, dtype=bool)
    is_wide = [~exceeds(name, NON_SOMATIC, False) & ~np.isnan(np.asarray(metrics[name], float)) for name in there]
    return ~np.any(is_wide, axis=0)
