"""Compiled kernels kept as one file each, named after everything that their code depends on.

numba keeps an index for each function, which every task that shares the folder reads, changes and writes: tasks lose
each other's entries or lead them to each other's code, and an index cut short fails every later run. Here there is
nothing to share but whole files, written beside their name and renamed. A file that is absent, damaged, another
kernel's or not safe is the same: the kernel is compiled again, and its file replaced.
"""

import contextlib
import hashlib
import os
import pickle
import stat
import sys
import uuid
from pathlib import Path

import llvmlite
import numba
from numba.core import sigutils
from numba.core.caching import _cache_log
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from ephys_postprocess.machine.compile_cache import compile_cache_in_use, is_trusted

_MAGIC = b"ephys-postprocess kernel 1\n"
_DIGEST_BYTES = hashlib.sha256().digest_size


class KeptCode:
    """What numba's dispatcher asks for compiled code, in place of `numba.core.caching.FunctionCache`.

    Parameters
    ----------
    function : callable
        The Python function that is compiled.
    options : object
        Options of the compilation that change its code; their repr becomes part of the file's name.
    """

    def __init__(self, function, options: object):
        self._name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"
        versions = (numba.__version__, llvmlite.__version__, sys.version_info[:3], getattr(sys, "abiflags", ""))
        self._what = (self._name, function.__code__.co_firstlineno, repr(options), *versions)

    @property
    def cache_path(self) -> str | None:
        """The folder to write to."""
        folder = compile_cache_in_use().write_folder
        return None if folder is None else str(folder)

    def load_overload(self, signature, target_context):
        """The code for a signature (a tuple of numba's types) on this processor; None where it must be compiled."""
        target_context.refresh()  # as numba's own cache: names in the code must be known before it is loaded
        kept = compile_cache_in_use()
        key = self._key(signature, target_context.codegen())
        for folder in kept.read_folders:
            path = folder / self._file_name(key)
            try:
                compiled = CompileResult._rebuild(target_context, *pickle.loads(_read(path, key)))
            except OSError:
                continue
            except Exception:  # noqa: BLE001 - whatever is wrong with a file, the kernel can be compiled without it
                kept.num_damaged += 1
                continue
            _cache_log("[cache] data loaded from %r", str(path))
            kept.num_loaded += 1
            return compiled
        return None

    def save_overload(self, signature, compiled) -> None:
        """Keep what was compiled, where there is room to: otherwise the next run takes some seconds longer."""
        kept = compile_cache_in_use()
        kept.compiled.append(self._name)
        if kept.write_folder is None or compiled.library.has_dynamic_globals:
            return
        key = self._key(signature, compiled.codegen)
        path = kept.write_folder / self._file_name(key)
        payload = dumps(compiled._reduce())
        try:
            _write(path, key, payload)
        except OSError as error:
            kept.why_not_kept = error.strerror or str(error)
        else:
            _cache_log("[cache] data saved to %r", str(path))

    def enable(self) -> None:
        """Nothing to do: kernels are always kept."""

    def disable(self) -> None:
        """Nothing to do: kernels are always kept."""

    def flush(self) -> None:
        """Nothing to do: there is no index."""

    def _key(self, signature, codegen) -> bytes:
        argument_types, _ = sigutils.normalize_signature(signature)
        return repr((self._what, argument_types, codegen.magic_tuple())).encode()

    def _file_name(self, key: bytes) -> str:
        return f"{self._name}-{hashlib.sha256(key).hexdigest()[:32]}.nbc"


def _read(path: Path, key: bytes) -> bytes:
    """The payload that `_write` wrote; ValueError where the file is not exactly that, or others could have written it.

    What decides is asked of the open file, so that nobody can put another one in its place in between.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not (stat.S_ISREG(status.st_mode) and is_trusted(status)):
            raise ValueError(f"{path}: no file, or one that others can write")
        content = file.read()
    digest, payload = content[len(_MAGIC) :][:_DIGEST_BYTES], content[len(_MAGIC) + _DIGEST_BYTES :]
    if not content.startswith(_MAGIC) or digest != _digest(key, payload):
        raise ValueError(f"{path}: damaged, or of another kernel")
    return payload


def _write(path: Path, key: bytes, payload: bytes) -> None:
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:16]}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_MAGIC + _digest(key, payload) + payload)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _digest(key: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(len(key).to_bytes(8, "little") + key + payload).digest()
