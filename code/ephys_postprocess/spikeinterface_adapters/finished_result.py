"""A finished result, opened again: its analyzer through SpikeInterface, its large arrays straight from the store."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import spikeinterface.core as si
import zarr

from ephys_postprocess.errors import InputError
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.spikeinterface_adapters.trace_sources import spike_trains


@dataclass(frozen=True)
class FinishedResult:
    """A SortingAnalyzer's zarr store that nobody writes to any more."""

    folder: Path
    analyzer: si.SortingAnalyzer  # extensions are loaded when asked for

    @property
    def recording_name(self) -> str:
        """As in the name of the store."""
        return self.folder.name.removeprefix("postprocessed_").removesuffix(".zarr")

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

    @cached_property
    def _extensions(self):
        return zarr.open_group(str(self.folder), mode="r")["extensions"]

    def has(self, extension: str, name: str) -> bool:
        """Whether the store holds this array."""
        return extension in self._extensions and name in self._extensions[extension]

    def array(self, extension: str, name: str) -> zarr.Array:
        """An array of an extension, which is read where it is sliced."""
        return self._extensions[extension][name]

    def params(self, extension: str) -> dict:
        """An extension's parameters."""
        return self._extensions[extension].attrs["params"]


def open_finished_result(folder: Path) -> FinishedResult:
    """Open `postprocessed_{recording_name}.zarr`, by this capsule, an earlier one, or SpikeInterface.

    Raises
    ------
    InputError
        Not there, a placeholder, or not a store that SpikeInterface can open.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Name a finished result, postprocessed_NAME.zarr.")
    if (folder / "placeholder.npy").exists():
        raise InputError(f"{folder}: a placeholder for a recording that could not be postprocessed; it holds no units.")
    if not ((folder / ".zgroup").exists() and (folder / "extensions").is_dir()):
        raise InputError(f"{folder}: not a SortingAnalyzer in a zarr store. Name a finished result.")
    try:
        with warnings.catch_warnings():  # a recording that is not here is told of by whoever needs it
            warnings.simplefilter("ignore")
            analyzer = si.load_sorting_analyzer(folder, load_extensions=False)
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError(f"{folder}: SpikeInterface cannot open it ({type(error).__name__}: {error}).") from error
    return FinishedResult(folder, analyzer)
