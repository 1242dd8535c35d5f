"""Main channels and spike locations depend on the voltages, not on how counts and gains code them."""

import numpy as np
import pytest
from reference.small_analyzer import ArrayTraces

from ephys_postprocess.engine.sampling import find_main_channels_of
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.locations.spike_locations import grid_prototype, prepare_spike_locations
from ephys_postprocess.stages.traces.microvolts import Scaling
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

NUM_CHANNELS, NUM_SAMPLES, NUM_UNITS = 12, 20_000, 3
LOCATIONS_UM = np.column_stack([30.0 * (np.arange(NUM_CHANNELS) % 2), 12.5 * np.arange(NUM_CHANNELS)])
POSITIONS_UM = np.array([[5.0, 30.0], [25.0, 65.0], [5.0, 124.0]])
# The voltages are multiples of 0.5 µV, and each of these codes them exactly.
UNEVEN = 0.5 / 2.0 ** (np.arange(NUM_CHANNELS) % 3)
SHIFTED = 8.0 * np.arange(NUM_CHANNELS)
CODINGS = {
    "one gain": (np.int16, np.full(NUM_CHANNELS, 0.5), np.zeros(NUM_CHANNELS)),
    "uneven gains": (np.int16, UNEVEN, np.zeros(NUM_CHANNELS)),
    "negative gain": (np.int16, np.full(NUM_CHANNELS, -0.5), np.zeros(NUM_CHANNELS)),
    "offsets": (np.int16, np.full(NUM_CHANNELS, 0.5), SHIFTED),
    # what kernels see of uint16
    "unsigned": (np.float32, np.full(NUM_CHANNELS, 0.5), np.full(NUM_CHANNELS, -16384.0)),
    "unsigned, uneven": (np.float32, UNEVEN, -32768 * UNEVEN),
}
METHODS = {
    "grid_convolution": {},
    "grid_convolution without prototype": {"prototype": None},
    "center_of_mass": {},
    "monopolar_triangulation": {},
    "monopolar_triangulation by least squares": {"optimizer": "least_square"},
}


@pytest.fixture(scope="module")
def spikes():
    samples = np.arange(60, NUM_SAMPLES - 120, 110)
    units = np.random.default_rng(0).integers(0, NUM_UNITS, samples.size)
    segments = np.broadcast_to(np.int64(0), samples.size)
    return SpikeTrains(samples, units, segments, NUM_UNITS, (NUM_SAMPLES,), 30_000.0)


@pytest.fixture(scope="module")
def voltages_uV(spikes):
    rng = np.random.default_rng(1)
    traces = rng.normal(0, 4, (NUM_SAMPLES, NUM_CHANNELS))
    shape = -np.exp(-((np.arange(-30, 60) / 5.0) ** 2))
    distances = np.linalg.norm(LOCATIONS_UM - POSITIONS_UM[:, np.newaxis], axis=2)
    for sample, unit in zip(spikes.samples, spikes.unit_indices, strict=True):
        traces[sample - 30 : sample + 60] += 120 * shape[:, np.newaxis] * np.exp(-distances[unit] / 25)
    return np.round(2 * traces) / 2


def coded(voltages_uV, coding):
    dtype, gains, offsets = CODINGS[coding]
    counts = (voltages_uV - offsets) / gains
    np.testing.assert_array_equal(counts, np.round(counts))
    return ArrayTraces([counts.astype(dtype)], gains, offsets)


def locate(traces, spikes, main_channel_indices, method):
    scaling, options = Scaling.of(traces), dict(METHODS[method])
    prototype = None
    if method == "grid_convolution":
        prototype = grid_prototype(traces, spikes, main_channel_indices, scaling=scaling, seed=0)
    consumer = prepare_spike_locations(
        spikes,
        main_channel_indices,
        LOCATIONS_UM,
        scaling=scaling,
        prototype=prototype,
        method=method.split()[0],
        method_kwargs=options,
    )
    run_trace_pass(traces, spikes, [consumer], 3_000, 1)
    return consumer.spike_locations


@pytest.mark.parametrize("coding", CODINGS)
def test_main_channels_are_those_of_the_voltages(voltages_uV, spikes, coding):
    nearest = np.linalg.norm(LOCATIONS_UM - POSITIONS_UM[:, np.newaxis], axis=2).argmin(axis=1)
    found = find_main_channels_of(coded(voltages_uV, coding), spikes, 0, 3_000, 1)
    np.testing.assert_array_equal(found, nearest)


@pytest.mark.parametrize("is_raw", [True, False])
def test_a_unit_without_spikes_has_the_first_channel(voltages_uV, spikes, is_raw):
    more = SpikeTrains(spikes.samples, spikes.unit_indices, spikes.segment_indices, NUM_UNITS + 1, (NUM_SAMPLES,), 3e4)
    traces = coded(voltages_uV, "offsets")
    traces.is_raw = is_raw
    assert find_main_channels_of(traces, more, 0, 3_000, 1)[-1] == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coding", [coding for coding in CODINGS if coding != "one gain"])
def test_locations_are_those_of_the_voltages(voltages_uV, spikes, coding, method):
    main_channel_indices = np.array([2, 6, 10])
    expected = locate(coded(voltages_uV, "one gain"), spikes, main_channel_indices, method)
    found = locate(coded(voltages_uV, coding), spikes, main_channel_indices, method)
    assert np.abs(expected["x"]).max() > 1  # somewhere at all
    for name in expected.dtype.names:
        # All voltages and the gain of the first coding are exact in float32, so nothing rounds differently; but least
        # squares stop by absolute tolerances, which counts and µV meet at different steps.
        tolerance = 1e-3 * expected[name].std() if "squares" in method else 0
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=tolerance)


def test_one_gain_stays_in_counts():
    counts = np.arange(6, dtype=np.int16).reshape(3, 2)
    assert Scaling(np.array([0.2, 0.2]), np.zeros(2)).comparable(counts) is counts
    assert Scaling(np.array([0.2, 0.2]), np.zeros(2)).factor_left == 0.2


def test_scaling_by_hand():
    scaling = Scaling(np.array([2.0, -1.0]), np.array([0.0, 10.0]))
    counts = np.array([[1, 1], [3, 4]], dtype=np.int16)
    np.testing.assert_array_equal(scaling.comparable(counts), np.float32([[2, 9], [6, 6]]))
    np.testing.assert_array_equal(scaling.comparable_on(np.array([[1], [0]]), counts), [[9, 9], [6, 8]])
    assert scaling.factor_left == 1.0


def test_scaling_is_the_same_in_blocks_of_rows():
    counts = np.random.default_rng(0).integers(-999, 999, (9_000, 3)).astype(np.int16)
    scaling = Scaling(np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.0, -1.0]))
    np.testing.assert_array_equal(
        scaling.comparable(counts), (counts * scaling.gains + scaling.offsets).astype(np.float32)
    )
