"""Where an extension's arrays go: a new result store, or an analyzer that someone already has (any format)."""

import time
from typing import Protocol

import numpy as np
import zarr
from spikeinterface.core.analyzer_extension_core import BaseSpikeVectorExtension
from spikeinterface.core.sortinganalyzer import get_extension_class
from spikeinterface.core.zarrextractors import get_default_zarr_compressor

from ephys_postprocess.records import Table
from ephys_postprocess.results.count_arrays import CountsArray, exact_filters
from ephys_postprocess.results.result_store import ResultStore

BLOCK_BYTES = 8 * 1024**2  # of arrays without chunks of their own


def rows_per_block(array) -> int:
    """How many rows to write at a time: those of a chunk, so that blocks may be written side by side."""
    if hasattr(array, "chunks"):
        return array.chunks[0]
    return max(1, BLOCK_BYTES // max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize))


class Sink(Protocol):
    """Takes the data of extensions, one at a time: `begin`, any number of `create_array`, then `finish`."""

    def begin(self, extension) -> None:
        """`extension` is a SpikeInterface AnalyzerExtension with its `params` set."""

    def create_array(self, extension, name: str, shape: tuple[int, ...], dtype):
        """Something that takes `array[start:stop] = block`, already at its final place."""

    def create_counts_array(self, extension, name: str, shape: tuple[int, ...], dtype, gain) -> CountsArray | None:
        """The same for int16 counts that stand for µV, `gain` each; None where they can't be stored as they are."""

    def finish(self, extension) -> None:
        """Write the rest of `extension.data`: what `create_array` did not make."""


class StoreSink:
    """Into the store of a new result."""

    def __init__(self, store: ResultStore):
        self._store = store

    def begin(self, extension):
        self._store.add_extension(extension.extension_name, extension.params)

    def create_array(self, extension, name, shape, dtype):
        return self._store.create_array(extension.extension_name, name, shape, dtype)

    def create_counts_array(self, extension, name, shape, dtype, gain):
        filters = None if gain is None or np.dtype(dtype) != np.float32 else exact_filters(gain)
        if filters is None:
            return None
        return CountsArray(self._store.create_array(extension.extension_name, name, shape, dtype, filters=filters))

    def finish(self, extension):
        for name, value in extension.data.items():
            if isinstance(value, zarr.Array):
                continue
            stored = self._store.write(extension.extension_name, name, value)
            if isinstance(extension, BaseSpikeVectorExtension):  # would grow with the recording: read when asked for
                extension.data[name] = stored


class AnalyzerSink:
    """Into an existing SortingAnalyzer of any format, with SpikeInterface's own files and groups.

    Parameters
    ----------
    analyzer : SortingAnalyzer
        If it was opened lazily and is a zarr store, large arrays stay there; otherwise every array is in memory, as
        after `analyzer.compute`. Nothing is mapped from files: these may go while the array is still in use.
    save : bool
        False: nothing is written, as for an analyzer that is read-only.
    """

    def __init__(self, analyzer, *, save: bool = True):
        self._analyzer = analyzer
        self._saves = save and analyzer.format != "memory" and not analyzer.is_read_only()
        self._unfinished = {}  # extension name: when it was begun

    def begin(self, extension):
        self._unfinished[extension.extension_name] = time.perf_counter()
        if self._saves:
            extension._save_params()
            extension._save_importing_provenance()

    def create_array(self, extension, name, shape, dtype):
        if self._saves and self._analyzer.format == "zarr" and self._analyzer._lazy:
            options = {"compressor": get_default_zarr_compressor()}
            options |= self._analyzer._backend_options.get("saving_options", {})
            group = extension._get_zarr_extension_group(mode="r+")
            return group.create_dataset(name, shape=shape, dtype=dtype, **options)
        return np.zeros(shape, dtype)

    def create_counts_array(self, *_):
        return None  # in SpikeInterface's own formats, as SpikeInterface would write them

    def finish(self, extension):
        extension.data |= {name: _as_dataframe(value) for name, value in extension.data.items()}
        began = self._unfinished.pop(extension.extension_name)
        extension.run_info["runtime_s"] = time.perf_counter() - began
        if not self._saves:
            return
        extension._save_run_info()
        extension._save_data()
        if self._analyzer.format == "zarr":
            zarr.consolidate_metadata(self._analyzer._get_zarr_root().store)

    def drop_unfinished(self) -> None:
        """Delete what was begun and is not complete, so that nobody takes it for a result."""
        for name in self._unfinished:
            self._analyzer.extensions.pop(name, None)
            if self._saves:
                get_extension_class(name)(self._analyzer)._delete_extension_folder()
        self._unfinished = {}


def _as_dataframe(value):
    if not isinstance(value, Table):
        return value
    import pandas as pd

    return pd.DataFrame(value.columns, index=pd.Index(value.index))
