"""The units tables and their dictionary."""

import csv
import sys

import numpy as np
import pytest

from ephys_postprocess.parameters.dictionary import THRESHOLDS, data_dictionary, describe
from ephys_postprocess.results.units_table import write_units_csv, write_units_parquet

DICTIONARY = data_dictionary()
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

    assert write_units_parquet(tmp_path / "units.parquet", TABLE, DICTIONARY)
    table = parquet.read_table(tmp_path / "units.parquet")
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "double", "bool"]
    assert table.column("snr").to_pylist() == [1.5, None, float("inf")]
    assert table.column("unit_id").to_pylist() == TABLE["unit_id"]
    snr = table.schema.field("snr").metadata
    assert snr[b"meaning"].decode() == DICTIONARY["snr"].meaning
    assert b"data_dictionary" in table.schema.metadata


def test_the_same_columns_give_the_same_bytes(tmp_path):
    for name in ("a.parquet", "b.parquet"):
        write_units_parquet(tmp_path / name, TABLE, DICTIONARY)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ([2**63 + 1, 5], [2**63 + 1, 5]),
        (np.array([2**63 + 1, 5], dtype=np.uint64), [2**63 + 1, 5]),
        ([2**63 + 1, -5], [str(2**63 + 1), "-5"]),  # no type holds both, nor the next ones
        ([2**64, 5], [str(2**64), "5"]),
    ],
)
def test_numbers_beyond_int64_are_the_same_in_both_tables(tmp_path, values, stored):
    import pyarrow.parquet as pq

    columns = {"unit_id": ["a", "b"], "original_id": values}
    write_units_csv(tmp_path / "units.csv", columns)
    write_units_parquet(tmp_path / "units.parquet", columns, {})
    assert pq.read_table(tmp_path / "units.parquet")["original_id"].to_pylist() == stored
    lines = (tmp_path / "units.csv").read_text().splitlines()[1:]
    assert lines == [f"a,{values[0]}", f"b,{values[1]}"]


def test_no_rows(tmp_path):
    import pyarrow.parquet as pq

    empty = {"unit_id": [], "snr": np.array([])}
    write_units_csv(tmp_path / "units.csv", empty)
    assert write_units_parquet(tmp_path / "units.parquet", empty, DICTIONARY)
    assert (tmp_path / "units.csv").read_text().split() == ["unit_id,snr"]
    assert [str(kind) for kind in pq.read_schema(tmp_path / "units.parquet").types] == ["double", "double"]


def test_without_pyarrow_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert not write_units_parquet(tmp_path / "units.parquet", TABLE, DICTIONARY)
    assert list(tmp_path.iterdir()) == []


def test_the_dictionary_knows_every_metric_of_spikeinterface():
    from spikeinterface.metrics.quality.quality_metrics import ComputeQualityMetrics
    from spikeinterface.metrics.template.template_metrics import ComputeTemplateMetrics

    metrics = [*ComputeQualityMetrics.metric_list, *ComputeTemplateMetrics.metric_list]
    names = {column for metric in metrics for column in metric.metric_columns}
    assert sorted(names - set(DICTIONARY)) == []


def test_units_agree_with_names():
    assert DICTIONARY["drift_ptp"].unit == "µm"
    assert DICTIONARY["firing_rate"].unit == "spikes/s"
    assert describe(DICTIONARY, "unheard_of").meaning.startswith("Not in")
    assert set(THRESHOLDS) <= set(DICTIONARY)
    assert not [entry for entry in DICTIONARY.values() if {"{", "}", "|"} & set(entry.unit + entry.meaning)]


def test_the_dictionary_tells_the_parameters_and_the_unit_that_were_used():
    params = {
        "quality_metrics": {"metric_params": {"isi_violation": {"isi_threshold_ms": 2.5}, "drift": {"direction": "x"}}},
        "unit_locations": {"method": "center_of_mass"},
    }
    told = data_dictionary(params, is_in_uV=False)
    assert told["isi_violations_count"].meaning == "Number of inter-spike intervals below 2.5 ms."
    assert told["x_um"].meaning == "Estimated position of the unit across the probe (center_of_mass)."
    assert (told["amplitude_median"].unit, told["recovery_slope"].unit) == ("counts", "counts/s")
    # nobody knows these: they stay names rather than become defaults that may not have been used
    assert told["drift_ptp"].meaning.endswith("along x over interval_s s intervals.")
    assert (
        told["firing_range"].meaning
        == "percentilesth to percentilesth percentile of the firing rate in bin_size_s s bins."
    )
