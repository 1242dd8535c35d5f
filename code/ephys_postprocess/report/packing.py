"""Arrays as base64 text that the page unpacks when it draws them."""

import base64

import numpy as np


def pack(values, dtype) -> dict:
    """An array as base64 text with its dtype and shape; rounded where `dtype` is an integer. Little-endian."""
    values = np.asarray(values)
    if np.dtype(dtype).kind in "iu" and values.dtype.kind == "f":
        values = np.rint(values)
    packed = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    text = base64.b64encode(packed.tobytes()).decode("ascii")
    return {"dtype": np.dtype(dtype).name, "shape": list(packed.shape), "data": text}


def pack_counts(counts: np.ndarray) -> dict:
    """Counts in the smallest unsigned integers that hold them."""
    return pack(counts, np.min_scalar_type(int(counts.max(initial=0))))


def pack_by_unit(values: np.ndarray, unit_of_row: np.ndarray, num_units: int) -> dict:
    """Curves as int8 with one scale a unit: a 254th of its largest value is finer than a screen shows."""
    largest = np.zeros(num_units, dtype=np.float32)
    if values.size:
        np.maximum.at(largest, unit_of_row, np.abs(np.nan_to_num(values)).reshape(len(values), -1).max(axis=1))
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    by_row = scales[unit_of_row].reshape(-1, *[1] * (values.ndim - 1))
    return {"scales": pack(scales, np.float32), "values": pack(np.nan_to_num(values) / by_row, np.int8)}


def quantized(values, low: float, high: float, dtype) -> dict:
    """Values between `low` and `high` as all the levels of an unsigned integer."""
    levels = np.iinfo(dtype).max
    return pack(np.clip((values - low) / max(high - low, 1e-12), 0, 1) * levels, dtype)
