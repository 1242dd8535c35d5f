"""PCA models of a stored result, restored: what phy and the user get from them are the projections of the run."""

import numpy as np
import pytest
import spikeinterface.core as si
from end_to_end.make_inputs import NAME, floats_without_gains, save, tiny

from ephys_postprocess.results.pca_models import restore_pca_models

NUM_COMPONENTS = 5


@pytest.fixture(scope="module")
def analyzer(run_capsule, tmp_path_factory):
    """Of traces in µV: SpikeInterface's phy export projects traces as they are held, whatever was fitted."""
    data = tmp_path_factory.mktemp("floats")
    recording, sorting = tiny()
    save(data, NAME, floats_without_gains(recording), sorting)
    done = run_capsule(data=data)
    assert done.exit_code == 0, done.text
    analyzer = si.load(done.store(NAME))
    restore_pca_models(analyzer)
    return analyzer


@pytest.fixture(scope="module")
def projections(analyzer):
    """The run's own: (num_random_spikes, num_components, num_sparse_channels)."""
    return analyzer.get_extension("principal_components").data["pca_projection"]


def test_there_is_a_model_a_channel(analyzer):
    models = analyzer.get_extension("principal_components").get_pca_model()
    assert len(models) == analyzer.get_num_channels()
    assert all(model.components_.shape[0] == NUM_COMPONENTS for model in models)


def test_restored_models_project_the_waveforms_as_the_run_did(analyzer, projections):
    waveforms = analyzer.get_extension("waveforms").data["waveforms"]
    rows = analyzer.get_extension("random_spikes").data["random_spikes_indices"]
    models = analyzer.get_extension("principal_components").get_pca_model()
    units = analyzer.sorting.to_spike_vector()["unit_index"][rows]
    for row in range(0, len(rows), 7):
        channels = np.flatnonzero(analyzer.sparsity.mask[units[row]])
        for column, channel in enumerate(channels):
            expected = models[channel].transform(waveforms[row, None, :, column])[0]
            # projections are float32 values of order 1
            np.testing.assert_allclose(projections[row, :, column], expected, rtol=1e-4, atol=1e-4)


def test_new_waveforms_can_be_projected(analyzer, projections):
    waveforms = analyzer.get_extension("waveforms")
    unit_id = analyzer.unit_ids[0]
    rows = analyzer.get_extension("random_spikes").data["random_spikes_indices"]
    is_unit = analyzer.sorting.to_spike_vector()["unit_index"][rows] == 0
    new = np.zeros((is_unit.sum(), waveforms.data["waveforms"].shape[1], analyzer.get_num_channels()), np.float32)
    channels = np.flatnonzero(analyzer.sparsity.mask[0])
    new[:, :, channels] = waveforms.get_waveforms_one_unit(unit_id, force_dense=False)
    spikes = analyzer.sorting.to_spike_vector()[rows][is_unit]
    found = analyzer.get_extension("principal_components").project_new(spikes, new, progress_bar=False)
    np.testing.assert_allclose(found[:, :, : len(channels)], projections[is_unit][:, :, : len(channels)], atol=1e-4)


def test_phy_gets_the_projections_and_not_zeros(analyzer, projections, tmp_path):
    """The export projects all spikes anew with the restored models; those of the run must come out again."""
    from spikeinterface.exporters import export_to_phy

    export_to_phy(
        analyzer,
        output_folder=tmp_path / "phy",
        compute_pc_features=True,
        compute_amplitudes=False,
        copy_binary=False,
        verbose=False,
        n_jobs=1,
        progress_bar=False,
    )
    features = np.load(tmp_path / "phy" / "pc_features.npy")  # (num_spikes, num_components, max_channels_a_template)
    order = np.load(tmp_path / "phy" / "pc_feature_ind.npy")
    spikes = analyzer.sorting.to_spike_vector()
    assert features.shape[:2] == (len(spikes), NUM_COMPONENTS)
    rows = analyzer.get_extension("random_spikes").data["random_spikes_indices"]
    num_after, num_samples = analyzer.get_extension("waveforms").nafter, analyzer.get_total_samples()
    compared = 0
    for position, row in enumerate(rows):
        if spikes["sample_index"][row] + num_after > num_samples:
            continue  # SpikeInterface's export leaves spikes whose window is cut at 0
        unit = spikes["unit_index"][row]
        channels = np.flatnonzero(analyzer.sparsity.mask[unit])
        assert order[unit][: len(channels)].tolist() == channels.tolist()
        expected = projections[position, :, : len(channels)]
        np.testing.assert_allclose(features[row, :, : len(channels)], expected, rtol=1e-3, atol=1e-3)
        compared += np.abs(expected).max() > 0.1
    assert compared > 0.9 * len(rows)
