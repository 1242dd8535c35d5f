"""Isolation by neighbors of waveforms: against the naive twin, by hand, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import declared
from reference import nn_advanced as reference

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.stages.quality import nn_advanced as stage

PARAMETERS = declared.of_metric("nn_advanced")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 20), st.integers(1, 30), st.integers(1, 4))
def test_joint_isolation_equals_reference(seed, num_first, num_second, num_features, num_components):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(num_first, num_features)), 1 + rng.normal(size=(num_second, num_features))
    isolation = stage.joint_isolation(first, second, num_components, 3)
    np.testing.assert_allclose(isolation, reference.joint_isolation(first, second, num_components, 3), rtol=1e-12)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_leading_projections_equal_reference_up_to_sign(shape):
    snippets = np.random.default_rng(0).normal(size=shape)
    projected, expected = (np.abs(module.leading_projections(snippets, 3)) for module in (stage, reference))
    np.testing.assert_allclose(projected[:, ::-1], expected, atol=1e-10)  # eigenvalues rise, singular values fall


def some_waveforms():
    rng = np.random.default_rng(0)
    units = rng.integers(0, 4, 200)
    shapes = rng.normal(scale=3, size=(4, 12, 2))
    waveforms = (shapes[units] + rng.normal(size=(200, 12, 2))).astype(np.float32)
    mask = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 1, 1]], dtype=bool)
    noise = rng.normal(size=(1000, 12, 3)).astype(np.float32)
    return waveforms, units, mask, np.array([500, 600, 700, 9]), np.array([5.0, 6.0, 7.0, 0.1]), noise


def test_clear_clouds_are_isolated_and_few_spikes_have_a_reason():
    columns, reasons = stage.nn_advanced(*some_waveforms(), PARAMETERS, 1)
    assert (columns["nn_isolation"][:3] > 0.99).all()
    assert (columns["nn_noise_overlap"][:3] < 0.1).all()
    assert np.isnan(columns["nn_isolation"][3])
    why = {3: "fewer than min_spikes = 10 spikes"}
    assert reasons == {"nn_isolation": why, "nn_noise_overlap": why}


def test_threads_change_nothing():
    alone, _ = stage.nn_advanced(*some_waveforms(), PARAMETERS, num_threads=1)
    together, _ = stage.nn_advanced(*some_waveforms(), PARAMETERS, num_threads=4)
    for name, values in alone.items():
        np.testing.assert_array_equal(values, together[name])


def test_without_noise_there_is_no_overlap_and_a_reason():
    *arguments, _ = some_waveforms()
    columns, reasons = stage.nn_advanced(*arguments, None, PARAMETERS, 1)
    assert np.isnan(columns["nn_noise_overlap"]).all()
    assert reasons["nn_noise_overlap"][0] == "no noise snippets"


def test_a_unit_alone_is_isolated():
    waveforms, _, mask, num_spikes, rates_hz, _ = some_waveforms()
    units = np.zeros(200, dtype=int)
    columns, _ = stage.nn_advanced(waveforms, units, mask[:1], num_spikes[:1], rates_hz[:1], None, PARAMETERS, 1)
    assert columns["nn_isolation"] == 1


def test_wrong_parameters_are_refused():
    with pytest.raises(ParameterError):
        stage.nn_advanced(*some_waveforms(), PARAMETERS | {"n_neighbors": 0}, 1)
