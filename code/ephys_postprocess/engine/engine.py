"""Computes extensions in the order they need each other: as their records say, the rest by SpikeInterface."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from ephys_postprocess.engine.functions import function_of
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.machine.free_memory import give_back_free_memory
from ephys_postprocess.parameters.computed import Extension
from ephys_postprocess.parameters.extensions import EXTENSION_NAMES, EXTENSIONS
from ephys_postprocess.parameters.metrics import QUALITY_METRICS
from ephys_postprocess.records import Table
from ephys_postprocess.stages.traces.collisions import MOST_COLLISIONS
from ephys_postprocess.stages.traces.trace_deviations import TraceDeviations
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass


def compute_extensions(
    work: Workspace,
    extensions: dict[str, dict],
    stage: Callable[[str, int | None], AbstractContextManager] = lambda *_args: nullcontext(),
) -> None:
    """Compute `extensions` (name: SpikeInterface's keyword arguments) and hand each to the workspace's sink.

    Parameters
    ----------
    work : Workspace
    extensions : dict
        Whatever they need must be among them or in the analyzer.
    stage : callable
        `stage(name, total)` is a context around each stage, as `StageLog.stage`; total is in spikes, or None.
    """
    per_spike = {
        name: extensions[name] for name in EXTENSION_NAMES if name in extensions and _record(name).arrays_per_spike
    }
    is_pass_done = False
    try:
        for name in sorted(extensions, key=_position):
            if name not in per_spike:
                with stage(name, None):
                    compute_one(work, name, extensions[name])
            elif not is_pass_done:
                is_pass_done = True
                with stage(" + ".join(per_spike), work.spikes.num_spikes) as current:
                    work.report_spikes = None if current is None else current.advance
                    compute_for_all_spikes(work, per_spike, watch_traces=_is_whole_trace_needed(extensions))
                    work.report_spikes = None
            if _record(name).leaves_large_scratch:
                give_back_free_memory()
    finally:
        work.close()


def compute_one(work: Workspace, name: str, params: dict) -> None:
    """Compute one extension that needs no fused pass."""
    extension = work.begin(name, params)
    function = function_of(_record(name))
    data = None if function is None else function(work, extension)
    if data is None:
        with work.all_in_memory():
            extension._run(**({"n_jobs": 1, "progress_bar": False} if extension.need_job_kwargs else {}))
        data = {key: _as_table(value) for key, value in extension.data.items() if key != "runtime_s"}
        extension.data.clear()
    work.finish(extension, data)


def compute_for_all_spikes(work: Workspace, wanted: dict[str, dict], *, watch_traces: bool = False) -> None:
    """The fused pass: every extension with values per spike that is wanted, with one read of the traces.

    With `watch_traces`, the traces' standard deviations are found on the way and put into the workspace.
    """
    watcher = TraceDeviations(work.traces) if watch_traces else None
    extensions = {name: work.begin(name, params) for name, params in wanted.items()}
    consumers = {name: function_of(_record(name))(work, extension) for name, extension in extensions.items()}
    work.spikes.let_order_go()  # here memory is fullest: every spike's values are in it, and nobody asks for the order
    run_trace_pass(
        work.traces,
        work.spikes,
        list(consumers.values()),
        work.chunk_samples,
        work.num_threads,
        work.report_spikes,
        watcher=watcher,
    )
    if watcher is not None:
        work.trace_deviations = watcher.deviations()
    if "spike_locations" in consumers:
        is_nowhere = np.isnan(consumers["spike_locations"].spike_locations["x"])
        reason = "the traces around the spike are flat, or it is too close to an end"
        work.note_spikes(f"spike_locations: none, for {reason}", is_nowhere)
    if "amplitude_scalings" in consumers:
        crowded = f"amplitude_scalings: fitted with the {MOST_COLLISIONS} nearest of the spikes that it collides with"
        work.note_spikes(crowded, consumers["amplitude_scalings"].is_crowded)
    for name, consumer in consumers.items():
        work.finish(extensions[name], {array: getattr(consumer, array) for array in _record(name).arrays_per_spike})


def _is_whole_trace_needed(extensions: dict[str, dict]) -> bool:
    """Whether a metric will ask for the traces' standard deviations."""
    if "quality_metrics" not in extensions:
        return False
    names = extensions["quality_metrics"].get("metric_names")
    return any(QUALITY_METRICS[name].uses_trace_deviations for name in names or QUALITY_METRICS)


def _record(name: str) -> type[Extension]:
    """What is known of an extension; of one that someone else registered, nothing."""
    return EXTENSIONS.get(name, Extension)


def _position(name: str) -> int:
    return EXTENSION_NAMES.index(name) if name in EXTENSIONS else len(EXTENSIONS)


def _as_table(value):
    """SpikeInterface's DataFrames as our tables; anything else as it is."""
    if not hasattr(value, "columns"):
        return value
    return Table(value.index.to_numpy(), {column: value[column].to_numpy() for column in value.columns})
