"""Waveforms are gathered before it is known which units stay: a wrong guess costs reading and changes nothing."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from end_to_end.make_inputs import duplicated, save, tiny

from ephys_postprocess.cli import main as cli
from ephys_postprocess.commands import recording as story
from ephys_postprocess.engine import duplicates
from ephys_postprocess.records import SpikeTrains

NAME = "probeA"
PARAMS = {
    "extensions": {
        "random_spikes": {"max_spikes_per_unit": 40},
        "noise_levels": {},
        "waveforms": {"ms_before": 1.5, "ms_after": 1.0},
        "templates": {},
    }
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A recording whose sorting has duplicates: some units more than will stay."""
    data = tmp_path_factory.mktemp("data")
    recording, sorting = tiny((5.0,), 8, 4)
    save(data, NAME, recording, duplicated(sorting))
    return data


@pytest.fixture
def run(data, tmp_path):
    def run_with(label, params=PARAMS):
        results = tmp_path / label
        arguments = ["--data", str(data), "--results", str(results), "--n-jobs", "2", "--no-report"]
        assert cli.main([*arguments, "--params", json.dumps(params)]) == 0
        process = json.loads((results / f"data_process_postprocessing_{NAME}.json").read_text())["output_parameters"]
        store = results / f"postprocessed_{NAME}.zarr"
        content = {path.relative_to(store): path.read_bytes() for path in store.rglob("*") if path.is_file()}
        return {stage["name"]: stage["bytes_read"] for stage in process["stages"]}, process, content

    return run_with


GUESSES = {
    "all units stay": lambda is_kept: np.ones_like(is_kept),
    "the other of each pair stays": lambda is_kept: ~is_kept,
    "no unit stays": lambda is_kept: np.zeros_like(is_kept),
    "nobody can say": lambda is_kept: None,  # noqa: ARG005
}


@pytest.mark.parametrize("guess", GUESSES)
def test_a_wrong_guess_changes_no_byte(run, monkeypatch, guess):
    bytes_read, process, content = run("right")
    assert process["num_duplicate_units_removed"] > 0
    assert bytes_read["waveforms"] == 0 < bytes_read["gather_windows"]
    expected = story.expected_to_stay
    monkeypatch.setattr(story, "expected_to_stay", lambda *arguments: GUESSES[guess](expected(*arguments)))
    bytes_read_then, _, content_then = run("wrong")
    assert bytes_read_then["waveforms"] > 0
    assert content_then == content


def test_without_a_search_for_duplicates_no_window_is_read_for_it(run):
    with_search, _, _ = run("with")
    without, process, _ = run("without", PARAMS | {"duplicate_threshold": None})
    assert process["num_duplicate_units_removed"] == 0
    assert without["waveforms"] == 0 < without["gather_windows"]
    assert with_search["gather_windows"] > 0


def test_where_nobody_wants_waveforms_templates_are_found_all_the_same(run):
    bytes_read, process, _ = run("none", {"extensions": {"noise_levels": {}}})
    assert process["num_duplicate_units_removed"] > 0
    assert bytes_read["gather_windows"] > 0
    assert "waveforms" not in bytes_read


def test_without_peaks_nobody_can_say_which_of_two_duplicates_stays():
    samples = np.sort(np.random.default_rng(0).choice(200_000, 300, replace=False))
    samples, unit_indices = np.repeat(samples, 2), np.tile([0, 1], 300)
    zeros = np.zeros(600, dtype=np.int64)
    alike = SpikeTrains(samples, unit_indices, zeros, 2, (200_000,), 30_000.0)
    apart = SpikeTrains(samples, np.repeat([0, 1], 300), zeros, 2, (200_000,), 30_000.0)
    peaks = (np.zeros(2, dtype=np.int64), np.array([50.0, 60.0]))

    def expected(spikes, *given):
        return duplicates.expected_to_stay(SimpleNamespace(spikes=spikes, num_threads=1), *given)

    assert expected(alike, None, 0.9) is None
    assert expected(alike, peaks, 0.9).tolist() == [False, True]
    # a sample of shift is within what noise does to a rough template; two samples are not
    assert expected(alike, (np.array([0, -1]), peaks[1]), 0.9).tolist() == [False, True]
    assert expected(alike, (np.array([0, -2]), peaks[1]), 0.9).tolist() == [True, False]
    assert expected(alike, None, None).tolist() == [True, True]
    assert expected(apart, None, 0.9).tolist() == [True, True]
