"""The engine for everyone else: compute extensions on a SortingAnalyzer that you already have.

    from ephys_postprocess.accelerate import ACCELERATED_EXTENSIONS, compute

    compute(analyzer, ["random_spikes", "waveforms", "templates", "principal_components"], n_jobs=8)
    compute(analyzer, {"spike_locations": {"method": "grid_convolution", "seed": 0}, "quality_metrics": {}})
    compute(analyzer, "unit_locations", method="center_of_mass")

The numbers are those of `analyzer.compute(...)` and land where it puts them, in memory, binary folder or zarr, except
that PCA models are stored as plain arrays. In memory scikit-learn's objects are there as well; on an analyzer that was
loaded `pca_models.restore_pca_models(analyzer)` makes them of the arrays.
"""

from pathlib import Path

from ephys_postprocess.parameters.extensions import EXTENSIONS

# "Accelerated": computed by our own kernels. Any other extension of SpikeInterface is computed by SpikeInterface.
ACCELERATED_EXTENSIONS = tuple(name for name, record in EXTENSIONS.items() if record.computed_by)


def compute(
    analyzer,
    extensions: str | list[str] | dict[str, dict],
    *,
    extension_params: dict[str, dict] | None = None,
    save: bool = True,
    n_jobs: int | float = -1,
    chunk_duration_s: float | None = None,
    scratch_folder: str | Path | None = None,
    **options,
) -> dict[str, dict[int, str]]:
    """Compute extensions on an analyzer, in place of `analyzer.compute(extensions)`.

    Parameters
    ----------
    analyzer : spikeinterface.SortingAnalyzer
        Of any format; extensions that depend on a recomputed one are deleted, as SpikeInterface does.
    extensions : str, list of str, or dict
        Names, or name: SpikeInterface's keyword arguments.
    extension_params : dict, optional
        For a list of names: name: keyword arguments.
    save : bool
        False: results stay in memory, whatever the analyzer's format; so they do for a read-only analyzer.
    n_jobs : int or float
        Threads, as the command line counts them: -1 for all cores that CPU affinity, cgroup and scheduler leave, a
        share of them such as 0.5, never more than these. Changes no number.
    chunk_duration_s : float, optional
        Traces held in memory per thread, in s; 1 by default.
    scratch_folder : path, optional
        For the windows of the random spikes while they are needed; the system's temporary folder by default.
    **options
        SpikeInterface's other job keyword arguments (`chunk_size`, `chunk_memory`, `progress_bar` …; those that speak
        of processes change nothing); with a single name, that extension's keyword arguments too.

    Returns
    -------
    dict
        Metric column: unit index: why the value is NaN.

    Raises
    ------
    ParameterError
        An extension or argument that is unknown, or an extension whose requirements are neither in the analyzer nor
        asked for (then also an AssertionError, as in SpikeInterface).
    """
    from ephys_postprocess.engine.existing_analyzer import as_asked, compute_on, how_to_run

    wanted, job_kwargs = as_asked(extensions, extension_params, options)
    execution = how_to_run(job_kwargs, n_jobs, chunk_duration_s, scratch_folder)
    return compute_on(analyzer, wanted, execution, save=save)
