"""Incremental fit and projection beside the naive ones."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import principal_components as reference
from reference.small_analyzer import ArrayTraces

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.principal_components import models as stage
from ephys_postprocess.stages.principal_components import unit_rounds
from ephys_postprocess.stages.principal_components.all_spike_projections import AllSpikeProjections
from ephys_postprocess.stages.principal_components.incremental_pca import IncrementalFits
from ephys_postprocess.stages.principal_components.scratch import Scratch
from ephys_postprocess.stages.principal_components.snippet_blocks import FloatBlock, block_size, blocks_of_unit
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

FEW_EXAMPLES = settings(max_examples=20, deadline=None)
ATTRIBUTES = (
    "components",
    "mean",
    "var",
    "singular_values",
    "explained_variance",
    "explained_variance_ratio",
    "noise_variance",
)


def snippets_like(rng, num_spikes, num_samples, num_channels):
    """Float32 snippets with smooth noise and three shapes of very different size."""
    shapes = np.cos(np.outer(np.arange(3) + 1, np.arange(num_samples)) * 3 / num_samples)
    weights = rng.normal(size=(num_spikes, num_channels, 3)) * [30.0, 10.0, 4.0] + [20.0, -3.0, 0.0]
    noise = rng.normal(size=(num_spikes, num_channels, num_samples)).cumsum(axis=2)
    return np.ascontiguousarray((weights @ shapes + noise).transpose(0, 2, 1), dtype=np.float32)


def make_units(seed, counts, num_samples, num_channels, share):
    """Waveforms a unit, the unit of each sampled spike (in mixed order), sparsity."""
    rng = np.random.default_rng(seed)
    mask = rng.random((len(counts), num_channels)) < share
    mask[:, 0] = True
    sparsity = Sparsity(mask)
    waveforms = [snippets_like(rng, count, num_samples, sparsity.max_num_channels) for count in counts]
    return waveforms, rng.permutation(np.repeat(np.arange(len(counts)), counts)), sparsity


def assume_defined(counts, sparsity, mode, n_components):
    """Of as many centered rows as components, the last singular value is rounding alone."""
    assume(not (unit_rounds.rows_in_block(np.array(counts), sparsity, mode) == n_components).any())


def counts_like(waveforms, gain_uV):
    return [np.round(snippets / gain_uV).astype(np.int16) for snippets in waveforms]


def naive(waveforms, unit_indices, sparsity, n_components, mode, whiten):
    """Models by index, and the projections, one block after the other."""
    blocks = {}
    for unit_index, snippets in enumerate(waveforms):
        for model, _, block in _blocks(snippets, sparsity, unit_index, mode):
            blocks.setdefault(model, []).append(block)
    if mode == "by_channel_global":
        blocks = {
            0: [np.concatenate([b for _, _, b in _blocks(w, sparsity, u, mode)]) for u, w in enumerate(waveforms)]
        }
    enough = {model: [block for block in own if len(block) >= n_components] for model, own in blocks.items()}
    models = {model: reference.fit_models(own, n_components) for model, own in enough.items() if own}
    shape = (unit_indices.size, n_components) + (() if mode == "concatenated" else (sparsity.max_num_channels,))
    projection = np.zeros(shape)
    for unit_index, snippets in enumerate(waveforms):
        rows = np.flatnonzero(unit_indices == unit_index)
        for model, position, block in _blocks(snippets, sparsity, unit_index, mode):
            if model in models:
                where = (rows,) if mode == "concatenated" else (rows, slice(None), position)
                projection[where] = reference.project_waveforms(block, models[model], whiten)
    return models, projection


def _blocks(snippets, sparsity, unit_index, mode):
    """(model, position in the packed array, rows to show) of a unit."""
    if mode == "concatenated":
        return [(0, None, snippets.reshape(len(snippets), snippets.shape[1] * snippets.shape[2]))]
    channels = np.flatnonzero(sparsity.mask[unit_index])
    is_local = mode == "by_channel_local"
    return [
        (channel if is_local else 0, position, snippets[:, :, position]) for position, channel in enumerate(channels)
    ]


def check_models(models, naive_models):
    for index, expected in naive_models.items():
        assert models.n_samples_seen[index] == expected["n_samples_seen"]
        for name in ATTRIBUTES:
            # float64 on both sides; directions are found to 1e-6 and carried through every block
            of_scale = "explained_variance" if name == "noise_variance" else name
            scale = np.abs(expected[of_scale]).max()
            np.testing.assert_allclose(getattr(models, name)[index], expected[name], rtol=0, atol=2e-5 * scale)


@FEW_EXAMPLES
@given(
    st.sampled_from(stage.MODES),
    st.lists(st.integers(0, 40), min_size=1, max_size=5),
    st.sampled_from([12, 110]),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_principal_components_equal_the_naive_ones(mode, counts, num_samples, n_components, whiten, seed):
    share = 1.0 if mode == "concatenated" else 0.6
    waveforms, unit_indices, sparsity = make_units(seed, counts, num_samples, 3, share)
    assume_defined(counts, sparsity, mode, n_components)
    naive_models, projection = naive(waveforms, unit_indices, sparsity, n_components, mode, whiten)
    ours = stage.principal_components(
        waveforms.__getitem__, unit_indices, sparsity, num_samples, n_components, mode, whiten
    )
    check_models(ours.models, naive_models)
    assert set(np.flatnonzero(ours.models.is_fitted)) == set(naive_models)
    assert ours.projection.dtype == np.float32
    assert ours.projection.shape == projection.shape
    # float32 beside float64, and 1e-5 of the model
    np.testing.assert_allclose(ours.projection, projection, rtol=1e-5, atol=2e-5 * np.abs(projection).max(initial=1))


@FEW_EXAMPLES
@given(
    st.sampled_from(stage.MODES),
    st.lists(st.integers(0, 70), min_size=1, max_size=4),
    st.sampled_from([11, 110]),
    st.sampled_from([0.01, 2.5]),
    st.integers(0, 2**32 - 1),
)
def test_counts_have_the_components_of_their_microvolts(mode, counts, num_samples, gain_uV, seed):
    waveforms, unit_indices, sparsity = make_units(seed, counts, num_samples, 3, 1.0 if mode == "concatenated" else 0.6)
    assume_defined(counts, sparsity, mode, 4)
    of_counts = counts_like(waveforms, gain_uV)
    in_microvolts = [snippets * np.float32(gain_uV) for snippets in of_counts]
    options = unit_indices, sparsity, num_samples, 4, mode
    ours = stage.principal_components(of_counts.__getitem__, *options, gain_uV=gain_uV)
    naive_models, projection = naive(in_microvolts, *options[:2], 4, mode, True)
    check_models(ours.models, naive_models)
    # float32 beside float64, and 1e-5 of the model
    np.testing.assert_allclose(ours.projection, projection, rtol=1e-5, atol=2e-5 * np.abs(projection).max(initial=1))


@pytest.mark.parametrize("mode", stage.MODES[:2])
def test_blocks_of_counts_are_those_of_floats(mode):
    snippets = np.arange(5 * 6 * 3).reshape(5, 6, 3)
    counts, room = snippets.astype(np.int16), np.empty(block_size(2, 5, 6, 0.5), dtype=np.int16)
    of_counts = blocks_of_unit(counts, room, 2, mode, 0.5)
    in_microvolts = (0.5 * snippets).astype(np.float32)
    of_floats = blocks_of_unit(in_microvolts, np.empty(block_size(2, 5, 6, None), dtype=np.float32), 2, mode, None)
    assert len(of_counts) == len(of_floats) == (2 if mode == "by_channel_local" else 1)
    for own, expected in zip(of_counts, of_floats, strict=True):
        assert own.num_rows == expected.num_rows
        np.testing.assert_array_equal(own.rows(), expected.rows())
        (moments, mean), (expected_moments, expected_mean) = (b.centered_moments(Scratch()) for b in (own, expected))
        np.testing.assert_allclose(np.triu(moments), np.triu(expected_moments), rtol=1e-13)
        np.testing.assert_allclose(mean, expected_mean, rtol=1e-14)


def test_snippets_longer_than_moments_are_worth_it_are_shown_whole():
    # more samples than MOST_FEATURES_SQUARED: products between snippets instead of between samples
    waveforms, units, sparsity = make_units(21, [40, 35], 600, 2, 1.0)
    of_counts = counts_like(waveforms, 0.5)
    ours = stage.principal_components(of_counts.__getitem__, units, sparsity, 600, 3, gain_uV=0.5)
    naive_models, _ = naive(
        [counts * np.float32(0.5) for counts in of_counts], units, sparsity, 3, stage.MODES[0], True
    )
    check_models(ours.models, naive_models)


def test_one_model_by_hand():
    fits = IncrementalFits(1, 1, 2)
    block = np.array([[1, 0], [-1, 0], [0, 0]], dtype=np.float32)
    fits.update(0, FloatBlock(block), Scratch())
    assert fits.components.tolist() == [[[1.0, 0.0]]]
    np.testing.assert_allclose(fits.singular_values**2, 2.0)
    fits.update(0, FloatBlock(block + np.float32([3, 0])), Scratch())
    # 2 from each block, and the means 0 and 3 add 3 * 3 / 6 * 3² = 13.5
    np.testing.assert_allclose(fits.singular_values**2, 17.5)
    np.testing.assert_allclose(fits.mean, [[1.5, 0.0]])
    np.testing.assert_allclose(fits.var, [[17.5 / 6, 0.0]])
    assert fits.n_samples_seen.tolist() == [6]
    np.testing.assert_allclose(fits.noise_variance, 0.0, atol=1e-15)


@pytest.mark.parametrize("mode", stage.MODES)
@pytest.mark.parametrize("round_bytes", [1, unit_rounds.ROUND_BYTES])
@pytest.mark.parametrize("gain_uV", [None, 0.25])
def test_threads_change_no_byte(mode, round_bytes, gain_uV, monkeypatch):
    monkeypatch.setattr(unit_rounds, "ROUND_BYTES", round_bytes)
    waveforms, units, sparsity = make_units(5, [60, 3, 0, 150, 90, 41], 110, 8, 1.0 if mode == "concatenated" else 0.5)
    if gain_uV is not None:
        waveforms = counts_like(waveforms, gain_uV)
    one, four = (
        stage.principal_components(
            waveforms.__getitem__, units, sparsity, 110, mode=mode, num_threads=num_threads, gain_uV=gain_uV
        )
        for num_threads in (1, 4)
    )
    np.testing.assert_array_equal(one.projection, four.projection)
    for name in ATTRIBUTES:
        np.testing.assert_array_equal(getattr(one.models, name), getattr(four.models, name))


def test_units_with_few_spikes_are_told():
    waveforms, units, _ = make_units(7, [30, 2, 0, 4], 20, 3, 1.0)
    sparsity = Sparsity(np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 1, 1]], dtype=bool))
    result = stage.principal_components(waveforms.__getitem__, units, sparsity, 20, n_components=5)
    assert result.few_spikes_units.tolist() == [1, 2, 3]
    assert result.unprojected_units.tolist() == [3]  # channel 2 is its own, and nobody else's
    assert result.projection[units == 1].all()
    assert result.projection[units == 3, :, 0].all()
    assert not result.projection[units == 3, :, 1].any()
    assert result.models.is_fitted.tolist() == [True, True, False]


@pytest.mark.parametrize("mode", stage.MODES)
def test_no_spikes_at_all(mode):
    result = stage.principal_components(
        None, np.zeros(0, dtype=np.int64), Sparsity(np.ones((2, 3), bool)), 20, mode=mode
    )
    assert result.projection.shape == ((0, 5) if mode == "concatenated" else (0, 5, 3))
    assert not result.models.is_fitted.any()
    assert result.few_spikes_units.tolist() == [0, 1]


def test_a_unit_without_channels_has_no_projections():
    waveforms, units, _ = make_units(9, [30, 30], 20, 2, 1.0)
    result = stage.principal_components(waveforms.__getitem__, units, Sparsity(np.array([[0, 0], [1, 1]], bool)), 20)
    assert not result.projection[units == 0].any()
    assert result.projection[units == 1].all()
    alone = stage.principal_components(waveforms.__getitem__, np.zeros(30, int), Sparsity(np.zeros((1, 2), bool)), 20)
    assert alone.projection.shape == (30, 5, 0)


def test_snippets_without_variance_stay_finite():
    waveforms = [np.zeros((12, 100, 1), dtype=np.float32)]
    result = stage.principal_components(waveforms.__getitem__, np.zeros(12, int), Sparsity(np.ones((1, 1), bool)), 100)
    assert not result.projection.any()
    assert np.isfinite(result.models.components).all()


def test_wrong_parameters_are_refused():
    sparse, units = Sparsity(np.array([[True, False]])), np.zeros(9, dtype=np.int64)
    for settings_, words in (
        ({"mode": "local"}, "by_channel_local"),
        ({"mode": "concatenated"}, "every channel"),
        ({"n_components": 21}, "from 1 to 20"),
    ):
        with pytest.raises(ParameterError, match=words):
            stage.principal_components(None, units, sparse, 20, **settings_)


@pytest.mark.parametrize("mode", stage.MODES[:2])
def test_every_spike_is_projected_from_its_own_segment_in_microvolts(mode):
    waveforms, units, sparsity = make_units(11, [40, 50, 30], 24, 4, 0.6)
    models = stage.principal_components(waveforms.__getitem__, units, sparsity, 24, 3, mode).models
    rng = np.random.default_rng(0)
    segments = [rng.integers(-900, 900, size=(length, 4)).astype(np.int16) for length in (4000, 2500)]
    gains, offsets = np.float32([0.2, 0.3, 0.25, 0.1]), np.float32([0.0, 5.0, -2.0, 0.0])
    samples = [
        np.sort(np.append(rng.integers(0, len(s), size=80), [0, 10, len(s) - 14, len(s) - 13])) for s in segments
    ]
    spikes = SpikeTrains(
        np.concatenate(samples),
        rng.integers(0, 3, size=168),
        np.repeat([0, 1], 84),
        3,
        (4000, 2500),
        30_000.0,
    )
    consumers = [AllSpikeProjections(models, spikes, sparsity, 10, 14, gains, offsets) for _ in range(2)]
    traces = ArrayTraces(segments, gains, offsets)
    for consumer, chunk_samples, num_threads in zip(consumers, (700, 10_000), (4, 1), strict=True):
        run_trace_pass(traces, spikes, [consumer], chunk_samples, num_threads)
    expected = np.zeros_like(consumers[0].projections)
    for row in range(spikes.num_spikes):
        segment, sample = segments[spikes.segment_indices[row]], spikes.samples[row]
        if sample < 10 or sample + 14 > len(segment):
            continue
        snippet = segment[sample - 10 : sample + 14].astype(np.float32) * gains + offsets
        for position, channel in enumerate(np.flatnonzero(sparsity.mask[spikes.unit_indices[row]])):
            model = {name: getattr(models, name)[models.model_of_channel(channel)] for name in ATTRIBUTES}
            expected[row, :, position] = reference.project_waveforms(snippet[None, :, channel], model, True)[0]
    assert not expected[0].any()
    assert expected[1].any()
    for consumer in consumers:
        # float32, and sums of both signs
        np.testing.assert_allclose(consumer.projections, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(consumers[0].projections, consumers[1].projections, rtol=1e-6, atol=1e-6)


def test_concatenated_models_cannot_project_every_spike():
    result = stage.principal_components(
        None, np.zeros(0, dtype=np.int64), Sparsity(np.ones((1, 2), bool)), 20, mode="concatenated"
    )
    with pytest.raises(ParameterError, match="concatenated"):
        AllSpikeProjections(result.models, None, None, 5, 5, np.ones(2), np.zeros(2))
