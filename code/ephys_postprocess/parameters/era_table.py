"""The one table of old parameter names: what each is called today, and what has no successor.

Paths are those of today's form (`extensions.<name>.<parameter>`), under which the older forms are laid first.
"""

from collections.abc import Callable
from typing import Any

Path = tuple[str, ...]
Rename = tuple[Path, Callable[[dict[str, Any]], Any] | None]  # where to, and how an object changes on the way

TOP_LEVEL = ("use_motion_corrected", "duplicate_threshold", "return_in_uV", "seed", "sparsity")

# Sections of the pipeline's own parameter file that belong to its other steps.
OTHER_STEPS = (
    "pipeline_version",
    "job_dispatch",
    "preprocessing",
    "spikesorting",
    "curation",
    "visualization",
    "nwb",
    "quality_control",
    "results_collector",
)

# Command-line flags that a pipeline may have merged into its parameters.
FLAGS = (
    "n_jobs",
    "recording",
    "progress",
    "on_failure",
    "resume",
    "report",
    "allow_pickle",
    "debug",
    "data",
    "results",
    "scratch",
)


def _path(dotted: str) -> Path:
    return tuple(dotted.split("."))


def _noise_slices(value: dict[str, Any]) -> Any:
    """`snr.random_chunk_kwargs_dict` of SpikeInterface 0.100."""
    return {"random_slices_kwargs": value}


def _metric_params_from_kwargs(value: dict[str, Any]) -> Any:
    """`metrics_kwargs` held the parameters of all template metrics side by side."""
    owners = {
        "recovery_window_ms": (("recovery_slope", "recovery_window_ms"),),
        "min_channels_for_velocity": (("velocity_fits", "min_channels"),),
        "min_r2_velocity": (("velocity_fits", "min_r2"),),
        "exp_peak_function": (("exp_decay", "peak_function"),),
        "min_r2_exp_decay": (("exp_decay", "min_r2"),),
        "spread_threshold": (("spread", "spread_threshold"),),
        "spread_smooth_um": (("spread", "spread_smooth_um"),),
        "column_range": (("velocity_fits", "column_range"), ("spread", "column_range")),
    }
    params: dict[str, Any] = {}
    for name, part in value.items():
        for metric, parameter in owners.get(name, (("metrics_kwargs", name),)):
            params.setdefault(metric, {})[parameter] = part
    return params or None


_QUALITY = "extensions.quality_metrics"
_PARAMS = f"{_QUALITY}.metric_params"
_TEMPLATE = "extensions.template_metrics"

RENAMED: dict[Path, Rename] = {
    _path(old): (_path(new), rewrite)
    for old, new, rewrite in (
        ("return_scaled", "return_in_uV", None),
        ("extensions.similarity", "extensions.template_similarity", None),
        ("extensions.isis", "extensions.isi_histograms", None),
        ("extensions.locations", "extensions.unit_locations", None),
        ("extensions.waveforms.max_spikes_per_unit", "extensions.random_spikes.max_spikes_per_unit", None),
        ("extensions.waveforms.seed", "extensions.random_spikes.seed", None),
        ("extensions.waveforms.return_scaled", "return_in_uV", None),
        ("extensions.waveforms.return_in_uV", "return_in_uV", None),
        ("extensions.waveforms.precompute_template", "extensions.templates.operators", None),
        (
            "extensions.noise_levels.num_chunks_per_segment",
            "extensions.noise_levels.random_slices_kwargs.num_chunks_per_segment",
            None,
        ),
        ("extensions.noise_levels.chunk_size", "extensions.noise_levels.random_slices_kwargs.chunk_size", None),
        ("extensions.noise_levels.chunk_duration", "extensions.noise_levels.random_slices_kwargs.chunk_duration", None),
        ("extensions.noise_levels.seed", "extensions.noise_levels.random_slices_kwargs.seed", None),
        (
            "extensions.spike_locations.spike_retriver_kwargs",
            "extensions.spike_locations.spike_retriever_kwargs",
            None,
        ),
        (f"{_TEMPLATE}.metrics_kwargs", f"{_TEMPLATE}.metric_params", _metric_params_from_kwargs),
        ("extensions.quality_metrics_names", f"{_QUALITY}.metric_names", None),
        ("extensions.qm_params", _PARAMS, None),
        (f"{_QUALITY}.qm_params", _PARAMS, None),
        (f"{_PARAMS}.snr.peak_mode", f"{_PARAMS}.snr.method", None),
        (f"{_PARAMS}.snr.random_chunk_kwargs_dict", "extensions.noise_levels", _noise_slices),
        (f"{_PARAMS}.nn_isolation", f"{_PARAMS}.nn_advanced", None),
        (f"{_PARAMS}.nn_noise_overlap", f"{_PARAMS}.nn_advanced", None),
    )
}

DROPPED: frozenset[Path] = frozenset(
    _path(dotted)
    for dotted in (
        "extensions.waveforms_deduplicate",
        "extensions.waveforms.use_relative_path",
        "extensions.waveforms.sparse",
        "extensions.noise_levels.return_scaled",
        "extensions.noise_levels.return_in_uV",
        "extensions.noise_levels.force_recompute",
        "extensions.templates.return_scaled",
        "extensions.templates.return_in_uV",
        "extensions.spike_amplitudes.return_scaled",
        "extensions.spike_amplitudes.return_in_uV",
        "extensions.spike_amplitudes.outputs",
        "extensions.spike_amplitudes.peak_sign",
        "extensions.spike_locations.outputs",
        "extensions.spike_locations.peak_sign",
        f"{_TEMPLATE}.sparsity",
        f"{_TEMPLATE}.peak_sign",
        f"{_TEMPLATE}.periods",
        f"{_TEMPLATE}.delete_existing_metrics",
        f"{_TEMPLATE}.metrics_to_compute",
        f"{_TEMPLATE}.metric_params.metrics_kwargs",
        "extensions.principal_components.sparsity",
        f"{_QUALITY}.peak_sign",
        f"{_QUALITY}.periods",
        f"{_QUALITY}.delete_existing_metrics",
        f"{_QUALITY}.metrics_to_compute",
        f"{_PARAMS}.snr.peak_sign",
        f"{_PARAMS}.amplitude_cutoff.peak_sign",
        f"{_PARAMS}.amplitude_median.peak_sign",
        f"{_PARAMS}.sd_ratio.peak_sign",
        f"{_PARAMS}.nn_advanced.peak_sign",
        f"{_PARAMS}.drift.return_positions",
        f"{_PARAMS}.synchrony.synchrony_sizes",
    )
)

METRIC_NAMES = {
    "isolation_distance": "mahalanobis",
    "l_ratio": "mahalanobis",
    "nn_isolation": "nn_advanced",
    "nn_noise_overlap": "nn_advanced",
}

TEMPLATE_METRIC_NAMES = {
    "peak_to_valley": "peak_to_trough_duration",
    "peak_trough_ratio": "waveform_ratios",
    "num_positive_peaks": "number_of_peaks",
    "num_negative_peaks": "number_of_peaks",
    "velocity_above": "velocity_fits",
    "velocity_below": "velocity_fits",
}
