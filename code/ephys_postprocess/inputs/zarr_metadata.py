"""Zarr stores are looked through before they are opened: what decodes their arrays, and how much memory they take.

zarr builds whatever codec an array's metadata names, pickle among them, allocates the shape that they state, and takes
chunks that are not there for zeros. So every array's metadata, in its own file and in the consolidated one, is parsed
and checked, and its chunk files are counted.
"""

import contextlib
import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.bounded_codecs import MAX_CHUNK_BYTES, use_bounded_codecs
from ephys_postprocess.inputs.consent import ALLOW_PICKLE_SWITCH
from ephys_postprocess.inputs.counts import check_count
from ephys_postprocess.inputs.data_folder import read_json
from ephys_postprocess.inputs.refusals import CodecNotAllowedError
from ephys_postprocess.machine.space import available_memory_bytes, megabytes

ALLOWED_CODECS = frozenset(
    (
        *("blosc", "bz2", "flac", "gzip", "lz4", "lzma", "wavpack", "zlib", "zstd"),
        *("astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize", "shuffle"),
        *("adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"),
        *("base64", "categorize", "json2", "vlen-bytes", "vlen-utf8"),  # of texts and JSON: nothing is called
    )
)
PICKLE = "pickle"
PROPERTIES = "properties/"
# What a filter changes numbers to; a text of any length would make a byte a gigabyte.
_DTYPE_ARGUMENTS = ("astype", "decode_dtype", "dtype", "encode_dtype")
# Read a stretch at a time; every other array is read whole.
_READ_IN_PARTS = re.compile(r"\.|(traces_seg|times_seg)\d+|extensions/.*")
_OF_EXTENSIONS = "extensions/"  # computed anew in finished results, which consolidate when that is done
_MANY_BYTES = 2**26  # less is never compared with what is free
_TOO_MANY_BYTES = 2**62
_OBJECT_CODECS = frozenset(("categorize", "json2", "vlen-bytes", "vlen-utf8", PICKLE))
_MAX_LABEL_BYTES = 2**16
MAX_CHUNK_FILE_BYTES = MAX_CHUNK_BYTES + 2**26  # what does not get smaller may get a little larger
_AGAIN = "It must be as zarr wrote it. Copy the folder again."


@dataclass(frozen=True)
class _Layout:
    """What of an array's metadata decides how much is read."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    itemsize: int
    separator: str  # between the places in a chunk's name

    @property
    def counts(self) -> list[int]:
        """Chunks along each axis."""
        return [-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True)]


def check_zarr(folder: Path, *, may_be_pickled: tuple[str, ...] = ()) -> None:
    """Refuse a zarr (v2) store that could run code, lacks chunks, or would take more memory than there is.

    Properties of channels and units are not looked at: none is worth a recording, so each is checked when it is read
    (see `property_files.py`) and left out where it is not as it must be.

    Parameters
    ----------
    folder : Path
    may_be_pickled : tuple of str
        What the names of arrays begin with that may be pickled: the user allows it, or they are not decoded.

    Raises
    ------
    InputError
        For the first array that is not as it must be.
    """
    use_bounded_codecs()
    _check_segments(folder)
    for name, metadata, source in _arrays_of(folder):
        if not name.startswith(PROPERTIES):
            is_pickle_allowed = name.startswith(may_be_pickled)
            check_array(folder, name, metadata, f"{source}: array {name!r}", is_pickle_allowed=is_pickle_allowed)


def check_array(folder: Path, name: str, metadata: dict, where: str, *, is_pickle_allowed: bool) -> None:
    """The same for one array; `metadata` is what its .zarray says, `name` its path in the store."""
    _check_codecs(metadata, where, is_pickle_allowed=is_pickle_allowed)
    layout = _layout(metadata, where)
    _check_sizes(layout, name, where)
    _check_chunks(folder / name, layout, where)


def _check_segments(folder: Path) -> None:
    """SpikeInterface makes an object a segment, as many as the root's attributes say."""
    own, consolidated = folder / ".zattrs", folder / ".zmetadata"
    attributes = [read_json(own)] if own.is_file() else []
    if consolidated.is_file():
        metadata = read_json(consolidated).get("metadata")
        attributes.append(metadata.get(".zattrs") if isinstance(metadata, dict) else None)
    for found in attributes:
        check_count(found, "num_segments", folder)
    if len(attributes) == 2 and isinstance(attributes[1], dict):
        for name in ("num_segments", "sampling_frequency"):
            if attributes[0].get(name) != attributes[1].get(name):
                raise InputError(f"{consolidated}: {name} is not what {own.name} says. {_AGAIN}")


def _codecs_of(metadata: dict, where: str) -> list[dict]:
    """The configurations of an array's compressor and filters."""
    filters = metadata.get("filters") or []
    if not isinstance(filters, list):
        raise InputError(f"{where}: its filters are no list. {_AGAIN}")
    codecs = [codec for codec in (metadata.get("compressor"), *filters) if codec is not None]
    if not all(isinstance(codec, dict) and isinstance(codec.get("id"), str) for codec in codecs):
        raise InputError(f"{where}: a codec without an id. {_AGAIN}")
    return codecs


def _arrays_of(folder: Path) -> Iterator[tuple[str, dict, Path]]:
    """(name below the folder, metadata, the file that says so) of every array, by either kind of metadata file."""
    own = {}
    for parent, folders, files in os.walk(folder):
        if ".zarray" in files:
            folders.clear()  # below are chunks
            file, name = Path(parent) / ".zarray", os.path.relpath(parent, folder)
            own[name] = read_json(file)
            yield name, own[name], file
    consolidated = folder / ".zmetadata"
    if not consolidated.is_file():
        return
    entries = read_json(consolidated).get("metadata")
    if not isinstance(entries, dict):
        raise InputError(f"{consolidated}: holds no metadata. {_AGAIN}")
    for key, metadata in entries.items():
        name, _, kind = key.rpartition("/")
        if ".." in key.split("/") or key.startswith("/") or not isinstance(metadata, dict):
            raise InputError(f"{consolidated}: an impossible entry {key[:100]!r}. {_AGAIN}")
        if kind == ".zarray":
            yield name or ".", metadata, consolidated
            if own.get(name or ".", metadata) != metadata and not name.startswith(_OF_EXTENSIONS):
                raise InputError(f"{consolidated}: says something else of array {name!r} than its .zarray. {_AGAIN}")


def _check_codecs(metadata: dict, where: str, *, is_pickle_allowed: bool) -> None:
    for codec in _codecs_of(metadata, where):
        name = codec["id"]
        if name == PICKLE:
            if not is_pickle_allowed:
                raise InputError(
                    f"{where}: holds pickled objects, which can run any code when decoded. Give {ALLOW_PICKLE_SWITCH} "
                    "if you trust whoever wrote it, or save the data again without."
                )
        elif name not in ALLOWED_CODECS:
            raise CodecNotAllowedError(
                f"{where}: its codec {name[:80]!r} is not among those that are opened: "
                f"{', '.join(sorted(ALLOWED_CODECS))}. Save the data again with one of them."
            )
        for argument in _DTYPE_ARGUMENTS:
            if (
                argument in codec
                and name != PICKLE
                and not _is_plain(codec[argument], may_be_text=name == "categorize")
            ):
                made = repr(codec[argument])[:80]
                raise InputError(f"{where}: its codec {name!r} makes {made}, which is no number. {_AGAIN}")


def _is_plain(dtype, *, may_be_text: bool) -> bool:
    try:
        dtype = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        return False
    return dtype.kind in "biuf" or (may_be_text and dtype.kind in "OSU" and dtype.itemsize <= _MAX_LABEL_BYTES)


def _layout(metadata: dict, where: str) -> _Layout:
    shape, chunks = metadata.get("shape"), metadata.get("chunks")
    for lengths, least in ((shape, 0), (chunks, 1)):
        is_good = isinstance(lengths, list) and all(type(length) is int and length >= least for length in lengths)
        if not is_good:
            raise InputError(f"{where}: its shape or chunks are no list of whole numbers. {_AGAIN}")
    if len(shape) != len(chunks):
        raise InputError(f"{where}: shape {shape} and chunks {chunks} differ in length. {_AGAIN}")
    try:
        given = metadata["dtype"]
        dtype = np.dtype([tuple(field) for field in given] if isinstance(given, list) else given)
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError) as error:
        raise InputError(f"{where}: its dtype cannot be read ({error}). {_AGAIN}") from error
    filters = metadata.get("filters") or [{}]
    if dtype.hasobject and not (dtype.kind == "O" and filters[0].get("id") in _OBJECT_CODECS):
        raise InputError(f"{where}: holds Python objects without a codec for them. {_AGAIN}")
    separator = metadata.get("dimension_separator", ".")
    if separator not in (".", "/"):
        raise InputError(f"{where}: its dimension_separator is neither '.' nor '/'. {_AGAIN}")
    return _Layout(tuple(shape), tuple(chunks), dtype.itemsize, separator)


def _check_sizes(layout: _Layout, name: str, where: str) -> None:
    num_bytes = math.prod(layout.shape) * layout.itemsize
    chunk_bytes = math.prod(layout.chunks) * layout.itemsize
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise InputError(
            f"{where}: its chunks of {layout.chunks} take {megabytes(chunk_bytes)} each; at most "
            f"{megabytes(MAX_CHUNK_BYTES)} are read. Save the data again in smaller chunks."
        )
    if num_bytes > _MANY_BYTES and not _READ_IN_PARTS.fullmatch(name):
        free = available_memory_bytes()
    else:
        free = _TOO_MANY_BYTES
    if num_bytes > free:
        raise InputError(
            f"{where}: its shape {layout.shape} would take {megabytes(num_bytes)}, more than can be read. {_AGAIN}"
        )


def _check_chunks(folder: Path, layout: _Layout, where: str) -> None:
    found, expected = 0, math.prod(layout.counts)
    for name, num_bytes in _files_below(folder):
        if _is_chunk(name, layout):
            found += 1
            if num_bytes > MAX_CHUNK_FILE_BYTES:
                raise InputError(
                    f"{where}: the file of its chunk {name} has {megabytes(num_bytes)}; at most "
                    f"{megabytes(MAX_CHUNK_FILE_BYTES)} are read. {_AGAIN}"
                )
    if found < expected:
        raise InputError(
            f"{where}: incomplete: {found} chunks found, expected {expected}; missing ones would read as "
            "zeros. Copy the folder again, or run the capsule that wrote it again."
        )


def _files_below(folder: Path) -> Iterator[tuple[str, int]]:
    """(name, bytes) of what zarr would read as a file: a link to nothing, or a folder, is none."""
    for parent, _, files in os.walk(folder):
        for file in files:
            path = Path(parent) / file
            with contextlib.suppress(OSError):
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    yield path.relative_to(folder).as_posix(), status.st_size


def _is_chunk(name: str, layout: _Layout) -> bool:
    """Whether a file has the very name that zarr gives a chunk inside the shape (0, of an array of no axes)."""
    places, counts = name.split(layout.separator), layout.counts or [1]
    return len(places) == len(counts) and all(
        place.isascii() and place.isdigit() and len(place) < 20 and str(int(place)) == place and int(place) < count
        for place, count in zip(places, counts, strict=True)
    )
