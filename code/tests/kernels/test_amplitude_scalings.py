"""Amplitude scalings: every step and the whole consumer against the explicit fits, with cases by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import amplitude_scalings as reference

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.amplitude_scalings import BLOCK_SAMPLES, fit_scalings, sum_fit_windows, template_moments
from ephys_postprocess.kernels.octets import OCTET, cover_with_octets, with_room_for_octets
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.traces import collisions
from ephys_postprocess.stages.traces.amplitude_scalings import (
    AmplitudeScalings,
    pack_templates,
    pair_products_bytes,
    scaling_sparsity_mask,
    template_pair_products,
)
from ephys_postprocess.stages.traces.collisions import find_collisions
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

NUM_CHANNELS, NBEFORE, NUM_SAMPLES, DELTA = 6, 8, 20, 12
SAMPLING_HZ = 6000.0  # 12 samples are 2 ms
GAINS = np.linspace(0.5, 2.0, NUM_CHANNELS).astype(np.float32)
OFFSETS = np.linspace(-3.0, 4.0, NUM_CHANNELS).astype(np.float32)


class ArrayTraces:
    """Traces held in memory."""

    is_raw = False
    sampling_frequency_hz = SAMPLING_HZ
    fixed_chunk_samples = most_at_once = None
    num_readers = 0

    def __init__(self, segments):
        self.segments = segments
        self.num_channels = segments[0].shape[1]
        self.segment_lengths = tuple(len(segment) for segment in segments)
        self.dtype = segments[0].dtype

    def read(self, segment_index, start_sample, stop_sample, ranges=None, buffer=None):  # noqa: ARG002
        return self.segments[segment_index][start_sample:stop_sample]

    def expect(self, segment_index, ranges):
        """Nothing to fetch."""


def make_spikes(segments, num_units):
    """`segments`: one list of (sample, unit) a segment, with the segment's length."""
    rows = [(index, sample, unit) for index, (_, found) in enumerate(segments) for sample, unit in sorted(found)]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T.copy()
    lengths = tuple(length for length, _ in segments)
    return SpikeTrains(columns[1], columns[2], columns[0], num_units, lengths, SAMPLING_HZ)


def make_templates(rng, mask):
    """Smooth templates, zero outside their own channels."""
    shape = np.exp(-0.5 * ((np.arange(NUM_SAMPLES) - NBEFORE) / 2.0) ** 2)
    templates = -80 * rng.uniform(0.3, 1, (len(mask), 1, NUM_CHANNELS)) * shape[None, :, None]
    return (templates + rng.normal(size=(len(mask), NUM_SAMPLES, NUM_CHANNELS)) * 5) * mask[:, None, :]


def make_traces(rng, spikes, templates, dtype):
    """Noise and scaled templates, in counts."""
    segments = []
    for segment_index, length in enumerate(spikes.segment_lengths):
        traces = rng.normal(size=(length + 2 * NUM_SAMPLES, NUM_CHANNELS)) * 10
        for row in range(*spikes.segment_edges[segment_index : segment_index + 2]):
            start = spikes.samples[row] - NBEFORE + NUM_SAMPLES
            traces[start : start + NUM_SAMPLES] += templates[spikes.unit_indices[row]] * rng.uniform(0.5, 1.5)
        segments.append(((traces[NUM_SAMPLES:-NUM_SAMPLES] - OFFSETS) / GAINS).astype(dtype))
    return segments


def scale(segments, spikes, templates, mask, chunk_samples=100, num_threads=1, **parameters):
    consumer = AmplitudeScalings(spikes, templates, NBEFORE, mask, GAINS, OFFSETS, **parameters)
    run_trace_pass(ArrayTraces(segments), spikes, [consumer], chunk_samples, num_threads)
    return consumer


def make_case(seed, num_units=4, num_spikes=40, lengths=(300, 170), dtype="int16"):
    rng = np.random.default_rng(seed)
    mask = rng.random((num_units, NUM_CHANNELS)) < 0.5
    found = []
    for length in lengths:
        samples, units = rng.integers(0, length, num_spikes), rng.integers(0, num_units, num_spikes)
        found.append((length, set(zip(samples.tolist(), units.tolist(), strict=True))))
    spikes = make_spikes(found, num_units)
    templates = make_templates(rng, mask)
    return make_traces(rng, spikes, templates, dtype), spikes, templates, mask


def assert_equals_reference(consumer, expected):
    scalings, collides = expected
    np.testing.assert_array_equal(consumer.collision_mask, collides)
    # Normal equations in float64 (crowded spikes: condition up to about 1e6), stored as float32.
    np.testing.assert_allclose(consumer.amplitude_scalings, scalings, rtol=2e-6, atol=2e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 25), st.sampled_from(["int16", "float32"]), st.booleans())
def test_consumer_equals_explicit_fits(seed, num_spikes, dtype, handle_collisions):
    segments, spikes, templates, mask = make_case(seed, num_spikes=num_spikes, dtype=dtype)
    got = scale(segments, spikes, templates, mask, handle_collisions=handle_collisions)
    arguments = (segments, spikes, templates, NBEFORE, mask, GAINS, OFFSETS)
    expected = reference.amplitude_scalings(*arguments, handle_collisions=handle_collisions, delta_samples=DELTA)
    assert got.amplitude_scalings.dtype == np.float32
    assert_equals_reference(got, expected)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_templates_beyond_their_own_channels_are_fitted_explicitly(dtype):
    segments, spikes, _, mask = make_case(5, num_spikes=20, dtype=dtype)
    templates = make_templates(np.random.default_rng(6), np.ones_like(mask))
    expected = reference.amplitude_scalings(
        segments, spikes, templates, NBEFORE, mask, GAINS, OFFSETS, delta_samples=DELTA
    )
    assert_equals_reference(scale(segments, spikes, templates, mask), expected)


def test_templates_beyond_their_own_channels_take_no_part_where_they_are_zero():
    segments, spikes, templates, mask = make_case(8)
    slow = scale(segments, spikes, templates, mask)
    slow._are_templates_sparse = False
    run_trace_pass(ArrayTraces(segments), spikes, [slow], 100, 1)
    fast = scale(segments, spikes, templates, mask)
    # Two ways to the same products.
    np.testing.assert_allclose(slow.amplitude_scalings, fast.amplitude_scalings, rtol=2e-6, atol=2e-6)


def test_exact_multiples_give_back_their_scalings():
    mask = np.ones((2, NUM_CHANNELS), dtype=bool)
    templates = make_templates(np.random.default_rng(0), mask)
    # Alone; a chain in which the middle one collides with both ends and these with it only; two at the same sample.
    placed = [(40, 0, 1.25), (100, 0, 0.5), (111, 1, 2.0), (122, 0, 0.75), (200, 0, 1.0), (200, 1, 1.5)]
    spikes = make_spikes([(260, [(sample, unit) for sample, unit, _ in placed])], 2)
    traces = np.zeros((260, NUM_CHANNELS))
    for sample, unit, factor in placed:
        traces[sample - NBEFORE : sample - NBEFORE + NUM_SAMPLES] += factor * templates[unit]
    traces = ((traces - OFFSETS) / GAINS).astype(np.float32)
    got = scale([traces], spikes, templates, mask)
    np.testing.assert_array_equal(got.collision_mask, [False, True, True, True, True, True])
    factors = np.array([factor for _, _, factor in placed])
    exact = [0, 2, 4, 5]  # all that overlaps them is in their fit
    np.testing.assert_allclose(got.amplitude_scalings[exact], factors[exact], rtol=1e-6)  # float32 traces


def test_copies_of_a_unit_each_get_the_whole_scaling():
    mask = np.ones((2, NUM_CHANNELS), dtype=bool)
    templates = make_templates(np.random.default_rng(0), mask[:1]).repeat(2, axis=0)
    spikes = make_spikes([(100, [(40, 0), (40, 1)])], 2)
    traces = np.zeros((100, NUM_CHANNELS))
    traces[40 - NBEFORE : 40 - NBEFORE + NUM_SAMPLES] = 1.5 * templates[0]
    traces = ((traces - OFFSETS) / GAINS).astype(np.float32)
    got = scale([traces], spikes, templates, mask)
    np.testing.assert_allclose(got.amplitude_scalings, 1.5, rtol=1e-6)  # float32 traces


def test_window_of_collisions_is_closed_before_and_open_after():
    overlaps = np.ones((1, 1), dtype=bool)
    samples = np.array([100, 100 + DELTA])
    edges, others, _ = find_collisions(samples, np.zeros(2, dtype=np.int64), 0, 2, DELTA, overlaps)
    np.testing.assert_array_equal(edges, [0, 0, 1])
    np.testing.assert_array_equal(others, [0])


def test_no_delta_lets_only_the_earlier_row_collide():
    overlaps = np.ones((1, 1), dtype=bool)
    edges, others, _ = find_collisions(np.array([5, 5, 5]), np.zeros(3, dtype=np.int64), 0, 3, 0, overlaps)
    np.testing.assert_array_equal(edges, [0, 0, 1, 3])
    np.testing.assert_array_equal(others, [0, 0, 1])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_find_collisions_equals_reference(data):
    spikes = sorted(data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=20)))
    samples, units = np.array(spikes, dtype=np.int64).T
    first = data.draw(st.integers(0, len(spikes)))
    last = data.draw(st.integers(first, len(spikes)))
    overlaps = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=bool)
    arguments = (samples, units, first, last, data.draw(st.integers(0, 10)), overlaps)
    *found, is_crowded = find_collisions(*arguments)
    assert not is_crowded.any()
    for got, expected in zip(found, reference.find_collisions(*arguments), strict=True):
        np.testing.assert_array_equal(got, expected)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_of_many_collisions_the_nearest_in_time_are_kept(data):
    samples = np.array(sorted(data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=30))), dtype=np.int64)
    units = np.array(data.draw(st.lists(st.integers(0, 2), min_size=samples.size, max_size=samples.size)))
    most, delta = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 30))
    overlaps = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=bool)
    arguments = (samples, units, 0, samples.size, delta, overlaps)
    all_edges, all_others = reference.find_collisions(*arguments)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(collisions, "PAIRS_AT_ONCE", data.draw(st.sampled_from([1, 20, 2**20])))
        edges, others, is_crowded = find_collisions(*arguments, most)
    for spike in range(samples.size):
        expected = all_others[all_edges[spike] : all_edges[spike + 1]]
        assert is_crowded[spike] == (expected.size > most)
        by_lag = sorted(expected, key=lambda other: (abs(samples[other] - samples[spike]), other))
        assert others[edges[spike] : edges[spike + 1]].tolist() == sorted(by_lag[:most])


def test_artefacts_on_which_hundreds_of_spikes_fall_are_bounded_and_marked(monkeypatch):
    """Two units; one spike of each alone, and forty of each on one artefact."""
    monkeypatch.setattr(collisions.find_collisions, "__defaults__", (5,))
    rng = np.random.default_rng(0)
    mask = np.ones((2, NUM_CHANNELS), dtype=bool)
    found = [(100, 0), (200, 1), *((400 + offset, offset % 2) for offset in range(80))]
    spikes = make_spikes([(600, found)], 2)
    templates = make_templates(rng, mask)
    segments = make_traces(rng, spikes, templates, "int16")
    got = scale(segments, spikes, templates, mask, chunk_samples=70)
    assert got.is_crowded.tolist() == [False, False, *[True] * 80]
    assert got.collision_mask.tolist() == got.is_crowded.tolist()
    assert np.isfinite(got.amplitude_scalings).all()
    other_chunks = scale(segments, spikes, templates, mask, chunk_samples=600, num_threads=2)
    np.testing.assert_array_equal(other_chunks.amplitude_scalings, got.amplitude_scalings)


@pytest.mark.parametrize("max_lag", [0, 5, NUM_SAMPLES - 1])
def test_template_pair_products_equal_reference(max_lag):
    rng = np.random.default_rng(1)
    mask = rng.random((4, NUM_CHANNELS)) < 0.5
    mask[2] = False
    channels = Sparsity(mask).channels_of_unit
    templates = make_templates(rng, mask)
    packed = pack_templates(templates, channels)
    np.testing.assert_array_equal(packed, reference.pack_templates(templates, channels))
    pairs = (mask.astype(int) @ mask.T) > 0
    got = template_pair_products(packed, channels, pairs, max_lag)
    expected = reference.template_pair_products(packed, channels, pairs, max_lag)
    np.testing.assert_array_equal(got[0], expected[0])
    # Fourier transforms round relative to the largest product.
    np.testing.assert_allclose(got[1], expected[1], atol=1e-13 * np.abs(expected[1]).max(initial=0))


def make_problem(seed, dtype):
    """What the kernels are given: windows that leave the stretch at both ends, spikes before and after the fits."""
    rng = np.random.default_rng(seed)
    mask = rng.random((3, NUM_CHANNELS)) < 0.6
    templates = make_templates(rng, mask)
    # no spike twice: which copy gets the scaling depends on the order in which columns enter the fit
    placed = np.sort(rng.choice(160 * 3, 12, replace=False))
    starts, units = placed // 3 - 15, placed % 3
    edges, others, _ = find_collisions(starts, units, 2, 9, DELTA, (mask.astype(int) @ mask.T) > 0)
    channels = Sparsity(mask).channels_of_unit
    packed = pack_templates(templates, channels)
    traces = rng.integers(-100, 100, (150, NUM_CHANNELS)).astype(dtype)
    problem = (starts, units, 2, edges, others)
    return traces, problem, channels, packed, mask


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["int16", "float32"]), st.integers(0, 2 * BLOCK_SAMPLES))
def test_moments_sums_and_scalings_equal_reference(seed, dtype, origin):
    traces, problem, channels, packed, mask = make_problem(seed, dtype)
    gains, offsets = GAINS.astype(np.float64), OFFSETS.astype(np.float64)
    cover = cover_with_octets(channels, OCTET)
    octets = cover.starts, cover.spread(packed), cover.spread(gains[channels])
    moments = template_moments(with_room_for_octets(traces), *problem[:2], *octets)
    expected_moments = reference.template_moments(traces, *problem[:2], channels, packed, gains)
    # The order of float64 sums over 120 values differs.
    np.testing.assert_allclose(moments, expected_moments, rtol=1e-11, atol=1e-8)
    arguments = (traces, origin, *problem, NUM_SAMPLES, channels, gains, offsets)
    got, expected = sum_fit_windows(*arguments), reference.sum_fit_windows(*arguments)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-11, atol=1e-8)
    np.testing.assert_array_equal(got[1], expected[1])
    expected = (expected_moments, *expected)

    products = template_pair_products(packed, channels, (mask.astype(int) @ mask.T) > 0, NUM_SAMPLES - 1)
    arguments = (*expected, *problem, packed.sum(axis=(1, 2)), *products)
    # Products, condition up to about 1e4.
    np.testing.assert_allclose(fit_scalings(*arguments), reference.fit_scalings(*arguments), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_chunks_and_threads_change_no_byte(dtype):
    segments, spikes, templates, mask = make_case(2, num_spikes=150, lengths=(2000, 700), dtype=dtype)
    whole = scale(segments, spikes, templates, mask, chunk_samples=5000)
    for chunk_samples, num_threads in [(37, 1), (600, 1), (600, 4), (64, 4)]:
        parts = scale(segments, spikes, templates, mask, chunk_samples, num_threads)
        assert parts.amplitude_scalings.tobytes() == whole.amplitude_scalings.tobytes()
        assert parts.collision_mask.tobytes() == whole.collision_mask.tobytes()


def test_units_may_be_renumbered():
    segments, spikes, templates, mask = make_case(4, lengths=(400,))
    order = np.array([2, 0, 3, 1])
    samples = spikes.samples
    renamed = SpikeTrains(
        samples, np.argsort(order)[spikes.unit_indices], spikes.segment_indices, 4, spikes.segment_lengths, SAMPLING_HZ
    )
    got = scale(segments, renamed, templates[order], mask[order])
    # Products of a pair are taken the other way round.
    expected = scale(segments, spikes, templates, mask).amplitude_scalings
    np.testing.assert_allclose(got.amplitude_scalings, expected, rtol=1e-6, atol=1e-6)


def test_shorter_windows_are_those_of_cut_templates():
    segments, spikes, templates, mask = make_case(9)
    got = scale(segments, spikes, templates, mask, ms_before=0.5, ms_after=1.0)
    expected = reference.amplitude_scalings(
        segments, spikes, templates[:, NBEFORE - 3 : NBEFORE + 6], 3, mask, GAINS, OFFSETS, delta_samples=DELTA
    )
    # Short windows make spikes a few samples apart nearly alike: condition up to about 1e7.
    np.testing.assert_allclose(got.amplitude_scalings, expected[0], rtol=2e-5, atol=2e-5)


def test_units_without_channels_or_with_constant_templates_get_zero():
    mask = np.array([[False] * NUM_CHANNELS, [True] * NUM_CHANNELS, [True] * NUM_CHANNELS])
    templates = np.zeros((3, NUM_SAMPLES, NUM_CHANNELS))
    templates[2] = 7.0
    spikes = make_spikes([(400, [(50, 0), (150, 1), (250, 2), (350, 0), (352, 1)])], 3)
    traces = np.random.default_rng(0).integers(-50, 50, (400, NUM_CHANNELS)).astype("int16")
    np.testing.assert_array_equal(scale([traces], spikes, templates, mask).amplitude_scalings, 0)


def test_no_spikes():
    segments, spikes, templates, mask = make_case(1, num_spikes=0)
    assert scale(segments, spikes, templates, mask).amplitude_scalings.shape == (0,)


def test_windows_must_lie_within_the_templates():
    segments, spikes, templates, mask = make_case(1)
    with pytest.raises(ParameterError, match="ms_before"):
        scale(segments, spikes, templates, mask, ms_before=5.0)
    with pytest.raises(ParameterError, match="ms_after"):
        scale(segments, spikes, templates, mask, ms_after=-1.0)
    with pytest.raises(ParameterError, match="delta_collision_ms"):
        scale(segments, spikes, templates, mask, delta_collision_ms=-1)


def test_sparsity_is_chosen_as_in_spikeinterface():
    wide, narrow = np.ones((2, 20), dtype=bool), np.eye(2, 20, dtype=bool)
    assert scaling_sparsity_mask(wide, narrow, 2, 20) is narrow
    assert scaling_sparsity_mask(None, narrow, 2, 20) is narrow
    assert scaling_sparsity_mask(narrow, None, 2, 20) is narrow
    assert scaling_sparsity_mask(None, None, 2, 16).all()
    assert scaling_sparsity_mask(None, None, 2, 20, max_dense_channels=None).shape == (2, 20)
    with pytest.raises(ParameterError, match="max_dense_channels"):
        scaling_sparsity_mask(None, None, 2, 20)
    with pytest.raises(ParameterError, match="fewer channels"):
        scaling_sparsity_mask(narrow, wide, 2, 20)


@pytest.mark.parametrize("delta_samples", [0, 3, 60])
def test_bytes_of_pair_products_are_known_beforehand(delta_samples):
    _, _, templates, mask = make_case(0, num_units=7)
    mask[2] = False
    channels = Sparsity(mask).channels_of_unit
    pairs = (mask[:, np.newaxis] & mask).any(axis=2) | np.eye(7, dtype=bool)
    max_lag = min(2 * delta_samples, NUM_SAMPLES - 1)
    _, products = template_pair_products(pack_templates(templates, channels), channels, pairs, max_lag)
    assert pair_products_bytes(mask, NUM_SAMPLES, delta_samples) == products.nbytes
