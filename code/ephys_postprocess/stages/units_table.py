"""The units tables: one row a unit, the same columns as CSV and as parquet with its data dictionary inside."""

import csv
import json
from pathlib import Path

import numpy as np

from ephys_postprocess.metric_dictionary import describe

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")  # a spreadsheet would run such a text as a formula


def write_units_csv(path: Path, columns: dict[str, list]) -> None:
    """Write `columns` (each (num_units,), by name) as CSV; NaN is an empty cell, texts cannot act as formulas."""
    with path.open("w", newline="", encoding="utf-8", errors="replace") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def write_units_parquet(path: Path, columns: dict[str, list]) -> bool:
    """Write the same as parquet: NaN is null; each field's metadata says its unit, meaning and source.

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
    fields = [pa.field(name, array.type, metadata=_field_metadata(name)) for name, array in arrays.items()]
    dictionary = [{"name": name, **_field_metadata(name)} for name in columns]
    schema = pa.schema(fields, metadata={"data_dictionary": json.dumps(dictionary, ensure_ascii=False)})
    pq.write_table(pa.Table.from_arrays(list(arrays.values()), schema=schema), path)
    return True


def _arrow_array(pa, values):
    values = np.asarray(values)
    if values.dtype.kind in "USO":
        return pa.array([str(value).encode("utf-8", "replace").decode() for value in values], type=pa.string())
    if values.dtype.kind == "f":
        return pa.array(values.astype(np.float64), mask=np.isnan(values))
    return pa.array(values.astype(bool if values.dtype.kind == "b" else np.int64))


def _field_metadata(name: str) -> dict[str, str]:
    column = describe(name)
    return {"unit": column.unit, "meaning": column.meaning, "source": column.source}


def _cell(value):
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value))
    return value
