"""What principal components do with snippets and models."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import principal_components as reference

from ephys_postprocess.kernels import principal_components as kernels

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


@FEW_EXAMPLES
@given(
    st.integers(0, 70), st.integers(0, 3), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2), st.integers(0, 99)
)
def test_project_counts_equals_the_naive_one(num_spikes, num_channels, num_samples, num_components, padding, seed):
    rng = np.random.default_rng(seed)
    num_rows = -(-num_samples // 4) * 4
    counts = rng.integers(-30_000, 30_000, size=(num_channels, num_rows, num_spikes + padding)).astype(np.int16)
    weights = np.zeros((num_channels, num_components, num_rows))
    weights[:, :, :num_samples] = rng.normal(size=(num_channels, num_components, num_samples))
    offsets = rng.normal(size=(num_channels, num_components))
    ours = np.full((num_spikes, num_components, num_channels), np.nan, dtype=np.float32)
    naive = ours.copy()
    kernels.project_counts(counts, weights, offsets, 0.195, ours)
    reference.project_counts(counts, weights, offsets, 0.195, naive)
    # rounded to float32 once, and terms of both signs
    np.testing.assert_allclose(ours, naive, rtol=1e-6, atol=1e-6 * np.abs(naive).max(initial=1))


def test_project_counts_by_hand():
    counts = np.array([[[1, 10], [2, 20], [0, 0], [0, 0]]], dtype=np.int16)
    projections = np.empty((2, 1, 1), dtype=np.float32)
    kernels.project_counts(counts, np.array([[[1.0, -1.0, 5.0, 5.0]]]), np.array([[0.5]]), 2.0, projections)
    assert projections.ravel().tolist() == [-2.5, -20.5]
