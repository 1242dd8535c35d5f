"""Center of mass and both triangulations against scipy, one problem at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import triangulation as reference

from ephys_postprocess.kernels.solvers.trust_region import search
from ephys_postprocess.stages.locations.spike_locators import triangulate_with_penalty
from ephys_postprocess.stages.locations.triangulation import (
    HAIRS_BREADTH,
    centers_of_mass,
    contact_features,
    initial_guess,
    place_sources,
    triangulate_least_squares,
    triangulate_twice,
)

CONTACTS_UM = np.array([[16.0 * (row % 2) + 32.0 * side, 20.0 * row] for row in range(7) for side in range(2)])


def triangulate_with_penalty_150(sources):
    return triangulate_with_penalty(sources, 150.0)


def amplitudes_seen(points, noise=0.0, seed=0):
    """What the contacts see of sources at x, y, z, alpha, with a little noise."""
    in_plane = ((CONTACTS_UM[np.newaxis] - points[:, np.newaxis, :2]) ** 2).sum(axis=2)
    seen = points[:, 3:] / np.sqrt(in_plane + points[:, 2:3] ** 2)
    return seen * (1 + noise * np.random.default_rng(seed).normal(size=seen.shape))


def make_sources(num_problems, noise, seed):
    """(PointSources with 6 to 14 contacts each, the points they were made from)"""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-10, 0, 5, 500], [60, 120, 60, 5000], (num_problems, 4))
    channels = np.tile(np.arange(14), (num_problems, 1))
    for row in range(num_problems):
        channels[row, rng.integers(6, 15) :] = -1
    return place_sources(amplitudes_seen(points, noise, seed), channels, CONTACTS_UM), points


def one_by_one(sources):
    for amplitudes, is_contact in zip(sources.amplitudes, sources.is_contact, strict=True):
        yield amplitudes[is_contact], CONTACTS_UM[: is_contact.sum()]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), num_problems=st.integers(1, 6))
def test_first_guess_and_center_equal_reference(seed, num_problems):
    sources, _ = make_sources(num_problems, 0.1, seed)
    centers = [reference.centers_of_mass(*problem) for problem in one_by_one(sources)]
    np.testing.assert_allclose(centers_of_mass(sources), centers, rtol=1e-12)
    expected = [reference.initial_guess(*problem, 150.0) for problem in one_by_one(sources)]
    for found, part in zip(initial_guess(sources, 150.0), zip(*expected, strict=True), strict=True):
        # The guess is rounded to float32, and a sum in another order may round to its neighbour.
        np.testing.assert_allclose(found, part, rtol=2e-7)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), num_problems=st.integers(1, 5))
def test_least_squares_takes_scipys_path(seed, num_problems):
    sources, _ = make_sources(num_problems, 0.1, seed)
    found, is_unfinished = triangulate_least_squares(sources, 1000.0)
    for row, problem in enumerate(one_by_one(sources)):
        expected, is_converged = reference.triangulate_least_squares(*problem, 1000.0)
        assert is_unfinished[row] != is_converged
        if is_converged:
            # scipy factors the Jacobian, we its square: half the digits where the problem is ill-conditioned.
            np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99))
def test_penalty_takes_scipys_path(seed):
    sources, _ = make_sources(4, 0.1, seed)
    found = triangulate_with_penalty(sources, 150.0)
    _, low, high = initial_guess(sources, 150.0)
    assert ((low[:, :3] <= found[:, :3]) & (found[:, :3] <= high[:, :3])).all()
    for row, problem in enumerate(one_by_one(sources)):
        expected, cost = reference.triangulate_with_penalty(*problem, 150.0)
        # The searches stop far from the minimum and see 1e-9 of noise in their gradients, so that two equal ones may
        # stop a step apart, which costs little: of all hundred seeds 1.75e-5 at most (46), and 5e-6 (27).
        np.testing.assert_allclose(cost(found[row, :3]), cost(expected[:3]), atol=2e-5)


def test_a_point_source_is_found_by_both():
    points = np.array([[20.0, 60.0, 25.0, 3000.0]])
    sources = place_sources(amplitudes_seen(points), np.arange(14)[np.newaxis], CONTACTS_UM)
    found, is_unfinished = triangulate_least_squares(sources, 1000.0)
    np.testing.assert_allclose(found, points, rtol=1e-4)
    assert not is_unfinished.any()
    # The reward for depth moves the minimum by a few µm.
    np.testing.assert_allclose(triangulate_with_penalty(sources, 150.0)[:, :3], points[:, :3], atol=5.0)


@pytest.mark.parametrize("solve", [lambda s: triangulate_least_squares(s, 1000.0)[0], triangulate_with_penalty_150])
def test_company_and_order_change_nothing(solve):
    sources, _ = make_sources(12, 0.2, 5)
    together = solve(sources)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(solve(sources[order]), together[order])
    alone = [solve(sources[row : row + 1])[0] for row in range(12)]
    np.testing.assert_array_equal(alone, together)


def test_silence_is_nan():
    sources = place_sources(np.zeros((1, 14)), np.arange(14)[np.newaxis], CONTACTS_UM)
    assert np.isnan(centers_of_mass(sources)).all()
    assert np.isnan(triangulate_least_squares(sources, 1000.0)[0]).all()
    assert np.isnan(triangulate_with_penalty(sources, 150.0)).all()


def test_nothing_to_locate():
    sources, _ = make_sources(1, 0.0, 0)
    none = sources[:0]
    assert triangulate_least_squares(none, 1000.0)[0].shape == (0, 4)
    assert triangulate_with_penalty(none, 150.0).shape == (0, 4)
    assert triangulate_twice(none, 1000.0)[1].shape == (0,)


def test_a_second_search_tells_which_answers_rounding_leads():
    sources, _ = make_sources(60, 0.5, 3)
    found, strayed_um = triangulate_twice(sources, 1000.0)
    expected, is_unfinished = triangulate_least_squares(sources, 1000.0)
    np.testing.assert_array_equal(found, expected)
    start, low, high = initial_guess(sources, 1000.0)
    beside, _ = search(sources, start * (1 + HAIRS_BREADTH), low, high)
    assert 0 < is_unfinished.sum() < 60
    np.testing.assert_array_equal(strayed_um[~is_unfinished], 0.0)
    np.testing.assert_array_equal(strayed_um[is_unfinished], np.abs(beside - found)[is_unfinished, :3].max(axis=1))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), feature=st.sampled_from(["ptp", "energy", "mean", "peak_voltage"]))
def test_features_equal_reference(seed, feature):
    windows = np.random.default_rng(seed).normal(size=(3, 20, 5)).astype(np.float32)
    expected = [reference.contact_features(window, feature, 7) for window in windows]
    # The reference adds in float32.
    np.testing.assert_allclose(contact_features(windows, feature, 7), expected, rtol=1e-5, atol=1e-6)
