"""The store of a result: SpikeInterface's layout, no pickles, links that survive being staged again."""

import json
import shutil

import numpy as np
import pytest
import spikeinterface.core as si
import zarr

from ephys_postprocess.engine.analyzer import make_analyzer
from ephys_postprocess.errors import ResultError
from ephys_postprocess.records import Table
from ephys_postprocess.results.result_store import ResultStore, recording_link, refuse_pickles


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory):
    recording, sorting = si.generate_ground_truth_recording(durations=[1.0], num_channels=4, num_units=3, seed=0)
    folder = tmp_path_factory.mktemp("capsule") / "data" / "preprocessed_x"
    recording = recording.save(folder=folder, dtype="float32", verbose=False)
    sparsity = si.ChannelSparsity(np.ones((3, 4), dtype=bool), sorting.unit_ids, recording.channel_ids)
    return make_analyzer(recording, sorting, sparsity, np.array([0, 1, 2]), return_in_uV=True)


def make_store(analyzer, folder, num_threads=1):
    folder.parent.mkdir(parents=True, exist_ok=True)
    return ResultStore(folder, analyzer, analyzer.recording, num_threads)


def test_what_is_written_is_what_spikeinterface_reads(analyzer, tmp_path):
    store = make_store(analyzer, tmp_path / "x.zarr")
    random = np.random.default_rng(0)
    values = random.normal(size=(500_000, 5)).astype(np.float32)  # more than one chunk
    store.add_extension("spike_amplitudes", {})
    store.write("spike_amplitudes", "amplitudes", values)
    store.add_extension("quality_metrics", {"metric_names": ["snr"], "metric_params": {"snr": {}}})
    store.write("quality_metrics", "metrics", Table(analyzer.unit_ids, {"snr": np.array([1.0, np.nan, 3.0])}))
    store.finish()

    opened = si.load_sorting_analyzer(tmp_path / "x.zarr")
    np.testing.assert_array_equal(opened.get_extension("spike_amplitudes").data["amplitudes"], values)
    table = opened.get_extension("quality_metrics").get_data()
    assert list(table.index) == list(analyzer.unit_ids)
    np.testing.assert_array_equal(table["snr"].to_numpy(dtype=float, na_value=np.nan), [1.0, np.nan, 3.0])


def test_bytes_do_not_depend_on_the_number_of_threads(analyzer, tmp_path):
    values = np.random.default_rng(0).normal(size=(400_000, 8))
    contents = []
    for num_threads in (1, 4):
        store = make_store(analyzer, tmp_path / f"{num_threads}.zarr", num_threads)
        store.add_extension("spike_amplitudes", {})
        store.write("spike_amplitudes", "amplitudes", values)
        folder = tmp_path / f"{num_threads}.zarr" / "extensions"
        contents.append({path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
    assert len(contents[0]) > 3


def test_python_objects_are_refused(analyzer, tmp_path):
    store = make_store(analyzer, tmp_path / "x.zarr")
    store.add_extension("spike_amplitudes", {})
    with pytest.raises(ResultError, match="Python objects"):
        store.write("spike_amplitudes", "amplitudes", np.array([{}, []], dtype=object))


def test_a_pickle_anywhere_is_found(tmp_path):
    from numcodecs import Pickle

    root = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    root.create_group("deep").create_dataset("model", data=np.array([None], dtype=object), object_codec=Pickle())
    with pytest.raises(ResultError, match="deep/model is stored as a pickle"):
        refuse_pickles(tmp_path / "x.zarr")


def test_the_recording_link_keeps_the_staged_name(analyzer, tmp_path):
    """A pipeline stages inputs as links; the next capsule stages the same names from elsewhere."""
    real = tmp_path / "elsewhere"
    shutil.copytree(analyzer.recording._kwargs["folder_path"], real / "preprocessed_x")
    staged = tmp_path / "capsule" / "data" / "preprocessed_x"
    staged.parent.mkdir(parents=True)
    staged.symlink_to(real / "preprocessed_x")
    results = tmp_path / "capsule" / "results" / "x.zarr"
    results.mkdir(parents=True)

    link = recording_link(si.BinaryFolderRecording(staged).to_dict(recursive=True), results)

    assert json.loads(json.dumps(link))["kwargs"]["folder_path"] == "../../data/preprocessed_x"
    assert si.load(link, base_folder=results).get_num_samples() > 0


def test_a_link_through_a_linked_results_folder_still_works(analyzer, tmp_path):
    data = tmp_path / "data" / "preprocessed_x"
    shutil.copytree(analyzer.recording._kwargs["folder_path"], data)
    real_results = tmp_path / "other" / "disk" / "results"
    real_results.mkdir(parents=True)
    (tmp_path / "results").symlink_to(real_results)
    folder = tmp_path / "results" / "x.zarr"
    folder.mkdir()
    link = recording_link(si.load(data).to_dict(recursive=True), folder)
    assert si.load(link, base_folder=folder).get_num_samples() > 0
