"""The array of `workflows/slurm`, in a real SLURM: done, failed, cancelled, requeued, out of time."""

from pathlib import Path

import pytest
import spikeinterface.core as si
from end_to_end.make_inputs import save

CODE = Path(__file__).resolve().parents[2]
SCRIPT = CODE / "workflows" / "slurm" / "array.sbatch"
# A run that does not come to its end on its job's first start: the store is built, and not yet published.
SLOW = f"""
import os, sys, time
sys.path.insert(0, {str(CODE)!r})
import ephys_postprocess.results.manifest as manifest
write = manifest.write_manifest
def write_late(*arguments):
    while os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
        time.sleep(0.1)
    return write(*arguments)
manifest.write_manifest = write_late
"""

pytestmark = pytest.mark.workflows


@pytest.fixture
def submit(slurm):
    """submit(data, results): the number of the array job."""

    def call(data, results, *arguments, **environment):
        return slurm.call("bash", SCRIPT, data, results, *arguments, environment=environment)

    return call


@pytest.fixture
def slow(tmp_path):
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW)
    return {"PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    data = tmp_path_factory.mktemp("one")
    save(data, "one")
    return data


@pytest.fixture(scope="module")
def out_of_time(slurm, one, tmp_path_factory):
    """A job that needs more than its minute, SLURM's least: begun first, so that it ends while others are tested."""
    folder = tmp_path_factory.mktemp("out of time")
    (folder / "sitecustomize.py").write_text(SLOW)
    environment = {"PYTHONPATH": str(folder), "SBATCH_TIMELIMIT": "1"}
    return slurm.call("bash", SCRIPT, one, folder / "r", environment=environment), folder / "r"


def log_of(results, job):
    return (results / "logs" / f"{job}.log").read_text()


def building(slurm, results):
    slurm._wait_until((results / ".postprocessed_one.building.zarr").exists)


def left(results):
    return sorted(path.name for path in results.iterdir() if path.name != "logs")


@pytest.mark.usefixtures("out_of_time")
def test_an_array_does_every_recording_and_says_which_failed(slurm, submit, recordings, tmp_path):
    job = submit(recordings, tmp_path / "r", "--no-report")
    names = ["broken", "probe A#1.0", "probe B"]  # in this order by --list
    ended = [slurm.wait_for(f"{job}_{index}") for index in range(3)]
    assert [task["JobState"] for task in ended] == ["FAILED", "COMPLETED", "COMPLETED"]
    assert ended[0]["ExitCode"] == "1:0"
    assert "cut short" in log_of(tmp_path / "r", f"{job}_0")
    for name in names[1:]:
        assert si.load(tmp_path / "r" / f"postprocessed_{name}.zarr").has_recording()
    again = submit(recordings, tmp_path / "r", "--no-report")
    assert slurm.wait_for(f"{again}_1")["JobState"] == "COMPLETED"
    assert "kept" in log_of(tmp_path / "r", f"{again}_1")


def test_a_cancelled_task_leaves_nothing_half_written(slurm, submit, one, slow, tmp_path):
    results = tmp_path / "r"
    job = submit(one, results, **slow)
    building(slurm, results)
    slurm.call("scancel", job)
    assert slurm.wait_for(f"{job}_0")["JobState"] == "CANCELLED"
    slurm._wait_until(lambda: "Terminated; nothing half-written" in log_of(results, f"{job}_0"))
    assert left(results) == []


def test_a_requeued_task_is_done_the_second_time(slurm, submit, one, slow, tmp_path):
    results = tmp_path / "r"
    job = submit(one, results, **slow)
    building(slurm, results)
    slurm.call("scontrol", "requeue", f"{job}_0")
    slurm.wait_for(f"{job}_0", "PENDING")
    assert left(results) == []
    slurm.call("scontrol", "update", f"JobId={job}_0", "StartTime=now")  # SLURM itself waits two minutes
    assert slurm.wait_for(f"{job}_0")["JobState"] == "COMPLETED"
    assert si.load(results / "postprocessed_one.zarr").has_recording()
    assert "restart 1" in log_of(results, f"{job}_0")


def test_what_may_go_better_later_is_requeued(slurm, submit, tmp_path):
    run = tmp_path / "run"
    run.write_text('#!/bin/sh\ncase "$*" in *--list*) echo one;; *) exit 75;; esac\n')
    run.chmod(0o755)
    job = submit(tmp_path, tmp_path / "r", EPHYS_RUN=str(run))
    slurm._wait_until(lambda: slurm.told(f"{job}_0").get("Restarts") == "1")
    assert slurm.told(f"{job}_0")["Requeue"] == "1"
    slurm.call("scancel", job)
    assert "May go better later: requeued." in log_of(tmp_path / "r", f"{job}_0")


def test_nothing_to_do_is_said_before_anything_is_submitted(slurm, tmp_path):
    (tmp_path / "empty").mkdir()
    before = slurm.call("squeue", "-h", "-o", "%i")
    assert slurm.call("bash", SCRIPT, tmp_path / "empty", tmp_path / "r", check=False) == ""
    assert slurm.call("squeue", "-h", "-o", "%i") == before


def test_a_task_out_of_time_leaves_nothing_half_written(slurm, out_of_time):
    job, results = out_of_time
    assert slurm.wait_for(f"{job}_0")["JobState"] == "TIMEOUT"
    slurm._wait_until(lambda: "Terminated; nothing half-written" in log_of(results, f"{job}_0"))
    assert left(results) == []
