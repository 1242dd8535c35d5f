"""Arrays that readers see in µV, stored as the int16 counts they are made of: half the bytes, a third of the time."""

import math

import numpy as np
import zarr
from numcodecs import AsType, FixedScaleOffset

COUNTS = np.arange(np.iinfo(np.int16).min, np.iinfo(np.int16).max + 1).astype(np.int16)
DIGITS = np.finfo(np.float32).nmant + 1  # a float32 gain is an integer of so many bits times a power of two


def exact_filters(gain: np.float32) -> list | None:
    """Zarr filters that store int16 counts and decode each to float32 `count * gain`, bit for bit; None if none do.

    Dividing by a scale in float64, as the codec does, rounds some products that lie halfway between two float32 the
    wrong way. Where that happens, adding and taking away a large number first makes the product exact.
    """
    if not (np.isfinite(gain) and gain > 0):
        return None
    scale = 1.0 / float(gain)
    plain = [FixedScaleOffset(offset=0, scale=scale, dtype="<f4", astype="<i2")]
    step = 2.0 ** (math.frexp(gain)[1] - DIGITS)  # every product is a multiple of it
    large = 1.5 * 2.0**52  # what is added to it in float64 becomes whole
    exact = [
        AsType(encode_dtype="<f8", decode_dtype="<f4"),
        FixedScaleOffset(offset=-large * step, scale=1.0 / step, dtype="<f8", astype="<f8"),
        FixedScaleOffset(offset=large, scale=scale * step, dtype="<f8", astype="<i2"),
    ]
    return next((filters for filters in (plain, exact) if _is_exact(filters, gain)), None)


def _is_exact(filters, gain):
    with np.errstate(over="ignore"):
        products = COUNTS.astype(np.float32) * np.float32(gain)
        decoded = COUNTS
        for codec in reversed(filters):
            decoded = codec.decode(decoded)
    encoded = products
    for codec in filters:
        encoded = codec.encode(encoded)
    return decoded.tobytes() == products.tobytes() and encoded.tobytes() == COUNTS.tobytes()


class CountsArray:
    """Fills a zarr array, whose filters are `exact_filters`, with counts: chunk by chunk along the first axis."""

    def __init__(self, array: zarr.Array):
        self.array = array

    def write_chunk(self, first_row: int, counts: np.ndarray) -> None:
        """Store int16 (up to a chunk's rows, …) from `first_row`, a chunk's first; threads may do so side by side.

        The bytes are those that zarr would write for the same values in µV, without the detour.
        """
        rows = self.array.chunks[0]
        if len(counts) < rows:  # the last chunk is as long as the others, filled with zeros
            counts = np.concatenate([counts, np.zeros((rows - len(counts), *counts.shape[1:]), counts.dtype)])
        key = ".".join(str(index) for index in (first_row // rows, *(0 for _ in counts.shape[1:])))
        self.array.chunk_store[f"{self.array.path}/{key}"] = self.array.compressor.encode(np.ascontiguousarray(counts))
