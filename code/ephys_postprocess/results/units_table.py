"""The units tables: one row per unit, the same columns as CSV and as parquet with its data dictionary inside."""

import csv
import json
from pathlib import Path

import numpy as np

from ephys_postprocess.parameters.columns import Description
from ephys_postprocess.parameters.dictionary import describe

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would run such a text as a formula


def write_units_csv(path: Path, columns: dict[str, list]) -> None:
    """Write `columns` (each (num_units,), by name) as CSV; NaN is an empty cell, texts cannot act as formulas."""
    with path.open("w", newline="", encoding="utf-8", errors="replace") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def write_units_parquet(path: Path, columns: dict[str, list], dictionary: dict[str, Description]) -> bool:
    """Write the same as parquet: NaN is null; each field's metadata says its unit, meaning and source.

    Parameters
    ----------
    path : Path
    columns : dict of list or array (num_units,)
    dictionary : dict
        What each column means, as `dictionary_of` the analyzer.

    Returns
    -------
    bool
        False where pyarrow is not installed: nothing is written then.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return False
    arrays = {name: _arrow_array(pa, values) for name, values in columns.items()}
    fields = [pa.field(name, array.type, metadata=_field_metadata(dictionary, name)) for name, array in arrays.items()]
    dictionary = [{"name": name, **_field_metadata(dictionary, name)} for name in columns]
    schema = pa.schema(fields, metadata={"data_dictionary": json.dumps(dictionary, ensure_ascii=False)})
    with path.open("wb") as handle:  # pyarrow takes some names for URLs, and cannot say others
        pq.write_table(pa.Table.from_arrays(list(arrays.values()), schema=schema), handle)
    return True


def _arrow_array(pa, values):
    """From plain buffers: `pa.array` would import pandas, which takes longer than writing the table."""
    values = _as_array(values)
    if values.dtype.kind in "USO":
        texts = [str(value).encode("utf-8", "replace") for value in values]
        ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
        return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))
    if values.dtype.kind == "f":
        is_there = np.packbits(~np.isnan(values), bitorder="little")
        buffers = [pa.py_buffer(is_there), pa.py_buffer(values.astype(np.float64))]
        return pa.Array.from_buffers(pa.float64(), len(values), buffers)
    if values.dtype.kind == "b":
        return pa.Array.from_buffers(
            pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))]
        )
    kind, dtype = (pa.uint64(), np.uint64) if values.dtype.kind == "u" else (pa.int64(), np.int64)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values.astype(dtype))])


def _as_array(values: list | np.ndarray) -> np.ndarray:
    """The values with numpy's type for them, except whole numbers that it would round: uint64, or objects."""
    array = np.asarray(values)
    if array.dtype.kind != "f" or not all(type(value) is int for value in values) or not array.size:
        return array
    return np.array(values, dtype=np.uint64 if min(values) >= 0 else object)


def _field_metadata(dictionary: dict[str, Description], name: str) -> dict[str, str]:
    column = describe(dictionary, name)
    return {"unit": column.unit, "meaning": column.meaning, "source": column.source}


def _cell(value):
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value))
    return value
