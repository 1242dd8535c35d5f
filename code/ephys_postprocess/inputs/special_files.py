"""Pipes, sockets and devices in place of files, which an archive may bring: opening one waits, perhaps for ever.

And files of a size that none of their kind has, which would take all memory, or all day.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ephys_postprocess.errors import InputError

MAX_JSON_BYTES = 2**30
MAX_DEPTH = 100  # of folders in folders; what walks them later has the stack of a program

_READ_WHOLE = (".json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def check_file_types(path: Path) -> None:
    """InputError for anything at or below a path that is neither a file nor a folder, or nested absurdly deep.

    The same for a JSON file, or metadata of a zarr store, of more than a gigabyte: libraries read these whole. Links
    are looked through; those to folders are not followed further, and those to nothing are left to readers.
    """
    if not path.is_dir():
        _check(path)
        return
    folders = [(os.fspath(path), 0)]
    while folders:
        folder, depth = folders.pop()
        if depth > MAX_DEPTH:
            raise InputError(f"{path}: folders are nested more than {MAX_DEPTH} deep. Attach what was saved.")
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, depth + 1))
                elif not entry.is_file(follow_symlinks=False) or entry.name.endswith(_READ_WHOLE):
                    _check(Path(entry.path))


def check_link(path: Path) -> None:
    """InputError for a link to nothing, as a copy leaves behind of what was staged: it is not the same as no file."""
    if path.is_symlink() and not path.exists():
        target = ascii(str(path.readlink()))[1:-1]
        raise InputError(f"{path}: cannot be read: a link to {target[:200]}, which is not there. Attach that, too.")


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes; OSError, at once, where it is a pipe, a socket, a device or a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb", buffering=0)
    os.close(descriptor)
    raise OSError(errno.EINVAL, "neither a file nor a folder, but a pipe, a socket or a device", str(path))


def read_regular(path: Path, most_bytes: int = MAX_JSON_BYTES) -> bytes:
    """The content of a file; OSError where it is none (see `open_regular`), or larger than any of its kind."""
    with open_regular(path) as file:
        if (num_bytes := os.fstat(file.fileno()).st_size) > most_bytes:
            raise OSError(errno.EFBIG, f"{num_bytes} bytes; at most {most_bytes} are read", str(path))
        return file.read()


def is_regular(path: Path) -> bool:
    """Whether something is a file in the plain sense, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _check(path: Path) -> None:
    try:
        status = path.stat()
    except OSError:  # not there, or a link to nothing
        return
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise InputError(f"{path}: neither a file nor a folder, but a pipe, a socket or a device. Remove it.")
    if path.name.endswith(_READ_WHOLE) and status.st_size > MAX_JSON_BYTES:
        raise InputError(
            f"{path}: has {status.st_size} bytes; at most {MAX_JSON_BYTES} are read. Attach the file again or remove "
            "it."
        )
