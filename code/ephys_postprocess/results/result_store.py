"""The zarr store of one result: a SortingAnalyzer's layout, each array written once, no pickles."""

import copy
import json
import os
import warnings
from pathlib import Path

import numpy as np
import zarr
from numcodecs import JSON, Blosc, blosc
from spikeinterface.core import SortingAnalyzer
from spikeinterface.core.core_tools import (
    check_json,
    check_paths_relative,
    element_is_path,
    extractor_dict_iterator,
    make_paths_relative,
    retrieve_importing_provenance,
    set_value_in_extractor_dict,
)
from spikeinterface.core.sortinganalyzer import get_extension_class
from spikeinterface.core.zarrextractors import ZarrSortingExtractor

from ephys_postprocess.errors import ResultError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import Table

# Bytes depend on the data alone. For waveforms, most of a result: level 1 is two to four times faster than
# SpikeInterface's 5 and about 5 % larger; blocks of half a megabyte take half as long as Blosc's own of 32 kB, to write
# and to read, for the same size (those of 128 or 256 kB are larger: zstd has other presets for short input). All else
# is mostly zeros (dense templates) or noise that nothing makes smaller: LZ4 is three to six times faster again, and
# adds some 3 % to the result.
COMPRESSOR = Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE, blocksize=512 * 1024)
QUICK_COMPRESSOR = Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)
CHUNK_BYTES = 8 * 1024**2  # small enough to compress side by side, large enough for few files


class ResultStore:
    """A new SortingAnalyzer zarr store in `folder`; extensions are written array by array, then `finish`."""

    def __init__(
        self,
        folder: Path,
        analyzer: SortingAnalyzer,
        recording_to_store,
        num_threads: int,
        described: dict | None = None,
    ):
        """`described`: the recording in the words of whoever wrote it; None: in those of the SpikeInterface here."""
        self.folder = folder
        self.num_threads = num_threads
        # Blosc's own threads write a chunk's blocks in the order they finish in: the same values, other bytes.
        blosc.use_threads = False
        with warnings.catch_warnings():  # stock warns of what the caller has dealt with before
            warnings.simplefilter("ignore")
            SortingAnalyzer.create_zarr(
                folder,
                sorting=analyzer.sorting,
                recording=recording_to_store,
                sparsity=analyzer.sparsity,
                return_in_uV=analyzer.return_in_uV,
                peak_sign=analyzer.peak_sign,
                peak_mode=analyzer.peak_mode,
                rec_attributes=None,
                backend_options={"saving_options": {"compressor": COMPRESSOR}},
                lazy=True,  # the spikes that it wrote would be read back
            )
        root = zarr.open_group(str(folder), mode="r+")
        self._extensions = root["extensions"]
        del root["recording"]
        described = recording_to_store.to_dict(recursive=True) if described is None else described
        _write_json(root, "recording", recording_link(described, folder))

    def sorting(self) -> ZarrSortingExtractor:
        """The analyzer's sorting as the store has it: its spikes are read when they are asked for, and not kept."""
        return ZarrSortingExtractor(self.folder, zarr_group="sorting", lazy_spike_vector=True)

    def add_extension(self, name: str, params: dict) -> None:
        """Start an extension: its group with parameters and the class that reads it."""
        group = self._extensions.create_group(name)
        group.attrs["params"] = check_json(params)
        group.attrs["info"] = check_json(retrieve_importing_provenance(get_extension_class(name)))
        # No run time here: the same input gives the same bytes. Times are in the DataProcess.
        group.attrs["run_info"] = {"run_completed": True, "runtime_s": None}

    def create_array(self, extension: str, name: str, shape: tuple[int, ...], dtype, filters=None) -> zarr.Array:
        """An empty array to fill by rows; blocks that start and end on chunk borders may be written side by side."""
        row_bytes = max(1, int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(dtype).itemsize)
        rows = int(np.clip(CHUNK_BYTES // row_bytes, 1, max(1, shape[0])))
        chunks = (rows, *(max(1, length) for length in shape[1:]))  # zarr cannot read back chunks of length 0
        compressor = COMPRESSOR if extension == "waveforms" else QUICK_COMPRESSOR
        return self._extensions[extension].create_dataset(
            name, shape=shape, dtype=dtype, chunks=chunks, compressor=compressor, fill_value=0, filters=filters
        )

    def write(self, extension: str, name: str, value) -> zarr.Array | zarr.Group:
        """Write one entry of an extension's data: an array, a table, or a JSON-like dictionary or list."""
        if isinstance(value, dict | list):
            _write_json(self._extensions[extension], name, value).attrs["dict"] = True
        elif isinstance(value, Table):
            self._write_table(extension, name, value)
        else:
            self._write_array(extension, name, np.asarray(value))
        return self._extensions[extension][name]

    def finish(self) -> None:
        """Consolidate the metadata, then make sure that nothing in the store needs a pickle to be read."""
        zarr.consolidate_metadata(zarr.open_group(str(self.folder), mode="r+").store)
        refuse_pickles(self.folder)

    def _write_array(self, extension, name, values):
        if values.dtype == object:
            raise ResultError(f"Cannot store {extension}/{name}: it holds Python objects, which would be pickled.")
        if values.ndim == 0 or values.size == 0:
            self._extensions[extension].create_dataset(name, data=values, compressor=None)
            return
        array = self.create_array(extension, name, values.shape, values.dtype)
        rows = array.chunks[0]

        def write_block(start):
            array[start : start + rows] = values[start : start + rows]

        map_in_threads(write_block, range(0, values.shape[0], rows), self.num_threads)

    def _write_table(self, extension, name, table: Table):
        group = self._extensions[extension].create_group(name)
        group.create_dataset("index", data=_without_objects(table.index), compressor=None)
        for column, values in table.columns.items():
            group.create_dataset(column, data=_without_objects(values), compressor=None)
        group.attrs["dataframe"] = True


def recording_link(described: dict, folder: Path) -> dict:
    """SpikeInterface's description of a recording, its paths relative to `folder` as the user staged them.

    SpikeInterface would follow the links that a pipeline stages its inputs as, and the next capsule, which stages them
    anew, could not find them. Where the staged path cannot be reached from `folder`, SpikeInterface's way is kept.
    """
    link = copy.deepcopy(described)
    for element in extractor_dict_iterator(link):
        if element_is_path(element) and Path(element.value).exists():
            staged = os.path.relpath(element.value, folder)
            if not (folder.resolve() / staged).exists():
                return check_json(_resolved_link(described, folder))
            set_value_in_extractor_dict(link, element.access_path, Path(staged).as_posix())
    link["relative_paths"] = True
    return check_json(link)


def _resolved_link(described: dict, folder: Path) -> dict:
    folder = folder.resolve()
    if not check_paths_relative(described, folder):
        return {**described, "relative_paths": False}
    return {**make_paths_relative(described, folder), "relative_paths": True}


def _write_json(group, name: str, value):
    holder = np.empty(1, dtype=object)
    holder[0] = check_json(value)
    return group.create_dataset(name, data=holder, object_codec=JSON(), compressor=None)


def refuse_pickles(folder: Path) -> None:
    """Raise ResultError if any array of a zarr v2 store is coded with pickle."""
    for metadata_file in folder.rglob(".zarray"):
        metadata = json.loads(metadata_file.read_text())
        if any(codec["id"] == "pickle" for codec in metadata["filters"] or ()):
            name = metadata_file.parent.relative_to(folder)
            raise ResultError(f"{folder.name}: {name} is stored as a pickle, which is not safe to open. This is a bug.")


def _without_objects(values: np.ndarray) -> np.ndarray:
    return values.astype(str) if values.dtype == object else values
