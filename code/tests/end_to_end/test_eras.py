"""The seed's parameter file, word for word, and one of each era since: each in a run of its own."""

import json
from pathlib import Path

import pytest
from end_to_end.make_inputs import NAME

ERAS = Path(__file__).parent.parent / "eras"
FULL = {
    *("random_spikes", "noise_levels", "waveforms", "templates", "spike_amplitudes", "unit_locations"),
    *("spike_locations", "template_similarity", "template_metrics", "principal_components", "correlograms"),
    *("isi_histograms", "quality_metrics"),
}
TODAY = {"amplitude_scalings", "valid_unit_periods"}
CUSTOM = {"random_spikes", "noise_levels", "templates", "spike_amplitudes", "unit_locations"}
# What the file asks for, and an extension's parameter that shows that it was heard.
EXPECTED = {
    "seed": (FULL, ("waveforms", "ms_before", 3.0)),
    "era_a": (FULL, ("waveforms", "ms_after", 3.5)),
    "era_b": (FULL, ("random_spikes", "max_spikes_per_unit", 400)),
    "era_c": (FULL, ("template_similarity", "method", "l1")),
    "era_d": (FULL | TODAY, ("template_similarity", "method", "cosine")),
    "era_e": (FULL, ("waveforms", "ms_before", 2.0)),
    "era_e_transient": (CUSTOM | {"waveforms", "correlograms"}, ("waveforms", "ms_after", 3.0)),
    "era_e_custom": (CUSTOM, ("templates", "ms_after", 3.0)),
    "era_f": (FULL, ("correlograms", "window_ms", 50.0)),
}


@pytest.fixture(scope="module")
def runs(run_capsules, tiny_data):
    return run_capsules({era: {"arguments": ["--params", ERAS / f"{era}.json"], "data": tiny_data} for era in EXPECTED})


def test_every_file_is_run():
    assert {path.stem for path in ERAS.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("era", EXPECTED)
def test_an_era_runs_and_is_heard(runs, era, files_of, metadata_copies):
    extensions, (extension, parameter, value) = EXPECTED[era]
    done = runs[era]
    assert done.exit_code == 0, done.text
    assert done.names() == files_of(NAME) | metadata_copies
    assert done.extensions(NAME) >= extensions
    assert done.extensions(NAME) <= extensions | TODAY
    assert done.params_of(NAME, extension)[parameter] == value


@pytest.mark.parametrize("era", ["seed", "era_a", "era_b", "era_c", "era_d", "era_e", "era_f"])
def test_the_metrics_asked_for_are_in_the_table(runs, era):
    document = json.loads((ERAS / f"{era}.json").read_text(encoding="utf-8"))
    nested = document.get("extensions", document).get("quality_metrics", {})
    asked = document.get("quality_metrics_names") or nested.get("metric_names")
    header = (runs[era].results / f"units_{NAME}.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    columns = {"isi_violation": "isi_violations_ratio", "snr": "snr", "presence_ratio": "presence_ratio"}
    columns |= {"nearest_neighbor": "nn_hit_rate", "isolation_distance": "isolation_distance", "drift": "drift_ptp"}
    wanted = {columns[name] for name in asked if name in columns}
    assert wanted
    assert wanted <= set(header)


def test_the_seeds_keys_without_successor_are_named_once(runs):
    assert runs["seed"].text.count("Without successor") == 1


def test_motion_correction_as_text_is_heard(runs):
    assert runs["era_e"].parameters(NAME)["use_motion_corrected"] is True
    assert any("motion" in note for note in runs["era_e"].data_process(NAME)["output_parameters"]["notes"])
