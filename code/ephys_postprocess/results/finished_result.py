"""A finished result, opened again: its spikes and sparsity as records, its arrays one at a time."""

import logging
import re
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.recording_tools import do_recording_attributes_match

from ephys_postprocess.errors import CapsuleError, InputError
from ephys_postprocess.inputs.channel_first_files import read_channels_first
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.recordings import check_traces
from ephys_postprocess.inputs.refusals import NotAttachedError
from ephys_postprocess.inputs.saved_objects import open_dictionary
from ephys_postprocess.inputs.sortings import check_spikes
from ephys_postprocess.inputs.trace_sources import spike_trains, trace_source
from ephys_postprocess.machine.zarr_paths import take_full_paths_for_folders
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.results.stored_analyzer import StoredAnalyzer, open_analyzer, recording_of
from ephys_postprocess.results.stored_extensions import StoredExtensions
from ephys_postprocess.traces import TraceSource

logger = logging.getLogger(__name__)


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

    def reachable_traces(self, given_folders: list[Path], consent: Consent) -> TraceSource | None:
        """The traces that the result refers to; None, and a line of the log that says why, where they are not read.

        Parameters
        ----------
        given_folders : list of Path
            Where the recording may lie: whoever made the result chose what it refers to.
        consent : Consent
            What the user allows beyond reading.
        """
        try:
            described = recording_of(self.analyzer)
            if described is None:
                return None
            recording = open_dictionary(
                described,
                self.folder,
                [self.folder],
                si.BaseRecording,
                consent=consent,
                note=logger.info,
                given_folders=given_folders,
            )
            read_channels_first(recording)
            check_traces(recording, self.folder.name)
        except (InputError, NotAttachedError) as error:
            logger.warning("%s: its recording is not read: %s", self.folder.name, error)
            return None
        does_match, difference = do_recording_attributes_match(
            recording, self.analyzer.rec_attributes, check_dtype=False
        )
        if not does_match:
            logger.warning("%s: its recording is not the one it was made from. %s", self.folder.name, difference)
            return None
        return trace_source(recording, return_in_uV=self.analyzer.return_in_uV)


def open_result(path: Path) -> StoredAnalyzer:
    """The SortingAnalyzer of a finished result, without its recording, and with no extension loaded.

    Raises
    ------
    InputError
        There is no result, it is a placeholder, or it cannot be opened without decoding pickles.
    """
    if not path.is_dir():
        raise InputError(f"No result at {path}: give the folder of a SortingAnalyzer, postprocessed_NAME.zarr.")
    if (path / "placeholder.npy").exists():
        raise InputError(f"{path.name} is a placeholder: its recording was not postprocessed.")
    take_full_paths_for_folders()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which a report does not need
            analyzer = open_analyzer(path)
        check_spikes(analyzer.sorting, analyzer.rec_attributes["num_samples"], path.name)
    except (CapsuleError, MemoryError):
        raise
    except Exception as error:  # SpikeInterface raises whatever its readers meet
        raise InputError(f"{path} cannot be read as a SortingAnalyzer ({type(error).__name__}: {error}).") from error
    return analyzer


def recording_name_of(path: Path) -> str:
    """The recording of a result's folder name, as curation takes it apart."""
    return re.sub(r"^postprocessed_|\.zarr$", "", path.name)
