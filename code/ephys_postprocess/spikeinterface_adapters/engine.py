"""Computes extensions in the order they need each other: ours from the table, the rest by SpikeInterface."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from ephys_postprocess.free_memory import give_back_free_memory
from ephys_postprocess.records import Table
from ephys_postprocess.spikeinterface_adapters.extensions import COMPUTED_BY, CONSUMERS, compute_for_all_spikes
from ephys_postprocess.spikeinterface_adapters.workspace import Workspace

# Each after what it needs. principal_components comes early to let the waveforms go before the tables are made.
ORDER = (
    *("random_spikes", "noise_levels", "waveforms", "templates", "principal_components"),
    *CONSUMERS,
    *("unit_locations", "template_similarity", "template_metrics"),
    *("correlograms", "auto_correlograms", "acgs_3d", "isi_histograms"),
    *("valid_unit_periods", "spiketrain_metrics", "quality_metrics"),
)
# Short, hardly parallel, and in need of templates and spikes alone: computed while the pass over the traces runs.
BESIDE_THE_PASS = {
    *("unit_locations", "template_similarity", "template_metrics"),
    *("correlograms", "auto_correlograms", "isi_histograms"),
}
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
    names = sorted(extensions, key=_position)
    wanted = {consumer: extensions[consumer] for consumer in CONSUMERS if consumer in extensions}
    is_beside = bool(wanted) and work.num_threads > 1
    beside = [name for name in names if is_beside and name in BESIDE_THE_PASS]

    def compute_in_turn(names_in_turn):
        for name in names_in_turn:
            with stage(name, None):
                compute_one(work, name, extensions[name])
            if name in LARGE_SCRATCH:
                give_back_free_memory()

    try:
        first = ORDER.index(next(iter(CONSUMERS)))
        compute_in_turn(name for name in names if _position(name) < first)
        if wanted:
            num_spikes = work.spikes.num_spikes  # here, so that no two threads make the spikes at once
            with _beside(lambda: compute_in_turn(beside)), stage(" + ".join(wanted), num_spikes) as current:
                work.report_spikes = None if current is None else current.advance
                compute_for_all_spikes(work, wanted)
                work.report_spikes = None
            give_back_free_memory()
        done = {*wanted, *beside}
        compute_in_turn(name for name in names if _position(name) >= first and name not in done)
    finally:
        work.close()


@contextmanager
def _beside(work):
    """Have `work` done in another thread while the body runs; the body's exception goes first."""
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(work)
        yield
        outcome.result()


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


def _position(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _as_table(value):
    """SpikeInterface's DataFrames as our tables; anything else as it is."""
    if not hasattr(value, "columns"):
        return value
    return Table(value.index.to_numpy(), {column: value[column].to_numpy() for column in value.columns})
