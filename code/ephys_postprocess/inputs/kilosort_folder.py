"""Kilosort and phy folders by their data files alone: arrays, tables, and params.py as text that is never run."""

import ast
import csv
import io
import re
from pathlib import Path

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.npy_files import holds_pickles
from ephys_postprocess.inputs.special_files import read_regular

SPIKE_TIMES = "spike_times.npy"
# phy's clusters are what was curated; Kilosort alone leaves templates.
SPIKE_UNITS = ("spike_clusters.npy", "spike_templates.npy")
PARAMS = "params.py"
MAX_TEXT_BYTES = 2**26  # of params.py and each table: tens of thousands of units have a few million
MAX_WHOLE = 2**53  # beyond, not every whole number is a double
_UNIT_ID = re.compile(r"\s*(-?[0-9]{1,18})\s*")


def find_kilosort_folder(folder: Path) -> Path | None:
    """The folder itself, or one that Kilosort, phy or SpikeInterface's run_sorter make inside; None: no such folder."""
    inside = ("", "sorter_output", "kilosort4", "phy", "kilosort4/sorter_output", "sorter_output/kilosort4")
    return next((folder / name for name in inside if (folder / name / SPIKE_TIMES).is_file()), None)


def read_kilosort_folder(folder: Path) -> si.NumpySorting:
    """The sorting in a Kilosort or phy folder; its units have the columns of the cluster_*.tsv tables as properties.

    Raises
    ------
    InputError
        A file is missing, broken or of another length, or params.py does not say the sampling rate.
    """
    samples = _array(folder / SPIKE_TIMES).astype(np.int64)
    file = next((folder / name for name in SPIKE_UNITS if (folder / name).is_file()), None)
    if file is None:
        raise InputError(f"{folder}: holds {SPIKE_TIMES}, but neither {' nor '.join(SPIKE_UNITS)}. Copy it whole.")
    units = _array(file)
    if units.size != samples.size:
        raise InputError(f"{file}: has {units.size} spikes, {SPIKE_TIMES} {samples.size}. Copy the folder again.")
    rate_hz = read_params(folder).get("sample_rate")
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | float) or not rate_hz > 0:
        raise InputError(f"{folder / PARAMS}: does not say sample_rate, a number of Hz (found {rate_hz!r}).")
    order = np.argsort(samples, kind="stable")
    unit_ids, indices = np.unique(units, return_inverse=True)
    spikes = np.zeros(samples.size, dtype=si.base.minimum_spike_dtype)
    spikes["sample_index"], spikes["unit_index"] = samples[order], indices.ravel()[order]
    sorting = si.NumpySorting(spikes, float(rate_hz), unit_ids.astype(np.int64))
    for name, values in _unit_tables(folder, unit_ids.tolist()).items():
        sorting.set_property(name, values)
    return sorting


def read_params(folder: Path) -> dict:
    """The plain values that params.py assigns to names: numbers, texts, lists of them; anything else is passed over."""
    try:
        tree = ast.parse(read_regular(folder / PARAMS, MAX_TEXT_BYTES))  # bytes: in the encoding that it names
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(_without_raw_prefix(node.value))
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return values


def _without_raw_prefix(value: ast.expr) -> ast.expr:
    """Kilosort 4 writes `[PosixPath('…')]` or `Path('…')` for a file: its text is what counts."""
    if isinstance(value, ast.List) and len(value.elts) == 1:
        return _without_raw_prefix(value.elts[0])
    is_path = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id.endswith("Path")
    return value.args[0] if is_path and len(value.args) == 1 else value


def _array(file: Path) -> np.ndarray:
    if not file.is_file():
        raise InputError(f"{file}: is missing. Copy the folder whole.")
    if holds_pickles(file):
        raise InputError(f"{file}: holds Python objects, not numbers. It is not as Kilosort writes it.")
    values = np.load(file, allow_pickle=False).ravel()
    if values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)) or np.any(values != np.round(values)):
        raise InputError(f"{file}: must hold whole numbers, not {values.dtype}.")
    if values.dtype.kind == "f" and np.any(np.abs(values) > MAX_WHOLE):
        raise InputError(
            f"{file}: must hold whole numbers up to {MAX_WHOLE} (holds {values[np.argmax(np.abs(values))]})."
        )
    return values


def _unit_tables(folder: Path, unit_ids: list[int]) -> dict[str, np.ndarray]:
    """Columns of every cluster_*.tsv or csv: float where all entries are numbers, else text; missing are NaN or ""."""
    columns: dict[str, dict[int, str]] = {}
    # cluster_info.tsv last: it repeats the others, as they were when phy was closed
    for file in sorted(folder.glob("cluster_*.[tc]sv"), key=lambda path: (path.stem == "cluster_info", path.name)):
        for row in _rows_of(file):
            unit_id = _UNIT_ID.fullmatch(row.get("cluster_id", row.get("id")) or "")
            if unit_id is None:
                continue
            for name, value in row.items():
                if name and name not in ("cluster_id", "id") and isinstance(value, str):
                    columns.setdefault(name, {}).setdefault(int(unit_id[1]), value)
    return {name: _column([found.get(unit_id, "") for unit_id in unit_ids]) for name, found in columns.items()}


def _rows_of(table: Path) -> list[dict]:
    try:
        text = read_regular(table, MAX_TEXT_BYTES).decode("utf8", "replace")
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if table.suffix == ".tsv" else ","))
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{table}: cannot be read as a table of units ({reason}). Correct or remove it.") from error


def _column(texts: list[str]) -> np.ndarray:
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts, dtype=str)
