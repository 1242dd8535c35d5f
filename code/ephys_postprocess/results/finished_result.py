"""A finished result, opened again: its spikes and sparsity as records, its arrays one at a time."""

import re
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.trace_sources import spike_trains, trace_source
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.results.stored_extensions import StoredExtensions
from ephys_postprocess.traces import TraceSource


class FinishedResult:
    """A stored SortingAnalyzer that nobody writes to any more: ours, an earlier capsule's, or SpikeInterface's.

    Raises
    ------
    InputError
        Not there, a placeholder, or nothing that SpikeInterface can open.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.recording_name = recording_name_of(folder)
        self.analyzer = open_result(folder)
        self.extensions = StoredExtensions(self.analyzer)

    @cached_property
    def spikes(self) -> SpikeTrains:
        """The analyzer's spike vector."""
        return spike_trains(self.analyzer.sorting, tuple(self.analyzer.rec_attributes["num_samples"]))

    @cached_property
    def sparsity(self) -> Sparsity:
        """The analyzer's sparsity; every channel for every unit where it has none."""
        if self.analyzer.sparsity is not None:
            return Sparsity(np.asarray(self.analyzer.sparsity.mask))
        return Sparsity(np.ones((self.analyzer.get_num_units(), self.analyzer.get_num_channels()), dtype=bool))

    def array(self, extension: str, name: str) -> np.ndarray | None:
        """An array of an extension, in memory; None where there is none."""
        array = self.extensions.array(extension, name)
        return None if array is None else np.asarray(array[:])

    def reachable_traces(self) -> TraceSource | None:
        """The traces that the result refers to; None where the recording is not here."""
        if not self.analyzer.has_recording():
            return None
        return trace_source(self.analyzer.recording, return_in_uV=self.analyzer.return_in_uV)


def open_result(path: Path):
    """The SortingAnalyzer of a finished result, without any extension loaded (so that no pickle is opened).

    Raises
    ------
    InputError
        There is no result, or it is a placeholder.
    """
    from spikeinterface.core import load_sorting_analyzer

    if not path.is_dir():
        raise InputError(f"No result at {path}: give the folder of a SortingAnalyzer, postprocessed_NAME.zarr.")
    if (path / "placeholder.npy").exists():
        raise InputError(f"{path.name} is a placeholder: its recording was not postprocessed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the recording, which a report does not need
            return load_sorting_analyzer(path, load_extensions=False)
    except Exception as error:  # SpikeInterface raises whatever its readers meet
        raise InputError(f"{path} cannot be read as a SortingAnalyzer: {error}") from error


def recording_name_of(path: Path) -> str:
    """The recording of a result's folder name, as curation takes it apart."""
    return re.sub(r"^postprocessed_|\.zarr$", "", path.name)
