"""The workflow of `workflows/nextflow`, in a real Nextflow: without computing, and with one recording that fails."""

import csv
from pathlib import Path

import pytest
import spikeinterface.core as si

CODE = Path(__file__).resolve().parents[2]
WORKFLOW = CODE / "workflows" / "nextflow"

pytestmark = pytest.mark.workflows


@pytest.fixture
def run(nextflow, recordings, tmp_path):
    """run(*arguments): the finished Nextflow, and by name the last row of its trace on each task."""

    def call(*arguments):
        options = ("--data", recordings, "--outdir", tmp_path / "results", *arguments)
        done = nextflow("run", WORKFLOW, *options, cwd=tmp_path)
        with (tmp_path / "results/pipeline_info/trace.tsv").open() as file:
            rows = {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}
        return done, rows

    return call


def names_in(folder):
    return {path.name for path in folder.iterdir() if path.name.startswith("postprocessed_")}


def task(name):
    return f"EPHYSPOSTPROCESS ({name})"


def test_the_stub_stages_one_recording_a_task(run, tmp_path):
    done, rows = run("-stub")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: row["status"] for name, row in rows.items()} == {
        task(name): "COMPLETED" for name in ("probe A#1.0", "probe B", "broken")
    }
    assert names_in(tmp_path / "results") == {
        f"postprocessed_{name}.zarr" for name in ("probe A#1.0", "probe B", "broken")
    }
    for folder in tmp_path.glob("work/*/*/data"):
        staged = {path.name for path in folder.iterdir()}
        assert len(staged) == 2, staged  # traces and spikes of one recording
        assert len({name.split("_", 1)[1] for name in staged}) == 1
    assert "ephys-postprocess: stub" in (tmp_path / "results/pipeline_info/versions.yml").read_text()


def test_one_recording_fails_and_the_others_are_done(run, tmp_path):
    done, rows = run("-process.cpus", 1, "-profile", "local")
    said = done.stdout + done.stderr
    assert done.returncode != 0, said  # ignored so that the others are done, but not kept quiet
    assert {name: (row["status"], row["exit"]) for name, row in rows.items()} == {
        task("probe A#1.0"): ("COMPLETED", "0"),
        task("probe B"): ("COMPLETED", "0"),
        task("broken"): ("FAILED", "1"),
    }, said
    results = tmp_path / "results"
    assert names_in(results) == {"postprocessed_probe A#1.0.zarr", "postprocessed_probe B.zarr"}
    for store in names_in(results):  # though published elsewhere than where it was made
        assert si.load(results / store).has_recording(), said


def test_what_may_go_better_later_is_tried_again(run, tmp_path):
    """75 three times: the first try and two more."""
    fake = tmp_path / "run"
    fake.write_text("#!/bin/sh\nexit 75\n")
    fake.chmod(0o755)
    _, rows = run("--run", fake, "--relink", "false")
    done, rows = run("--run", fake, "--relink", "false")
    assert done.returncode != 0
    assert {(row["exit"], row["attempt"]) for row in rows.values()} == {("75", "3")}  # the last row of each task
