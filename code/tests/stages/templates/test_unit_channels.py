"""Choosing a unit's channels: by hand, and against stock SpikeInterface where the main channels are its own."""

import numpy as np
import pytest
from spikeinterface.core import generate_ground_truth_recording
from spikeinterface.core.sparsity import estimate_sparsity

from ephys_postprocess.engine.unit_channels import choose_unit_channels, mask_by_property
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.inputs.trace_sources import spike_trains, trace_source
from ephys_postprocess.stages.templates import unit_channels as ways

LOCATIONS_UM = np.array([[0.0, 0.0], [0.0, 20.0], [0.0, 40.0], [0.0, 45.0]])
TEMPLATES = np.array([[[0, 1, -2, 0], [-9, 4, 3, 0], [1, 1, 1, 0]], [[0, 0, 0, 0]] * 3], dtype=np.float64)


def channels(mask):
    return [np.flatnonzero(row).tolist() for row in mask]


def test_by_distance():
    main = np.array([0, 2])
    assert channels(ways.within_radius(main, LOCATIONS_UM, 20.0)) == [[0, 1], [1, 2, 3]]
    assert channels(ways.closest(main, LOCATIONS_UM, 2)) == [[0, 1], [2, 3]]
    assert channels(ways.closest(main, LOCATIONS_UM, 9)) == [[0, 1, 2, 3]] * 2
    on_one_spot = np.zeros((4, 2))
    assert channels(ways.closest(np.array([1, 3]), on_one_spot, 1)) == [[1], [3]]


@pytest.mark.parametrize(
    ("sign", "mode", "expected"),
    [
        ("neg", "extremum", [9, 1, 2, 0]),
        ("pos", "extremum", [1, 4, 3, 0]),
        ("both", "extremum", [9, 4, 3, 0]),
        ("both", "peak_to_peak", [10, 3, 5, 0]),
        ("both", "at_index", [9, 4, 3, 0]),
    ],
)
def test_amplitudes(sign, mode, expected):
    # stock's "neg" takes the lowest value, also where it is positive
    amplitudes = ways.channel_amplitudes(TEMPLATES, 1, sign, mode)
    assert amplitudes.tolist() == [expected, [0, 0, 0, 0]]


def test_the_main_channel_is_always_there():
    amplitudes = ways.channel_amplitudes(TEMPLATES, 1, "both", "extremum")
    main = np.array([2, 1])  # of the first unit not the largest
    assert channels(ways.largest(main, amplitudes, 1)) == [[2], [1]]
    assert channels(ways.largest(main, amplitudes, 2))[0] == [0, 2]
    assert channels(ways.above_threshold(main, amplitudes, 4.0)) == [[0, 1, 2], [1]]
    assert channels(ways.above_threshold(main, amplitudes, 100.0)) == [[2], [1]]
    noise = np.array([9.0, 1.0, 1.0, 0.0])  # a dead channel has no amplitude either
    assert channels(ways.above_threshold(main, amplitudes, 3.0, noise)) == [[1, 2], [1]]


@pytest.fixture(scope="module")
def small():
    recording, sorting = generate_ground_truth_recording(durations=[5.0], num_channels=8, num_units=4, seed=1)
    recording.set_channel_gains(1.0)
    recording.set_channel_offsets(0.0)
    return recording, sorting


def choose(recording, sorting, main_channel_indices, **asked):
    traces = trace_source(recording, return_in_uV=True)
    spikes = spike_trains(sorting, recording)
    return choose_unit_channels(recording, sorting, traces, spikes, main_channel_indices, asked, 25_000, 1)


def main_channels_of(recording, sorting):
    """Those of stock's sparsity: the one channel with the largest amplitude."""
    one = estimate_sparsity(sorting, recording, method="best_channels", num_channels=1, progress_bar=False)
    return one.mask.argmax(axis=1)


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "radius", "radius_um": 60.0},
        {"method": "best_channels", "num_channels": 3},
        {"method": "best_channels", "amplitude_mode": "peak_to_peak"},
        {"method": "closest_channels", "num_channels": 3},
        {"method": "amplitude", "threshold": 20.0, "peak_sign": "neg"},
        {"method": "snr", "threshold": 2.0},
    ],
    ids=lambda asked: asked["method"],
)
def test_the_channels_are_stocks(small, asked):
    recording, sorting = small
    main = main_channels_of(recording, sorting)
    how = {"peak_sign": "both", "amplitude_mode": "extremum"} | asked
    if asked["method"] == "snr":
        from spikeinterface.core import get_noise_levels

        how["noise_levels"] = get_noise_levels(recording, random_slices_kwargs={"seed": 0}, force_recompute=True)
    expected = estimate_sparsity(sorting, recording, main_channel_indices=main, progress_bar=False, **how)
    np.testing.assert_array_equal(choose(recording, sorting, main, **asked).mask, expected.mask)


def test_amplitudes_are_in_microvolts(small):
    recording, sorting = small
    main = main_channels_of(recording, sorting)
    from spikeinterface.preprocessing import scale

    in_counts = scale(recording, gain=4.0, offset=1000.0)
    in_counts.set_channel_gains(0.25)
    in_counts.set_channel_offsets(-250.0)
    for asked in ({"method": "amplitude", "threshold": 20.0}, {"method": "snr", "threshold": 2.0}):
        expected = choose(recording, sorting, main, **asked).mask
        np.testing.assert_array_equal(choose(in_counts, sorting, main, **asked).mask, expected)


def test_by_property(small, caplog):
    recording, sorting = small[0].clone(), small[1].clone()
    recording.set_property("group", [0, 0, 0, 1, 1, 1, 1, 1])
    with pytest.raises(ParameterError, match="no property 'group' in the sorting"):
        mask_by_property(recording, sorting, "group")
    sorting.set_property("group", ["1", "0", "1", "1"])
    assert channels(mask_by_property(recording, sorting, "group"))[:2] == [[3, 4, 5, 6, 7], [0, 1, 2]]
    chosen = choose(recording, sorting, np.array([3, 4, 5, 6]), method="by_property", by_property="group")
    assert channels(chosen.mask)[1] == [0, 1, 2, 4]
    assert "so added to them: units 1" in caplog.text
    sorting.set_property("group", ["1", "0", "5", "7"])
    with pytest.raises(ParameterError, match=r"'group' 5, 7, which no channel has \(channels have 0, 1\)"):
        mask_by_property(recording, sorting, "group")
