"""A finished result, opened again: its spikes and sparsity as records, its arrays one at a time."""

from functools import cached_property
from pathlib import Path

import numpy as np

from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.spikeinterface_adapters.report_data import open_result, recording_name_of
from ephys_postprocess.spikeinterface_adapters.stored_extensions import StoredExtensions
from ephys_postprocess.spikeinterface_adapters.trace_sources import spike_trains, trace_source
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
