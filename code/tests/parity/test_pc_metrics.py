"""PC metrics and nn_advanced as stock SpikeInterface computes them from the same principal components."""

import warnings

import numpy as np
import pytest
import spikeinterface as si
from reference import declared
from spikeinterface.core import compute_sparsity, generate_ground_truth_recording, get_random_data_chunks
from spikeinterface.metrics.quality.pca_metrics import nearest_neighbors_isolation, nearest_neighbors_noise_overlap

from ephys_postprocess.stages.quality.nn_advanced import nn_advanced
from ephys_postprocess.stages.quality.pc_metrics import PC_METRIC_COLUMNS, pc_metrics

RADIUS_UM = 60
DURATION_S = 10.0

# Stock computes means, centroids and the discriminant in float32, we in float64.
TOLERANCES = {
    "isolation_distance": {"rtol": 1e-4},
    "l_ratio": {"rtol": 1e-3, "atol": 1e-9},
    "d_prime": {"rtol": 1e-4},
    "nn_hit_rate": {"rtol": 0, "atol": 1e-12},
    "nn_miss_rate": {"rtol": 0, "atol": 1e-12},
    "silhouette": {"rtol": 0, "atol": 1e-5},
}


def make_analyzer(is_sparse):
    recording, sorting = generate_ground_truth_recording(
        durations=[DURATION_S], num_channels=12, num_units=7, sampling_frequency=20000.0, seed=1
    )
    recording.set_channel_gains(2.34)
    # Integer ids: with string ids stock's nn_isolation is 0.
    sorting = sorting.rename_units(np.arange(7))
    sparsity_kwargs = {"method": "radius", "radius_um": RADIUS_UM}
    analyzer = si.create_sorting_analyzer(sorting, recording, sparse=is_sparse, sparsity_kwargs=sparsity_kwargs)
    analyzer.compute("random_spikes", max_spikes_per_unit=90, seed=0)
    analyzer.compute("waveforms", ms_before=0.5, ms_after=1.0)
    analyzer.compute("templates", operators=["average", "median"])
    return analyzer


@pytest.fixture(scope="module", params=[True, False], ids=["sparse", "dense"])
def analyzer(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_analyzer(request.param)


def mask_of(analyzer):
    return analyzer.sparsity.mask if analyzer.is_sparse() else np.ones((analyzer.get_num_units(), 12), dtype=bool)


def unit_indices_of(analyzer):
    return analyzer.get_extension("random_spikes").get_random_spikes()["unit_index"]


@pytest.mark.parametrize(
    ("mode", "max_spikes"), [("by_channel_local", 10000), ("by_channel_global", 150), ("concatenated", 10000)]
)
def test_pc_metrics_agree_with_spikeinterface(analyzer, mode, max_spikes):
    if mode == "concatenated" and analyzer.is_sparse():
        pytest.skip("stock has no concatenated components of sparse waveforms")
    analyzer.compute("principal_components", n_components=3, mode=mode)
    parameters = {"nearest_neighbor": {"max_spikes": max_spikes, "n_neighbors": 4}}
    stock = analyzer.compute("quality_metrics", metric_names=list(PC_METRIC_COLUMNS), metric_params=parameters)
    stock = stock.get_data()
    projections = analyzer.get_extension("principal_components").get_data()
    columns, _ = pc_metrics(
        projections,
        unit_indices_of(analyzer),
        mask_of(analyzer),
        analyzer.get_main_channels(),
        declared.of_pc_metrics(**parameters),
        num_threads=2,
    )
    for name, values in columns.items():
        is_defined = ~np.isnan(values)
        expected = stock[name].to_numpy(dtype=np.float64)
        if name != "isolation_distance" and name != "l_ratio":
            assert is_defined.all()
        np.testing.assert_allclose(values[is_defined], expected[is_defined], err_msg=name, **TOLERANCES[name])


def packed_waveforms(analyzer, mask):
    waveforms = analyzer.get_extension("waveforms").get_data()
    if analyzer.is_sparse():
        return waveforms
    packed = np.zeros((*waveforms.shape[:2], mask.sum(axis=1).max()), dtype=np.float32)
    units = unit_indices_of(analyzer)
    for unit, row in enumerate(mask):
        packed[units == unit, :, : row.sum()] = waveforms[units == unit][:, :, row]
    return packed


@pytest.mark.parametrize("max_spikes", [40, 200])
def test_nn_advanced_agrees_with_spikeinterface(analyzer, max_spikes):
    parameters = {"max_spikes": max_spikes, "n_neighbors": 4, "n_components": 5, "seed": 3}
    sparsity = analyzer.sparsity or compute_sparsity(analyzer, method="radius", radius_um=RADIUS_UM)
    num_spikes = np.array(list(analyzer.sorting.count_num_spikes_per_unit().values()))
    waveforms = packed_waveforms(analyzer, sparsity.mask)
    num_samples = waveforms.shape[1]
    noise = get_random_data_chunks(
        analyzer.recording, return_in_uV=True, num_chunks_per_segment=max_spikes, chunk_size=num_samples, seed=3
    )
    columns, _ = nn_advanced(
        waveforms,
        unit_indices_of(analyzer),
        sparsity.mask,
        num_spikes,
        num_spikes / DURATION_S,
        noise.reshape(max_spikes, num_samples, -1),
        declared.of_metric("nn_advanced", **parameters),
        num_threads=2,
    )
    isolation = [nearest_neighbors_isolation(analyzer, u, radius_um=RADIUS_UM, **parameters)[0] for u in range(7)]
    # Stock decomposes in float32: a neighbor or two of some hundred may differ.
    np.testing.assert_allclose(columns["nn_isolation"], isolation, rtol=0, atol=0.01)
    if not analyzer.is_sparse():  # stock looks up a dense template's peak in sparse waveforms: IndexError, or worse
        overlap = [nearest_neighbors_noise_overlap(analyzer, u, radius_um=RADIUS_UM, **parameters) for u in range(7)]
        np.testing.assert_allclose(columns["nn_noise_overlap"], overlap, rtol=0, atol=0.01)
