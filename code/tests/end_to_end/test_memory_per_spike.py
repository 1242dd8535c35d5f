"""What a spike may take in memory, in bytes, where all spikes are looked at together."""

import itertools
import tracemalloc

import numpy as np
import pytest
import spikeinterface.core as si
import zarr

from ephys_postprocess.inputs import sortings
from ephys_postprocess.inputs.bare_sortings import with_spikes, without_spikes
from ephys_postprocess.inputs.sortings import fit_sorting
from ephys_postprocess.inputs.trace_sources import spike_trains
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.report.contents import Probe, ReportData, Run, Spikes
from ephys_postprocess.report.payload import build_payload
from ephys_postprocess.results.stored_extensions import read_field
from ephys_postprocess.stages.quality import spike_train_metrics
from ephys_postprocess.stages.spike_trains import deduplicate
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes

NUM_UNITS, RATE_HZ = 40, 30_000.0
FEWER, MORE = 200_000, 600_000


def make_trains(num_spikes):
    random = np.random.default_rng(num_spikes)
    samples = np.sort(random.integers(0, 30 * num_spikes, num_spikes))
    units = random.integers(0, NUM_UNITS, num_spikes).astype(np.int32)
    segments = np.broadcast_to(np.int64(0), num_spikes)
    return SpikeTrains(samples, units, segments, NUM_UNITS, (30 * num_spikes,), RATE_HZ)


def peak_bytes(make, use):
    """The most that `use(make())` adds to what `make()` made."""
    made = make()
    tracemalloc.start()
    use(made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def bytes_per_spike(make, use):
    fewer, more = (peak_bytes(lambda size=size: make(size), use) for size in (FEWER, MORE))
    return (more - fewer) / (MORE - FEWER)


@pytest.fixture(autouse=True)
def blocks_far_below_all_spikes(monkeypatch):
    """As they are in an hour of millions of spikes."""
    monkeypatch.setattr("ephys_postprocess.records._SPIKES_AT_ONCE", 2**14)


def made_report(num_spikes):
    amplitudes = np.random.default_rng(1).normal(-50, 5, num_spikes).astype(np.float32)
    return ReportData(
        run=Run("x", RATE_HZ, (num_spikes / 1000,), "nobody"),
        probe=Probe(("0",), np.zeros((1, 2))),
        unit_ids=tuple(map(str, range(NUM_UNITS))),
        main_channel_indices=np.zeros(NUM_UNITS, dtype=np.int64),
        spikes=Spikes(make_trains(num_spikes), amplitudes, amplitudes),
        is_in_uV=True,
    )


def test_the_payload_of_a_report_takes_no_more_than_the_order_of_spikes():
    # the order is 4 bytes; of a fortieth of them, which are a unit's, there are copies (about 100 bytes for each)
    assert bytes_per_spike(made_report, build_payload) < 4 + 100 / NUM_UNITS + 1


def test_spikes_in_order_of_units_take_no_more_than_their_rows():
    assert bytes_per_spike(make_trains, lambda spikes: spikes.order_by_unit) < 4.5


def test_counting_the_spikes_of_units_takes_nothing_for_each_spike():
    assert bytes_per_spike(make_trains, lambda spikes: spikes.unit_edges) < 1


def test_a_spike_of_a_sorting_is_its_sample_and_its_unit():
    spikes = spike_trains(make_sorting(1000), (30_000,))
    assert (spikes.samples.dtype, spikes.unit_indices.dtype) == (np.int64, np.int32)
    assert spikes.segment_indices.strides == (0,)


def test_duplicates_are_found_in_the_room_of_three_arrays():
    # line and order, 8 bytes each, and units, 4; what sorting takes (at most half a line) goes before
    shifts = np.zeros(NUM_UNITS, dtype=np.int64)
    assert bytes_per_spike(make_trains, lambda spikes: deduplicate.count_coincidences(spikes, shifts, 12, 1)) < 21


def test_synchrony_takes_nothing_for_each_spike():
    def use(spikes):
        _ = spikes.unit_edges
        spike_train_metrics.synchrony(spikes)

    assert bytes_per_spike(make_trains, use) < 1


def test_a_draw_takes_no_more_than_the_order_of_spikes():
    assert bytes_per_spike(make_trains, lambda spikes: select_random_spikes(spikes, margin_samples=90, seed=0)) < 6


def stored_locations(num_spikes):
    locations = np.zeros(num_spikes, dtype=[(name, "f4") for name in "xyz"])
    for name in "xyz":
        locations[name] = np.random.default_rng(ord(name)).normal(size=num_spikes)
    return zarr.array(locations, chunks=2**14)


def test_one_coordinate_of_the_locations_takes_no_more_than_itself():
    assert bytes_per_spike(stored_locations, lambda stored: read_field(stored, "y")) < 4.5


@pytest.mark.parametrize("num_spikes", [0, 2**14, 2**14 + 1])
def test_a_coordinate_is_that_of_the_locations(num_spikes):
    stored = stored_locations(num_spikes)
    for locations in (stored, stored[:]):
        y = read_field(locations, "y")
        np.testing.assert_array_equal(y, stored[:]["y"])
        assert y.flags.c_contiguous


def make_sorting(num_spikes, num_segments=1):
    trains = make_trains(num_spikes)
    cuts = np.linspace(0, num_spikes, num_segments + 1).astype(int)
    parts = [slice(*pair) for pair in itertools.pairwise(cuts)]
    sorting = si.NumpySorting.from_samples_and_labels(
        [trains.samples[part] for part in parts], [trains.unit_indices[part] for part in parts], RATE_HZ
    )
    sorting.set_property("quality", np.array(["good", "mua"] * (NUM_UNITS // 2)))
    return sorting


def test_a_sorting_in_order_is_checked_in_the_room_of_three_masks():
    def use(sorting):
        recording = si.NumpyRecording([np.zeros((30 * sorting.to_spike_vector().size, 1), dtype=np.int8)], RATE_HZ)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        assert fit_sorting(sorting, recording, None)[0] is sorting
        peaks.append(tracemalloc.get_traced_memory()[1] - before)

    peaks = []
    bytes_per_spike(make_sorting, use)
    assert (peaks[1] - peaks[0]) / (MORE - FEWER) < 6


@pytest.mark.parametrize("num_segments", [1, 3])
@pytest.mark.parametrize("kept", [slice(None), slice(1, None, 3)])
def test_a_sorting_gets_its_spikes_back(num_segments, kept):
    sorting = make_sorting(50_000, num_segments)
    spikes = spike_trains(sorting, (1_500_000,) * num_segments)
    is_kept = np.zeros(NUM_UNITS, dtype=bool)
    is_kept[kept] = True
    bare = without_spikes(sorting)
    assert bare.to_spike_vector().size == 0
    assert bare.get_num_segments() == num_segments
    expected = sorting.select_units(sorting.unit_ids[is_kept])
    filled = with_spikes(bare.select_units(bare.unit_ids[is_kept]), spikes, is_kept)
    np.testing.assert_array_equal(filled.to_spike_vector(), expected.to_spike_vector())
    np.testing.assert_array_equal(filled.get_property("quality"), expected.get_property("quality"))
    assert filled.get_num_segments() == num_segments


def test_a_last_segment_without_spikes_stays():
    sorting = make_sorting(1000)
    spikes = spike_trains(sorting, (30_000, 500))
    filled = with_spikes(without_spikes(sorting), spikes, np.ones(NUM_UNITS, dtype=bool))
    assert filled.get_num_segments() == 2
    assert filled.get_unit_spike_train(filled.unit_ids[0], segment_index=1).size == 0


@pytest.mark.parametrize("row", [0, 2**14 - 1, 2**14, 49_998])
def test_one_spike_out_of_order_is_seen_wherever_blocks_end(row):
    spikes = make_sorting(50_000).to_spike_vector().copy()
    assert sortings._is_ordered(spikes)
    spikes["sample_index"][row + 1] = spikes["sample_index"][row] - 1
    assert not sortings._is_ordered(spikes)


def test_the_same_numbers_whatever_the_blocks_are(monkeypatch):
    spikes = make_trains(50_000)
    sets = [spikes.order_by_unit, spike_train_metrics.synchrony(spikes)[0]["sync_spike_2"]]
    spikes.let_order_go()
    monkeypatch.setattr("ephys_postprocess.records._SPIKES_AT_ONCE", 7)
    np.testing.assert_array_equal(spikes.order_by_unit, sets[0])
    np.testing.assert_array_equal(sets[0], np.argsort(spikes.unit_indices, kind="stable"))
    np.testing.assert_array_equal(spike_train_metrics.synchrony(spikes)[0]["sync_spike_2"], sets[1])
    assert sets[1].max() > 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_spikes_per_unit": 7, "margin_samples": 1000},
        {"method": "all"},
        {"method": "percentage", "percentage": 0.2},
        {"method": "maximum_rate", "maximum_rate_hz": 3.0},
    ],
)
def test_a_draw_from_some_units_is_that_of_these_units_alone(arguments):
    spikes = make_trains(5_000)
    is_wanted = np.arange(NUM_UNITS) % 3 == 1
    rows = np.flatnonzero(is_wanted[spikes.unit_indices])
    alone = spikes.of_rows(
        rows, unit_indices=(np.cumsum(is_wanted) - 1)[spikes.unit_indices[rows]], num_units=int(is_wanted.sum())
    )
    expected = rows[select_random_spikes(alone, seed=3, **arguments)]
    np.testing.assert_array_equal(select_random_spikes(spikes, seed=3, is_wanted=is_wanted, **arguments), expected)
