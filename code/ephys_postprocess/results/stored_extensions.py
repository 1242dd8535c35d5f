"""The data of an analyzer's extensions one array at a time: from memory, a zarr store or a folder."""

import numpy as np


class StoredExtensions:
    """Reads single arrays, so that what is never asked for (PCA models, pickled by SpikeInterface) is never decoded."""

    def __init__(self, analyzer):
        self._analyzer = analyzer
        self._root = analyzer._get_zarr_root(mode="r") if analyzer.format == "zarr" else None

    def has(self, name: str) -> bool:
        """Whether the extension was computed."""
        if self._root is not None:
            return "extensions" in self._root and name in self._root["extensions"]
        return self._analyzer.has_extension(name)

    def params(self, name: str) -> dict:
        """The extension's parameters; empty where it was not computed."""
        if not self.has(name):
            return {}
        if self._root is not None:
            return dict(self._root["extensions"][name].attrs.get("params") or {})
        return dict(self._analyzer.get_extension(name).params)

    def array(self, extension_name: str, name: str):
        """An array, possibly still on disk (index it with [:]), or None."""
        return self._entries(extension_name).get(name)

    def table(self, extension_name: str, name: str) -> dict[str, np.ndarray]:
        """The numeric columns of a table, by name; empty where there is none."""
        table = self._entries(extension_name).get(name)
        if table is None:
            return {}
        if self._root is not None:
            names = [column for column in table.array_keys() if column != "index"]
            columns = {column: np.asarray(table[column][:]) for column in names if table[column].dtype.kind in "fiub"}
        else:
            source = table.columns if isinstance(table.columns, dict) else table
            columns = {str(column): np.asarray(source[column]) for column in table.columns}
        return {column: values for column, values in columns.items() if values.dtype.kind in "fiub"}

    def stored_by(self) -> str:
        """Which library wrote the result."""
        attributes = self._root.attrs.get("spikeinterface_info", {}) if self._root is not None else {}
        if not attributes:
            import spikeinterface

            return f"SpikeInterface {spikeinterface.__version__}"
        return f"SpikeInterface {attributes.get('version', '')}".strip()

    def _entries(self, extension_name: str):
        if not self.has(extension_name):
            return {}
        if self._root is not None:
            return self._root["extensions"][extension_name]
        return self._analyzer.get_extension(extension_name).data
