"""Parameter files of every era load, keep their meaning, and say what was renamed or dropped."""

import json
from pathlib import Path

import pytest

from ephys_postprocess.parameters.document import Parameters, load_parameters
from ephys_postprocess.parameters.era_table import DROPPED, RENAMED
from ephys_postprocess.parameters.problems import section_at

ERAS = Path(__file__).parents[1] / "eras"


def load(name):
    return load_parameters(json.loads((ERAS / f"{name}.json").read_text(encoding="utf-8")), name)


@pytest.mark.parametrize("path", sorted(ERAS.glob("*.json")), ids=lambda path: path.stem)
def test_every_era_loads_and_repeats_itself(path):
    loaded = load(path.stem)
    again = load_parameters(loaded.parameters.arguments() | {"quality_metrics": {}})
    assert again.parameters.fingerprint() == loaded.parameters.fingerprint()


def test_seed_file_means_the_defaults():
    loaded = load("seed")
    expected = {"noise_cutoff", "sd_ratio"}  # asked for downstream today, not yet in the seed
    assert (
        set(Parameters().quality_metrics.metric_names) - set(loaded.parameters.quality_metrics.metric_names) == expected
    )
    assert loaded.parameters.differences_from_defaults() == [
        "extensions.quality_metrics.metric_names: without noise_cutoff, sd_ratio"
    ]
    assert loaded.job_kwargs.progress_bar is False


def test_each_key_of_the_seed_has_an_effect_or_is_named():
    warnings = load("seed").warnings
    without_successor = [line for line in warnings if line.startswith("Without successor")]
    assert len(without_successor) == 1
    for name in (
        "postprocessing.waveforms_deduplicate",
        "postprocessing.waveforms.use_relative_path",
        "postprocessing.spike_amplitudes.peak_sign",
        "postprocessing.spike_amplitudes.return_scaled",
        "postprocessing.spike_amplitudes.outputs",
        "postprocessing.template_metrics.sparsity",
        "quality_metrics.snr.peak_sign",
        "quality_metrics.snr.random_chunk_kwargs_dict",
        "quality_metrics.amplitude_cutoff.peak_sign",
        "quality_metrics.amplitude_median.peak_sign",
        "quality_metrics.synchrony.synchrony_sizes",
    ):
        assert name in without_successor[0]
    assert "Renamed: postprocessing.isis → isi_histograms." in warnings
    assert 'Read as: quality_metrics.silhouette.method: ["simplified"] → "simplified".' in warnings
    assert "Parameters of metrics that are not asked for, without effect: nn_advanced." in warnings


def changed(document, name, value):
    """A copy of the document with one dotted name set."""
    copy = json.loads(json.dumps(document))
    section = copy
    *parents, last = name.split(".")
    for parent in parents:
        section = section[parent]
    section[last] = value
    return copy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sparsity.radius_um", 50),
        ("postprocessing.duplicate_threshold", 0.5),
        ("postprocessing.waveforms.max_spikes_per_unit", 5),
        ("postprocessing.waveforms.precompute_template", ["average"]),
        ("postprocessing.waveforms.return_scaled", False),
        ("postprocessing.waveforms.dtype", "float32"),
        ("postprocessing.similarity.method", "l1"),
        ("postprocessing.correlograms.bin_ms", 2),
        ("postprocessing.isis.bin_ms", 2),
        ("postprocessing.unit_locations.method", "center_of_mass"),
        ("postprocessing.spike_locations.method", "center_of_mass"),
        ("postprocessing.template_metrics.upsampling_factor", 5),
        ("postprocessing.principal_components.n_components", 3),
        ("quality_metrics_names", ["snr"]),
        ("quality_metrics.presence_ratio.bin_duration_s", 30),
        ("quality_metrics.snr.peak_mode", "peak_to_peak"),
        ("quality_metrics.snr.random_chunk_kwargs_dict", {"chunk_size": 500}),
        ("quality_metrics.silhouette.method", ["full"]),
        ("quality_metrics.nearest_neighbor.n_neighbors", 6),
    ],
)
def test_keys_of_the_seed_have_their_effect(name, value):
    seed = json.loads((ERAS / "seed.json").read_text(encoding="utf-8"))
    before = load_parameters(seed).parameters.fingerprint()
    assert load_parameters(changed(seed, name, value)).parameters.fingerprint() != before


def test_era_a():
    parameters = load("era_a").parameters
    extensions = parameters.extensions
    assert parameters.duplicate_threshold == 0.8
    assert extensions["random_spikes"]["max_spikes_per_unit"] == 300
    assert extensions["unit_locations"] == {"method": "center_of_mass"}
    assert extensions["noise_levels"]["random_slices_kwargs"]["seed"] == 7
    assert extensions["template_metrics"]["metric_params"]["velocity_fits"]["min_r2"] == 0.3
    assert extensions["quality_metrics"]["metric_params"]["nn_advanced"]["max_spikes"] == 10000


def test_era_b():
    parameters = load("era_b").parameters
    assert parameters.return_in_uV is False
    assert parameters.extensions["noise_levels"]["random_slices_kwargs"]["chunk_size"] == 8000
    assert parameters.extensions["random_spikes"]["seed"] == 0


def test_era_c_and_d():
    assert load("era_c").parameters.extensions["template_similarity"]["method"] == "l1"
    metrics = load("era_d").parameters.extensions["quality_metrics"]
    assert metrics["metric_params"]["nn_advanced"] == {
        **Parameters().quality_metrics.metric_params["nn_advanced"],
        "max_spikes": 2000,
    }


def test_era_e():
    parameters = load("era_e").parameters
    assert parameters.use_motion_corrected is True
    assert parameters.duplicate_threshold is None
    assert parameters.extensions["quality_metrics"]["metric_params"]["nearest_neighbor"]["n_neighbors"] == 5


def test_era_e_lists_of_extensions():
    assert "waveforms" not in load("era_e_custom").parameters.extensions
    assert load("era_e_custom").parameters.quality_metrics is None
    assert load("era_e_custom").parameters.extensions["templates"]["ms_before"] == 2.0
    assert set(load("era_e_transient").parameters.extensions) == {
        *("random_spikes", "noise_levels", "waveforms", "templates", "spike_amplitudes"),
        *("unit_locations", "correlograms"),
    }


def test_era_f_needs_no_renaming():
    spelling, seeds = load("era_f").warnings
    assert spelling.startswith("Read as: extensions.quality_metrics.metric_params.silhouette.method")
    assert seeds.startswith("Seed null means the default seed")


def test_a_whole_pipeline_file_is_understood():
    document = {
        "pipeline_version": "1.3.1",
        "preprocessing": {"filter_type": "highpass"},
        "postprocessing": json.loads((ERAS / "era_e_custom.json").read_text(encoding="utf-8")),
    }
    loaded = load_parameters(document)
    assert loaded.parameters == load("era_e_custom").parameters
    assert any("other steps: pipeline_version, preprocessing" in line for line in loaded.warnings)


def test_flags_merged_into_the_document():
    loaded = load_parameters({"n_jobs": "8", "skip_extensions": "spike_locations,principal_components"})
    assert loaded.flags == {"n_jobs": "8"}
    assert "spike_locations" not in loaded.parameters.extensions


@pytest.mark.parametrize("names", [["isolation_distance", "l_ratio"], "isolation_distance, l_ratio", ["mahalanobis"]])
def test_merged_metric_names(names):
    loaded = load_parameters({"quality_metrics_names": names})
    assert loaded.parameters.quality_metrics.metric_names == ("mahalanobis",)


def test_the_table_points_at_what_exists():
    for old, (new, _) in RENAMED.items():
        section = section_at(Parameters, new[:-1])
        assert section is not None, new
        assert new[-1] in section.model_fields, new
        assert old not in DROPPED
