"""Each way the capsule has ever been called, with the real command line; how they are parsed is in test_cli.py."""

import json
import os
import re

import pytest
from end_to_end.make_inputs import NAME, save, tiny

from ephys_postprocess import __version__

FEW = {"extensions": {"random_spikes": {}, "noise_levels": {}, "templates": {}}}
THREE = set(FEW["extensions"])
SECOND = "block0_imec1.lf_recording1"
THIRD = "third"
NUM_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def few(**changes):
    return json.dumps({**FEW, **changes})


@pytest.fixture(scope="module")
def three_recordings(tmp_path_factory):
    data = tmp_path_factory.mktemp("three")
    recording, sorting = tiny((3.0,), 4, 2)
    for name in (NAME, SECOND, THIRD):
        save(data, name, recording, sorting)
    return data


@pytest.fixture(scope="module")
def forms(run_capsules, tiny_data, three_recordings, tmp_path_factory):
    file = tmp_path_factory.mktemp("parameters") / "a file.json"
    file.write_text(few(duplicate_threshold=0.5), encoding="utf-8")
    arguments = {
        "--params text": ["--params", few(duplicate_threshold=0.6), "--n-jobs", "1"],
        "--params file": ["--params", file, "--n-jobs", "-1"],
        "--params-file": ["--params-file", file, "--n-jobs=.5"],
        "--params-str": ["--params-str", few(n_jobs="1", duplicate_threshold=None)],
        "positional": ["false", "2", file],
        "positional motion": ["true", "1.0", few()],
        "--use-motion-corrected": ["--params", few(use_motion_corrected=False), "--use-motion-corrected"],
        "token from a pipeline": ["--params", few(use_motion_corrected="true", n_jobs="1")],
        "--skip-extensions": ["--skip-extensions", "spike_locations,principal_components", "--n-jobs", "-1"],
    }
    calls = {label: {"arguments": words, "data": tiny_data} for label, words in arguments.items()}
    calls["N_JOBS_EXT"] = {**calls["--params file"], "environment": {"N_JOBS_EXT": "1"}}
    calls["--recording twice"] = {
        "arguments": ["--recording", NAME, "--recording", THIRD, "--params", few()],
        "data": three_recordings,
    }
    calls["all"] = {"arguments": ["--params", few()], "data": three_recordings}
    return run_capsules(calls)


EXPECTED = {  # label: threads, what was said
    "--params text": (1, {"duplicate_threshold": 0.6, "use_motion_corrected": False}),
    "--params file": (NUM_CORES, {"duplicate_threshold": 0.5}),
    "--params-file": (max(1, NUM_CORES // 2), {"duplicate_threshold": 0.5}),
    "--params-str": (1, {"duplicate_threshold": None}),
    "positional": (min(2, NUM_CORES), {"duplicate_threshold": 0.5, "use_motion_corrected": False}),
    "positional motion": (NUM_CORES, {"duplicate_threshold": 0.9, "use_motion_corrected": True}),
    "--use-motion-corrected": (NUM_CORES, {"use_motion_corrected": True}),
    "token from a pipeline": (1, {"use_motion_corrected": True}),
    "N_JOBS_EXT": (1, {"duplicate_threshold": 0.5}),
}


@pytest.mark.parametrize("label", EXPECTED)
def test_a_form_runs_with_what_it_says(forms, label, files_of, metadata_copies):
    num_threads, said = EXPECTED[label]
    done = forms[label]
    assert done.exit_code == 0, done.text
    assert done.names() == files_of(NAME) | metadata_copies
    assert done.data_process(NAME)["output_parameters"]["n_jobs"] == num_threads
    parameters = done.parameters(NAME)
    assert {name: parameters[name] for name in said} == said
    assert done.extensions(NAME) == set(parameters["extensions"]) == THREE


def test_skipped_extensions_take_along_what_needs_them(forms, default_run):
    done = forms["--skip-extensions"]
    assert done.exit_code == 0, done.text
    assert default_run.extensions(NAME) - done.extensions(NAME) == {"spike_locations", "principal_components"}
    table = (done.results / f"units_{NAME}.csv").read_text(encoding="utf-8")
    assert "d_prime" not in table
    assert "drift_ptp" not in table
    assert "amplitude_cutoff" in table


def test_recordings_are_all_or_those_named(forms, files_of):
    assert [forms[label].exit_code for label in ("--recording twice", "all")] == [0, 0]
    over_all = {"summary.html", "units.parquet", "units.csv"}
    assert forms["--recording twice"].names() == files_of(NAME, THIRD) | over_all
    assert forms["all"].names() == files_of(NAME, SECOND, THIRD) | over_all


def test_results_are_the_same_whichever_form_said_it(forms):
    fingerprints = {
        label: forms[label].data_process(NAME)["output_parameters"]["parameters_fingerprint"]
        for label in ("--params file", "--params-file", "positional", "N_JOBS_EXT")
    }
    assert len(set(fingerprints.values())) == 1, fingerprints


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--version"], 0, [__version__]),
        (["--help"], 0, ["--skip-extensions", "precedence", "--help parameters"]),
        (["--help", "parameters"], 0, ["duplicate_threshold"]),
        (["--params", '{"waveform": 1, "sparsity": {"radius_um": "far"}}'], 2, ["waveform", "sparsity.radius_um"]),
        (["--params-file", "not there.json"], 2, ["not there.json"]),
        (["--recordings", "x"], 2, ["--recording"]),
    ],
)
def test_what_needs_no_run_is_answered_at_once(run_capsule, tmp_path, arguments, exit_code, words):
    done = run_capsule(*arguments, data=tmp_path, environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.exit_code == exit_code
    imported = re.findall(r"^import time: .*\| +(\S+)$", done.stderr, flags=re.MULTILINE)
    assert "ephys_postprocess" in imported
    assert {"numpy", "numba", "scipy", "pandas", "zarr", "spikeinterface"}.isdisjoint(imported)
    said = re.sub(r"^import time: .*\n", "", done.text, flags=re.MULTILINE)
    assert all(word in said for word in words)
    assert "Traceback" not in said
    assert done.names() == set()


@pytest.mark.parametrize(("arguments", "word"), [([], "nothing to postprocess"), (["--recording", "x"], "nothing")])
def test_an_empty_data_folder_is_the_callers_mistake(run_capsule, tmp_path, arguments, word):
    done = run_capsule(*arguments, data=tmp_path)
    assert (done.exit_code, done.names()) == (2, set())
    assert word in done.stderr


def test_an_unknown_recording_is_the_callers_mistake(run_capsule, three_recordings):
    done = run_capsule("--recording", "block0_imec1.lf", data=three_recordings)
    assert (done.exit_code, done.names()) == (2, set())
    assert SECOND in done.stderr
