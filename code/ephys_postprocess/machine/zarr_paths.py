"""Folders with '::' in their names, which zarr takes for chains of URLs, and which Linux allows."""

import os
from pathlib import Path


def take_full_paths_for_folders() -> None:
    """Let zarr open every full path as the folder that it is, whatever its name holds; asked for twice, done once."""
    import zarr.storage

    as_zarr_does = zarr.storage._normalize_store_arg_v2
    if getattr(as_zarr_does, "takes_full_paths_for_folders", False):
        return

    def normalize(store, storage_options=None, mode="r"):
        path = os.fspath(store) if isinstance(store, os.PathLike) else store
        if isinstance(path, str) and "::" in path and Path(path).is_absolute():
            return zarr.storage.DirectoryStore(path)
        return as_zarr_does(store, storage_options, mode)

    normalize.takes_full_paths_for_folders = True
    zarr.storage._normalize_store_arg_v2 = normalize
