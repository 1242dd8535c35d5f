"""The report and tables of real results: made in a run, made again, made of stock results."""

import base64
import json
import logging
import sys

import numpy as np
import pytest
from reference.small_analyzer import make_recording_and_sorting

from ephys_postprocess.commands.report import remake_report, write_report_file
from ephys_postprocess.report.read import read_report_data
from ephys_postprocess.results.finished_result import open_result, recording_name_of


@pytest.fixture(scope="module")
def example(run_capsule):
    finished = run_capsule("--example", "--n-jobs", "2")
    assert finished.exit_code == 0, finished.text
    return finished


def stock_analyzer(format_name, folder=None, extensions=("random_spikes", "waveforms", "templates")):
    from spikeinterface.core import create_sorting_analyzer

    recording, sorting = make_recording_and_sorting()
    sorting = sorting.remove_empty_units()
    analyzer = create_sorting_analyzer(sorting, recording, format=format_name, folder=folder)
    analyzer.compute(list(extensions))
    return analyzer


def test_a_run_leaves_report_and_tables(example):
    assert {"postprocessing-report_example.html", "units_example.csv", "units_example.parquet"} <= example.names()


def test_the_report_can_be_made_again_byte_for_byte(example, tmp_path):
    assert remake_report(example.results / "postprocessed_example.zarr", tmp_path, num_threads=1) == 0
    again = (tmp_path / "postprocessing-report_example.html").read_bytes()
    assert again == (example.results / "postprocessing-report_example.html").read_bytes()


def test_csv_and_parquet_say_the_same(example):
    import pandas as pd

    from_csv = pd.read_csv(example.results / "units_example.csv", dtype={"unit_id": str, "main_channel_id": str})
    from_parquet = pd.read_parquet(example.results / "units_example.parquet")
    pd.testing.assert_frame_equal(from_csv, from_parquet, check_dtype=False)


def test_every_column_of_a_run_is_in_the_dictionary(example):
    import pyarrow.parquet

    fields = pyarrow.parquet.read_schema(example.results / "units_example.parquet")
    assert [field.name for field in fields if not field.metadata[b"source"]] == []


def test_the_report_can_be_turned_off(run_capsule):
    for form in (("--no-report",), ("--params", '{"report": false}')):
        finished = run_capsule("--example", *form)
        assert finished.exit_code == 0, finished.text
        assert "postprocessing-report_example.html" not in finished.names()


def test_report_of_a_stored_result_from_the_command_line(run_capsule, example, tmp_path):
    finished = run_capsule("--report", example.results / "postprocessed_example.zarr", results=tmp_path)
    assert finished.exit_code == 0, finished.text
    assert finished.names() == {"postprocessing-report_example.html"}


def test_a_missing_result_is_the_callers_mistake(run_capsule, tmp_path):
    finished = run_capsule("--report", tmp_path / "nowhere.zarr")
    assert finished.exit_code == 2
    assert "No result at" in finished.stderr


@pytest.mark.parametrize("format_name", ["memory", "binary_folder", "zarr"])
def test_stock_analyzers_of_every_format(format_name, tmp_path):
    folder = None if format_name == "memory" else tmp_path / f"postprocessed_it{'.zarr' * (format_name == 'zarr')}"
    analyzer = stock_analyzer(format_name, folder)
    data = read_report_data(analyzer if folder is None else open_result(folder), "it")
    average = analyzer.get_extension("templates").data["average"]
    unit, channel = 0, data.templates.channels[0, 0]
    assert channel == data.main_channel_indices[0]
    shown = data.templates.values[unit, 0]
    np.testing.assert_allclose(shown, average[unit, -shown.size :, channel].astype(np.float32))
    assert data.waveforms.unit_edges[-1] == len(data.waveforms.values)
    assert data.metrics == {}


def test_waveforms_shown_are_those_of_the_main_channel():
    analyzer = stock_analyzer("memory")
    data = read_report_data(analyzer, "it")
    waveforms = analyzer.get_extension("waveforms").get_waveforms_one_unit(analyzer.unit_ids[1], force_dense=True)
    mine = data.waveforms.values[data.waveforms.unit_edges[1] : data.waveforms.unit_edges[2]]
    on_main = waveforms[:, :, data.main_channel_indices[1]]
    assert all(any(np.array_equal(row, candidate) for candidate in on_main) for row in mine)


def test_meanings_reasons_and_short_intervals_are_those_of_the_result(example):
    from ephys_postprocess.report.payload import build_payload

    analyzer = open_result(example.results / "postprocessed_example.zarr")
    data_process = json.loads((example.results / "data_process_postprocessing_example.json").read_text())
    data = read_report_data(analyzer, "example", data_process)
    missing = {column for entry in data.missing for column in entry.columns}
    gaps = {name for name, values in data.metrics.items() if values.dtype.kind == "f" and np.isnan(values).any()}
    assert missing == gaps
    assert {preset.column for preset in data.presets} >= {"bombcell"}
    assert data.noise_levels.shape == (analyzer.get_num_channels(),)
    assert build_payload(data)["isi"]["limit_ms"] == 1.5
    text = " ".join(data.methods.paragraphs)
    assert "inter-spike-interval violations (below 1.5 ms" in text
    assert f"SpikeInterface {data_process['output_parameters']['versions']['spikeinterface']}" in text


def test_other_parameters_are_told_as_they_were():
    analyzer = stock_analyzer("memory", extensions=("random_spikes", "templates", "noise_levels"))
    params = {"isi_violation": {"isi_threshold_ms": 2.5, "min_isi_ms": 0.0}}
    analyzer.compute("quality_metrics", metric_names=["isi_violation"], metric_params=params)
    data = read_report_data(analyzer, "it")
    assert "2.5 ms" in data.column("isi_violations_count").meaning
    assert data.short_interval_ms == 2.5
    assert any("below 2.5 ms" in paragraph for paragraph in data.methods.paragraphs)


def test_labels_of_the_page_are_spikeinterfaces(example):
    from spikeinterface.core import load_sorting_analyzer
    from spikeinterface.curation import bombcell_label_units

    data = read_report_data(open_result(example.store("example")), "example")
    (preset,) = [entry for entry in data.presets if entry.column == "bombcell"]
    analyzer = load_sorting_analyzer(example.store("example"))
    assert list(preset.labels) == bombcell_label_units(analyzer)["bombcell_label"].tolist()


def test_correlograms_are_around_the_first_units_spikes():
    """Unit b fires 5 ms after unit a: on the page, b's spikes lie 5 ms to the right of a's."""
    from spikeinterface.core import NumpySorting, create_sorting_analyzer, generate_ground_truth_recording

    from ephys_postprocess.report.payload import build_payload

    recording = generate_ground_truth_recording(durations=[10.0], num_units=2, num_channels=4, seed=0)[0]
    first = np.sort(np.random.default_rng(0).choice(np.arange(1000, 240_000, 400), 200, replace=False))
    rate = recording.sampling_frequency
    sorting = NumpySorting.from_unit_dict({"a": first, "b": first + int(0.005 * rate)}, rate)
    analyzer = create_sorting_analyzer(sorting, recording, sparse=False)
    analyzer.compute("correlograms", window_ms=50.0, bin_ms=1.0)
    packed = build_payload(read_report_data(analyzer, "it"))["correlograms"]
    counts = np.frombuffer(base64.b64decode(packed["pairs"]["counts"]["data"]), packed["pairs"]["counts"]["dtype"])
    left_edge_ms = packed["edges_ms"][int(np.argmax(counts))]
    assert left_edge_ms in (4.0, 5.0)
    assert counts.max() >= 200


def test_pickled_pca_models_are_never_opened(tmp_path, monkeypatch):
    import pickle

    analyzer = stock_analyzer("zarr", tmp_path / "postprocessed_it.zarr")
    analyzer.compute("principal_components")

    def refuse(*_args, **_kwargs):
        raise AssertionError("a pickle was opened")

    monkeypatch.setattr(pickle, "loads", refuse)
    assert write_report_file(open_result(tmp_path / "postprocessed_it.zarr"), tmp_path / "it.html", "it", None)


def test_without_jinja2_the_log_says_so_in_one_line(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with caplog.at_level(logging.INFO, "ephys_postprocess"):
        assert not write_report_file(stock_analyzer("memory"), tmp_path / "it.html", "it", None)
    assert [record.getMessage().strip() for record in caplog.records] == ["no report: jinja2 is not installed"]


def test_a_report_that_fails_costs_one_line(tmp_path, caplog):
    assert not write_report_file(object(), tmp_path / "it.html", "it", None)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_strange_data_process_beside_a_result_is_no_obstacle():
    analyzer = stock_analyzer("memory")
    old = json.loads('{"name": "Ephys postprocessing", "software_version": "0.1", "parameters": {}}')
    assert read_report_data(analyzer, "it", old).run.version == "0.1"


def test_names_of_results():
    from pathlib import Path

    assert recording_name_of(Path("postprocessed_block0_x_recording1.zarr")) == "block0_x_recording1"
    assert recording_name_of(Path("anything")) == "anything"


def test_the_windows_shown_begin_where_the_stored_ones_were_cut():
    """3.33 ms at 30 kHz are 99.9 samples: 100 were stored before the spike."""
    from spikeinterface.core import create_sorting_analyzer

    recording, sorting = make_recording_and_sorting()
    analyzer = create_sorting_analyzer(sorting.remove_empty_units(), recording)
    analyzer.compute({"random_spikes": {}, "waveforms": {"ms_before": 3.33, "ms_after": 2.5}, "templates": {}})
    templates = read_report_data(analyzer, "it").templates
    stored = analyzer.get_extension("templates").data["average"]
    assert analyzer.get_extension("templates").nbefore == 100
    assert templates.num_before == 30
    at_spike = stored[np.arange(len(stored)), 100, templates.channels[:, 0]]
    np.testing.assert_array_equal(templates.values[:, 0, 30], at_spike)
