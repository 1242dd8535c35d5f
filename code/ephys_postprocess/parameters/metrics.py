"""Every metric by name, and the sections that hold the parameters of all metrics of an extension."""

from collections.abc import Mapping
from typing import Any

from pydantic import create_model

import ephys_postprocess.parameters.basic_metrics
import ephys_postprocess.parameters.pc_metrics
import ephys_postprocess.parameters.stability_metrics
import ephys_postprocess.parameters.template_metrics  # noqa: F401 - what is defined there is known from then on
from ephys_postprocess.parameters.computed import Metric, QualityMetric, TemplateMetric
from ephys_postprocess.parameters.types import NamedSections

# In the order of their columns; those of principal components are last.
QUALITY_METRICS: dict[str, type[QualityMetric]] = dict(
    sorted(QualityMetric.known.items(), key=lambda item: item[1].is_of_principal_components)
)
TEMPLATE_METRICS: dict[str, type[TemplateMetric]] = dict(TemplateMetric.known)
SPIKETRAIN_METRICS = {name: QUALITY_METRICS[name] for name in ("num_spikes", "firing_rate")}
METRICS_OF: dict[str, dict[str, type[Metric]]] = {
    "quality_metrics": QUALITY_METRICS,
    "template_metrics": TEMPLATE_METRICS,
    "spiketrain_metrics": SPIKETRAIN_METRICS,
}
# In an extension's parameters, where there are any: the metrics that SpikeInterface does not have.
OWN_NAMES = "own_metric_names"
PC_METRICS = tuple(name for name, metric in QUALITY_METRICS.items() if metric.is_of_principal_components)
DEFAULT_QUALITY_METRICS = tuple(name for name, metric in QUALITY_METRICS.items() if metric.is_default)


def _params_of(name: str, sentence: str, metrics: dict[str, type[Metric]]) -> type[NamedSections]:
    fields = {metric_name: (metric, metric()) for metric_name, metric in metrics.items()}
    return create_model(name, __base__=NamedSections, __doc__=sentence, __module__=__name__, **fields)


QualityMetricParams = _params_of(
    "QualityMetricParams",
    "The parameters of every quality metric, each checked against that metric's own signature.",
    QUALITY_METRICS,
)
TemplateMetricParams = _params_of("TemplateMetricParams", "The parameters of every template metric.", TEMPLATE_METRICS)
SpiketrainMetricParams = _params_of(
    "SpiketrainMetricParams", "The parameters of the spike-train metrics: they have none.", SPIKETRAIN_METRICS
)


def metric_names_of(params: Mapping[str, Any]) -> list[str]:
    """The names of all metrics of a stored extension, from its parameters; SpikeInterface's first."""
    return [*(params.get("metric_names") or ()), *(params.get(OWN_NAMES) or ())]
