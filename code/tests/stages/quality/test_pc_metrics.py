"""PC metrics of whole units: against the naive twin, by hand, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import declared
from reference import pc_metrics as reference

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.pc_metrics import chi_square_tails
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.quality import pc_distances, pc_neighborhoods, pc_scatter
from ephys_postprocess.stages.quality import pc_metrics as stage

COLUMNS = [column for columns in stage.PC_METRIC_COLUMNS.values() for column in columns]

# The reference's discriminant is an SVD, ours an eigendecomposition of second moments; both float64.
CLOSE = {"rtol": 1e-6, "atol": 1e-9}


def some_spikes(seed, num_units=4, num_channels=5, num_components=2, num_spikes=120):
    """Clouds of unequal size around different centers, on different channels."""
    rng = np.random.default_rng(seed)
    main_channel_indices = rng.integers(0, num_channels, num_units)
    mask = np.abs(np.arange(num_channels) - main_channel_indices[:, None]) <= 1
    units = np.sort(rng.integers(0, num_units, num_spikes) * rng.integers(0, 2, num_spikes))
    rng.shuffle(units)
    centers = rng.normal(scale=2, size=(num_units, num_components, mask.sum(axis=1).max()))
    projections = (centers[units] + rng.normal(size=(num_spikes, *centers.shape[1:]))).astype(np.float32)
    for unit, size in enumerate(mask.sum(axis=1)):
        projections[units == unit, :, size:] = 0
    return projections, units, mask, main_channel_indices


def both_silhouettes(arguments, parameters=None, num_threads=1):
    columns, reasons = stage.pc_metrics(*arguments, declared.of_pc_metrics(**parameters or {}), num_threads)
    full, _ = stage.pc_metrics(*arguments, {"silhouette": {"method": "full"}}, num_threads)
    return {**columns, "silhouette_full": full["silhouette"]}, reasons


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([0, 1, 3, 20, 150]), st.sampled_from([30, 10000]))
def test_pc_metrics_equal_reference(seed, num_units, num_spikes, max_spikes):
    arguments = some_spikes(seed, num_units, num_spikes=num_spikes)
    parameters = {"nearest_neighbor": {"n_neighbors": 3, "max_spikes": max_spikes}}
    columns, reasons = both_silhouettes(arguments, parameters)
    expected = reference.pc_metrics(*arguments, max_spikes=max_spikes, n_neighbors=3)
    # Not defined in the reference: a spread of zero along the line, or every spike a cluster of its own.
    for name in ("d_prime", "silhouette_full"):
        is_undefined = ~np.isfinite(expected[name])
        columns[name][is_undefined] = expected[name][is_undefined] = np.nan
    for name, values in columns.items():
        np.testing.assert_allclose(values, expected[name], err_msg=name, **CLOSE)
    for name in COLUMNS:
        if name != "d_prime":
            assert set(reasons.get(name, {})) == set(np.flatnonzero(np.isnan(columns[name])))


def test_two_clouds_by_hand():
    # One channel, one component: the unit at -1, 0, 1 (variance 1) and another at 9, 10, 11.
    projections = np.array([-1, 0, 1, 9, 10, 11], dtype=np.float32).reshape(6, 1, 1)
    units = np.array([0, 0, 0, 1, 1, 1])
    columns, reasons = stage.pc_metrics(
        projections,
        units,
        np.ones((2, 1), dtype=bool),
        np.zeros(2),
        declared.of_pc_metrics(nearest_neighbor={"n_neighbors": 2}),
        1,
    )
    assert reasons == {}
    np.testing.assert_allclose(columns["isolation_distance"], [121, 121])  # the third nearest, 11 deviations away
    np.testing.assert_allclose(columns["d_prime"], 10 / np.sqrt(2 / 3))
    np.testing.assert_allclose(columns["silhouette"], [(1 - 1 / 11 + 1 + 1 - 1 / 9) / 3] * 2)
    np.testing.assert_array_equal(columns["nn_hit_rate"], [1, 1])
    np.testing.assert_array_equal(columns["nn_miss_rate"], [0, 0])


def test_threads_and_blocks_change_nothing_that_they_must_not(monkeypatch):
    arguments = some_spikes(1, num_units=9, num_channels=7, num_spikes=900)
    alone, _ = both_silhouettes(arguments, num_threads=1)
    together, _ = both_silhouettes(arguments, num_threads=4)
    monkeypatch.setattr(pc_neighborhoods, "BLOCK_ROWS", 7)
    blocks, _ = both_silhouettes(arguments)
    for name, values in alone.items():
        np.testing.assert_array_equal(values, together[name])
        # Sums of float64 in other portions.
        np.testing.assert_allclose(values, blocks[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("spread", [0.0, 3.0, 30.0])
def test_neighborhoods_too_large_to_be_kept_have_the_same_values(monkeypatch, spread):
    projections, units, mask, main_channels = some_spikes(2, num_units=9, num_channels=7, num_spikes=1500)
    apart = np.random.default_rng(0).normal(size=(9, *projections.shape[1:])) * spread
    projections = np.where(projections == 0, 0, projections + apart[units]).astype(np.float32)
    kept, why = both_silhouettes((projections, units, mask, main_channels))
    monkeypatch.setattr(pc_neighborhoods, "MOST_KEPT", 0)
    read_anew, why_then = both_silhouettes((projections, units, mask, main_channels))
    assert why_then == why
    assert np.isfinite(kept["l_ratio"]).any()
    for name, values in kept.items():
        np.testing.assert_array_equal(read_anew[name], values, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_second_moments_are_those_of_all_the_spikes(seed):
    projections, units, mask, main_channels = some_spikes(seed, num_units=9, num_channels=7, num_spikes=1500)
    spikes = pc_neighborhoods.PcSpikes(projections, units, Sparsity(mask), main_channels, is_by_channel=True)
    for target in range(9):
        neighborhood = pc_neighborhoods.neighborhood_of(spikes, target)
        if not neighborhood.target_rows.size or not neighborhood.other_rows.size:
            continue
        scatter = pc_scatter.scatter_of(neighborhood)
        for ours, rows in ((scatter.target, neighborhood.target_rows), (scatter.others, neighborhood.other_rows)):
            features = neighborhood.features(rows).astype(np.float64)
            features -= features.mean(axis=0)
            np.testing.assert_allclose(ours, features.T @ features, rtol=1e-9, atol=1e-9)


def test_moments_are_kept_as_long_as_there_is_room(monkeypatch):
    projections, units, mask, main_channels = some_spikes(0, num_units=9, num_channels=7, num_spikes=100)
    kept = []
    for room in (pc_scatter.KEPT_BYTES, 0):
        monkeypatch.setattr(pc_scatter, "KEPT_BYTES", room)
        spikes = pc_neighborhoods.PcSpikes(projections, units, Sparsity(mask), main_channels, is_by_channel=True)
        moments = [
            pc_scatter.scatter_of_others(pc_neighborhoods.neighborhood_of(spikes, target)) for target in range(9)
        ]
        kept.append((sum(scatter.nbytes for scatter in spikes.unit_scatters.values()), moments))
    (all_bytes, with_room), (few_bytes, without_room) = kept
    assert 0 < few_bytes <= projections.nbytes < all_bytes
    for first, second in zip(with_room, without_room, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e25])
def test_the_unit_of_projections_does_not_matter(scale):
    # at 1e25 squares are beyond float32, in which distances are screened
    projections, units, mask, main_channels = some_spikes(2, num_units=9, num_channels=7, num_spikes=1500)
    scaled = (projections * scale).astype(np.float32)
    metrics = {"mahalanobis": {}, "d_prime": {}}
    expected, _ = stage.pc_metrics(projections, units, mask, main_channels, metrics, 1)
    found, _ = stage.pc_metrics(scaled, units, mask, main_channels, metrics, 1)
    for name, values in expected.items():
        # The scaled projections are rounded to float32.
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


def test_beyond_the_farthest_of_weight_no_tail_counts():
    for num_dimensions in (1, 5, 90, 400):
        far = pc_distances.farthest_of_weight(num_dimensions)
        tails = chi_square_tails(np.array([far, far - 1]), num_dimensions)
        assert 1 - (1 - tails[0]) == 0
        assert tails[1] > 2.0**-55


def test_distances_left_out_are_those_that_nothing_depends_on():
    projections, units, mask, main_channels = some_spikes(2, num_units=9, num_channels=7, num_spikes=1500)
    projections[units != 1] += 40.0
    spikes = pc_neighborhoods.PcSpikes(projections, units, Sparsity(mask), main_channels, is_by_channel=True)
    neighborhood = pc_neighborhoods.neighborhood_of(spikes, 1)
    deviations = np.concatenate(list(neighborhood.target_deviations(neighborhood.target_mean)))
    whitening = pc_scatter.whitening_of(deviations.T @ deviations, len(deviations))
    found = pc_distances.distances_that_count(neighborhood, whitening)
    others = np.concatenate(list(neighborhood.deviation_blocks(neighborhood.other_rows, neighborhood.target_mean)))
    others = others @ whitening
    every = np.sort((others**2).sum(axis=1))
    num_target = neighborhood.target_rows.size
    assert num_target <= found.size < every.size
    np.testing.assert_allclose(np.sort(found), every[: found.size], rtol=1e-9)


def test_units_can_be_renumbered():
    projections, units, mask, main_channel_indices = some_spikes(2, num_units=6, num_channels=6, num_spikes=400)
    columns, _ = both_silhouettes((projections, units, mask, main_channel_indices))
    order = np.array([3, 0, 5, 1, 4, 2])
    renumbered, _ = both_silhouettes((projections, np.argsort(order)[units], mask[order], main_channel_indices[order]))
    for name, values in columns.items():
        # Sums over units run in the order of units.
        np.testing.assert_allclose(renumbered[name], values[order], rtol=1e-9, atol=1e-12)


def test_projections_without_channels_equal_one_channel():
    projections, units, *_ = some_spikes(3, num_components=3, num_spikes=200)
    mask, main_channel_indices = np.ones((4, 2), dtype=bool), np.array([0, 1, 0, 1])
    flat, _ = stage.pc_metrics(projections[:, :, 0], units, mask, main_channel_indices, declared.of_pc_metrics(), 1)
    single, _ = stage.pc_metrics(
        projections[:, :, :1], units, np.ones((4, 1), dtype=bool), np.zeros(4), declared.of_pc_metrics(), 1
    )
    for name, values in flat.items():
        np.testing.assert_array_equal(values, single[name])


def test_copies_of_a_channel_make_the_covariance_singular_but_not_the_discriminant():
    projections, units, mask, main_channel_indices = some_spikes(4, num_units=2, num_channels=1, num_spikes=300)
    once, _ = stage.pc_metrics(projections, units, mask, main_channel_indices, declared.of_pc_metrics(), 1)
    twice, reasons = stage.pc_metrics(
        np.repeat(projections, 2, axis=2),
        units,
        np.repeat(mask, 2, axis=1),
        main_channel_indices,
        declared.of_pc_metrics(),
        1,
    )
    assert np.isnan(twice["isolation_distance"]).all()
    assert reasons["l_ratio"][0].startswith("singular covariance")
    np.testing.assert_allclose(twice["d_prime"], once["d_prime"], rtol=1e-9)


def test_reasons_name_what_is_missing():
    projections, units, mask, main_channel_indices = some_spikes(5, num_units=3, num_channels=3, num_spikes=60)
    mask, main_channel_indices = (
        np.eye(4, dtype=bool),
        np.array([0, 1, 2, 3]),
    )  # nobody has a neighbor, unit 3 no spikes
    columns, reasons = stage.pc_metrics(projections, units, mask, main_channel_indices, declared.of_pc_metrics(), 1)
    np.testing.assert_array_equal(columns["nn_hit_rate"], [1, 1, 1, np.nan])
    assert reasons["silhouette"][0] == "no other units in the neighborhood"
    assert reasons["nn_miss_rate"] == {3: "no spikes with principal components"}
    columns, reasons = stage.pc_metrics(projections, units, mask, np.array([1, 1, 2, 3]), declared.of_pc_metrics(), 1)
    assert reasons["d_prime"][0] == "the unit's main channel is not among its sparse channels"
    projections[units == 1] = np.nan
    _, reasons = stage.pc_metrics(projections, units, mask, main_channel_indices, declared.of_pc_metrics(), 1)
    assert reasons["nn_hit_rate"][1] == "projections of the unit or its neighbors are not finite"


@pytest.mark.parametrize(
    "parameters",
    [
        {"silhouette": {"method": ["simplified"]}},
        {"nearest_neighbor": {"n_neighbors": 0, "max_spikes": 10}},
    ],
)
def test_wrong_parameters_are_refused(parameters):
    with pytest.raises(ParameterError):
        stage.pc_metrics(*some_spikes(0), parameters, 1)
