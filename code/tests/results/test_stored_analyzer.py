"""Results that somebody else made: whatever they name or hold, nothing of it is called or unpickled."""

import contextlib
import json
import os
import pickle
import shutil

import numcodecs
import numpy as np
import pytest
import spikeinterface.core as si
import zarr
from spikeinterface.core.core_tools import check_json

from ephys_postprocess.errors import InputError, ResultError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.phy.folder import PhyFolder
from ephys_postprocess.results.analyzer_tables import unit_columns
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.finished_result import FinishedResult, open_result
from ephys_postprocess.results.stored_extensions import StoredExtensions

NAMES = {"zarr": "postprocessed_it.zarr", "binary_folder": "postprocessed_it"}


class Trap:
    """Unpickling it leaves a mark."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture(scope="module")
def stock_results(tmp_path_factory):
    """Two results of stock SpikeInterface, a store and a folder, and beside them the recording they refer to."""
    folder = tmp_path_factory.mktemp("stock")
    recording, sorting = si.generate_ground_truth_recording(durations=[1.0], num_channels=4, num_units=3, seed=0)
    recording = recording.save(folder=folder / "recording", verbose=False)
    for format_name, name in NAMES.items():
        analyzer = si.create_sorting_analyzer(sorting, recording, format=format_name, folder=folder / name)
        extensions = ["random_spikes", "noise_levels", "templates", "unit_locations", "spike_amplitudes"]
        analyzer.compute(extensions, verbose=False)
        analyzer.compute({"quality_metrics": {"metric_names": ["snr", "num_spikes"]}}, verbose=False)
    return folder


@pytest.fixture
def results(stock_results, tmp_path):
    return shutil.copytree(stock_results, tmp_path / "results")


@pytest.fixture(params=sorted(NAMES))
def result(request, results):
    return results / NAMES[request.param]


def set_recording(result, described):
    """Have a result refer to another recording."""
    if result.suffix != ".zarr":
        (result / "recording.json").write_text(json.dumps(described))
        return
    root = zarr.open(str(result), mode="r+")
    del root["recording"]
    holder = np.empty(1, dtype=object)
    holder[0] = described
    root.create_dataset("recording", data=holder, object_codec=numcodecs.JSON(), compressor=None)
    zarr.consolidate_metadata(str(result))


def traces_of(result, *given_folders):
    return FinishedResult(result).reachable_traces(list(given_folders) or [result.parent], Consent())


def test_a_stock_result_reads_as_spikeinterface_reads_it(result):
    stock, ours = si.load(result), open_result(result)
    assert not ours.has_recording()
    np.testing.assert_array_equal(ours.sorting.to_spike_vector(), stock.sorting.to_spike_vector())
    np.testing.assert_array_equal(ours.sparsity.mask, stock.sparsity.mask)
    np.testing.assert_array_equal(ours.get_main_channels(), stock.get_main_channels())
    np.testing.assert_array_equal(ours.get_channel_locations(), stock.get_channel_locations())
    np.testing.assert_array_equal(ours.channel_ids, stock.channel_ids)
    assert (ours.return_in_uV, ours.peak_sign, ours.peak_mode) == (stock.return_in_uV, stock.peak_sign, stock.peak_mode)
    extensions = StoredExtensions(ours)
    average = stock.get_extension("templates").data["average"]
    np.testing.assert_array_equal(np.asarray(extensions.array("templates", "average")[:]), average)
    metrics = stock.get_extension("quality_metrics").data["metrics"]
    columns = unit_columns(ours)
    np.testing.assert_allclose(columns["snr"], metrics["snr"].to_numpy(dtype=float), rtol=1e-12)  # text in a .csv
    assert columns["num_spikes"] == metrics["num_spikes"].tolist()
    np.testing.assert_array_equal(
        np.c_[columns["x_um"], columns["y_um"]], stock.get_extension("unit_locations").data["unit_locations"][:, :2]
    )


def test_the_traces_of_its_own_recording_are_read(result):
    traces = traces_of(result)
    expected = si.load(result.parent / "recording").get_traces(start_frame=3, end_frame=9)
    np.testing.assert_array_equal(traces.read(0, 3, 9), expected)


def test_a_foreign_class_is_not_called(result, tmp_path, caplog):
    trap = tmp_path / "trap"
    common = {"module": "x", "version": "1", "annotations": {}, "properties": {}}
    set_recording(result, {"class": "subprocess.Popen", "kwargs": {"args": ["touch", str(trap)]}, **common})
    assert traces_of(result) is None
    assert "subprocess.Popen" in caplog.text
    assert not trap.exists()


def test_a_recording_elsewhere_is_read_only_where_its_folder_is_given(result, tmp_path, caplog):
    elsewhere = tmp_path / "elsewhere"
    (result.parent / "recording").rename(elsewhere)
    described = si.load(elsewhere).to_dict(recursive=True)
    set_recording(result, check_json(described))
    assert traces_of(result) is None
    assert f"outside {result.parent}" in caplog.text
    assert traces_of(result, result.parent, elsewhere) is not None


def test_another_recording_is_not_taken_for_its_own(result, caplog):
    recording, _ = si.generate_ground_truth_recording(durations=[0.5], num_channels=6, num_units=2, seed=1)
    recording.save(folder=result.parent / "other", verbose=False)
    described = si.load(result.parent / "other").to_dict(recursive=True)
    set_recording(result, check_json(described))
    assert traces_of(result) is None
    assert "not the one it was made from" in caplog.text


def test_no_pickle_beside_the_arrays_of_a_folder_is_opened(results, tmp_path):
    result, trap = results / NAMES["binary_folder"], tmp_path / "trap"
    (result / "recording.json").unlink()
    for file in ("recording.pickle", "recording.pkl", "extensions/quality_metrics/extra.pkl", "sorting/provenance.pkl"):
        (result / file).write_bytes(pickle.dumps(Trap(trap)))
    np.save(result / "extensions" / "templates" / "std.npy", np.array([Trap(trap)], dtype=object), allow_pickle=True)
    assert traces_of(result) is None
    analyzer = open_result(result)
    unit_columns(analyzer)
    with pytest.raises(InputError, match="a pickle, which can run any code"):
        StoredExtensions(analyzer).array("templates", "std")
    with pytest.raises(InputError, match="may hold pickles"):
        analyzer.get_extension("quality_metrics")
    assert not trap.exists()


def test_pickled_properties_of_a_folder_are_left_out_and_pickled_masks_refused(results, tmp_path, caplog):
    result, trap = results / NAMES["binary_folder"], tmp_path / "trap"
    evil = np.array([Trap(trap)] * 3, dtype=object)
    np.save(result / "sorting" / "properties" / "extra.npy", evil, allow_pickle=True)
    assert "extra" not in open_result(result).sorting.get_property_keys()
    assert "extra.npy was left out" in caplog.text
    np.save(result / "sparsity_mask.npy", evil, allow_pickle=True)
    with pytest.raises(InputError, match="pickle"):
        open_result(result)
    assert not trap.exists()


@pytest.mark.parametrize("place", ["extensions/templates", "recording", "sorting/properties", "sparsity"])
def test_no_pickled_array_of_a_store_is_decoded(results, tmp_path, place):
    result, trap = results / NAMES["zarr"], tmp_path / "trap"
    root = zarr.open(str(result), mode="r+")
    evil = np.array([Trap(trap)] * 3, dtype=object)
    if place in root and isinstance(root[place], zarr.Array):
        del root[place]
    group, name = (root, {"sparsity": "sparsity_mask"}.get(place, place))
    if "/" in place:
        group, name = root[place], "extra"
    if name in group:
        del group[name]
    group.create_dataset(name, data=evil, object_codec=numcodecs.Pickle())
    zarr.consolidate_metadata(str(result))
    if place == "sparsity":
        with pytest.raises(InputError, match="pickled objects"):
            open_result(result)
    else:
        assert (traces_of(result) is None) == (place == "recording")
        unit_columns(open_result(result))
        if place == "extensions/templates":
            with pytest.raises(InputError, match="a pickle, which can run any code"):
                StoredExtensions(open_result(result)).array("templates", "extra")
    assert not trap.exists()


def test_a_store_of_an_old_version_is_not_written_to(results):
    result = results / NAMES["zarr"]
    root = zarr.open(str(result), mode="r+")
    root.attrs["spikeinterface_info"] = {**root.attrs["spikeinterface_info"], "version": "0.101.0"}
    (result / ".zmetadata").unlink()
    before = sorted(path.relative_to(result) for path in result.rglob("*"))
    open_result(result)
    assert sorted(path.relative_to(result) for path in result.rglob("*")) == before


@pytest.mark.parametrize("value", [-1, 10**9])
def test_spikes_outside_the_recording_are_refused(results, value):
    result = results / NAMES["zarr"]
    root = zarr.open(str(result), mode="r+")
    root["sorting/spikes/sample_index"][-1] = value
    with pytest.raises(InputError, match=r"its spikes are not in order|before the recording's start"):
        open_result(result)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"3", b'{"class": 3}', b'{"class": "a.B", "kwargs": []}'])
def test_a_broken_description_of_the_recording_is_told(results, content, caplog):
    result = results / NAMES["binary_folder"]
    (result / "recording.json").write_bytes(content)
    assert traces_of(result) is None
    assert caplog.text


def test_a_pipe_in_place_of_anything_is_not_waited_for(result):
    for name in ("sorting/spikes/sample_index/0", "recording_info/recording_attributes.json", "settings.json"):
        if (result / name).is_file():
            content = (result / name).read_bytes()
            (result / name).unlink()
            os.mkfifo(result / name)
            with pytest.raises(InputError, match="but a pipe"):
                open_result(result)
            (result / name).unlink()
            (result / name).write_bytes(content)
    open_result(result)


# ---- hidden working names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["building", "replaced", "staging", "ready", "lock"])
def test_a_link_under_a_working_name_is_refused_and_left(tmp_path, name):
    files, target = ResultFiles(tmp_path / "r", "x"), tmp_path / "target"
    files.folder.mkdir()
    target.mkdir()
    (target / "mine").write_text("mine")
    getattr(files, name).symlink_to(target)
    with pytest.raises(ResultError, match=r"is a link\. Names that begin with a dot"), files.held():
        pass
    assert [path.name for path in target.iterdir()] == ["mine"]
    assert getattr(files, name).is_symlink()


@pytest.mark.parametrize("name", ["building", "replaced", "lock"])
def test_the_same_for_phy(tmp_path, name):
    folder, target = PhyFolder(tmp_path / "phy"), tmp_path / "target"
    target.write_text("mine")
    getattr(folder, name).symlink_to(target)
    with pytest.raises(ResultError, match="is a link"), folder.written({}):
        pass
    assert target.read_text() == "mine"


@pytest.mark.parametrize("name", [".report.building", ".postprocessing-report_it.html.building"])
def test_the_same_for_a_report(results, tmp_path, name):
    from ephys_postprocess.commands.report import remake_report

    target = tmp_path / "target"
    target.write_text("mine")
    (results / name).symlink_to(target)
    with contextlib.suppress(ResultError):
        assert remake_report(results / NAMES["zarr"], results, 1) == 1
    assert target.read_text() == "mine"


def test_the_same_for_the_table_of_all_units(tmp_path):
    import pyarrow as pa

    from ephys_postprocess.results.all_units import write_all_units

    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / ".units.csv.building").symlink_to(target)
    with pytest.raises(ResultError, match="is a link"):
        write_all_units(tmp_path, pa.table({"unit_id": ["1"]}))
    assert target.read_text() == "mine"
