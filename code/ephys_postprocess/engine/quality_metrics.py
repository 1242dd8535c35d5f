"""Quality metrics: each computed as its record says, and their columns as SpikeInterface's table."""

from typing import Any

import numpy as np

from ephys_postprocess.engine.functions import call, function_of
from ephys_postprocess.engine.unit_groups import groups_of_units
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.parameters.metrics import METRICS_OF, QUALITY_METRICS, metric_names_of
from ephys_postprocess.records import Table, UnitPeriods
from ephys_postprocess.stages.quality.formulas import reasons_where
from ephys_postprocess.stages.quality.observed_time import within_periods
from ephys_postprocess.stages.quality.valid_unit_periods import merge_touching

Columns = dict[str, np.ndarray]
Calls = dict[str, dict[str, Any]]  # metric: all its parameters


def quality_metrics_of(work: Workspace, extension) -> dict:
    """The extension's data."""
    return {"metrics": metrics_table(extension, quality_metrics(work, extension.params))}


def metrics_table(extension, columns: Columns) -> Table:
    """The columns of an extension made of metrics, in the order of its metrics, one row per unit."""
    metrics = METRICS_OF[extension.extension_name]
    dtypes = {
        column.name: column.dtype for name in metric_names_of(extension.params) for column in metrics[name].columns
    }
    unit_ids = np.asarray(extension.sorting_analyzer.unit_ids)
    if unit_ids.size == 0:  # a stage without units may not know its columns
        columns = dict.fromkeys(dtypes, np.zeros(0))
    ordered = {column: np.asarray(columns[column]).astype(dtype) for column, dtype in dtypes.items()}
    return Table(unit_ids, ordered)


def all_params(extension_name: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """A metric's parameters: as the extension has them, and the record's default where it does not say.

    Raises
    ------
    ParameterError
        A parameter that the metric does not have.
    """
    given, declared = params["metric_params"].get(name) or {}, METRICS_OF[extension_name][name]().arguments()
    if unknown := sorted(set(given) - set(declared)):
        where, allowed = f"{extension_name}.metric_params.{name}", ", ".join(declared) or "none"
        raise ParameterError(f"{where}: unknown {', '.join(unknown)}. Allowed: {allowed}.")
    return declared | given


def quality_metrics(work: Workspace, params: dict[str, Any]) -> Columns:
    """Every metric asked for, by column; the reasons of missing values go to the workspace.

    Parameters
    ----------
    work : Workspace
    params : dict
        As `ComputeQualityMetrics._set_params` made it.
    """
    work.metrics_seed = params["seed"]
    periods = _unit_periods(work, params["periods"])
    calls: dict[str, Calls] = {"unit": {}, "all units": {}, "together": {}}
    for name in metric_names_of(params):
        calls[QUALITY_METRICS[name].scope][name] = all_params("quality_metrics", name, params)
    columns = _columns_by_unit(work, calls["unit"], periods) if calls["unit"] else {}
    for name, own in calls["all units"].items():
        columns |= _noted(work, *call(function_of(QUALITY_METRICS[name]), _AllUnits(work, periods, own), own))
    return columns | _columns_together(work, calls["together"])


class _AllUnits:
    """What a metric of all units may name: the spikes within periods, and everything else that the workspace has."""

    def __init__(self, work: Workspace, periods: UnitPeriods | None, params: dict[str, Any]):
        self.work, self.params = work, params
        self.spikes = work.spikes if periods is None else within_periods(work.spikes, periods)[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.work, name)


def _unit_periods(work: Workspace, periods: np.ndarray | None) -> UnitPeriods | None:
    """SpikeInterface's periods as ours."""
    if periods is None:
        return None
    merged = merge_touching(np.asarray(periods))
    merged = merged[np.argsort(merged["unit_index"], kind="stable")]
    names = ("unit_index", "segment_index", "start_sample_index", "end_sample_index")
    return UnitPeriods(*(merged[name].astype(np.int64) for name in names), work.spikes.num_units)


def _columns_by_unit(work: Workspace, calls: Calls, periods: UnitPeriods | None) -> Columns:
    """Metrics that depend on the unit alone, each thread one group of units after the other."""
    functions = {name: function_of(QUALITY_METRICS[name]) for name in calls}

    def compute(make_group):
        group = make_group()
        unseen = reasons_where(group.spikes.observed_samples == 0, "no valid period")
        found = []
        for name, params in calls.items():
            values, reasons = call(functions[name], group, params)
            true_reasons = reasons | {unit: why for unit, why in unseen.items() if unit in reasons}
            found.append((values, _counted_from(group.first_unit, true_reasons)))
        return found

    of_groups: list[Columns] = []
    for found in map_in_threads(compute, groups_of_units(work, periods), work.num_threads):
        of_groups.append({})
        for values, reasons in found:
            of_groups[-1].update(_noted(work, values, reasons))
    return {column: np.concatenate([columns[column] for columns in of_groups]) for column in of_groups[0]}


def _columns_together(work: Workspace, calls: Calls) -> Columns:
    """Metrics whose function computes several of them at once."""
    by_function: dict[str, Calls] = {}
    for name, params in calls.items():
        by_function.setdefault(QUALITY_METRICS[name].computed_by, {})[name] = params
    columns: Columns = {}
    for params_by_metric in by_function.values():
        function = function_of(QUALITY_METRICS[next(iter(params_by_metric))])
        columns |= _noted(work, *function(work, params_by_metric))
    return columns


def _counted_from(first_unit: int, reasons: dict) -> dict:
    """Reasons by unit, or by column and unit, with a group's units counted among all."""
    return {
        key: _counted_from(first_unit, why) if isinstance(why, dict) else why
        for key, why in ((key if isinstance(key, str) else key + first_unit, why) for key, why in reasons.items())
    }


def _noted(work: Workspace, columns: Columns, reasons: dict) -> Columns:
    """The columns, once the workspace knows why values are missing: by column and unit, or by unit alone."""
    if set(reasons) <= set(columns):
        for column, why in reasons.items():
            work.note_missing([column], why)
    else:
        work.note_missing(columns, reasons)
    return columns
