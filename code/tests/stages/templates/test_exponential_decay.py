import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import exponential_decay as reference

from ephys_postprocess.stages.templates.exponential_decay import fit_exponentials


def make_points(seed, num_units=5):
    rng = np.random.default_rng(seed)
    points = []
    for _ in range(num_units):
        distances = np.sort(rng.uniform(0, 150, rng.integers(8, 19)))
        distances[0] = 0
        faded = rng.uniform(50, 200) * np.exp(-rng.uniform(0.005, 0.05) * distances) + rng.uniform(5, 20)
        points.append((distances, faded * rng.uniform(0.9, 1.1, distances.size)))
    return points


def squared_error(curve, distances, amplitudes):
    return ((curve[1] * np.exp(-curve[0] * distances) + curve[2] - amplitudes) ** 2).sum()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_as_scipy_fits_each_unit(seed):
    points = make_points(seed)
    found, expected = fit_exponentials(points), reference.fit_exponentials(points)
    for curve, other, of_unit in zip(found, expected, points, strict=True):
        # both stop within 1e-8 of the least cost; along flat directions that is a longer way
        np.testing.assert_allclose(squared_error(curve, *of_unit), squared_error(other, *of_unit), rtol=1e-6)
        np.testing.assert_allclose(curve, other, rtol=1e-3, atol=1e-3)


def test_exact_curve_is_found():
    distances = np.arange(10) * 15.0
    curve = np.array([0.02, 90.0, 8.0])
    amplitudes = curve[1] * np.exp(-curve[0] * distances) + curve[2]
    np.testing.assert_allclose(fit_exponentials([(distances, amplitudes)])[0], curve, rtol=1e-4)


def test_other_units_change_nothing_but_rounding():
    points = make_points(3)
    alone = np.concatenate([fit_exponentials([of_unit]) for of_unit in points])
    np.testing.assert_allclose(fit_exponentials(points[::-1])[::-1], alone, rtol=1e-7)


@pytest.mark.parametrize("amplitudes", [np.zeros(5), np.array([3.0, 0.0, 1.0, 2.0, 1.0])])
def test_bounds_without_room(amplitudes):
    points = [(np.arange(5.0), amplitudes), make_points(0, 1)[0]]
    found = fit_exponentials(points)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_no_units():
    assert fit_exponentials([]).shape == (0, 3)
