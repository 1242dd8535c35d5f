"""Pipes, sockets and devices among the inputs, which an archive may bring: opening one waits, perhaps for ever."""

import os
import stat
from pathlib import Path

from ephys_postprocess.errors import InputError

MAX_DEPTH = 100  # of folders in folders; what walks them later has the stack of a program


def check_file_types(path: Path) -> None:
    """InputError for anything at or below a path that is neither a file nor a folder, or nested absurdly deep.

    Links are looked through; those to folders are not followed further, and those to nothing are left to readers.
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
                elif not entry.is_file(follow_symlinks=False):
                    _check(Path(entry.path))


def is_regular(path: Path) -> bool:
    """Whether something is a file in the plain sense, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _check(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:  # not there, or a link to nothing
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: neither a file nor a folder, but a pipe, a socket or a device. Remove it.")
