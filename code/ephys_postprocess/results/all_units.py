"""The units of many recordings as one table, read from the tables beside their stores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.special_files import open_regular
from ephys_postprocess.results.default_qc import Verdicts, judge
from ephys_postprocess.results.files import refuse_links

PARQUET_NAME, CSV_NAME = "units.parquet", "units.csv"
_FORMULA_STARTS = "^[=+\\-@\t\r\n]"


@dataclass(frozen=True)
class UnitsOfRecording:
    """One recording's table of units."""

    recording_name: str
    table: pa.Table
    verdicts: Verdicts | None

    def column(self, name: str) -> np.ndarray:
        """float64 (num_units,): a metric, NaN where there is no value; empty where there is no such column."""
        if name not in self.table.column_names or pa.types.is_string(self.table.schema.field(name).type):
            return np.empty(0)
        return self.table[name].cast(pa.float64()).to_numpy()


def read_units(path: Path, recording_name: str) -> UnitsOfRecording:
    """The table that a run wrote.

    Raises
    ------
    InputError
        It is no parquet file, or one without units.
    """
    try:
        with open_regular(path) as handle:
            table = pq.read_table(handle)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path.name} cannot be read ({error}). Postprocess the recording again.") from error
    if "unit_id" not in table.column_names:
        raise InputError(f"{path.name} is not a table of units: it has no column unit_id.")
    units = UnitsOfRecording(recording_name, table, None)
    metrics = {name: values for name in table.column_names if (values := units.column(name)).size == table.num_rows}
    return UnitsOfRecording(recording_name, table, judge(metrics, table.num_rows))


def concatenate(recordings: list[UnitsOfRecording], about: Mapping[str, dict]) -> pa.Table:
    """All units, recording after recording.

    Parameters
    ----------
    recordings : list of UnitsOfRecording
    about : mapping
        Recording: what its data process says of version and parameters, for the metadata of the table.

    Returns
    -------
    pyarrow.Table
        Columns recording_name, unit_id (text), passes_default_qc (null: not judged), then those that any recording
        has; null where a recording lacks one. Metadata "recordings": JSON, recording: version, parameters and data
        dictionary with the parameters filled in.
    """
    tables = [_with_recording(units) for units in recordings]
    texts = {
        name for table in tables for name in table.column_names if pa.types.is_string(table.schema.field(name).type)
    }
    table = pa.concat_tables([_as_texts(table, texts) for table in tables], promote_options="permissive")
    described = {
        units.recording_name: {**about.get(units.recording_name, {}), "data_dictionary": _dictionary(units.table)}
        for units in recordings
    }
    return table.replace_schema_metadata({"recordings": json.dumps(described, ensure_ascii=False)})


def write_all_units(folder: Path, table: pa.Table) -> list[Path]:
    """Write `units.parquet` and `units.csv`, each under a hidden name first; no text of the csv acts as a formula."""
    paths = [folder / PARQUET_NAME, folder / CSV_NAME]
    for path, write in zip(paths, (pq.write_table, _write_csv), strict=True):
        hidden = path.with_name(f".{path.name}.building")
        refuse_links(hidden)
        with hidden.open("wb") as handle:
            write(table, handle)
        hidden.replace(path)
    return paths


def _with_recording(units: UnitsOfRecording) -> pa.Table:
    table, verdicts = units.table.replace_schema_metadata(None), units.verdicts
    passes = pa.nulls(table.num_rows, pa.bool_())
    if verdicts is not None:
        passes = pa.array(verdicts.passes, mask=verdicts.is_open)
    names = pa.array([units.recording_name] * table.num_rows, pa.string())
    unit_ids = table["unit_id"].cast(pa.string())
    rest = table.drop_columns(["unit_id"])
    leading = {"recording_name": names, "unit_id": unit_ids, "passes_default_qc": passes}
    return pa.table({**leading, **{name: rest[name] for name in rest.column_names if name not in leading}})


def _as_texts(table: pa.Table, names: set[str]) -> pa.Table:
    """A column that is text in one recording is text in all."""
    for place, name in enumerate(table.column_names):
        if name in names:
            table = table.set_column(place, name, table[name].cast(pa.string()))
    return table


def _dictionary(table: pa.Table) -> list:
    return json.loads((table.schema.metadata or {}).get(b"data_dictionary", b"[]"))


def _write_csv(table: pa.Table, handle) -> None:
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            values = table[field.name]
            is_formula = pc.fill_null(pc.match_substring_regex(values, _FORMULA_STARTS), False)
            marked = pc.binary_join_element_wise("'", values, "")
            table = table.set_column(place, field.name, pc.if_else(is_formula, marked, values))
    pyarrow.csv.write_csv(table, handle)
