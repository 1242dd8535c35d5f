"""Zarr's ordinary codecs, with a limit on what one chunk may unpack to.

A chunk of a few kilobytes can hold gigabytes of zeros, and its array's metadata need not say so. Each codec here
decodes as numcodecs' own of the same id, after it has looked at the size that the chunk announces, or, where a format
announces none, up to the limit. A filter that makes wider numbers of narrow ones looks at what it is given: a row of
such filters would make gigabytes of a kilobyte.

Of a chunk that unpacks to less than its array's chunks hold, the rest would be whatever the memory held before.
"""

import bz2
import json
import lzma
import math
import zlib
from collections.abc import Callable

import numcodecs
import numpy as np
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray, ndarray_copy
from numcodecs.registry import register_codec
from numcodecs.vlen import VLenBytes, VLenUTF8

MAX_CHUNK_BYTES = 2**30
_LZMA_MEMORY_BYTES = 2**30  # a stream's dictionary, which its header chooses


def use_bounded_codecs() -> None:
    """From now on, arrays that zarr opens in this process are decoded by the codecs of this module."""
    for codec in (*_OF_ANNOUNCED_SIZE, *_OF_STREAMS, *_OF_OBJECTS, *_OF_NUMBERS):
        register_codec(codec)


class _Blosc(numcodecs.Blosc):
    def decode(self, buf, out=None):
        buf = ensure_contiguous_ndarray(buf)
        _check_size(int.from_bytes(bytes(buf[:16].view("u1")[4:8]), "little"), out)
        return super().decode(buf, out)


class _LZ4(numcodecs.LZ4):
    def decode(self, buf, out=None):
        buf = ensure_contiguous_ndarray(buf)
        _check_size(int.from_bytes(bytes(buf[:4].view("u1")), "little"), out)
        return super().decode(buf, out)


class _Zstd(numcodecs.Zstd):
    def decode(self, buf, out=None):
        buf = ensure_contiguous_ndarray(buf)
        _check_size(_announced_by_zstd(bytes(buf[:18].view("u1"))), out)
        return super().decode(buf, out)


class _Zlib(numcodecs.Zlib):
    def decode(self, buf, out=None):
        return ndarray_copy(_unpacked(zlib.decompressobj, buf), out)


class _GZip(numcodecs.GZip):
    def decode(self, buf, out=None):
        return ndarray_copy(_unpacked(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), buf), out)


class _BZ2(numcodecs.BZ2):
    def decode(self, buf, out=None):
        return ndarray_copy(_unpacked(bz2.BZ2Decompressor, buf), out)


class _LZMA(numcodecs.LZMA):
    def decode(self, buf, out=None):
        def decompressor():
            memory = None if self.format == lzma.FORMAT_RAW else _LZMA_MEMORY_BYTES
            return lzma.LZMADecompressor(format=self.format, memlimit=memory, filters=self.filters)

        return ndarray_copy(_unpacked(decompressor, buf), out)


class _JSON(numcodecs.JSON):
    def decode(self, buf, out=None):
        items = json.loads(ensure_bytes(buf).decode(self._text_encoding))
        shape = items[-1] if isinstance(items, list) and items else None
        is_shape = isinstance(shape, list) and all(type(length) is int and length >= 0 for length in shape)
        # An item takes a byte of text at least, so the shape of what the text holds is never larger.
        if not is_shape or math.prod(shape) > ensure_contiguous_ndarray(buf).nbytes or items[-2] != "|O":
            raise ValueError("a chunk of JSON whose shape is not that of its items")
        return super().decode(buf, out)


class _VLenUTF8(VLenUTF8):
    def decode(self, buf, out=None):
        _check_count(buf)
        return super().decode(buf, out)


class _VLenBytes(VLenBytes):
    def decode(self, buf, out=None):
        _check_count(buf)
        return super().decode(buf, out)


class _PackBits(numcodecs.PackBits):
    def decode(self, buf, out=None):
        _check_size(8 * ensure_contiguous_ndarray(buf).nbytes)
        return super().decode(buf, out)


class _AsType(numcodecs.AsType):
    def decode(self, buf, out=None):
        _check_wider(buf, self.encode_dtype, self.decode_dtype)
        return super().decode(buf, out)


class _FixedScaleOffset(numcodecs.FixedScaleOffset):
    def decode(self, buf, out=None):
        _check_wider(buf, self.astype, np.promote_types(self.dtype, np.float64))  # on the way
        return super().decode(buf, out)


class _FromNarrower:
    """What decodes each value of `astype` to one of `dtype`."""

    def decode(self, buf, out=None):
        _check_wider(buf, self.astype, self.dtype)
        return super().decode(buf, out)


class _Delta(_FromNarrower, numcodecs.Delta): ...


class _Quantize(_FromNarrower, numcodecs.Quantize): ...


class _Categorize(_FromNarrower, numcodecs.Categorize): ...


_OF_ANNOUNCED_SIZE = (_Blosc, _LZ4, _Zstd)
_OF_STREAMS = (_Zlib, _GZip, _BZ2, _LZMA)
_OF_OBJECTS = (_JSON, _VLenUTF8, _VLenBytes)
_OF_NUMBERS = (_PackBits, _AsType, _Delta, _FixedScaleOffset, _Quantize, _Categorize)


def _check_size(num_bytes: int, out=None) -> None:
    if num_bytes > MAX_CHUNK_BYTES:
        raise ValueError(f"a chunk that unpacks to {num_bytes} bytes; at most {MAX_CHUNK_BYTES} are read")
    if out is not None and num_bytes != (wanted := ensure_contiguous_ndarray(out).nbytes):
        raise ValueError(f"a chunk that unpacks to {num_bytes} bytes where its array's chunks have {wanted}")


def _check_wider(buf, packed_dtype: np.dtype, dtype: np.dtype) -> None:
    _check_size(ensure_contiguous_ndarray(buf).nbytes * max(1, dtype.itemsize // max(1, packed_dtype.itemsize)))


def _check_count(buf) -> None:
    """Of texts of any length: their number comes first, then each with its length in four bytes."""
    content = ensure_contiguous_ndarray(buf).view("u1")
    if content.nbytes >= 4 and int.from_bytes(bytes(content[:4]), "little") > content.nbytes // 4:
        raise ValueError("a chunk that announces more texts than it has room for")


def _announced_by_zstd(header: bytes) -> int:
    """The content size in a frame's header (RFC 8878, 3.1.1.1); 0 where it says none, which numcodecs refuses."""
    if len(header) < 5:
        return 0
    descriptor = header[4]
    has_single_segment = bool(descriptor & 0x20)
    start = 5 + (not has_single_segment) + (0, 1, 2, 4)[descriptor & 3]
    length = (int(has_single_segment), 2, 4, 8)[descriptor >> 6]
    return int.from_bytes(header[start : start + length], "little") + (256 if length == 2 else 0)


def _unpacked(decompressor: Callable, buf) -> bytes:
    """Everything in a chunk of one or more streams, up to the limit."""
    packed, parts, left = ensure_bytes(buf), [], MAX_CHUNK_BYTES
    while packed:
        stream = decompressor()
        try:
            part = stream.decompress(packed, left + 1)
        except (zlib.error, lzma.LZMAError, EOFError) as error:
            raise ValueError(f"a chunk that cannot be unpacked ({error})") from error
        left -= len(part)
        if left < 0:
            raise ValueError(f"a chunk that unpacks to more than {MAX_CHUNK_BYTES} bytes")
        if not stream.eof:
            raise ValueError("a chunk that is cut short")
        parts.append(part)
        packed = stream.unused_data
    return b"".join(parts)
