"""A results folder as finished runs leave it, made up: what a page over many recordings reads, and nothing else."""

import json

import numpy as np

from ephys_postprocess.parameters.dictionary import data_dictionary
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.seals import seal_json
from ephys_postprocess.results.units_table import write_units_parquet

GOOD = {"rp_contamination": 0.1, "presence_ratio": 0.95, "amplitude_cutoff": 0.01}


def units(num_units, **columns):
    """Columns of a table in which every unit passes; others by name."""
    ids = [f"unit{index}" for index in range(num_units)]
    good = {name: np.full(num_units, value) for name, value in GOOD.items()}
    return {"unit_id": ids, "y_um": 20.0 * np.arange(num_units), **good, **columns}


def make_result(folder, name, columns, **told):
    """One complete result without arrays; `told` changes what its data process says."""
    files = ResultFiles(folder, name)
    files.analyzer.mkdir(parents=True)
    (files.analyzer / ".zgroup").write_text("{}")
    files.report.write_text("<html>")
    write_units_parquet(files.units_parquet, columns, data_dictionary())
    num_units = len(columns["unit_id"])
    output = {
        "integrity": {"manifest_sha256": "0" * 64, "files": [], "inputs": {}, "seal_sha256": ""},
        "parameters_fingerprint": "f",
        "versions": {"numpy": "2"},
        "num_units_in": num_units + 1,
        "num_duplicate_units_removed": 1,
        "num_units_out": num_units,
        "num_spikes": 100 * num_units,
        "num_channels": 32,
        "stages": [{"name": "waveforms", "seconds": 1.5}, {"name": "report", "seconds": 0.5}],
        "notes": [],
        "metrics_not_computed": {},
        **told,
    }
    code = {"version": "1.2.3", "parameters": {"recording_name": name, "seed": 0}}
    files.data_process.write_text(seal_json(json.dumps({"code": code, "output_parameters": output})))
    return files


def make_skipped(folder, name, reason):
    files = ResultFiles(folder, name)
    with files.held():
        files.write_placeholder(reason)
    return files
