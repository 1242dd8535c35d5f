"""What .npy and .npz files say of themselves in their headers, read before their content is."""

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.special_files import open_regular
from ephys_postprocess.machine.space import available_memory_bytes, megabytes

_UNREADABLE = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, RecursionError, MemoryError, NotImplementedError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


def holds_pickles(file: Path) -> bool:
    """Whether only unpickling can read an .npy file, as `numpy.load(..., allow_pickle=True)` would.

    numpy also unpickles what has no npy header at all, and takes what begins like a zip for an .npz.

    Raises
    ------
    InputError
        The header cannot be read, or says more than the file holds.
    """
    try:
        with open_regular(file) as handle:
            dtype = _checked_dtype(handle, file.stat().st_size)
    except _UNREADABLE as error:
        raise InputError(f"{file}: cannot be read ({type(error).__name__}: {error}). Attach it again.") from error
    return dtype is None or dtype.hasobject


def check_npz(file: Path) -> None:
    """InputError where an .npz file cannot be read, or unpacks to more than it says or than memory holds."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total, free = sum(member.file_size for member in members), available_memory_bytes()
            if total > free:
                raise InputError(f"{file}: unpacks to {megabytes(total)}, and {megabytes(free)} of memory are free.")
            for member in members:
                with archive.open(member) as handle:
                    _checked_dtype(handle, member.file_size)
    except _UNREADABLE as error:
        raise InputError(f"{file}: cannot be opened ({type(error).__name__}: {error}). Attach it again.") from error


def _checked_dtype(handle: BinaryIO, num_bytes: int) -> np.dtype | None:
    """The dtype that a header names, of which as much as the shape says is there; None where there is no header."""
    magic = handle.read(len(npy_format.MAGIC_PREFIX) + 2)
    if not magic.startswith(npy_format.MAGIC_PREFIX):
        return None
    version = tuple(magic[-2:])
    reader = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = reader(handle)
    needed, held = math.prod(shape) * dtype.itemsize, num_bytes - handle.tell()
    if not dtype.hasobject and needed > held:
        raise ValueError(f"cut short: its header says {dtype} of shape {shape}, {needed} bytes, and it holds {held}")
    return dtype
