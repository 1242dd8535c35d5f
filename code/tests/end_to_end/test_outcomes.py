"""Recordings that end differently in one run: exit codes, and exactly which files each leaves."""

import subprocess
import sys

import pytest
import spikeinterface.core as si
from end_to_end.make_inputs import (
    NAME,
    SKIPPED_REASON,
    save,
    save_cut_short,
    save_failed_sorting,
    save_job,
    save_session,
    save_skipped_preprocessing,
    save_skipped_sorting,
    tiny,
    write,
)

FEW = ("--params", '{"extensions": {"random_spikes": {}, "noise_levels": {}, "templates": {}}}')
PLACEHOLDERS = {
    "skipped #1 (preprocessing)": (save_skipped_preprocessing, f"preprocessing skipped.*{SKIPPED_REASON}"),
    "skipped sorting": (save_skipped_sorting, f"spike sorting skipped.*{SKIPPED_REASON}"),
    "failed.sorting": (save_failed_sorting, "spike sorting failed"),
}
CONTENT = {"placeholder.npy", "reason.txt"}


# What a call with several recordings leaves beside their own files.
OVER_ALL = {"summary.html", "units.parquet", "units.csv"}


def save_small(data, name):
    save(data, name, *tiny((3.0,), 4, 2))


@pytest.fixture(scope="module")
def mixed_data(tmp_path_factory):
    """Two good recordings and two that are broken, in between by name."""
    data = tmp_path_factory.mktemp("mixed")
    for name in ("a", "z"):
        save_small(data, name)
    save_cut_short(data, "cut")
    save_small(data, "no sorting")
    for path in (data / "spikesorted_no sorting").rglob("*.npy"):
        path.unlink()
    return data


@pytest.fixture(scope="module")
def placeholder_data(tmp_path_factory):
    data = tmp_path_factory.mktemp("placeholders")
    for name, (save_it, _) in PLACEHOLDERS.items():
        save_it(data, name)
    save_session(data)
    return data


@pytest.fixture(scope="module")
def job_data(tmp_path_factory):
    """Two recordings, of which a job asks for one; a session, and a JSON file that only sounds like a job."""
    data = tmp_path_factory.mktemp("job")
    save_small(data, NAME)
    save_small(data, f"{NAME}0")
    save_job(data, NAME, debug=True)
    write(data / "job_notes.json", '{"author": "me"}')
    save_session(data, "ecephys_123_today")
    return data


@pytest.fixture(scope="module")
def runs(run_capsules, mixed_data, placeholder_data, job_data):
    return run_capsules(
        {
            "mixed": {"arguments": FEW, "data": mixed_data},
            "mixed, placeholder": {"arguments": (*FEW, "--on-failure", "placeholder"), "data": mixed_data},
            "placeholders": {"arguments": FEW, "data": placeholder_data},
            "job": {"arguments": FEW, "data": job_data},
        }
    )


def test_a_broken_recording_costs_the_others_nothing(runs, files_of):
    done = runs["mixed"]
    assert done.exit_code == 1, done.text
    assert done.names() == files_of("a", "z") | OVER_ALL
    for name in ("a", "z"):
        assert si.load(done.store(name)).get_num_units() == 2


def test_each_failure_is_told_with_its_file_and_the_others_are_done(runs):
    done = runs["mixed"]
    assert "traces_cached_seg0.raw: cut short" in done.stderr
    assert "Traceback" not in done.text
    closing = done.stdout[done.stdout.index("Results of 4 recording(s)") :].splitlines()[1:]
    assert [line.split()[0] for line in closing] == ["done", "failed", "failed", "done"]


def test_on_failure_placeholder_exits_0_and_leaves_a_sign(runs, files_of):
    done = runs["mixed, placeholder"]
    broken = {"cut", "no sorting"}
    assert done.exit_code == 0, done.text
    assert done.names() == files_of("a", "z") | {f"postprocessed_{name}.zarr" for name in broken} | OVER_ALL
    assert all(done.placeholder(name) == CONTENT for name in broken)
    assert "cut short" in (done.store("cut") / "reason.txt").read_text(encoding="utf-8")


def test_what_upstream_left_out_is_no_failure_and_leaves_only_placeholders(runs):
    done = runs["placeholders"]
    assert done.exit_code == 0, done.text
    assert done.names() == {f"postprocessed_{name}.zarr" for name in PLACEHOLDERS} | {"summary.html"}


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_placeholder_says_why_and_no_reader_takes_it_for_a_result(runs, name):
    import re

    import numpy as np

    done = runs["placeholders"]
    assert done.placeholder(name) == CONTENT
    content = np.load(done.store(name) / "placeholder.npy")
    assert (content.size, content.dtype) == (0, bool)
    pattern = PLACEHOLDERS[name][1]
    assert re.search(pattern, (done.store(name) / "reason.txt").read_text(encoding="utf-8"))
    assert re.search(pattern, done.text)
    with pytest.raises(Exception):  # noqa: B017, PT011 - versions of SpikeInterface raise different ones
        si.load(done.store(name), load_extensions=False)


def test_a_job_file_selects_its_recording_and_the_session_is_copied(runs, files_of, metadata_copies):
    done = runs["job"]
    assert done.exit_code == 0, done.text
    assert done.names() == files_of(NAME) | metadata_copies
    assert "job_notes.json is not a job file" in done.text


def test_copies_of_the_session_are_the_files_themselves(runs, job_data):
    for file in ("subject.json", "data_description.json"):
        copy = runs["job"].results / f"postprocessing_{NAME}_{file}"
        assert copy.read_bytes() == (job_data / "ecephys_123_today" / file).read_bytes()


def test_extra_names_are_no_traps_for_the_capsules_after_this_one(runs):
    for done in runs.values():
        for name in done.names():
            assert not (name.endswith(".json") and "job" in name)
            assert name.count("postprocessed_") <= 1
            assert name.startswith("postprocessed_") == name.endswith(".zarr")
            assert name.startswith("data_process_postprocessing_") or "data_process" not in name


def test_a_failure_keeps_the_earlier_result_and_no_placeholder_replaces_it(run_capsule, tmp_path, files_of):
    data, results = tmp_path / "data", tmp_path / "results"
    data.mkdir()
    save_small(data, "a")
    assert run_capsule(*FEW, data=data, results=results).exit_code == 0
    raw = data / "preprocessed_a" / "traces_cached_seg0.raw"
    raw.write_bytes(raw.read_bytes()[:1001])
    failed = run_capsule(*FEW, data=data, results=results)
    assert (failed.exit_code, failed.names()) == (1, files_of("a"))
    assert si.load(failed.store("a")).get_num_units() == 2
    kept = run_capsule(*FEW, "--on-failure", "placeholder", data=data, results=results)
    assert (kept.exit_code, kept.names()) == (0, files_of("a"))
    assert "the complete result of an earlier run stays" in kept.stderr
    assert si.load(kept.store("a")).get_num_units() == 2
    elsewhere = run_capsule(*FEW, "--on-failure", "placeholder", data=data, results=tmp_path / "elsewhere")
    assert (elsewhere.exit_code, elsewhere.names()) == (0, {"postprocessed_a.zarr"})
    assert elsewhere.placeholder("a") == CONTENT


def test_motion_asked_for_but_not_there_is_a_failure_that_names_it(run_capsule, tmp_path):
    save_small(tmp_path, "a")
    done = run_capsule(*FEW, "--use-motion-corrected", data=tmp_path)
    assert (done.exit_code, done.names()) == (1, set())
    assert "motion_a" in done.stderr


@pytest.mark.parametrize("is_kill", [False, True])
def test_a_run_that_is_stopped_leaves_nothing_half_written(tmp_path, run_capsule, files_of, is_kill):
    """SIGTERM cleans up and exits 143; after SIGKILL, the next run does."""
    from pathlib import Path

    code = Path(__file__).resolve().parent.parent.parent
    data, results = tmp_path / "data", tmp_path / "results"
    data.mkdir()
    save_small(data, "a")
    command = [sys.executable, str(code / "run_capsule.py"), "--data", str(data), "--results", str(results), *FEW]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None and not (results / ".postprocessed_a.lock").exists():
        pass
    process.kill() if is_kill else process.terminate()
    process.communicate(timeout=60)
    if is_kill:
        (results / ".postprocessed_a.building.zarr").mkdir(exist_ok=True)
        done = run_capsule(*FEW, data=data, results=results)
        assert (done.exit_code, done.names()) == (0, files_of("a"))
    else:
        assert process.returncode == 143
        assert list(results.iterdir()) == []
