"""The extensions made of metrics: which metrics, and the parameters of each."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ephys_postprocess.parameters.computed import Extension
from ephys_postprocess.parameters.metrics import (
    DEFAULT_QUALITY_METRICS,
    PC_METRICS,
    QUALITY_METRICS,
    SPIKETRAIN_METRICS,
    TEMPLATE_METRICS,
    QualityMetricParams,
    SpiketrainMetricParams,
    TemplateMetricParams,
)
from ephys_postprocess.parameters.types import (
    Flag,
    Fraction,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    PositiveInteger,
    Seed,
    declare,
)


def _names(value: Any) -> Any:
    """Names as a tuple without repeats; pipelines may send them as one text with commas."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of names")
    is_text = all(isinstance(name, str) for name in value)
    return tuple(dict.fromkeys(value)) if is_text else tuple(value)


QualityMetricName = Literal[tuple(QUALITY_METRICS)]
TemplateMetricName = Literal[tuple(TEMPLATE_METRICS)]
SpiketrainMetricName = Literal[tuple(SPIKETRAIN_METRICS)]
Names = BeforeValidator(_names)


class TemplateMetrics(Extension):
    needs = ("templates",)
    computed_by = "engine.extensions:template_metrics_of"
    audit = "recomputed"
    has_picture = True

    metric_names: Annotated[Annotated[tuple[TemplateMetricName, ...], Names] | None, Nullable] = declare(
        None, "Metrics to compute; null = all (multi-channel ones as include_multi_channel_metrics says)."
    )
    metric_params: TemplateMetricParams = declare(TemplateMetricParams(), "Parameters by metric.")
    template_operator: Literal["average", "median"] = declare("average", "The templates that are measured.")
    upsampling_factor: PositiveInteger = declare(10, "Templates are upsampled this many times first.", le=100)
    include_multi_channel_metrics: Flag = declare(True, "Also velocity_fits, exp_decay and spread.")
    depth_direction: Literal["x", "y"] = declare("y", "Axis along the probe.")
    min_thresh_detect_peaks_troughs: Fraction = declare(0.3, "Least prominence, as a share of the largest amplitude.")
    edge_exclusion_ms: NonNegativeNumber = declare(
        0.09, "Extrema this close to the template's ends are ignored, in ms."
    )
    min_peak_trough_distance_ratio: NonNegativeNumber = declare(
        0.2, "Least distance of two extrema, as a share of the template's length."
    )
    min_extremum_distance_samples: NonNegativeInteger = declare(3, "Least distance of two extrema, in samples.")

    def needed(self) -> tuple[str, ...]:
        return ("templates", "waveforms") if self.template_operator == "median" else self.needs


class QualityMetrics(Extension):
    computed_by = "engine.quality_metrics:quality_metrics_of"
    audit = "recomputed"
    has_picture = True
    leaves_large_scratch = True

    metric_names: Annotated[tuple[QualityMetricName, ...], Names] = declare(
        DEFAULT_QUALITY_METRICS, "Metrics to compute, in the order of their columns."
    )
    metric_params: QualityMetricParams = declare(QualityMetricParams(), "Parameters by metric.")
    use_valid_periods: Flag = declare(False, "Use only the spikes within valid_unit_periods.")
    seed: Seed = declare(0, "Seed of everything random in the metrics.")
    skip_pc_metrics: Flag = declare(False, "Leave out the metrics made from principal components.")

    def needed(self) -> tuple[str, ...]:
        return ("valid_unit_periods",) if self.use_valid_periods else ()

    def arguments(self) -> dict[str, Any]:
        arguments = super().arguments()
        names = [name for name in self.metric_names if not (self.skip_pc_metrics and name in PC_METRICS)]
        params = {name: arguments["metric_params"][name] for name in names}
        return {**arguments, "metric_names": names, "metric_params": params}


class SpiketrainMetrics(Extension):
    metric_names: Annotated[Annotated[tuple[SpiketrainMetricName, ...], Names] | None, Nullable] = declare(
        None, "Metrics to compute; null = all."
    )
    metric_params: SpiketrainMetricParams = declare(SpiketrainMetricParams(), "Parameters by metric.")
