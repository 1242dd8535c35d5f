"""Where compiled kernels are kept between runs, chosen before numba is imported."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

_KERNELS = Path(__file__).parent.parent / "kernels"
_LOCATOR = "ephys_postprocess.machine.cache_locator.PortableLocator"


def use_compile_cache(environment: MutableMapping[str, str]) -> None:
    """Point numba at a writable folder: NUMBA_CACHE_DIR if set, else the user's cache, else the temp folder.

    Below it the folder carries a hash of every kernel's source: numba notices a change in a kernel's own file, but not
    in a kernel that it calls. It does not depend on where the code lies, so a fresh clone of the same code (one a
    pipeline task) finds what an image or an earlier task compiled; from an image that is read-only, it is copied.
    """
    wanted = environment.get("NUMBA_CACHE_DIR")
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".cache"
    candidates = [Path(wanted)] if wanted else [Path(home) / "ephys-postprocess" / "numba"]
    candidates.append(Path(tempfile.gettempdir()) / f"ephys-postprocess-numba-{os.getuid()}")
    folders = [candidate / _hash_of_kernels() for candidate in candidates]
    for folder in folders:
        is_new = not folder.exists()
        if _is_private_and_writable(folder):
            if is_new and folder != folders[0] and _is_trusted(folders[0]):
                shutil.copytree(folders[0], folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
            environment["NUMBA_CACHE_DIR"] = str(folder)
            environment.setdefault("NUMBA_CACHE_LOCATOR_CLASSES", _LOCATOR)
            return


def _hash_of_kernels() -> str:
    digest = hashlib.sha256()
    for source in sorted(_KERNELS.rglob("*.py")):
        digest.update(source.relative_to(_KERNELS).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _is_private_and_writable(folder: Path) -> bool:
    """numba unpickles what it finds here, so a folder that someone else made is not used."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = folder.stat().st_uid
    except OSError:
        return False
    return owner == os.getuid() and os.access(folder, os.W_OK)


def _is_trusted(folder: Path) -> bool:
    """Whether only we or the image's builder can have written there."""
    try:
        status = folder.stat()
    except OSError:
        return False
    return status.st_uid in (0, os.getuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
