"""`accelerate.compute` on an analyzer of each format gives what `analyzer.compute` gives."""

import numpy as np
import pytest
import spikeinterface.core as si
from spikeinterface.metrics.quality.pca_metrics import nearest_neighbors_isolation

from ephys_postprocess.accelerate import ACCELERATED_EXTENSIONS, compute
from ephys_postprocess.engine.existing_analyzer import how_to_run
from ephys_postprocess.engine.functions import function_of
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.extensions import EXTENSIONS as RECORDS
from ephys_postprocess.results.pca_models import restore_pca_models

EXTENSIONS = {
    "random_spikes": {"max_spikes_per_unit": 60, "seed": 3},
    "noise_levels": {"random_slices_kwargs": {"num_chunks_per_segment": 4, "chunk_size": 3000, "seed": 3}},
    "waveforms": {"ms_before": 1.0, "ms_after": 1.5},
    "templates": {"operators": ["average", "std"]},
    "spike_amplitudes": {},
    "amplitude_scalings": {},
    "unit_locations": {"method": "center_of_mass"},
    "spike_locations": {"method": "center_of_mass", "seed": 3},
    "template_similarity": {},
    "template_metrics": {},
    "principal_components": {"n_components": 3},
    "correlograms": {},
    "isi_histograms": {},
    "quality_metrics": {"metric_names": ["num_spikes", "snr", "amplitude_median", "d_prime", "nearest_neighbor"]},
}
# Values, relative: SpikeInterface fits its PCA in float32, and d' follows from it; everything else is rounding.
TOLERANCES = {"principal_components": 2e-3, "quality_metrics": 2e-3}


@pytest.fixture(scope="module")
def inputs():
    recording, sorting = si.generate_ground_truth_recording(
        durations=[8.0], num_channels=8, num_units=5, seed=1, sampling_frequency=20000.0
    )
    return recording.save(format="memory", verbose=False), sorting


def make_analyzer(inputs, **where):
    recording, sorting = inputs
    return si.create_sorting_analyzer(sorting, recording, sparse=True, seed=0, **where)


@pytest.fixture(scope="module")
def stock(inputs):
    analyzer = make_analyzer(inputs)
    analyzer.compute(EXTENSIONS, n_jobs=1)
    return analyzer


@pytest.mark.parametrize("format_name", ["memory", "binary_folder", "zarr"])
def test_same_numbers_as_stock_in_every_format(inputs, stock, format_name, tmp_path):
    where = {} if format_name == "memory" else {"folder": tmp_path / "analyzer.zarr"}
    if format_name == "binary_folder":
        where["folder"] = tmp_path / "analyzer"
    analyzer = make_analyzer(inputs, format=format_name, **where)

    compute(analyzer, EXTENSIONS, n_jobs=2)

    reopened = analyzer if format_name == "memory" else si.load_sorting_analyzer(where["folder"])
    for name in EXTENSIONS:
        assert_same_data(name, reopened.get_extension(name).data, stock.get_extension(name).data)
    restore_pca_models(reopened)
    assert reopened.get_extension("principal_components").get_pca_model() is not None


def assert_same_data(name, ours, theirs):
    tolerance = TOLERANCES.get(name, 1e-5)
    for key, expected in theirs.items():
        if key.startswith("pca_model") or key == "runtime_s":
            continue
        if hasattr(expected, "columns"):
            for column in expected.columns:
                np.testing.assert_allclose(
                    np.asarray(ours[key][column], dtype=float),
                    np.asarray(expected[column], dtype=float),
                    rtol=tolerance,
                    err_msg=f"{name}/{key}/{column}",
                )
        elif expected.dtype.names:
            for field in expected.dtype.names:
                np.testing.assert_allclose(ours[key][field], expected[field], rtol=1e-4, atol=1e-3)
        else:
            atol = tolerance * (np.abs(expected).max() if expected.size else 1)
            np.testing.assert_allclose(ours[key], expected, rtol=tolerance, atol=atol, err_msg=f"{name}/{key}")


def test_parameters_names_and_types_are_those_of_stock(inputs, stock):
    """What merges, splits, exporters and later versions go by."""
    analyzer = make_analyzer(inputs)
    compute(analyzer, EXTENSIONS, n_jobs=1)
    for name in EXTENSIONS:
        ours, theirs = analyzer.get_extension(name), stock.get_extension(name)
        assert repr(ours.params) == repr(theirs.params)
        assert ours.run_info.keys() == theirs.run_info.keys()
        is_our_own = {key for key in ours.data if key.startswith("pca_model_") and not key.startswith("pca_model_by")}
        # seconds of each metric are stock's alone; they are different every time
        assert ours.data.keys() - is_our_own == theirs.data.keys() - {"runtime_s"}, name
        for key in ours.data.keys() - is_our_own:
            assert type(ours.data[key]) is type(theirs.data[key])
            if isinstance(ours.data[key], np.ndarray) and key != "main_channel_templates":  # float32 here
                assert ours.data[key].dtype == theirs.data[key].dtype
            elif hasattr(ours.data[key], "columns"):
                assert ours.data[key].dtypes.to_dict() == theirs.data[key].dtypes.to_dict()
                np.testing.assert_array_equal(ours.data[key].index, theirs.data[key].index)


def test_recomputing_deletes_what_depended_on_it(inputs):
    analyzer = make_analyzer(inputs)
    compute(analyzer, ["random_spikes", "waveforms", "templates", "unit_locations"], n_jobs=1)
    compute(analyzer, {"random_spikes": {"max_spikes_per_unit": 10, "seed": 0}}, n_jobs=1)
    assert set(analyzer.extensions) == {"random_spikes"}


def test_principal_components_from_stored_waveforms(stock):
    """A result opened elsewhere has no recording, but it has its waveforms."""
    analyzer = stock.copy()
    analyzer.delete_extension("principal_components")
    analyzer._recording = None
    compute(analyzer, {"principal_components": {"n_components": 3}}, n_jobs=1)
    expected = stock.get_extension("principal_components").data["pca_projection"]
    np.testing.assert_allclose(
        analyzer.get_extension("principal_components").data["pca_projection"], expected, atol=2e-3
    )


def test_problems_are_told_at_once(inputs):
    analyzer = make_analyzer(inputs)
    with pytest.raises(ParameterError, match=r"no_such: no such extension"):
        compute(analyzer, ["no_such", "waveforms"])
    with pytest.raises(ParameterError, match=r"waveforms: needs random_spikes[\s\S]*unit_locations: needs templates"):
        compute(analyzer, ["waveforms", "unit_locations"])
    for one in (compute, type(analyzer).compute):
        with pytest.raises(AssertionError):
            one(analyzer, ["waveforms"])


def test_the_accelerated_extensions_are_those_that_a_function_of_ours_computes():
    assert set(EXTENSIONS) | {"auto_correlograms", "valid_unit_periods"} == set(ACCELERATED_EXTENSIONS)
    for name in ACCELERATED_EXTENSIONS:
        assert callable(function_of(RECORDS[name])), name


def test_an_unknown_parameter_of_a_metric_is_refused(stock):
    analyzer = stock.copy()
    with pytest.raises(
        ParameterError, match=r"metric_params\.nearest_neighbor: unknown n_neighbours. Allowed: max_spik"
    ):
        compute(
            analyzer,
            {
                "quality_metrics": {
                    "metric_names": ["nearest_neighbor"],
                    "metric_params": {"nearest_neighbor": {"n_neighbours": 3}},
                }
            },
        )


def test_all_cores_are_those_that_the_scheduler_leaves(inputs, monkeypatch):
    monkeypatch.setattr("ephys_postprocess.machine.cores._cores_by_affinity", lambda: 64)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert [how_to_run({}, n_jobs, None, None).num_threads for n_jobs in (-1, 64, 0.7, 1)] == [3, 3, 2, 1]
    with pytest.raises(ParameterError, match=r"n_jobs: must be -1 \(all cores\).*got \"many\""):
        compute(make_analyzer(inputs), "random_spikes", n_jobs="many")


@pytest.mark.parametrize("radius_um", [45.0, 1000.0])
def test_nn_advanced_of_a_dense_analyzer_uses_the_channels_within_its_radius(inputs, radius_um):
    recording, sorting = inputs
    # integer ids: of others stock makes 0
    analyzer = si.create_sorting_analyzer(sorting.rename_units(np.arange(5)), recording, sparse=False, seed=0)
    analyzer.compute({"random_spikes": {"seed": 0}, "waveforms": {"ms_before": 0.5, "ms_after": 1.0}}, n_jobs=1)
    analyzer.compute({"templates": {"operators": ["average", "median"]}, "principal_components": {"n_components": 2}})
    params = {"max_spikes": 60, "n_components": 4, "radius_um": radius_um, "seed": 3}
    compute(analyzer, {"quality_metrics": {"metric_names": ["nn_advanced"], "metric_params": {"nn_advanced": params}}})
    ours = analyzer.get_extension("quality_metrics").get_data()["nn_isolation"].to_numpy()
    within = si.compute_sparsity(analyzer, method="radius", radius_um=radius_um).mask
    assert within.all() == (radius_um == 1000.0)
    expected = [nearest_neighbors_isolation(analyzer, unit, min_fr=0.0, **params)[0] for unit in range(5)]
    # stock decomposes in float32: a neighbor or two of some hundred may differ
    np.testing.assert_allclose(ours, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("how", [{"percentage": 0.5}, {"maximum_rate": 3.0}], ids=["percentage", "maximum_rate"])
def test_random_spikes_keep_what_their_method_needs(inputs, how):
    analyzer = make_analyzer(inputs)
    asked = {"method": next(iter(how)), "seed": 0, **how}
    compute(analyzer, {"random_spikes": asked}, n_jobs=1)
    extension = analyzer.get_extension("random_spikes")
    assert asked.items() <= extension.params.items()
    chosen = analyzer.sorting.to_spike_vector()["unit_index"][extension.get_data()]
    counts = np.array(list(analyzer.sorting.count_num_spikes_per_unit().values()))
    expected = (counts * 0.5).astype(int) if "percentage" in how else np.minimum(counts, int(8.0 * 3.0) - 1)
    # the rate counts the time up to the last spike, which is a little less than 8 s
    np.testing.assert_array_equal(np.bincount(chosen, minlength=5), expected)


def test_metrics_of_spike_trains_need_no_other_extension(inputs):
    analyzer = make_analyzer(inputs)
    names = ["num_spikes", "firing_rate", "presence_ratio", "isi_violation", "rp_violation", "synchrony"]
    compute(analyzer, {"quality_metrics": {"metric_names": names}}, n_jobs=1)
    table = analyzer.get_extension("quality_metrics").get_data()
    assert table["num_spikes"].tolist() == list(analyzer.sorting.count_num_spikes_per_unit().values())
