"""Metrics that SpikeInterface does not have: their place is the same table, and their names and parameters beside its.

SpikeInterface checks the names that it is given, so it is given its own only. Its readers take a table's columns as
they are; a merge or a split of units there leaves ours empty for the new units.
"""

from typing import Any

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.metrics import METRICS_OF, OWN_NAMES
from ephys_postprocess.parameters.needs import missing_needs


def set_params(extension, params: dict[str, Any]) -> dict[str, Any]:
    """The extension's complete parameters, as SpikeInterface checks and stores them, with our own metrics' beside.

    Raises
    ------
    ParameterError
        A metric of ours needs an extension that the analyzer does not have.
    """
    own = _own_metrics(extension, params)
    if not own:
        return extension._set_params(**params)
    _check_needs(extension, own)
    given = dict(params.get("metric_params") or {})
    of_own = {name: metric().arguments() | given.pop(name, {}) for name, metric in own.items()}
    theirs = dict(params)
    if theirs.get("metric_names") is not None:
        theirs["metric_names"] = [name for name in theirs["metric_names"] if name not in own]
    complete = extension._set_params(**theirs | {"metric_params": given})
    return complete | {OWN_NAMES: list(own), "metric_params": complete["metric_params"] | of_own}


def _own_metrics(extension, params: dict[str, Any]) -> dict:
    """Name: record, of the metrics asked for that SpikeInterface does not have; all of them where none is named."""
    metrics = METRICS_OF.get(extension.extension_name, {})
    theirs = extension.get_available_metric_names() if metrics else ()
    asked = params.get("metric_names")
    return {name: metric for name, metric in metrics.items() if name not in theirs and (asked is None or name in asked)}


def _check_needs(extension, own: dict) -> None:
    has = [name for metric in own.values() for need in metric.needs for name in need.split("|")]
    available = tuple(name for name in has if extension.sorting_analyzer.has_extension(name))
    for name, metric in own.items():
        if missing := missing_needs(metric.needs, available):
            needed = " and ".join(missing).replace("|", " or ")
            raise ParameterError(
                f"{extension.extension_name}.metric_names: {name} needs {needed}; compute it before, or with it."
            )
