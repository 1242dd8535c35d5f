"""Computes extensions in the order they need each other: ours from the table, the rest by SpikeInterface."""

from contextlib import nullcontext

from ephys_postprocess.engine.extensions import COMPUTED_BY, CONSUMERS, compute_for_all_spikes
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.machine.free_memory import give_back_free_memory
from ephys_postprocess.records import Table

# Each after what it needs. principal_components comes early to let the waveforms go before the tables are made.
ORDER = (
    *("random_spikes", "noise_levels", "waveforms", "templates", "principal_components"),
    *CONSUMERS,
    *("unit_locations", "template_similarity", "template_metrics"),
    *("correlograms", "auto_correlograms", "acgs_3d", "isi_histograms"),
    *("valid_unit_periods", "spiketrain_metrics", "quality_metrics"),
)
# What leaves much freed memory that later stages hardly use again. Elsewhere the next stage does.
LARGE_SCRATCH = {"principal_components", *CONSUMERS, "valid_unit_periods", "quality_metrics"}


def compute_extensions(work: Workspace, extensions: dict[str, dict], stage=lambda *_args: nullcontext()) -> None:
    """Compute `extensions` (name: SpikeInterface's keyword arguments) and hand each to the workspace's sink.

    Parameters
    ----------
    work : Workspace
    extensions : dict
        Whatever they need must be among them or in the analyzer.
    stage : callable
        `stage(name, total)` is a context around each stage, as `StageLog.stage`; total is in spikes, or None.
    """
    is_pass_done = False
    try:
        for name in sorted(extensions, key=_position):
            if name not in CONSUMERS:
                with stage(name, None):
                    compute_one(work, name, extensions[name])
            elif not is_pass_done:
                is_pass_done = True
                wanted = {consumer: extensions[consumer] for consumer in CONSUMERS if consumer in extensions}
                with stage(" + ".join(wanted), work.spikes.num_spikes) as current:
                    work.report_spikes = None if current is None else current.advance
                    compute_for_all_spikes(work, wanted, watch_traces=_has_sd_ratio(extensions))
                    work.report_spikes = None
            if name in LARGE_SCRATCH:
                give_back_free_memory()
    finally:
        work.close()


def compute_one(work: Workspace, name: str, params: dict) -> None:
    """Compute one extension that needs no fused pass."""
    extension = work.begin(name, params)
    data = COMPUTED_BY[name](work, extension) if name in COMPUTED_BY else None
    if data is None:
        with work.all_in_memory():
            extension._run(**({"n_jobs": 1, "progress_bar": False} if extension.need_job_kwargs else {}))
        data = {key: _as_table(value) for key, value in extension.data.items() if key != "runtime_s"}
        extension.data.clear()
    work.finish(extension, data)


def _has_sd_ratio(extensions: dict[str, dict]) -> bool:
    """Whether a metric will ask for the traces' standard deviations."""
    if "quality_metrics" not in extensions:
        return False
    names = extensions["quality_metrics"].get("metric_names")
    return names is None or "sd_ratio" in names


def _position(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _as_table(value):
    """SpikeInterface's DataFrames as our tables; anything else as it is."""
    if not hasattr(value, "columns"):
        return value
    return Table(value.index.to_numpy(), {column: value[column].to_numpy() for column in value.columns})
