"""The units tables and their dictionary."""

import csv
import sys

import numpy as np

from ephys_postprocess.results.columns import COLUMNS, THRESHOLDS, describe, markdown_table
from ephys_postprocess.results.units_table import write_units_csv, write_units_parquet

TABLE = {
    "unit_id": ["=1+1", "unit,2", "3"],
    "num_spikes": [5, 0, 7],
    "snr": [1.5, float("nan"), float("inf")],
    "made_up": np.array([True, False, True]),
}


def test_csv_by_hand(tmp_path):
    write_units_csv(tmp_path / "units.csv", TABLE)
    rows = list(csv.reader((tmp_path / "units.csv").open(encoding="utf-8")))
    assert rows == [
        ["unit_id", "num_spikes", "snr", "made_up"],
        ["'=1+1", "5", "1.5", "True"],
        ["unit,2", "0", "", "False"],
        ["3", "7", "inf", "True"],
    ]


def test_parquet_has_types_nulls_and_the_dictionary(tmp_path):
    import pyarrow.parquet as parquet

    assert write_units_parquet(tmp_path / "units.parquet", TABLE)
    table = parquet.read_table(tmp_path / "units.parquet")
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "double", "bool"]
    assert table.column("snr").to_pylist() == [1.5, None, float("inf")]
    assert table.column("unit_id").to_pylist() == TABLE["unit_id"]
    snr = table.schema.field("snr").metadata
    assert snr[b"meaning"].decode() == COLUMNS["snr"].meaning
    assert b"data_dictionary" in table.schema.metadata


def test_the_same_columns_give_the_same_bytes(tmp_path):
    for name in ("a.parquet", "b.parquet"):
        write_units_parquet(tmp_path / name, TABLE)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_no_rows(tmp_path):
    empty = {"unit_id": [], "snr": np.array([])}
    write_units_csv(tmp_path / "units.csv", empty)
    assert write_units_parquet(tmp_path / "units.parquet", empty)
    assert (tmp_path / "units.csv").read_text().split() == ["unit_id,snr"]


def test_without_pyarrow_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert not write_units_parquet(tmp_path / "units.parquet", TABLE)
    assert list(tmp_path.iterdir()) == []


def test_the_dictionary_knows_every_metric_of_spikeinterface():
    from spikeinterface.metrics.quality.quality_metrics import ComputeQualityMetrics
    from spikeinterface.metrics.template.template_metrics import ComputeTemplateMetrics

    metrics = [*ComputeQualityMetrics.metric_list, *ComputeTemplateMetrics.metric_list]
    names = {column for metric in metrics for column in metric.metric_columns}
    assert sorted(names - set(COLUMNS)) == []


def test_units_agree_with_names():
    assert describe("drift_ptp").unit == "µm"
    assert describe("firing_rate").unit == "spikes/s"
    assert describe("unheard_of").meaning.startswith("Not in")
    assert set(THRESHOLDS) <= set(COLUMNS)


def test_markdown_has_a_row_a_column():
    assert markdown_table().count("\n") == len(COLUMNS) + 1
    assert all("|" not in column.meaning for column in COLUMNS.values())
