"""Attacks of kinds that nobody had thought of before: what waits, what never ends, what hides in names and headers."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from faults.attempts import attempt
from faults.broken_inputs import (
    NAME,
    edit_json,
    make_recording,
    preprocessed,
    raw,
    spikesorted,
    to_zarr,
    write_job,
    write_lazy,
)

from ephys_postprocess.cli import main as cli
from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.raw_traces import open_traces_of
from ephys_postprocess.machine.given import GivenPair
from ephys_postprocess.phy.files import RawFiles, write_params

pytestmark = pytest.mark.filterwarnings("ignore")
FOLDER = {
    "class": "spikeinterface.core.binaryfolder.BinaryFolderRecording",
    "kwargs": {"folder_path": f"preprocessed_{NAME}"},
    "module": "x",
    "version": "1",
    "annotations": {},
    "properties": {},
}


@pytest.fixture(autouse=True)
def one_attack(tally):
    tally("attacks of a second round")


def replaced_by_pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize(
    "name",
    [
        *(f"preprocessed_{NAME}.json", f"binary_{NAME}.json", f"preprocessed_{NAME}/si_folder.json"),
        *(f"preprocessed_{NAME}/binary.json", f"preprocessed_{NAME}/probegroup.json", f"spikesorted_{NAME}/spikes.npy"),
        *(f"preprocessed_{NAME}/traces_cached_seg0.raw", f"preprocessed_{NAME}/times_cached_seg0.npy"),
        *(f"spikesorted_{NAME}/numpysorting_info.json", f"spikesorted_{NAME}/annotations.json"),
        f"spikesorted_{NAME}/properties/KSLabel.npy",
    ],
)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(data, name):
    replaced_by_pipe(data / name)
    told = attempt(data)
    assert told.outcome == "refused"
    assert "neither a file nor a folder, but a pipe" in told.text


def test_a_pipe_in_place_of_a_chunk_or_a_reason(data):
    chunk = next((to_zarr(data) / "traces_seg0").glob("[0-9]*"))
    replaced_by_pipe(chunk)
    assert "but a pipe" in attempt(data).text
    shutil.rmtree(preprocessed(data))
    preprocessed(data).mkdir()
    replaced_by_pipe(preprocessed(data) / "error.txt")
    told = attempt(data)
    assert (told.outcome, "its error.txt is no file" in told.text) == ("skipped", True)


def test_files_of_forty_gigabytes_are_not_read_whole(data):
    """Sparse, so that nothing is harmed; their first letters are all that anyone needs."""
    path = data / f"preprocessed_{NAME}.json"
    path.write_text("{")
    os.truncate(path, 40 * 10**9)
    assert "at most 1073741824 are read" in attempt(data).text
    shutil.rmtree(preprocessed(data))
    path.unlink()
    preprocessed(data).mkdir()
    (preprocessed(data) / "error.txt").write_text("Too many bad channels")
    os.truncate(preprocessed(data) / "error.txt", 40 * 10**9)
    told = attempt(data)
    assert told.outcome == "skipped"
    assert "Too many bad channels" in told.text
    assert len(told.text) < 1000


def test_folders_nested_deeper_than_any_stack(data):
    here = os.open(spikesorted(data), os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=here)
        deeper = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    told = attempt(data)
    subprocess.run(["rm", "-rf", spikesorted(data)], check=True)  # pytest's own tidying up has a stack, too
    assert told.outcome == "refused"
    assert "nested more than 100 deep" in told.text


@pytest.mark.parametrize("number", [10**7, 10**10, 10**40, -1, float("inf")])
def test_numbers_of_things_that_are_made_one_by_one(data, number):
    edit_json(preprocessed(data) / "binary.json", num_channels=number, channel_ids=None)
    assert "num_channels is" in attempt(data).text
    shutil.rmtree(preprocessed(data))
    make_recording().save(folder=preprocessed(data), verbose=False)
    edit_json(spikesorted(data) / "numpysorting_info.json", num_segments=number)
    assert "num_segments is" in attempt(data).text


@pytest.mark.parametrize(
    ("class_name", "arguments", "message"),
    [
        ("filter.BandpassFilterRecording", {"freq_min": 300.0, "freq_max": 3e3, "filter_order": 10**8}, "filter_order"),
        (
            "zero_channel_pad.TracePaddedRecording",
            {"padding_start": 10**13, "padding_end": 0},
            "lasts more than a year",
        ),
        (
            "zero_channel_pad.TracePaddedRecording",
            {"padding_start": 0, "padding_end": 10**18},
            "lasts more than a year",
        ),
    ],
)
def test_a_chain_that_no_run_comes_to_the_end_of(data, class_name, arguments, message):
    kwargs = {"recording": FOLDER, **arguments}
    write_lazy(data, kwargs, prefix="binary", **{"class": f"spikeinterface.preprocessing.{class_name}"})
    told = attempt(data)
    assert told.outcome == "refused"
    assert message in told.text


def test_a_sparse_raw_file_of_years(data):
    os.truncate(raw(data), 8 * 10**12 // 8 * 8)
    told = attempt(data)
    assert told.outcome == "refused"
    assert "lasts more than a year" in told.text


def test_names_of_files_do_not_speak_to_the_terminal(data, capsys, tmp_path):
    """In the message of a call that ends at once, which goes through no log."""
    (data / "job_\x1b]0;owned\x07\x1b[2J.json").write_text("{")
    assert cli.main(["--data", str(data), "--results", str(tmp_path / "r")]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert r"\x1b[2J.json" in said


def test_modules_and_settings_in_the_working_folder_are_not_taken(capsule, data, tmp_path):
    trap = tmp_path / "trap"
    code = f"open({str(trap)!r}, 'w')\n"
    for name in ("numpy", "numba", "zarr", "json", "sitecustomize", "usercustomize", "spikeinterface", "faults"):
        (data / f"{name}.py").write_text(code)
    (data / "matplotlibrc").write_text("backend: module://numpy\n")
    (data / ".numba_config.yaml").write_text(f"cache_dir: {data}\n")
    (data / "numba_config.yaml").write_text(f"cache_dir: {data}\n")
    write_job(data, recording_name="../x")  # ends once everything is imported and the data is looked at
    returned, said = capsule(data, tmp_path / "r", cwd=data)
    assert returned == 2, said
    assert "cannot be a recording name" in said
    assert not trap.exists()


@pytest.mark.parametrize(
    "name", ["a'; import os; os.abort() #", 'b"\nimport os; os.abort()\n"', "c\\", "d\r\n=1", "{e}"]
)
def test_paths_are_no_code_in_what_phy_executes(tmp_path, name):
    path = tmp_path / name / "traces.raw"
    path.parent.mkdir()
    path.write_bytes(b"")
    write_params(tmp_path, RawFiles((path,), np.dtype("int16"), 0), tmp_path / "phy", 4, 3e4, is_filtered=True)
    found = {}
    exec((tmp_path / "params.py").read_text(encoding="utf-8"), {}, found)  # as phy does
    assert set(found) == {"dat_path", "n_channels_dat", "dtype", "offset", "sample_rate", "hp_filtered"}
    assert (tmp_path / "phy" / found["dat_path"]).resolve() == path or found["dat_path"] == str(path)


@pytest.mark.parametrize(
    "class_name",
    [
        "\uff53pikeinterface.core.binaryfolder.BinaryFolderRecording",  # Python would take these letters for plain ones
        "spikeinterface.core.binaryfolder.\uff22inaryFolderRecording",
        "spikeinterface.core.binaryfolder.BinaryFolderRecording\u200b",
        "spikeinterface.core.binaryfolder.__class__.__init__",
        "spikeinterface.core.base.importlib.os.system",
    ],
)
def test_names_that_look_like_a_good_class(data, class_name):
    write_lazy(data, prefix="binary", **{"class": class_name})
    told = attempt(data)
    assert told.outcome == "refused"
    assert "no name of a class" in told.text or "not among those that only read" in told.text


def test_the_last_of_two_equal_keys_counts_for_the_check_as_for_the_call(data):
    text = json.dumps(FOLDER)
    evil = text.replace('"kwargs"', '"class": "subprocess.Popen", "kwargs"', 1)
    assert json.loads(evil)["class"] == "subprocess.Popen"
    (data / f"binary_{NAME}.json").write_text(evil)
    assert "'subprocess.Popen', which is not among those" in attempt(data).text


@pytest.mark.parametrize("folder_name", ["../../outside/", "/etc/", "a/../../../outside", "..\\outside"])
def test_a_header_of_raw_data_does_not_lead_out_of_its_folder(data, folder_name):
    folder = data / "session" / "Record Node 101" / "experiment1" / "recording1"
    folder.mkdir(parents=True)
    (folder / "structure.oebin").write_text(json.dumps({"continuous": [{"folder_name": folder_name}]}))
    name = "spikeinterface.extractors.neoextractors.openephys.OpenEphysBinaryRecordingExtractor"
    write_lazy(data, {"folder_path": "session"}, prefix="binary", **{"class": name})
    told = attempt(data)
    assert told.outcome == "refused"
    assert "leads out of recording1" in told.text


@pytest.mark.parametrize(
    "name",
    [
        *(f"binary_{NAME}.json", f"preprocessed_{NAME}.json", f"spikesorted_{NAME}/annotations.json"),
        *(f"preprocessed_{NAME}/probegroup.json", f"preprocessed_{NAME}/times_cached_seg0.npy"),
    ],
)
def test_a_link_to_nothing_is_not_taken_for_no_file(data, name):
    """Something else would be read in its stead: other traces, no clock, another probe."""
    (data / name).unlink(missing_ok=True)
    (data / name).symlink_to("/nowhere/staged.json")
    told = attempt(data)
    assert told.outcome == "refused"
    assert "a link to /nowhere/staged.json, which is not there" in told.text


@pytest.mark.parametrize(
    "name",
    [
        *(f"preprocessed_{NAME}/annotations.json", f"preprocessed_{NAME}/probegroup.json"),
        *(f"spikesorted_{NAME}/annotations.json", f"spikesorted_{NAME}/numpysorting_info.json"),
    ],
)
def test_a_json_file_of_a_terabyte_is_no_want_of_memory(data, name):
    os.truncate(data / name, 10**12)
    told = attempt(data)
    assert told.outcome == "refused"
    assert "1000000000000 bytes; at most 1073741824 are read" in told.text


@pytest.mark.parametrize("switch", ["--params-file", "--pairs"])
@pytest.mark.parametrize("endless", ["/dev/zero", "terabyte"])
def test_a_file_of_the_callers_that_never_ends(tmp_path, capsys, switch, endless):
    file = tmp_path / endless if endless == "terabyte" else endless
    if endless == "terabyte":
        file.touch()
        os.truncate(file, 10**12)
    assert cli.main([switch, str(file), "--results", str(tmp_path / "r")]) == 2
    assert "cannot be read" in (said := capsys.readouterr().err)
    assert "it has more than 16777216 letters" in said


def test_a_probe_that_never_ends(data):
    pair = GivenPair(name="it", sorting=spikesorted(data), traces=preprocessed(data), probe=Path("/dev/zero"))
    with pytest.raises(InputError, match="/dev/zero: neither a file nor a folder"):
        open_traces_of(pair, spikesorted(data), Consent(), print)


@pytest.mark.parametrize("name", ["", ".", "properties", "../spikesorted_block0_probeA_recording1"])
def test_a_folder_in_place_of_a_raw_file_is_not_gone_round_in(data, name):
    description = json.loads((preprocessed(data) / "binary.json").read_text())
    description["kwargs"]["file_paths"] = [name]
    (preprocessed(data) / "binary.json").write_text(json.dumps(description))
    told = attempt(data)
    assert told.outcome == "refused"
    assert "where a file is to be" in told.text or "outside" in told.text
