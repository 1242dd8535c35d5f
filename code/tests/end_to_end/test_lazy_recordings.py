"""Traces are read from the preprocessed copy; the result refers to the chain that leads to the raw data, if it can."""

import json

import numpy as np
import pytest
import spikeinterface.core as si
import zarr
from end_to_end.make_inputs import save, save_session, tiny
from spikeinterface.preprocessing import common_reference

FEW = ("--params", '{"extensions": {"random_spikes": {}, "noise_levels": {}, "templates": {}}}')
RAW = "ecephys_session/raw {name}.zarr"


def save_with_chain(data, name):
    """The saved traces, `binary_{name}.json` to them, and `preprocessed_{name}.json` from raw data in the session."""
    recording, sorting = tiny((3.0,), 4, 2)
    recording.save(folder=data / RAW.format(name=name), format="zarr", verbose=False, progress_bar=False, n_jobs=1)
    raw = si.load(data / RAW.format(name=name))
    lazy = common_reference(raw, reference="global", operator="median")
    save(data, name, lazy, sorting)
    binary = si.load(data / f"preprocessed_{name}")
    # As preprocessing writes them: the chain relative to its results folder, which lies as deep as data/.
    binary.dump_to_json(data / f"binary_{name}.json", relative_to=data)
    results = data.parent / "results"
    results.mkdir(exist_ok=True)
    lazy.dump_to_json(data / f"preprocessed_{name}.json", relative_to=results)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Raw data that opens, that is packed with a codec that is not installed, and that was not attached."""
    data = tmp_path_factory.mktemp("lazy")
    save_session(data)
    for name in ("opens", "packed", "absent"):
        save_with_chain(data, name)
    for described in (data / RAW.format(name="packed")).rglob(".zarray"):
        content = json.loads(described.read_text(encoding="utf-8"))
        content["compressor"] = {"id": "not-installed", "level": 2}
        described.write_text(json.dumps(content), encoding="utf-8")
    (data / RAW.format(name="absent")).rename(data.parent / "elsewhere.zarr")
    return data


@pytest.fixture(scope="module")
def done(run_capsule, data):
    return run_capsule(*FEW, data=data)


def link_of(done, name):
    return zarr.open_group(str(done.store(name)), mode="r")["recording"][0]


def test_all_three_succeed(done):
    assert done.exit_code == 0, done.text


def test_the_result_refers_to_the_raw_data_by_its_staged_name(done, data):
    text = json.dumps(link_of(done, "opens"))
    assert f"../../{data.name}/ecephys_session/raw opens.zarr" in text
    assert "CommonReferenceRecording" in text


@pytest.mark.parametrize("name", ["packed", "absent"])
def test_otherwise_to_the_saved_traces_and_says_why(done, name):
    assert link_of(done, name)["kwargs"]["folder_path"].endswith(f"/preprocessed_{name}")
    notes = done.data_process(name)["output_parameters"]["notes"]
    reason = {"packed": "not-installed", "absent": "raw absent.zarr"}[name]
    assert any("not to the raw data" in note and reason in note for note in notes), notes


@pytest.mark.parametrize("name", ["opens", "packed", "absent"])
def test_the_recording_is_within_reach_and_the_one_that_was_read(done, data, name):
    analyzer = si.load(done.store(name))
    assert analyzer.has_recording()
    saved = si.load(data / f"preprocessed_{name}")
    np.testing.assert_array_equal(analyzer.recording.get_traces(), saved.get_traces())
    assert f"binary_{name}.json" in done.data_process(name)["output_parameters"]["inputs"]
