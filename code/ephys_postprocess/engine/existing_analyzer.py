"""What `accelerate.compute` does with an analyzer that someone else made."""

import tempfile
from pathlib import Path

from pydantic import ValidationError
from spikeinterface.core.sortinganalyzer import (
    _get_children_dependencies,
    get_available_analyzer_extensions,
)

from ephys_postprocess.engine.engine import compute_extensions
from ephys_postprocess.engine.functions import extension_class
from ephys_postprocess.engine.sinks import AnalyzerSink
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.inputs.trace_sources import trace_source
from ephys_postprocess.machine.execution import Execution, make_execution
from ephys_postprocess.parameters.extensions import EXTENSION_NAMES
from ephys_postprocess.parameters.job_kwargs import JobKwargs
from ephys_postprocess.parameters.problems import describe_validation_error, report
from ephys_postprocess.results.pca_models import restore_pca_models


class UnmetRequirementError(ParameterError, AssertionError):
    """What an extension needs is missing; also the AssertionError that `analyzer.compute` raises for it."""


def as_asked(
    extensions: str | list[str] | dict[str, dict], extension_params: dict[str, dict] | None, options: dict
) -> tuple[dict[str, dict], dict]:
    """(name: keyword arguments of each extension, job keyword arguments), from what `analyzer.compute` takes."""
    options = {name: value for name, value in options.items() if name != "verbose"}
    job_kwargs = {name: options.pop(name) for name in JobKwargs.model_fields if name in options}
    if isinstance(extensions, str):
        return {extensions: options}, job_kwargs
    if options:
        raise ParameterError(
            f"{', '.join(options)}: unknown argument. Keyword arguments of an extension go with its name, as in "
            "{'waveforms': {'ms_before': 1.0}}."
        )
    foreign = sorted(set(extension_params or {}) - set(extensions))
    if foreign:
        raise ParameterError(f"extension_params: {', '.join(foreign)} are not among the extensions to compute.")
    wanted = dict(extensions) if isinstance(extensions, dict) else {name: {} for name in extensions}
    return {**wanted, **(extension_params or {})}, job_kwargs


def how_to_run(
    job_kwargs: dict, n_jobs: int | float, chunk_duration_s: float | None, scratch_folder: str | Path | None
) -> Execution:
    """Threads, chunks and scratch folder of a call."""
    if chunk_duration_s is not None:
        job_kwargs = {**job_kwargs, "chunk_duration": chunk_duration_s}
    try:
        checked = JobKwargs.model_validate({**job_kwargs, "n_jobs": n_jobs})
    except ValidationError as error:
        raise ParameterError(report(describe_validation_error(error, JobKwargs, {}), "the arguments")) from error
    return make_execution(checked, scratch_folder=Path(scratch_folder or tempfile.gettempdir()))


def compute_on(analyzer, wanted: dict[str, dict], execution: Execution, *, save: bool) -> dict[str, dict[int, str]]:
    """Compute `wanted` so that it lands in the analyzer; what had begun and failed leaves nothing behind."""
    check_requirements(analyzer, wanted)
    wanted = seeded(wanted)
    delete_dependents(analyzer, wanted)
    sink = AnalyzerSink(analyzer, save=save)
    work = _open_workspace(analyzer, sink, execution)
    try:
        compute_extensions(work, wanted)
    except BaseException:
        sink.drop_unfinished()
        raise
    if "principal_components" in wanted:
        restore_pca_models(analyzer)
    return work.not_computed


def check_requirements(analyzer, wanted: dict[str, dict]) -> None:
    """Raise ParameterError, with every problem at once, where an extension cannot be computed."""
    known = list(dict.fromkeys([*get_available_analyzer_extensions(), *EXTENSION_NAMES]))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ParameterError("\n".join(f"{name}: no such extension; there are {', '.join(known)}." for name in unknown))
    problems = []
    for name in wanted:
        its_class = extension_class(name)
        if its_class.need_recording and not _has_traces(analyzer):
            problems.append(f"{name}: needs the recording; attach it with analyzer.set_temporary_recording(recording).")
        for needed in its_class.get_required_dependencies(**wanted[name]):
            choices = needed.split("|")
            if not any(choice in wanted or analyzer.has_extension(choice) for choice in choices):
                problems.append(f"{name}: needs {' or '.join(choices)}; compute it before, or with it.")
    if problems:
        raise UnmetRequirementError("\n".join(problems))


def seeded(wanted: dict[str, dict]) -> dict[str, dict]:
    """The same with seed 0 where SpikeInterface would draw one, so that the same call gives the same numbers."""
    complete = dict(wanted)
    for name in {"random_spikes", "spike_locations"} & set(wanted):
        complete[name] = {**wanted[name], "seed": wanted[name].get("seed") or 0}
    if "noise_levels" in wanted:
        slices = wanted["noise_levels"].get("random_slices_kwargs") or {}
        slices = {**slices, "seed": slices.get("seed") or 0}
        complete["noise_levels"] = {**wanted["noise_levels"], "random_slices_kwargs": slices}
    return complete


def delete_dependents(analyzer, wanted: dict[str, dict]) -> None:
    """Delete what depends on an extension that is about to change, as SpikeInterface does."""
    for name in wanted:
        for child in _get_children_dependencies(name):
            if analyzer.has_extension(child):
                analyzer.delete_extension(child)


def _open_workspace(analyzer, sink: AnalyzerSink, execution: Execution) -> Workspace:
    traces = trace_source(analyzer.recording, return_in_uV=analyzer.return_in_uV) if _has_traces(analyzer) else None
    itemsize = 2 if traces is None else traces.dtype.itemsize
    chunk_samples = execution.chunk_samples(analyzer.sampling_frequency, analyzer.get_num_channels(), itemsize)
    return Workspace(analyzer, traces, sink, execution.num_threads, chunk_samples, execution.scratch_folder)


def _has_traces(analyzer) -> bool:
    return analyzer.has_recording() or analyzer.has_temporary_recording()
