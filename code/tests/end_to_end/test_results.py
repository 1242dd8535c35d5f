"""What a default run leaves, looked at as those who read it do."""

import json
import math
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spikeinterface.core as si
import zarr
from end_to_end.make_inputs import NAME

READER = Path(__file__).resolve().parent.parent / "compatibility" / "read_everything.py"
EXTENSIONS = {
    *("random_spikes", "noise_levels", "waveforms", "templates", "principal_components", "spike_amplitudes"),
    *("amplitude_scalings", "spike_locations", "unit_locations", "template_similarity", "template_metrics"),
    *("correlograms", "isi_histograms", "valid_unit_periods", "quality_metrics"),
}
# What curation, processing QC and the unit classifier look up; a missing one stops them.
QUALITY_COLUMNS = [
    *("num_spikes", "firing_rate", "presence_ratio", "snr", "isi_violations_ratio", "isi_violations_count"),
    *("rp_contamination", "rp_violations", "sliding_rp_violation", "amplitude_cutoff", "amplitude_median"),
    *("amplitude_cv_median", "amplitude_cv_range", "sync_spike_2", "sync_spike_4", "sync_spike_8", "firing_range"),
    *("drift_ptp", "drift_std", "drift_mad", "isolation_distance", "l_ratio", "d_prime", "silhouette"),
    *("nn_hit_rate", "nn_miss_rate"),
]
TEMPLATE_COLUMNS = [
    *("peak_to_trough_duration", "peak_after_to_trough_ratio", "trough_half_width", "repolarization_slope"),
    *("recovery_slope", "num_positive_peaks", "num_negative_peaks", "velocity_above", "velocity_below"),
    *("exp_decay", "spread", "waveform_baseline_flatness", "peak_before_to_trough_ratio", "peak_before_width"),
    *("trough_width", "peak_before_to_peak_after_ratio", "main_peak_to_trough_ratio"),
]


@pytest.fixture(scope="module")
def analyzer(default_run):
    return si.load(default_run.store(NAME))


@pytest.fixture(scope="module")
def process(default_run):
    return default_run.data_process(NAME)


def test_exactly_these_files(default_run, files_of, metadata_copies):
    assert default_run.names() == files_of(NAME) | metadata_copies


def test_every_extension_is_there_and_loads(default_run, analyzer):
    assert default_run.extensions(NAME) == EXTENSIONS
    assert set(analyzer.get_loaded_extension_names()) == EXTENSIONS


@pytest.mark.parametrize(
    ("extension", "columns"), [("quality_metrics", QUALITY_COLUMNS), ("template_metrics", TEMPLATE_COLUMNS)]
)
def test_columns_that_later_capsules_look_up(analyzer, extension, columns):
    table = analyzer.get_extension(extension).get_data()
    assert set(columns) <= set(table.columns)
    assert {dtype.kind for dtype in table.dtypes} <= {"f", "i"}  # NaN can be asked of each: nothing nullable
    assert all(isinstance(dtype, np.dtype) for dtype in table.dtypes)
    assert table.index.tolist() == analyzer.unit_ids.tolist()


def test_templates_hold_average_and_std(analyzer):
    data = analyzer.get_extension("templates").data
    assert {"average", "std"} <= set(data)
    assert np.isfinite(data["average"]).all()


def test_nothing_in_the_store_is_a_pickle(default_run):
    for file in default_run.store(NAME).rglob(".zarray"):
        described = json.loads(file.read_text(encoding="utf-8"))
        codecs = [codec["id"] for codec in described["filters"] or ()]
        assert "pickle" not in codecs, file
        assert described["dtype"] != "|O" or codecs == ["json2"], file
        assert 0 not in described["chunks"], file


def test_the_store_is_zarr_2_with_consolidated_metadata(default_run):
    store = default_run.store(NAME)
    assert json.loads((store / ".zgroup").read_text(encoding="utf-8"))["zarr_format"] == 2
    listed = set(json.loads((store / ".zmetadata").read_text(encoding="utf-8"))["metadata"])
    on_disk = {path.relative_to(store).as_posix() for path in store.rglob(".z*")} - {".zmetadata"}
    assert listed == on_disk


def test_the_recording_can_be_collected(default_run, analyzer):
    recording = zarr.open_group(str(default_run.store(NAME)), mode="r")["recording"]
    assert recording.filters[0].codec_id == "json2"
    link = recording[0]
    assert json.loads(json.dumps(link)) == link
    assert link["kwargs"]["folder_path"].endswith(f"/preprocessed_{NAME}")
    assert not Path(link["kwargs"]["folder_path"]).is_absolute()
    assert analyzer.has_recording()
    assert analyzer.recording.get_num_channels() == analyzer.get_num_channels()


def test_folders_that_move_together_stay_together(default_run, tiny_data, tmp_path):
    root = Path(*Path(*default_run.results.parts[:-1]).parts)
    assert tiny_data.parent == root
    (tmp_path / "moved").mkdir()
    for folder in (tiny_data, default_run.results):
        shutil.copytree(folder, tmp_path / "moved" / folder.name)
    moved = si.load(tmp_path / "moved" / default_run.results.name / default_run.store(NAME).name)
    assert moved.has_recording()
    assert "moved" in str(moved.recording._kwargs["folder_path"])


def test_the_result_opens_without_its_recording(default_run, tmp_path):
    copy = tmp_path / "far" / "away" / "alone.zarr"
    shutil.copytree(default_run.store(NAME), copy)
    alone = si.load(copy)
    assert not alone.has_recording()
    assert set(alone.get_loaded_extension_names()) == EXTENSIONS


def test_the_result_opens_in_a_process_without_environment_variables(default_run, tmp_path):
    """For other versions of SpikeInterface, see tests/compatibility/open_elsewhere.py."""
    done = subprocess.run(
        [sys.executable, str(READER), str(default_run.store(NAME))],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("15 extensions\neverything was read\n")


def test_the_data_process_is_valid_and_says_what_ran(process):
    from aind_data_schema.core.processing import DataProcess

    DataProcess.model_validate({**process, "pipeline_name": "a pipeline"})
    assert process["name"] == "Ephys postprocessing"
    assert process["process_type"] == "Ephys postprocessing"
    assert process["code"]["version"]
    for moment in (process["start_date_time"], process["end_date_time"]):
        assert datetime.fromisoformat(moment).tzinfo is not None
    parameters = process["code"]["parameters"]
    assert set(parameters["extensions"]) == EXTENSIONS
    assert parameters["seed"] == 0
    assert parameters["recording_name"] == NAME


def test_the_data_process_says_on_what_and_at_which_cost(process):
    said = process["output_parameters"]
    assert said["inputs"] == [f"preprocessed_{NAME}", f"spikesorted_{NAME}"]
    assert said["versions"]["spikeinterface"].startswith("0.105.")
    assert (said["num_channels"], said["num_units_out"], said["num_segments"]) == (12, 5, 1)
    assert all(stage["seconds"] >= 0 and stage["peak_memory_mb"] > 0 for stage in said["stages"])
    assert {stage["name"] for stage in said["stages"] if stage["bytes_read"]} >= {"sample_templates", "gather_windows"}
    assert all(0 <= stage["bytes_needed"] <= stage["bytes_read"] for stage in said["stages"])
    stage_names = {name for stage in said["stages"] for name in stage["name"].split(" + ")}
    assert stage_names >= EXTENSIONS


def test_the_units_table_reads_as_it_was_meant(default_run, analyzer):
    table = pd.read_csv(default_run.results / f"units_{NAME}.csv", dtype={"unit_id": str, "main_channel_id": str})
    assert table["unit_id"].tolist() == [str(unit_id) for unit_id in analyzer.unit_ids]
    assert {"main_channel_id", "x_um", "y_um", *QUALITY_COLUMNS, *TEMPLATE_COLUMNS} <= set(table.columns)
    assert set(table["main_channel_id"]) <= {str(channel_id) for channel_id in analyzer.channel_ids}
    metrics = analyzer.get_extension("quality_metrics").get_data()
    for column in QUALITY_COLUMNS:
        np.testing.assert_array_equal(table[column].to_numpy(float), metrics[column].to_numpy(float), err_msg=column)


def test_both_tables_of_units_hold_the_same(default_run):
    csv = pd.read_csv(default_run.results / f"units_{NAME}.csv", dtype={"unit_id": str, "main_channel_id": str})
    parquet = pd.read_parquet(default_run.results / f"units_{NAME}.parquet")
    assert parquet.columns.tolist() == csv.columns.tolist()
    for column in csv:
        assert parquet[column].equals(csv[column].astype(parquet[column].dtype)), column


def test_missing_values_are_explained(default_run, analyzer, process):
    told = process["output_parameters"]["metrics_not_computed"]
    metrics = analyzer.get_extension("quality_metrics").get_data()
    assert {column for column in metrics if metrics[column].isna().any()} <= set(told)
    assert "60" in told["presence_ratio"]  # an 8 s recording has no bin of 60 s
    assert math.isnan(metrics["presence_ratio"].iloc[0])
    assert "presence_ratio: no value for any unit" in default_run.stderr


def test_a_line_a_stage_where_there_is_no_terminal(default_run):
    said = {line.split()[0] for line in default_run.stdout.splitlines() if line.startswith("  ")}
    assert {"load_inputs", "deduplicate", "waveforms", "quality_metrics", "write_results"} <= said
    assert "\r" not in default_run.text
