"""A numba cache locator whose folders do not depend on where this code lies; numba imports it by name."""

from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator


class PortableLocator(UserProvidedCacheLocator):
    """One folder a package name below NUMBA_CACHE_DIR; source stamps are content hashes already."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """The name of the file's folder and its parent: kernels keep theirs apart from other packages'."""
        folder = Path(py_file).parent
        return f"{folder.parent.name}.{folder.name}"
