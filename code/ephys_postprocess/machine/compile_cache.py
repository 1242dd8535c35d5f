"""Where compiled kernels are kept between runs: folders that only we, or those whose code we run, can have written to.

What lies there is executed, so a folder is used only if it is no link, has a trusted owner and is writable by nobody
else. New code goes into a folder of our own; a safe one of somebody else's (an image's, made by root) is only read.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ephys_postprocess.machine.processor import choose_processor

_KERNELS = Path(__file__).parent.parent / "kernels"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NUM_NAMES_TOLD = 5


@dataclass
class CompileCache:
    """The folders of this run, and what was done with them."""

    write_folder: Path | None  # where newly compiled kernels go; None: nowhere
    read_folders: tuple[Path, ...]  # where they are looked for, in this order
    remarks: tuple[str, ...] = ()  # folders that were passed over, and why
    compiled: list[str] = field(default_factory=list)  # names of kernels
    num_loaded: int = 0
    num_damaged: int = 0  # files that could not be used
    why_not_kept: str = ""  # what the system said when a kernel was to be written

    def summary(self) -> str | None:
        """One line: how many kernels were compiled and loaded, and where they are kept; None where none was used."""
        if not (self.compiled or self.num_loaded):
            return None
        names = sorted(set(self.compiled))
        more = ["…"] if names[_NUM_NAMES_TOLD:] else []
        told = f" ({', '.join(names[:_NUM_NAMES_TOLD] + more)})" if names else ""
        damaged = f" ({self.num_damaged} damaged file(s) were passed over)" if self.num_damaged else ""
        kept = (
            f"kept in {self.write_folder}" if self.write_folder and not self.why_not_kept else "new ones are not kept"
        )
        reason = f" ({self.why_not_kept})" if self.why_not_kept else ""
        return f"Kernels: {len(self.compiled)} compiled{told}, {self.num_loaded} loaded{damaged}; {kept}{reason}"


def use_compile_cache(environment: MutableMapping[str, str]) -> CompileCache:
    """Choose the folders of this process, and point numba itself at the one to write to.

    The first of these that can be ours: NUMBA_CACHE_DIR, the user's cache, the temporary folder. Below each, the folder
    carries a hash of every kernel's source, so that a change in a kernel that another one calls is noticed. It does not
    depend on where the code lies: a fresh clone of the same code (one a pipeline task) finds what an image or an
    earlier task compiled.
    """
    global _in_use
    remark = choose_processor(environment)
    _in_use = _find_compile_cache(environment)
    if remark is not None:
        _in_use.remarks += (remark,)
    # Where nothing can be kept, numba itself must not take the folder that was passed over.
    environment["NUMBA_CACHE_DIR"] = str(_in_use.write_folder or os.devnull)
    return _in_use


_in_use: CompileCache | None = None


def compile_cache_in_use() -> CompileCache:
    """The folders chosen by `use_compile_cache`; as a library, those that the environment leads to."""
    global _in_use
    if _in_use is None:
        _in_use = _find_compile_cache(os.environ)
    return _in_use


def is_trusted(status: os.stat_result) -> bool:
    """Whether a file or folder can only have been written by us, root, or the owner of the code that we are running."""
    return status.st_uid in _trusted_owners() and not status.st_mode & _OTHERS_MAY_WRITE


def _find_compile_cache(environment: MutableMapping[str, str]) -> CompileCache:
    read_folders, remarks = [], []
    for base, must_be_ours in _bases(environment, remarks):
        folder = base / _hash_of_kernels()
        try:
            is_ours = (not must_be_ours or _make_ours(base)) and _make_ours(folder)
        except OSError as error:
            if str(base) == environment.get("NUMBA_CACHE_DIR"):
                remarks.append(f"Compiled kernels are not kept in {base} ({error.strerror}).")
            continue
        except _UnsafeError as unsafe:
            remarks.append(f"Compiled kernels in {folder} are not used: {unsafe}.")
            continue
        if is_ours:
            return CompileCache(folder, (folder, *read_folders), tuple(remarks))
        if not must_be_ours:
            read_folders.append(folder)
    return CompileCache(None, tuple(read_folders), tuple(remarks), why_not_kept="no folder for them can be written")


def _bases(environment: MutableMapping[str, str], remarks: list[str]) -> Iterator[tuple[Path, bool]]:
    """Folders to keep the cache in, and whether the folder itself must be ours because anybody may make it."""
    if wanted := environment.get("NUMBA_CACHE_DIR"):
        # A process that we started inherits the folder with the hash.
        yield (Path(wanted).parent if Path(wanted).name == _hash_of_kernels() else Path(wanted)), False
    if cache_home := environment.get("XDG_CACHE_HOME"):
        yield Path(cache_home) / "ephys-postprocess" / "numba", False
    elif (home := environment.get("HOME")) and _is_own_home(Path(home)):
        yield Path(home) / ".cache" / "ephys-postprocess" / "numba", False
    try:
        yield Path(tempfile.gettempdir()) / f"ephys-postprocess-numba-{os.geteuid()}", True
    except FileNotFoundError:
        remarks.append("Compiled kernels are not kept: there is no temporary folder to write to.")


def _is_own_home(home: Path) -> bool:
    """Not somebody else's, as under sudo: what root leaves there, its owner could not write to any more."""
    try:
        return home.stat().st_uid == os.geteuid()
    except OSError:
        return False


class _UnsafeError(Exception):
    """Others could have put code there, or it is closed to us; the message says which."""


def _make_ours(folder: Path) -> bool:
    """Make a folder, closed to others, unless it is there; whether we own it and may write to it.

    Raises
    ------
    _UnsafeError
        It is a link, has a stranger as its owner, others may write to it, or we may not read it.
    OSError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError:
        if not os.path.lexists(folder):
            raise
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise _UnsafeError("it is a link or a file")
    if status.st_uid not in _trusted_owners():
        raise _UnsafeError(f"it belongs to another user (id {status.st_uid})")
    if not is_trusted(status):
        raise _UnsafeError("others may write to it (chmod go-w)")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise _UnsafeError("it cannot be read")
    return status.st_uid == os.geteuid() and os.access(folder, os.W_OK)


@cache
def _trusted_owners() -> frozenset[int]:
    return frozenset({0, os.geteuid(), _KERNELS.stat().st_uid})


@cache
def _hash_of_kernels() -> str:
    digest = hashlib.sha256()
    for source in sorted(_KERNELS.rglob("*.py")):
        digest.update(source.relative_to(_KERNELS).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
