"""The folder for phy: its files from arrays, where it may be written, and what phylib makes of it."""

import json
import logging
import os

import numpy as np
import pytest
import spikeinterface as si
from reference.phy_folder import cluster_column, dense_templates, features_by_channel
from spikeinterface.exporters import export_to_phy
from spikeinterface.extractors import read_phy

from ephys_postprocess.accelerate import compute
from ephys_postprocess.cli import main as cli
from ephys_postprocess.commands.export_phy import check_phy_folders, export_result
from ephys_postprocess.errors import InputError, ResultError
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.stage_log import StageLog
from ephys_postprocess.phy import files as phy_export
from ephys_postprocess.phy.folder import MARKER, PhyFolder, folders_of_recordings
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.results.pca_models import restore_pca_models

ONE_JOB = {"n_jobs": 1, "progress_bar": False}
EXTENSIONS = {
    "random_spikes": {"max_spikes_per_unit": 40},
    "waveforms": {"ms_before": 1.0, "ms_after": 1.5},
    "templates": {},
    "noise_levels": {},
    "principal_components": {"n_components": 3, "mode": "by_channel_local"},
    "spike_amplitudes": {},
    "unit_locations": {"method": "center_of_mass"},
    "template_similarity": {"method": "l1"},
    "quality_metrics": {"metric_names": ["snr", "firing_rate", "presence_ratio"]},
}


def make_result(folder, gain=0.5, durations=(6.0,), num_units=5, unit_ids=None, is_binary=True, **wanted):
    """A finished result of a generated recording in `folder`, and its analyzer."""
    recording, sorting = si.generate_ground_truth_recording(
        durations=durations, num_channels=8, num_units=num_units, dtype="float32", seed=1
    )
    traces = [np.round(recording.get_traces(index) / gain).astype(np.int16) for index in range(len(durations))]
    counts = si.NumpyRecording(traces, recording.sampling_frequency, channel_ids=recording.channel_ids)
    counts.set_probe(recording.get_probe())
    counts.set_channel_gains(gain)
    counts.set_channel_offsets(0.0)
    counts.annotate(is_filtered=True)
    if is_binary:
        counts = counts.save(folder=folder / "recording", progress_bar=False)
    else:
        counts = counts.save(folder=folder / "recording.zarr", format="zarr", progress_bar=False)
    if unit_ids is not None:
        sorting = sorting.rename_units(unit_ids)
    sorting.set_property("KSLabel", np.array(["good", "mua"] * num_units)[:num_units])
    nearest = {"method": "closest_channels", "num_channels": 4}
    analyzer = si.create_sorting_analyzer(sorting, counts, format="memory", sparsity_kwargs=nearest)
    compute(analyzer, EXTENSIONS | wanted, n_jobs=1)
    stored = analyzer.save_as(format="zarr", folder=folder / "postprocessed_made.zarr")
    return folder / "postprocessed_made.zarr", stored


def export(result, folder, **choices):
    export_result(result, PhyFolder(folder), Execution(**choices), StageLog("made", "off"))
    return folder


@pytest.fixture(scope="module")
def load_model():
    return pytest.importorskip("phylib.io.model").load_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    result, analyzer = make_result(folder, unit_ids=[3, 5, 7, 11, 13])
    return export(result, folder / "phy"), analyzer, result


def projected_by_sklearn(analyzer, rows):
    """What the restored scikit-learn models make of the snippets in µV: {(row, channel): components}."""
    restore_pca_models(analyzer)
    models = analyzer.get_extension("principal_components").get_pca_model()
    waveforms, recording = analyzer.get_extension("waveforms"), analyzer.recording
    spikes, projections = analyzer.sorting.to_spike_vector(), {}
    for row in rows:
        start, segment = spikes["sample_index"][row] - waveforms.nbefore, spikes["segment_index"][row]
        stop = spikes["sample_index"][row] + waveforms.nafter
        if start < 0 or stop > recording.get_num_samples(segment):
            continue
        snippet = recording.get_traces(segment, start, stop, return_in_uV=True)
        for channel in np.flatnonzero(analyzer.sparsity.mask[spikes["unit_index"][row]]):
            projections[row, channel] = models[channel].transform(snippet[None, :, channel])[0]
    return projections


def test_phylib_loads_it_with_the_right_components_of_every_spike(exported, load_model):
    folder, analyzer, _ = exported
    model = load_model(folder / "params.py")
    spikes = analyzer.sorting.to_spike_vector()
    assert model.n_spikes == spikes.size
    assert model.n_templates == 5
    np.testing.assert_array_equal(model.spike_samples, spikes["sample_index"])
    np.testing.assert_array_equal(model.spike_clusters, spikes["unit_index"])
    np.testing.assert_allclose(model.amplitudes, analyzer.get_extension("spike_amplitudes").get_data())
    np.testing.assert_allclose(model.similar_templates, analyzer.get_extension("template_similarity").get_data(), 1e-6)
    expected = projected_by_sklearn(analyzer, range(spikes.size))
    features = model.get_features(np.arange(spikes.size), np.arange(8))
    assert len(expected) > 4 * 0.95 * spikes.size
    for (row, channel), components in expected.items():
        # float32, of sums of both signs
        np.testing.assert_allclose(features[row, channel], components, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(np.nan_to_num(features_by_channel(folder, 8)), features.transpose(0, 2, 1))


def test_phylib_reads_the_raw_traces_and_finds_each_main_channel(exported, load_model):
    folder, analyzer, _ = exported
    model = load_model(folder / "params.py")
    np.testing.assert_array_equal(model.traces[100:130], analyzer.recording.get_traces(0, 100, 130))
    largest = np.ptp(analyzer.get_extension("templates").get_templates(), axis=1).argmax(axis=1)
    np.testing.assert_array_equal(model.templates_channels, largest)
    assert [model.get_template(template).best_channel for template in range(5)] == largest.tolist()
    np.testing.assert_allclose(model.channel_positions, analyzer.get_channel_locations())
    assert "'../recording/" in (folder / "params.py").read_text()  # both may be moved together


def test_columns_show_each_metric_by_cluster(exported, load_model):
    folder, analyzer, _ = exported
    metadata = load_model(folder / "params.py").metadata
    metrics = analyzer.get_extension("quality_metrics").get_data()
    for name in metrics.columns:
        values = {row: value for row, value in enumerate(metrics[name]) if np.isfinite(value)}
        assert metadata.get(name, {}) == pytest.approx(values)
    assert metadata["snr"]
    assert metadata["group"] == dict.fromkeys(range(5), "unsorted")
    assert metadata["KSLabel"] == dict(enumerate(["good", "mua", "good", "mua", "good"]))


def test_spikeinterface_reads_the_units_back(exported):
    folder, analyzer, _ = exported
    sorting = read_phy(folder)
    assert sorting.unit_ids.tolist() == analyzer.unit_ids.tolist()
    for unit_id in analyzer.unit_ids:
        np.testing.assert_array_equal(
            sorting.get_unit_spike_train(unit_id), analyzer.sorting.get_unit_spike_train(unit_id)
        )


def test_same_files_as_stock_where_stock_is_right(tmp_path):
    # gain 1, one segment and no empty unit: elsewhere stock projects unscaled traces, refuses, or mixes up units
    result, analyzer = make_result(tmp_path, gain=1.0)
    ours = export(result, tmp_path / "ours")
    restore_pca_models(analyzer)
    stock = tmp_path / "stock"
    export_to_phy(analyzer, stock, copy_binary=False, verbose=False, **ONE_JOB)
    for name in ("spike_times", "spike_templates", "spike_clusters", "channel_map", "channel_positions"):
        np.testing.assert_array_equal(np.load(ours / f"{name}.npy"), np.load(stock / f"{name}.npy"))
    for name in ("amplitudes", "similar_templates"):
        np.testing.assert_allclose(np.load(ours / f"{name}.npy"), np.load(stock / f"{name}.npy"), rtol=1e-6)
    np.testing.assert_array_equal(dense_templates(ours, 8), dense_templates(stock, 8))
    np.testing.assert_array_equal(np.load(ours / "pc_feature_ind.npy"), np.load(stock / "pc_feature_ind.npy"))
    np.testing.assert_allclose(
        features_by_channel(ours, 8), features_by_channel(stock, 8), rtol=1e-4, atol=1e-4, equal_nan=True
    )
    for path in stock.glob("cluster_*.tsv"):
        assert path.name in {"cluster_channel_group.tsv", "cluster_si_unit_ids.tsv"} or (ours / path.name).exists()


def test_same_bytes_for_any_number_of_threads(exported, tmp_path):
    folder, _, result = exported
    again = export(result, tmp_path / "again", num_threads=4)
    for path in folder.glob("*.npy"):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_two_segments_lie_end_to_end(tmp_path, load_model):
    result, analyzer = make_result(tmp_path, durations=(4.0, 3.0))
    model = load_model(export(result, tmp_path / "phy") / "params.py")
    spikes = analyzer.sorting.to_spike_vector()
    second = spikes["segment_index"] == 1
    length = analyzer.get_num_samples(0)
    np.testing.assert_array_equal(model.spike_samples[second], spikes["sample_index"][second] + length)
    np.testing.assert_array_equal(model.traces[length : length + 9], analyzer.recording.get_traces(1, 0, 9))
    for (row, channel), components in projected_by_sklearn(analyzer, np.flatnonzero(second)[:20]).items():
        np.testing.assert_allclose(model.get_features([row], [channel])[0, 0], components, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("num_units", "num_components"), [(1, 3), (2, 1), (1, 1)])
def test_phylib_loads_a_single_unit_and_a_single_component(tmp_path, load_model, num_units, num_components):
    wanted = {"principal_components": {"n_components": num_components, "mode": "by_channel_global"}}
    result, analyzer = make_result(tmp_path, num_units=num_units, **wanted)
    model = load_model(export(result, tmp_path / "phy") / "params.py")
    assert model.n_channels_loc == 4
    rows = np.arange(model.n_spikes)
    channels = np.flatnonzero(analyzer.sparsity.mask[0])
    features = model.get_features(rows[model.spike_templates == 0], channels)
    assert features[..., :num_components].any()
    assert not features[..., num_components:3].any() or num_components == 3


def test_without_raw_binary_phy_gets_the_sampled_waveforms(tmp_path, load_model):
    result, analyzer = make_result(tmp_path, is_binary=False)
    folder = export(result, tmp_path / "phy")
    model = load_model(folder / "params.py")
    assert model.traces is None
    rows = analyzer.get_extension("random_spikes").get_data()
    channels = np.flatnonzero(analyzer.sparsity.mask[0])
    first = rows[analyzer.sorting.to_spike_vector()["unit_index"][rows] == 0][:3]
    expected = analyzer.get_extension("waveforms").get_waveforms_one_unit(analyzer.unit_ids[0])[:3]
    np.testing.assert_allclose(model.get_waveforms(first, channels), expected)
    assert features_by_channel(folder, 8)[first][..., channels].all()  # read through SpikeInterface


def test_says_what_is_left_out_when_the_recording_is_gone(tmp_path, load_model, caplog):
    result, _ = make_result(tmp_path)
    (tmp_path / "recording").rename(tmp_path / "elsewhere")
    with caplog.at_level(logging.WARNING, logger="ephys_postprocess"):
        folder = export(result, tmp_path / "phy")
    assert "refers to a recording that is not here" in caplog.text
    assert "not here" in json.loads((folder / MARKER).read_text())["left_out"][0]
    assert not (folder / "pc_features.npy").exists()
    assert load_model(folder / "params.py").n_spikes > 0


def test_units_named_like_markup_stay_text(tmp_path):
    names = ["<script>alert(1)</script>", "a\tb", "=1+1", "µ", "plain"]
    result, _ = make_result(tmp_path, unit_ids=names)
    assert list(cluster_column(export(result, tmp_path / "phy"), "unit_id").values()) == names
    assert not (tmp_path / "phy" / "cluster_si_unit_id.tsv").exists()  # SpikeInterface reads that one as numbers


def test_raw_paths_are_escaped(tmp_path):
    folder = tmp_path / "it's a 'folder'\\"
    folder.mkdir()
    raw = folder / "x.raw"
    raw.touch()
    files = phy_export.RawFiles((raw,), np.dtype("int16"), 12)
    phy_export.write_params(tmp_path, files, tmp_path / "phy", 4, 30_000, is_filtered=True)
    values = {}
    exec((tmp_path / "params.py").read_text(), {}, values)
    assert (tmp_path / "phy" / values["dat_path"]).parent.name == folder.name
    assert os.path.samefile(tmp_path / values["dat_path"].removeprefix("../"), raw)  # noqa: PTH121
    assert values["offset"] == 12


def trains(num_spikes):
    zeros = np.zeros(num_spikes, dtype=np.int64)
    return SpikeTrains(np.arange(num_spikes), zeros, zeros, 2, (100,), 1000.0)


def test_fewer_than_two_spikes_are_refused(tmp_path):
    with pytest.raises(ResultError, match="two spikes or more"):
        phy_export.write_spikes(tmp_path, trains(1), None)


def test_a_unit_without_spikes_keeps_its_row(tmp_path):
    sparsity = Sparsity(np.array([[True, True, False], [False, True, False]]))
    templates = np.zeros((2, 5, 3), dtype=np.float32)
    templates[0, 2] = [-1.0, -3.0, 0.0]
    templates[1] = np.nan
    phy_export.write_templates(tmp_path, templates, sparsity, None)
    np.testing.assert_array_equal(np.load(tmp_path / "template_ind.npy"), [[1, 0], [1, -1]])
    np.testing.assert_array_equal(np.load(tmp_path / "templates.npy")[0, 2], [-3.0, -1.0])
    assert not np.load(tmp_path / "templates.npy")[1].any()


def test_rows_file_is_npy_whatever_the_order_of_writing(tmp_path):
    values = np.arange(60, dtype=np.float32).reshape(10, 3, 2)
    with phy_export.RowsFile(tmp_path / "rows.npy", values.shape, np.float32) as rows:
        rows[6:10] = values[6:10]
        rows[0:4] = values[0:4]
    written = np.load(tmp_path / "rows.npy")
    assert not written[4:6].any()
    np.testing.assert_array_equal(written[[0, 3, 6, 9]], values[[0, 3, 6, 9]])


def write_export(folder, text="1"):
    with PhyFolder(folder).written({}) as building:
        for name in ("spike_clusters.npy", "spike_templates.npy"):
            (building / name).write_text(text)
        (building / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tunsorted\n")


def test_an_earlier_export_is_replaced_and_nothing_else(tmp_path):
    folder = tmp_path / "phy"
    write_export(folder, "first")
    write_export(folder, "second")
    assert (folder / "spike_clusters.npy").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["phy"]
    (folder / MARKER).unlink()
    with pytest.raises(ResultError, match=r"not empty, and not an earlier export of ours\. Name another folder"):
        write_export(folder)


@pytest.mark.parametrize(
    "curate",
    [
        lambda folder: (folder / "spike_clusters.npy").write_text("2"),
        lambda folder: (folder / "cluster_info.tsv").touch(),
        lambda folder: (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n0\tgood\n"),
    ],
)
def test_curation_in_phy_is_never_overwritten(tmp_path, curate):
    write_export(tmp_path / "phy")
    curate(tmp_path / "phy")
    with pytest.raises(ResultError, match="curated in phy since"):
        write_export(tmp_path / "phy")


def test_a_failed_export_leaves_the_earlier_one(tmp_path):
    folder = tmp_path / "phy"
    write_export(folder, "first")
    with pytest.raises(FileNotFoundError), PhyFolder(folder).written({}) as building:
        (building / "no such folder" / "half").touch()
    assert (folder / "spike_clusters.npy").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["phy"]


def test_two_runs_do_not_write_one_folder(tmp_path):
    folder = tmp_path / "phy"
    with (
        PhyFolder(folder).written({}),
        pytest.raises(ResultError, match="Another run"),
        PhyFolder(folder).written({}),
    ):
        pass


def test_one_recording_has_the_folder_and_several_share_it(tmp_path):
    assert folders_of_recordings(tmp_path, ["a"]) == {"a": tmp_path}
    assert folders_of_recordings(tmp_path, ["a", "b"]) == {"a": tmp_path / "a", "b": tmp_path / "b"}
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    with pytest.raises(ResultError, match="not empty"):
        check_phy_folders(tmp_path, ["a", "b"])


def test_from_a_result_on_the_command_line(exported, tmp_path, capsys):
    _, _, result = exported
    assert cli.main(["--export-phy", str(tmp_path / "phy"), "--from", str(result)]) == 0
    assert str(tmp_path / "phy" / "params.py") in capsys.readouterr().out
    assert cli.main(["--from", str(result)]) == cli.EXIT_CALLERS_MISTAKE
    assert "--export-phy" in capsys.readouterr().err
    assert cli.main(["--export-phy", str(tmp_path), "--from", str(result)]) == cli.EXIT_CALLERS_MISTAKE
    assert "not empty" in capsys.readouterr().err


def test_a_placeholder_has_nothing_to_export(tmp_path):
    result = tmp_path / "postprocessed_x.zarr"
    result.mkdir()
    (result / "placeholder.npy").touch()
    with pytest.raises(InputError, match="placeholder"):
        export(result, tmp_path / "phy")
