"""The table of quality metrics: which function computes each, and how the columns become SpikeInterface's table."""

import logging
from collections.abc import Callable

import numpy as np

from ephys_postprocess.engine.unit_groups import UnitGroup, groups_of_units
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.records import SpikeTrains, Table, UnitPeriods
from ephys_postprocess.stages.quality import amplitude_metrics, drift_metrics, refractory_metrics, spike_train_metrics
from ephys_postprocess.stages.quality.formulas import reasons_where
from ephys_postprocess.stages.quality.nn_advanced import nn_advanced
from ephys_postprocess.stages.quality.observed_time import within_periods
from ephys_postprocess.stages.quality.pc_metrics import PC_METRIC_COLUMNS, pc_metrics
from ephys_postprocess.stages.quality.sd_ratio import sd_ratio
from ephys_postprocess.stages.quality.valid_unit_periods import merge_touching
from ephys_postprocess.stages.traces.noise_levels import draw_random_slices
from ephys_postprocess.stages.traces.waveforms import WaveformSource

logger = logging.getLogger(__name__)

Columns = dict[str, np.ndarray]
Reasons = dict[int, str]  # unit index: why its values are missing


def _snr(group: UnitGroup, method: str = "extremum"):
    return amplitude_metrics.snr(
        group.average_templates,
        group.main_channel_indices,
        group.noise_levels,
        group.nbefore,
        peak_sign=group.peak_sign,
        method=method,
    )


def _amplitude_cutoff(group: UnitGroup, **params):
    return amplitude_metrics.amplitude_cutoff(group.spikes, group.amplitudes("amplitude_scalings"), **params)


def _amplitude_cv(group: UnitGroup, amplitude_extension: str = "spike_amplitudes", **params):
    return amplitude_metrics.amplitude_cv(group.spikes, group.amplitudes(amplitude_extension), **params)


def _noise_cutoff(group: UnitGroup, **params):
    return amplitude_metrics.noise_cutoff(group.spikes, group.amplitudes("spike_amplitudes"), **params)


def _amplitude_median(group: UnitGroup):
    return amplitude_metrics.amplitude_median(group.spikes, group.amplitudes("spike_amplitudes"))


def _sd_ratio(group: UnitGroup, **params):
    return sd_ratio(
        group.spikes,
        group.amplitudes("spike_amplitudes"),
        group.average_templates,
        group.main_channel_indices,
        group.trace_deviations,
        num_spikes_in_traces=group.num_spikes_in_traces,
        **params,
    )


def _drift(group: UnitGroup, direction: str = "y", **params):
    return drift_metrics.drift(group.spikes, group.positions_um(direction), **params)


class _WaveformsOnDemand:
    """Stands in for the array of all waveforms: rows are gathered when they are asked for."""

    def __init__(self, source: WaveformSource):
        self._source = source

    def __getitem__(self, is_wanted: np.ndarray) -> np.ndarray:
        return self._source.gather(np.flatnonzero(is_wanted))


def _nn_advanced(work: Workspace, _spikes: SpikeTrains, **params):
    source = work.open_waveforms_again()
    num_samples = source.selection.num_samples
    seed = params.get("seed") if params.get("seed") is not None else work.metrics_seed
    num_segments = len(work.segment_lengths)
    slices = draw_random_slices(
        work.segment_lengths, max(1, params.get("max_spikes", 1000) // num_segments), num_samples, seed
    )
    noise = np.stack([work.traces.read(*stretch) for stretch in slices]) * work.traces.gains + work.traces.offsets
    return nn_advanced(
        _WaveformsOnDemand(source),
        source.selection.trains.unit_indices,
        work.sparsity.mask,
        spike_train_metrics.num_spikes(work.spikes)[0]["num_spikes"],
        spike_train_metrics.firing_rate(work.spikes)[0]["firing_rate"],
        noise.astype(np.float32),
        {**params, "seed": seed},
        work.num_threads,
    )


def _synchrony(_work: Workspace, spikes: SpikeTrains):
    return spike_train_metrics.synchrony(spikes)


def _from_spike_trains(function: Callable) -> Callable:
    """A metric that needs the spikes alone."""

    def compute(group: UnitGroup, **params):
        return function(group.spikes, **params)

    return compute


# SpikeInterface's name of a metric whose values depend on the unit alone: a group of units, parameters -> (columns,
# reasons).
UNIT_METRICS = {
    "num_spikes": _from_spike_trains(spike_train_metrics.num_spikes),
    "firing_rate": _from_spike_trains(spike_train_metrics.firing_rate),
    "presence_ratio": _from_spike_trains(spike_train_metrics.presence_ratio),
    "firing_range": _from_spike_trains(spike_train_metrics.firing_range),
    "isi_violation": _from_spike_trains(refractory_metrics.isi_violation),
    "rp_violation": _from_spike_trains(refractory_metrics.rp_violation),
    "sliding_rp_violation": _from_spike_trains(refractory_metrics.sliding_rp_violation),
    "snr": _snr,
    "amplitude_median": _amplitude_median,
    "amplitude_cutoff": _amplitude_cutoff,
    "amplitude_cv": _amplitude_cv,
    "noise_cutoff": _noise_cutoff,
    "sd_ratio": _sd_ratio,
    "drift": _drift,
}
# The same of a metric that compares units: the workspace, the spikes within periods, parameters. What is in neither
# table is SpikeInterface's.
METRICS_BETWEEN_UNITS = {
    "synchrony": _synchrony,
    "nn_advanced": _nn_advanced,
}


def quality_metrics(work: Workspace, params: dict) -> Columns:
    """Every metric asked for, by column.

    Parameters
    ----------
    work : Workspace
        Takes the reasons of missing values as `not_computed`.
    params : dict
        As `ComputeQualityMetrics._set_params` made it.
    """
    columns: Columns = {}
    stock_names = []
    periods = _unit_periods(work, params["periods"])
    spikes = work.spikes if periods is None else within_periods(work.spikes, periods)[0]
    work.metrics_seed = params["seed"]
    pc_names = [name for name in params["metric_names"] if name in PC_METRIC_COLUMNS]
    unit_calls = {}
    for name in params["metric_names"]:
        own_params = params["metric_params"].get(name, {})
        if name in UNIT_METRICS:
            unit_calls[name] = own_params
        elif name in METRICS_BETWEEN_UNITS:
            values, reasons = METRICS_BETWEEN_UNITS[name](work, spikes, **own_params)
            columns.update(values)
            _note_missing(work, values, reasons)
        elif name not in pc_names:
            stock_names.append(name)
    if unit_calls:
        columns.update(_unit_columns(work, unit_calls, periods))
    if pc_names:
        columns.update(_pc_columns(work, pc_names, params["metric_params"]))
    for name in stock_names:
        columns.update(_ask_spikeinterface(work, name, params))
    return columns


def metrics_table(extension, columns: Columns) -> Table:
    """The columns of a metric extension in the order and with the dtypes of SpikeInterface, one row a unit."""
    dtypes = {}
    for name in extension.params["metric_names"]:
        dtypes.update(extension.get_metric_by_name(name).metric_columns)
    unit_ids = np.asarray(extension.sorting_analyzer.unit_ids)
    if unit_ids.size == 0:  # a stage without units may not know its columns
        columns = dict.fromkeys(dtypes, np.zeros(0))
    ordered = {column: np.asarray(columns[column]).astype(dtype) for column, dtype in dtypes.items()}
    return Table(unit_ids, ordered)


def _unit_periods(work: Workspace, periods: np.ndarray | None) -> UnitPeriods | None:
    """SpikeInterface's periods as ours."""
    if periods is None:
        return None
    merged = merge_touching(np.asarray(periods))
    merged = merged[np.argsort(merged["unit_index"], kind="stable")]
    names = ("unit_index", "segment_index", "start_sample_index", "end_sample_index")
    return UnitPeriods(*(merged[name].astype(np.int64) for name in names), work.spikes.num_units)


def _unit_columns(work: Workspace, calls: dict[str, dict], periods: UnitPeriods | None) -> Columns:
    """Metrics of `UNIT_METRICS`, one group of units after the other."""
    of_groups: list[Columns] = []
    for group in groups_of_units(work, periods):
        of_groups.append({})
        unseen = reasons_where(group.spikes.observed_samples == 0, "no valid period")
        for name, params in calls.items():
            values, reasons = UNIT_METRICS[name](group, **params)
            of_groups[-1].update(values)
            _note_missing(work, values, _counted_from(group.first_unit, reasons | _of_unseen(reasons, unseen)))
    return {column: np.concatenate([columns[column] for columns in of_groups]) for column in of_groups[0]}


def _of_unseen(reasons: Reasons, unseen: Reasons) -> Reasons:
    """The true reasons of units that were not looked at."""
    return {unit: why for unit, why in unseen.items() if unit in reasons}


def _counted_from(first_unit: int, reasons: dict) -> dict:
    """Reasons by unit, or by column and unit, with a group's units counted among all."""
    return {
        key: _counted_from(first_unit, why) if isinstance(why, dict) else why
        for key, why in ((key if isinstance(key, str) else key + first_unit, why) for key, why in reasons.items())
    }


def _pc_columns(work: Workspace, names: list[str], metric_params: dict) -> Columns:
    columns, reasons = pc_metrics(
        np.asarray(work.data_of("principal_components")["pca_projection"]),
        work.spikes.unit_indices[work.random_spike_rows],
        work.sparsity.mask,
        work.main_channel_indices,
        names,
        {name: metric_params.get(name, {}) for name in names},
        work.num_threads,
    )
    _note_missing(work, columns, reasons)
    return columns


def _note_missing(work: Workspace, columns: Columns, reasons: dict) -> None:
    """Reasons come by column and unit where columns differ in them, by unit alone where they do not."""
    if set(reasons) <= set(columns):
        for column, why in reasons.items():
            work.note_missing([column], why)
    else:
        work.note_missing(columns, reasons)


def _ask_spikeinterface(work: Workspace, name: str, params: dict) -> Columns:
    """A metric that is not ours, by SpikeInterface's own function; its failure is ours to tell, not to hide."""
    from spikeinterface.metrics.quality.quality_metrics import ComputeQualityMetrics

    extension = ComputeQualityMetrics(work.analyzer)
    extension.params = {**params, "metric_names": [name]}
    metric = extension.get_metric_by_name(name)
    unit_ids = work.analyzer.unit_ids
    with work.all_in_memory():
        result = metric.compute(
            work.analyzer,
            unit_ids=unit_ids,
            metric_params=params["metric_params"].get(name, {}),
            tmp_data=extension._prepare_data(work.analyzer, unit_ids) if metric.needs_tmp_data else {},
            job_kwargs={"n_jobs": 1, "progress_bar": False},
            periods=params["periods"],
        )
    by_column = {next(iter(metric.metric_columns)): result} if isinstance(result, dict) else result._asdict()
    return {column: np.array([values[unit_id] for unit_id in unit_ids]) for column, values in by_column.items()}
