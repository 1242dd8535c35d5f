"""The engine for everyone else: compute extensions on a SortingAnalyzer that you already have.

    from ephys_postprocess.accelerate import ACCELERATED_EXTENSIONS, compute

    compute(analyzer, ["random_spikes", "waveforms", "templates", "principal_components"], n_jobs=8)
    compute(analyzer, {"spike_locations": {"method": "grid_convolution", "seed": 0}, "quality_metrics": {}})

The numbers are those of `analyzer.compute(...)` and land where it puts them, in memory, binary folder or zarr, except
that PCA models are plain arrays: `pca_models.restore_pca_models(analyzer)` makes scikit-learn objects of them.
"""

import tempfile
from pathlib import Path

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.extensions import EXTENSIONS

# "Accelerated": computed by our own kernels. Any other extension of SpikeInterface is computed by SpikeInterface.
ACCELERATED_EXTENSIONS = tuple(name for name, record in EXTENSIONS.items() if record.computed_by)


def compute(
    analyzer,
    extensions: str | list[str] | dict[str, dict],
    *,
    n_jobs: int | float = -1,
    chunk_duration_s: float = 1.0,
    scratch_folder: str | Path | None = None,
) -> dict[str, dict[int, str]]:
    """Compute extensions on an analyzer, in place of `analyzer.compute(extensions)`.

    Parameters
    ----------
    analyzer : spikeinterface.SortingAnalyzer
        Of any format; extensions that depend on a recomputed one are deleted, as SpikeInterface does.
    extensions : str, list of str, or dict
        Names, or name: SpikeInterface's keyword arguments.
    n_jobs : int or float
        Threads, as the command line counts them: -1 for all cores that CPU affinity, cgroup and scheduler leave, a
        share of them such as 0.5, never more than these. Changes no byte of the result.
    chunk_duration_s : float
        Traces held in memory a thread, in s.
    scratch_folder : path, optional
        For the windows of the random spikes while they are needed; the system's temporary folder by default.

    Returns
    -------
    dict
        Metric column: unit index: why the value is NaN.

    Raises
    ------
    ParameterError
        An extension that is unknown, or whose requirements are neither in the analyzer nor asked for; or an n_jobs that
        is no number of threads.
    """
    from ephys_postprocess.engine.engine import compute_extensions
    from ephys_postprocess.engine.existing_analyzer import check_requirements, delete_dependents, open_workspace
    from ephys_postprocess.machine.cores import usable_cores
    from ephys_postprocess.machine.execution import count_jobs
    from ephys_postprocess.parameters.text import job_count

    try:
        num_jobs = job_count(n_jobs)
    except ValueError as error:
        raise ParameterError(f"n_jobs: {error} (got {n_jobs!r}).") from error
    wanted = _as_dict(extensions)
    check_requirements(analyzer, wanted)
    delete_dependents(analyzer, wanted)
    work = open_workspace(
        analyzer,
        num_threads=count_jobs(num_jobs, usable_cores().count),
        chunk_samples=max(1, int(chunk_duration_s * analyzer.sampling_frequency)),
        scratch_folder=Path(scratch_folder or tempfile.gettempdir()),
    )
    compute_extensions(work, wanted)
    return work.not_computed


def _as_dict(extensions) -> dict[str, dict]:
    if isinstance(extensions, str):
        return {extensions: {}}
    return dict(extensions) if isinstance(extensions, dict) else {name: {} for name in extensions}
