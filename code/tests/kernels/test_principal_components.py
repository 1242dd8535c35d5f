"""What principal components do with snippets and models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import principal_components as reference

from ephys_postprocess.kernels import principal_components as kernels
from ephys_postprocess.kernels.octets import cover_with_octets, with_room_for_octets
from ephys_postprocess.kernels.solvers.leading_eigenpairs import block_width, random_block

FEW_EXAMPLES = settings(max_examples=30, deadline=None)


@FEW_EXAMPLES
@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 5), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_spikes_by_channel_is_a_plain_copy(num_spikes, num_samples, num_channels, padding, seed):
    waveforms = np.random.default_rng(seed).normal(size=(num_spikes, num_samples, num_channels + padding))
    waveforms = waveforms.astype(np.float32)
    ours = np.full((num_channels, num_spikes, num_samples), np.nan, dtype=np.float32)
    naive = ours.copy()
    kernels.spikes_by_channel(waveforms, ours)
    reference.spikes_by_channel(waveforms, naive)
    np.testing.assert_array_equal(ours, naive)


@FEW_EXAMPLES
@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_absorb_block_equals_the_naive_one(num_components, num_features, num_seen, num_rows, seed):
    rng = np.random.default_rng(seed)
    block = (
        *(rng.normal(size=num_features), rng.random(num_components)),
        *(rng.normal(size=(num_components, num_features)), 9 * rng.random(num_features)),
    )
    model = [
        *(rng.normal(size=num_features), rng.random(num_features)),
        *(rng.random(num_components), rng.normal(size=(num_components, num_features))),
    ]
    naive = [array.copy() for array in model]
    kernels.absorb_block(num_seen, num_rows, *block, *model)
    reference.absorb_block(num_seen, num_rows, *block, *naive)
    for ours, expected in zip(model, naive, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-14)  # a sum in another order


def test_absorb_block_by_hand():
    mean, var, singular_values, components = np.zeros(3), np.zeros(3), np.zeros(1), np.zeros((1, 3))
    # of two equal magnitudes the first decides the sign
    directions = np.array([[-2.0, 2.0, 1.0]]) / 3
    block = np.array([1.0, 0.0, 0.0]), np.array([9.0]), directions, np.array([4.0, 4.0, 1.0])
    kernels.absorb_block(0, 4, *block, mean, var, singular_values, components)
    assert mean.tolist() == [1.0, 0.0, 0.0]
    assert var.tolist() == [1.0, 1.0, 0.25]
    assert singular_values.tolist() == [3.0]
    assert components.tolist() == (-directions).tolist()


def made_up_model(num_components, num_features, num_seen, rng):
    """[mean, var, singular values, components] after some snippets; those of a model that saw none are zeros."""
    mean, var, singular_values = np.zeros(num_features), np.zeros(num_features), np.zeros(num_components)
    components = np.zeros((num_components, num_features))
    if num_seen:
        mean[:], var[:] = rng.normal(size=num_features), rng.random(num_features)
        singular_values[:] = 9 + rng.random(num_components)
        components[:] = np.linalg.qr(rng.normal(size=(num_features, num_components)))[0].T
    return [mean, var, singular_values, components]


@pytest.mark.parametrize("num_seen", [0, 70])
def test_absorb_moments_equals_the_naive_one(num_seen):
    rng = np.random.default_rng(num_seen)
    rows = rng.normal(size=(300, 100)) * np.linspace(5, 0.5, 100)  # directions that are apart
    model = made_up_model(3, 100, num_seen, rng)
    naive = [array.copy() for array in model]
    centered, mean = rows - rows.mean(axis=0), rows.mean(axis=0)
    shown = (num_seen, 300, mean)
    start, moments = random_block(100, block_width(100, 3)), np.triu(centered.T @ centered)
    values, ends, squares = np.empty(start.shape[1]), np.empty(start.shape), np.empty(100)
    assert kernels.absorb_moments(*shown, moments, start, values, ends, squares, *model)
    reference.absorb_moments(*shown, centered, squares_of := np.empty(100), *naive)
    np.testing.assert_allclose(squares, squares_of, rtol=1e-12)
    for ours, expected in zip(model, naive, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=2e-6)  # angles of 1e-6, ANGLE_TOLERANCE


@pytest.mark.parametrize("num_features", [20, 100])  # too few to iterate; too few dimensions for so many components
def test_absorb_moments_leaves_the_model_where_it_finds_no_components(num_features):
    rng = np.random.default_rng(1)
    model = made_up_model(3, num_features, 0, rng)
    rows = rng.normal(size=(50, 1)) * rng.normal(size=num_features)
    start, moments = random_block(num_features, block_width(num_features, 3)), np.triu(rows.T @ rows)
    values, ends, squares = np.empty(start.shape[1]), np.empty(start.shape), np.empty(num_features)
    mean = rows.mean(axis=0)
    assert not kernels.absorb_moments(0, 50, mean, moments, start, values, ends, squares, *model)
    assert not any(array.any() for array in model)
    np.testing.assert_allclose(moments, rows.T @ rows, rtol=1e-12)


@FEW_EXAMPLES
@given(
    st.integers(0, 20), st.integers(0, 11), st.integers(1, 9), st.integers(1, 4), st.integers(0, 9), st.integers(0, 99)
)
def test_project_counts_equals_the_naive_one(num_spikes, num_channels, num_samples, num_components, padding, seed):
    rng = np.random.default_rng(seed)
    shape = (num_spikes, num_samples, num_channels + padding)
    snippets = rng.integers(-30_000, 30_000, size=shape).astype(np.int16)
    weights = rng.normal(size=(num_channels, num_components, num_samples))
    offsets = rng.normal(size=(num_channels, num_components))
    ours = np.full((num_spikes, num_components, num_channels), np.nan, dtype=np.float32)
    naive = ours.copy()
    project_counts(snippets, weights, offsets, 0.195, ours)
    reference.project_counts(snippets, weights, offsets, 0.195, naive)
    # rounded to float32 once, and terms of both signs
    np.testing.assert_allclose(ours, naive, rtol=1e-6, atol=1e-6 * np.abs(naive).max(initial=1))


def project_counts(snippets, weights, offsets, gain, projections):
    """The kernel on snippets (num_spikes, num_samples, num_channels or more)."""
    num_spikes, num_samples, width = snippets.shape
    windows = with_room_for_octets(snippets.reshape(num_spikes * num_samples, width))
    cover = cover_with_octets(np.arange(len(weights))[None], windows.shape[1])
    octets = cover.starts[0], cover.spread(weights.transpose(1, 2, 0)[None])[0], cover.places[0]
    kernels.project_counts(windows, num_samples, *octets, offsets, gain, projections)


def test_project_counts_by_hand():
    snippets = np.array([[[1], [2]], [[10], [20]]], dtype=np.int16)
    projections = np.empty((2, 1, 1), dtype=np.float32)
    project_counts(snippets, np.array([[[1.0, -1.0]]]), np.array([[0.5]]), 2.0, projections)
    assert projections.ravel().tolist() == [-2.5, -20.5]
