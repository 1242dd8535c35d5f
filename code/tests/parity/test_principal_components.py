"""Principal components beside SpikeInterface's and scikit-learn's on small analyzers, and models brought back."""

import numpy as np
import pytest
import spikeinterface as si
import spikeinterface.postprocessing  # registers the extension
from spikeinterface.core import create_sorting_analyzer, generate_ground_truth_recording
from threadpoolctl import threadpool_limits

from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.results.pca_models import restore_pca_models
from ephys_postprocess.stages.principal_components import models as stage
from ephys_postprocess.stages.principal_components.all_spike_projections import AllSpikeProjections
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass
from ephys_postprocess.traces import RecordingTraces

ONE_JOB = {"n_jobs": 1, "progress_bar": False}
ATTRIBUTES = (
    "components",
    "mean",
    "var",
    "singular_values",
    "explained_variance",
    "explained_variance_ratio",
    "noise_variance",
    "n_samples_seen",
)


def make_analyzer(durations=(20.0,), sparse=True, gain=0.5):
    """Int16 traces with a gain; the last unit has too few spikes for the fit."""
    recording, sorting = generate_ground_truth_recording(
        durations=list(durations), sampling_frequency=20_000.0, num_channels=8, num_units=6, seed=4
    )
    truth = recording
    counts = [np.round(truth.get_traces(segment_index=index) / 0.5).astype(np.int16) for index in range(len(durations))]
    recording = si.NumpyRecording(counts, truth.sampling_frequency, channel_ids=truth.channel_ids)
    recording.set_probe(truth.get_probe())
    recording.set_channel_gains(gain)
    recording.set_channel_offsets(0.0)
    spikes = sorting.to_spike_vector()
    is_kept = np.ones(spikes.size, dtype=bool)
    is_kept[np.flatnonzero(spikes["unit_index"] == 5)[3:]] = False
    sorting = si.NumpySorting(spikes[is_kept], sorting.sampling_frequency, [f"unit{i}" for i in range(6)])
    how_sparse = {"method": "radius", "radius_um": 45.0} if sparse else None
    analyzer = create_sorting_analyzer(
        sorting, recording, sparse=sparse, return_in_uV=True, sparsity_kwargs=how_sparse, job_kwargs=ONE_JOB
    )
    analyzer.compute("random_spikes", max_spikes_per_unit=60, seed=0)
    analyzer.compute("waveforms", ms_before=2.0, ms_after=3.0, **ONE_JOB)
    return analyzer


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    """Small decompositions wait longer for each other's threads than they take."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def analyzers():
    return {"sparse": make_analyzer(), "dense": make_analyzer(sparse=False)}


def ours_of(analyzer, num_threads=2, **settings):
    waveforms = analyzer.get_extension("waveforms").get_data()
    units = analyzer.get_extension("random_spikes").get_random_spikes()["unit_index"].astype(np.int64)
    return stage.principal_components(
        lambda unit_index: waveforms[units == unit_index],
        units,
        sparsity_of(analyzer),
        waveforms.shape[1],
        num_threads=num_threads,
        **settings,
    )


def sparsity_of(analyzer):
    dense = np.ones((analyzer.get_num_units(), analyzer.get_num_channels()), dtype=bool)
    return Sparsity(dense if analyzer.sparsity is None else analyzer.sparsity.mask)


def sklearn_models(analyzer, mode, whiten, n_components=5):
    """scikit-learn shown the same blocks as stock shows it, but in float64."""
    from sklearn.decomposition import IncrementalPCA

    sparsity, waveforms = sparsity_of(analyzer), analyzer.get_extension("waveforms").get_data().astype(np.float64)
    units = analyzer.get_extension("random_spikes").get_random_spikes()["unit_index"]
    is_local = mode == "by_channel_local"
    models = [IncrementalPCA(n_components, whiten=whiten) for _ in range(sparsity.mask.shape[1] if is_local else 1)]
    for unit_index, mask in enumerate(sparsity.mask):
        snippets = waveforms[units == unit_index][:, :, : mask.sum()]
        by_model = {0: snippets.reshape(len(snippets), -1)}
        if is_local:
            by_model = {channel: snippets[:, :, place] for place, channel in enumerate(np.flatnonzero(mask))}
        elif mode == "by_channel_global":
            by_model = {0: snippets.transpose(0, 2, 1).reshape(-1, snippets.shape[1])}
        for index, block in by_model.items():
            if len(block) >= n_components:
                models[index].partial_fit(block)
    return models


CASES = [
    ("sparse", "by_channel_local"),
    ("dense", "by_channel_local"),
    ("sparse", "by_channel_global"),
    ("dense", "by_channel_global"),
    ("dense", "concatenated"),
]


@pytest.mark.parametrize(("kind", "mode"), CASES)
@pytest.mark.parametrize("whiten", [True, False])
def test_projections_agree_with_stock(analyzers, kind, mode, whiten):
    analyzer = analyzers[kind]
    analyzer.compute("principal_components", mode=mode, whiten=whiten, **ONE_JOB)
    stock = analyzer.get_extension("principal_components").get_data()
    ours = ours_of(analyzer, mode=mode, whiten=whiten)
    assert ours.projection.shape == stock.shape
    assert ours.projection.dtype == stock.dtype
    np.testing.assert_array_equal(ours.projection == 0, stock == 0)
    # scikit-learn computes a model's first block in float32, and rounds every centred block to it
    apart = np.abs(ours.projection - stock) / stock.std()
    assert np.quantile(apart, 0.99) < 1e-4
    assert apart.max() < 5e-3


@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_models_agree_with_scikit_learn_in_float64(analyzers, kind, mode):
    ours = ours_of(analyzers[kind], mode=mode).models
    for index, model in enumerate(sklearn_models(analyzers[kind], mode, whiten=True)):
        assert ours.is_fitted[index] == hasattr(model, "components_")
        if not ours.is_fitted[index]:
            continue
        for name in ATTRIBUTES:
            # directions are found to 1e-6 of the gap between neighbours, and carried on through the blocks
            expected = getattr(model, f"{name}_")
            np.testing.assert_allclose(
                getattr(ours, name)[index], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(), err_msg=name
            )


def store_ours(analyzer, folder, mode="by_channel_local", whiten=True):
    """A stored analyzer with our arrays and no pickle, loaded again."""
    analyzer.compute("principal_components", mode=mode, whiten=whiten, **ONE_JOB)
    stock_models = analyzer.get_extension("principal_components").get_pca_model()
    ours = ours_of(analyzer, mode=mode, whiten=whiten)
    data = {"pca_projection": ours.projection} | ours.models.as_arrays(analyzer.channel_ids)
    analyzer.get_extension("principal_components").data = data
    analyzer.save_as(format="zarr", folder=folder)
    return si.load_sorting_analyzer(folder), stock_models, ours


@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_restored_models_transform_as_the_originals(analyzers, kind, mode, tmp_path):
    loaded, stock_models, ours = store_ours(analyzers[kind], tmp_path / "stored.zarr", mode)
    extension = loaded.get_extension("principal_components")
    assert set(extension.data) == {"pca_projection", *ours.models.as_arrays(loaded.channel_ids)}
    np.testing.assert_array_equal(extension.get_data(), ours.projection)
    restored = restore_pca_models(loaded)
    assert restored is extension.get_pca_model() or mode == "by_channel_local"
    pairs = zip(restored, stock_models, strict=True) if mode == "by_channel_local" else [(restored, stock_models)]
    snippets = np.random.default_rng(0).normal(size=(30, ours.models.components.shape[2])).astype(np.float32) * 20
    for index, (model, original) in enumerate(pairs):
        if not ours.models.is_fitted[index]:
            assert not hasattr(model, "components_")
            continue
        # as in test_projections_agree_with_stock
        np.testing.assert_allclose(model.transform(snippets), original.transform(snippets), rtol=1e-2, atol=1e-2)
        model.partial_fit(snippets)  # may be fitted on
        assert model.n_samples_seen_ == ours.models.n_samples_seen[index] + 30
    # what was projected by us is what scikit-learn projects with our models
    restore_pca_models(loaded)
    spikes = loaded.get_extension("random_spikes").get_random_spikes()
    waveforms = loaded.get_extension("waveforms").get_data()
    again = extension.project_new(spikes, waveforms, progress_bar=False)
    np.testing.assert_allclose(again, ours.projection, rtol=1e-5, atol=1e-5)


def test_arrays_survive_selections_and_copies(analyzers, tmp_path):
    loaded, _, ours = store_ours(analyzers["sparse"], tmp_path / "stored.zarr")
    names = set(ours.models.as_arrays(loaded.channel_ids))
    kept = loaded.channel_ids[[5, 2, 3, 4]]
    others = {
        "units": loaded.select_units(["unit3", "unit1"]),
        "merged": loaded.merge_units([["unit0", "unit1"]], merging_mode="soft", sparsity_overlap=0.0),
        "memory": loaded.save_as(format="memory"),
        "folder": loaded.save_as(format="binary_folder", folder=tmp_path / "folder"),
        "channels": loaded._select_channels(kept),
    }
    others["folder"] = si.load_sorting_analyzer(tmp_path / "folder")
    for kind, analyzer in others.items():
        assert names < set(analyzer.get_extension("principal_components").data), kind
        models = dict(zip(analyzer.channel_ids, restore_pca_models(analyzer), strict=True))
        for channel_id, model in models.items():
            row = loaded.channel_ids.tolist().index(channel_id)
            np.testing.assert_array_equal(model.components_, ours.models.components[row])
    assert list(models) == list(kept)


def all_spikes(analyzer):
    spikes = analyzer.sorting.to_spike_vector()
    recording = analyzer.recording
    return SpikeTrains(
        spikes["sample_index"].astype(np.int64),
        spikes["unit_index"].astype(np.int64),
        spikes["segment_index"].astype(np.int64),
        analyzer.get_num_units(),
        tuple(recording.get_num_samples(index) for index in range(recording.get_num_segments())),
        float(recording.sampling_frequency),
    )


def project_all(analyzer, models):
    waveforms, spikes = analyzer.get_extension("waveforms"), all_spikes(analyzer)
    traces = RecordingTraces(analyzer.recording, analyzer.recording.get_channel_gains(), np.zeros(8))
    consumer = AllSpikeProjections(
        models, spikes, sparsity_of(analyzer), waveforms.nbefore, waveforms.nafter, traces.gains, traces.offsets
    )
    run_trace_pass(traces, spikes, [consumer], 20_000, 2)
    return consumer.projections


def test_stock_projects_every_spike_with_restored_models(tmp_path):
    # gain 1 and one segment: stock projects traces without their gains, of the first segment
    analyzer = make_analyzer(gain=1.0)
    loaded, _, ours = store_ours(analyzer, tmp_path / "stored.zarr")
    loaded.set_temporary_recording(analyzer.recording)
    restore_pca_models(loaded)
    loaded.get_extension("principal_components").run_for_all_spikes(tmp_path / "all.npy", **ONE_JOB)
    stock = np.load(tmp_path / "all.npy")
    projections = project_all(analyzer, ours.models)
    assert stock.any(axis=(1, 2)).mean() > 0.95
    np.testing.assert_allclose(projections, stock, rtol=1e-4, atol=1e-5)


def test_every_spike_in_two_segments_equals_the_sampled_ones():
    analyzer = make_analyzer(durations=(8.0, 7.0))
    ours = ours_of(analyzer)
    projections = project_all(analyzer, ours.models)
    rows = analyzer.get_extension("random_spikes").get_data()
    inside = analyzer.get_extension("waveforms").get_data().any(axis=(1, 2))
    assert set(all_spikes(analyzer).segment_indices[rows]) == {0, 1}
    np.testing.assert_allclose(projections[rows][inside], ours.projection[inside], rtol=1e-5, atol=1e-5)
