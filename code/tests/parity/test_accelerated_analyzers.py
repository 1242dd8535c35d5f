"""What `accelerate.compute` takes, and what it leaves in an analyzer of each format."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import spikeinterface.core as si
import zarr

from ephys_postprocess.accelerate import compute
from ephys_postprocess.engine import extensions
from ephys_postprocess.errors import ParameterError

FIRST = {"random_spikes": {"max_spikes_per_unit": 20, "seed": 0}, "waveforms": {}, "templates": {}}
FOLDERS = {"binary_folder": "analyzer", "zarr": "analyzer.zarr"}
MOST = {**FIRST, "noise_levels": {}, "spike_amplitudes": {}, "principal_components": {}, "quality_metrics": {}}


@pytest.fixture(scope="module")
def inputs():
    recording, sorting = si.generate_ground_truth_recording(
        durations=[4.0], num_channels=6, num_units=4, seed=1, sampling_frequency=10_000.0
    )
    return recording.save(format="memory", verbose=False), sorting


def make_analyzer(inputs, **where):
    recording, sorting = inputs
    return si.create_sorting_analyzer(sorting, recording, sparse=True, seed=0, **where)


def folder_analyzer(inputs, tmp_path, format_name):
    return make_analyzer(inputs, format=format_name, folder=tmp_path / FOLDERS[format_name])


@pytest.mark.parametrize("format_name", ["memory", "binary_folder", "zarr"])
def test_arrays_outlive_the_analyzer_and_its_folder(inputs, format_name, tmp_path):
    """Stock closes maps of files when an extension goes: whoever still holds such an array crashes on reading it."""
    analyzer = folder_analyzer(inputs, tmp_path, format_name) if format_name in FOLDERS else make_analyzer(inputs)
    compute(analyzer, MOST, n_jobs=1)
    arrays = [
        (name, key, value)
        for name in MOST
        for key, value in analyzer.get_extension(name).data.items()
        if not key.startswith("pca_model_by") and not hasattr(value, "columns")
    ]
    assert {type(value) for _, _, value in arrays} == {np.ndarray}
    before = {(name, key): value.tobytes() for name, key, value in arrays}
    for name in MOST:
        analyzer.delete_extension(name)
    del analyzer
    shutil.rmtree(tmp_path)
    assert {(name, key): value.tobytes() for name, key, value in arrays} == before


@pytest.mark.parametrize(("format_name", "kind"), [("zarr", zarr.Array), ("binary_folder", np.ndarray)])
def test_a_lazily_opened_analyzer_is_filled(inputs, format_name, kind, tmp_path):
    """Large arrays stay in a zarr store; those of a folder are in memory, where nobody can close them."""
    compute(folder_analyzer(inputs, tmp_path, format_name), FIRST, n_jobs=1)
    analyzer = si.load_sorting_analyzer(tmp_path / FOLDERS[format_name], lazy=True)
    analyzer.set_temporary_recording(inputs[0])
    compute(analyzer, "templates", n_jobs=1)  # from the waveforms that are stored
    compute(analyzer, FIRST, n_jobs=1)
    assert type(analyzer.get_extension("waveforms").data["waveforms"]) is kind
    expected = make_analyzer(inputs)
    compute(expected, FIRST, n_jobs=1)
    for name in ("waveforms", "templates"):
        for key, value in expected.get_extension(name).data.items():
            np.testing.assert_array_equal(np.asarray(analyzer.get_extension(name).data[key]), value)


@pytest.mark.parametrize("format_name", ["binary_folder", "zarr"])
def test_without_save_the_folder_stays_as_it_is(inputs, format_name, tmp_path):
    analyzer = folder_analyzer(inputs, tmp_path, format_name)
    before = sorted(tmp_path.rglob("*"))
    compute(analyzer, FIRST, save=False, n_jobs=1)
    assert sorted(tmp_path.rglob("*")) == before
    assert set(analyzer.extensions) == set(FIRST)


@pytest.mark.parametrize("format_name", ["memory", "binary_folder", "zarr"])
def test_what_fails_half_way_leaves_nothing(inputs, format_name, tmp_path, monkeypatch):
    analyzer = folder_analyzer(inputs, tmp_path, format_name) if format_name in FOLDERS else make_analyzer(inputs)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(extensions, "compute_packed_templates", full)
    with pytest.raises(OSError, match="No space"):
        compute(analyzer, FIRST, n_jobs=1)
    assert set(analyzer.extensions) == {"random_spikes", "waveforms"}
    saved = analyzer.get_saved_extension_names() if format_name in FOLDERS else analyzer.extensions
    assert set(saved) == {"random_spikes", "waveforms"}
    assert not list(tmp_path.rglob("templates"))


ALONE = """
import spikeinterface.core as si
from ephys_postprocess.accelerate import compute
recording, sorting = si.generate_ground_truth_recording(durations=[2.0], num_channels=4, num_units=2, seed=1)
analyzer = si.create_sorting_analyzer(sorting, recording, sparse=False)
compute(analyzer, "acgs_3d", n_jobs=1)
print(analyzer.get_extension("acgs_3d").get_data()[0].shape)
"""


def test_an_extension_outside_spikeinterfaces_table_is_computed_alone():
    """In an interpreter of its own: elsewhere another extension has imported its module."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(2, ")


def test_locations_of_some_units_in_their_order(inputs):
    analyzer = make_analyzer(inputs)
    compute(analyzer, FIRST, n_jobs=1)
    compute(analyzer, "unit_locations", method="center_of_mass", n_jobs=1)
    everywhere = analyzer.get_extension("unit_locations").get_data()
    compute(analyzer, "unit_locations", method="center_of_mass", unit_ids=analyzer.unit_ids[[3, 1]], n_jobs=1)
    np.testing.assert_array_equal(analyzer.get_extension("unit_locations").get_data(), everywhere[[3, 1]])


def test_all_that_stock_takes_is_taken(inputs):
    analyzer = make_analyzer(inputs)
    jobs = {"n_jobs": 0.5, "chunk_size": 5_000, "progress_bar": True, "mp_context": "spawn", "pool_engine": "process"}
    compute(analyzer, ["random_spikes", "waveforms"], extension_params={"waveforms": {"ms_before": 0.5}}, **jobs)
    assert analyzer.get_extension("waveforms").params["ms_before"] == 0.5
    compute(analyzer, "waveforms", ms_before=1.5, chunk_duration="200ms", verbose=True)
    assert analyzer.get_extension("waveforms").params["ms_before"] == 1.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"extensions": ["random_spikes"], "max_spikes_per_unit": 3}, r"max_spikes_per_unit: unknown argument"),
        ({"extensions": ["random_spikes"], "extension_params": {"waveforms": {}}}, r"waveforms are not among"),
        ({"extensions": "random_spikes", "n_jobs": "many"}, r"n_jobs"),
        ({"extensions": "random_spikes", "chunk_duration": "soon"}, r"chunk_duration"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(inputs, arguments, message):
    analyzer = make_analyzer(inputs)
    with pytest.raises(ParameterError, match=message):
        compute(analyzer, **arguments)
    assert not analyzer.extensions


def test_without_a_seed_it_is_the_same_every_time(inputs):
    drawn = {"noise_levels": {}, "random_spikes": {"max_spikes_per_unit": 5}, "templates": {}, "spike_locations": {}}
    drawn["spike_locations"] = {"method": "grid_convolution", "method_kwargs": {"n_peaks": 50}}
    found = []
    for _ in range(2):
        analyzer = make_analyzer(inputs)
        compute(analyzer, drawn, n_jobs=1)
        found.append([analyzer.get_extension(name).get_data().tobytes() for name in drawn])
    assert found[0] == found[1]
