"""What `accelerate.compute` needs of an analyzer that someone else made."""

from pathlib import Path

from spikeinterface.core.sortinganalyzer import (
    _get_children_dependencies,
    get_available_analyzer_extensions,
    get_extension_class,
)

from ephys_postprocess.engine.sinks import AnalyzerSink
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.inputs.trace_sources import trace_source


def check_requirements(analyzer, wanted: dict[str, dict]) -> None:
    """Raise ParameterError, with every problem at once, where an extension cannot be computed."""
    known = get_available_analyzer_extensions()
    problems = [f"{name}: no such extension; there are {', '.join(known)}." for name in wanted if name not in known]
    for name in wanted if not problems else ():
        extension_class = get_extension_class(name)
        if extension_class.need_recording and not _has_traces(analyzer):
            problems.append(f"{name}: needs the recording; attach it with analyzer.set_temporary_recording(recording).")
        for needed in extension_class.get_required_dependencies(**wanted[name]):
            choices = needed.split("|")
            if not any(choice in wanted or analyzer.has_extension(choice) for choice in choices):
                problems.append(f"{name}: needs {' or '.join(choices)}; compute it before, or with it.")
    if problems:
        raise ParameterError("\n".join(problems))


def delete_dependents(analyzer, wanted: dict[str, dict]) -> None:
    """Delete what depends on an extension that is about to change, as SpikeInterface does."""
    for name in wanted:
        for child in _get_children_dependencies(name):
            if analyzer.has_extension(child):
                analyzer.delete_extension(child)


def open_workspace(analyzer, num_threads: int, chunk_samples: int, scratch_folder: Path) -> Workspace:
    """A workspace whose results land in the analyzer itself."""
    traces = trace_source(analyzer.recording, return_in_uV=analyzer.return_in_uV) if _has_traces(analyzer) else None
    return Workspace(analyzer, traces, AnalyzerSink(analyzer), num_threads, chunk_samples, scratch_folder)


def _has_traces(analyzer) -> bool:
    return analyzer.has_recording() or analyzer.has_temporary_recording()
