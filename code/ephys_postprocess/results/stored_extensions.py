"""The data of an analyzer's extensions one array at a time: from memory, a zarr store or a folder."""

from pathlib import Path
from typing import Protocol

import numpy as np
import zarr

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import read_json
from ephys_postprocess.inputs.npy_files import holds_pickles
from ephys_postprocess.results.stored_analyzer import is_pickled


class _Place(Protocol):
    """Where extensions are."""

    def has(self, name: str) -> bool: ...

    def params(self, name: str) -> dict: ...

    def array(self, extension_name: str, name: str): ...

    def array_names(self, extension_name: str) -> list[str]: ...

    def columns(self, extension_name: str, name: str) -> dict[str, np.ndarray]: ...


class StoredExtensions:
    """Reads single arrays, so that what is never asked for (PCA models, pickled by SpikeInterface) is never decoded."""

    def __init__(self, analyzer):
        self._attributes = {}
        self._place: _Place = _Memory(analyzer)
        if analyzer.format == "zarr":
            root = analyzer._get_zarr_root(mode="r")
            self._attributes = root.attrs.get("spikeinterface_info", {})
            self._place = _Store(root)
        elif analyzer.format == "binary_folder":
            self._place = _Folder(Path(analyzer.folder) / "extensions")

    def has(self, name: str) -> bool:
        """Whether the extension was computed."""
        return self._place.has(name)

    def params(self, name: str) -> dict:
        """The extension's parameters; empty where it was not computed."""
        return self._place.params(name) if self.has(name) else {}

    def array(self, extension_name: str, name: str):
        """An array, possibly still on disk (index it with [:]), or None.

        Raises
        ------
        InputError
            It would have to be unpickled.
        """
        return self._place.array(extension_name, name) if self.has(extension_name) else None

    def array_names(self, extension_name: str) -> list[str]:
        """The names of its arrays that are not tables."""
        return self._place.array_names(extension_name) if self.has(extension_name) else []

    def table(self, extension_name: str, name: str) -> dict[str, np.ndarray]:
        """The numeric columns of a table, by name; empty where there is none."""
        columns = self._place.columns(extension_name, name) if self.has(extension_name) else {}
        return {column: values for column, values in columns.items() if values.dtype.kind in "fiub"}

    def stored_by(self) -> str:
        """Which library wrote the result."""
        if not self._attributes:
            import spikeinterface

            return f"SpikeInterface {spikeinterface.__version__}"
        return f"SpikeInterface {self._attributes.get('version', '')}".strip()


def read_field(array, name: str) -> np.ndarray:
    """One field of a structured array, contiguous; of one in a store no more than a chunk is decoded at a time.

    zarr itself holds room for all fields of all rows, to return one of them.
    """
    if not isinstance(array, zarr.Array):
        return np.ascontiguousarray(array[name])
    values = np.empty(array.shape, dtype=array.dtype[name])
    for start in range(0, array.shape[0], array.chunks[0]):
        rows = slice(start, start + array.chunks[0])
        values[rows] = array[rows][name]
    return values


class _Memory:
    def __init__(self, analyzer):
        self._analyzer = analyzer

    def has(self, name: str) -> bool:
        return self._analyzer.has_extension(name)

    def params(self, name: str) -> dict:
        return dict(self._analyzer.get_extension(name).params)

    def array(self, extension_name: str, name: str):
        return self._analyzer.get_extension(extension_name).data.get(name)

    def array_names(self, extension_name: str) -> list[str]:
        data = self._analyzer.get_extension(extension_name).data
        return [name for name, value in data.items() if not hasattr(value, "columns")]

    def columns(self, extension_name: str, name: str) -> dict[str, np.ndarray]:
        table = self.array(extension_name, name)
        if table is None:
            return {}
        source = table.columns if isinstance(table.columns, dict) else table
        return {str(column): np.asarray(source[column]) for column in table.columns}


class _Store:
    def __init__(self, root: zarr.Group):
        self._groups = root.get("extensions", {})

    def has(self, name: str) -> bool:
        return name in self._groups

    def params(self, name: str) -> dict:
        return dict(self._groups[name].attrs.get("params") or {})

    def array(self, extension_name: str, name: str):
        array = self._groups[extension_name].get(name)
        return array if array is None else self._readable(array, f"{extension_name}/{name}")

    def array_names(self, extension_name: str) -> list[str]:
        return list(self._groups[extension_name].array_keys())

    def columns(self, extension_name: str, name: str) -> dict[str, np.ndarray]:
        table = self._groups[extension_name].get(name)
        if table is None:
            return {}
        names = [column for column in table.array_keys() if column != "index" and table[column].dtype.kind in "fiub"]
        return {column: np.asarray(self._readable(table[column], column)[:]) for column in names}

    def _readable(self, array, name: str):
        if isinstance(array, zarr.Array) and is_pickled(array):
            raise InputError(f"{name} of this result is a pickle, which can run any code when decoded; it is not read.")
        return array


class _Folder:
    """What SpikeInterface's analyzers in the format "binary_folder" keep: .npy and .csv files, and pickles beside."""

    def __init__(self, folder: Path):
        self._folder = folder

    def has(self, name: str) -> bool:
        return (self._folder / name / "params.json").is_file()

    def params(self, name: str) -> dict:
        return read_json(self._folder / name / "params.json")

    def array(self, extension_name: str, name: str):
        file = self._folder / extension_name / f"{name}.npy"
        if not file.is_file():
            return None
        if holds_pickles(file):
            raise InputError(f"{file}: a pickle, which can run any code when decoded; it is not read.")
        return np.load(file, mmap_mode="r")

    def array_names(self, extension_name: str) -> list[str]:
        return sorted(file.stem for file in (self._folder / extension_name).glob("*.npy"))

    def columns(self, extension_name: str, name: str) -> dict[str, np.ndarray]:
        import pandas as pd

        file = self._folder / extension_name / f"{name}.csv"
        if not file.is_file():
            return {}
        table = pd.read_csv(file, index_col=0)
        return {str(column): table[column].to_numpy() for column in table.columns}
