"""The time units are looked at, against a naive twin; and what metrics make of segments and periods."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import observed_time as reference

from ephys_postprocess.records import SpikeTrains, UnitPeriods
from ephys_postprocess.stages.quality.observed_time import counts_in_bins, is_within, observed_time, within_periods
from ephys_postprocess.stages.quality.refractory_metrics import isi_violation, rp_violation
from ephys_postprocess.stages.quality.spike_train_metrics import firing_range, firing_rate, presence_ratio

FEW = settings(max_examples=60, deadline=None)
LENGTHS = (60, 35)


def trains(units, samples, segments=None, num_units=3, lengths=LENGTHS, frequency=1000.0):
    units, samples = np.asarray(units, dtype=np.int64), np.asarray(samples, dtype=np.int64)
    segments = np.zeros_like(units) if segments is None else np.asarray(segments, dtype=np.int64)
    order = np.lexsort((units, samples, segments))
    return SpikeTrains(samples[order], units[order], segments[order], num_units, tuple(lengths), frequency)


def periods_of(rows, num_units=3):
    """From (unit, segment, start, stop)."""
    columns = np.array(sorted(rows), dtype=np.int64).reshape(-1, 4).T
    return UnitPeriods(*columns, num_units)


@st.composite
def spikes_and_periods(draw):
    rows = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 34), st.integers(0, 1)), max_size=30, unique=True))
    spikes = trains(*np.array(rows, dtype=np.int64).reshape(-1, 3).T) if rows else trains([], [])
    found = []
    for unit in range(3):
        for segment, length in enumerate(LENGTHS):
            edges = sorted(draw(st.sets(st.integers(0, length), max_size=4)))
            found += [(unit, segment, a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    return spikes, periods_of(found)


@FEW
@given(spikes_and_periods(), st.integers(1, 20), st.booleans())
def test_counts_equal_reference(given_both, bin_samples, is_restricted):
    spikes, periods = given_both
    if is_restricted:
        spikes, _ = within_periods(spikes, periods)
    counts, edges = counts_in_bins(spikes, bin_samples)
    for unit, expected in enumerate(reference.counts_in_bins(spikes, bin_samples)):
        np.testing.assert_array_equal(counts[edges[unit] : edges[unit + 1]], expected)
    sizes = np.arange(3) + bin_samples
    bins, bin_edges, unit_edges = observed_time(spikes).bins(sizes)
    found = np.bincount(bins[bins >= 0], minlength=bin_edges[-1])
    nested = reference.bins(spikes, sizes)
    assert found.tolist() == [count for parts in nested for part in parts for count in part]
    assert np.diff(unit_edges).tolist() == [sum(len(part) for part in parts) for parts in nested]


@FEW
@given(spikes_and_periods())
def test_spikes_within_periods(given_both):
    spikes, periods = given_both
    expected = [
        any(
            (u, s) == (spikes.unit_indices[row], spikes.segment_indices[row]) and a <= spikes.samples[row] < b
            for u, s, a, b in zip(
                periods.unit_indices, periods.segment_indices, periods.start_samples, periods.stop_samples, strict=True
            )
        )
        for row in range(spikes.num_spikes)
    ]
    assert is_within(spikes, periods).tolist() == expected
    restricted, rows = within_periods(spikes, periods)
    assert restricted.num_spikes == sum(expected) == rows.size
    middle = restricted.of_units(1, 2)
    assert middle.observed_samples.tolist() == restricted.observed_samples[1:2].tolist()


def test_a_steady_unit_is_present_however_the_recording_is_cut():
    # 20 ms apart for 10 s; bins of 1 s over segments of 1.9 s, 2.3 s and 5.8 s
    line = np.arange(10, 10_000, 20)
    whole = trains(np.zeros_like(line), line, num_units=1, lengths=(10_000,))
    starts = np.array([0, 1900, 4200])
    segments = np.searchsorted(starts, line, side="right") - 1
    cut = trains(np.zeros_like(line), line - starts[segments], segments, 1, (1900, 2300, 5800))
    for spikes in (whole, cut):
        assert presence_ratio(spikes, 1.0, 0.9)[0]["presence_ratio"].tolist() == [1.0]
        assert firing_range(spikes, 1.0, (5.0, 95.0))[0]["firing_range"].tolist() == [0.0]


def test_segments_shorter_than_a_bin_share_it():
    spikes = trains([0, 0, 1], [5, 5, 5], [0, 19, 0], 2, (50,) * 20)  # 20 trials of 50 ms: two bins of 0.5 s
    assert presence_ratio(spikes, 0.5, 0.0)[0]["presence_ratio"].tolist() == [1.0, 0.5]
    columns, reasons = presence_ratio(spikes, 1.5, 0.0)
    assert np.isnan(columns["presence_ratio"]).all()
    assert reasons == dict.fromkeys((0, 1), "the recording is shorter than one bin of 1.5 s")


def test_rates_are_of_the_time_looked_at():
    spikes = trains([0, 0, 0, 1, 1], [100, 200, 900, 100, 300], num_units=3, lengths=(1000,))
    periods = periods_of([(0, 0, 0, 250), (1, 0, 200, 400), (1, 0, 500, 1000)])
    restricted, rows = within_periods(spikes, periods)
    assert rows.tolist() == [0, 2, 3]  # of 100, 100, 200, 300 and 900 ms: those of unit 0 to 250 ms, of unit 1 300 ms
    columns, reasons = firing_rate(restricted)
    np.testing.assert_allclose(columns["firing_rate"], [2 / 0.25, 1 / 0.7, np.nan])
    assert reasons == {2: "no spikes"}


@pytest.mark.parametrize("frequency", [30_000.0, 25_000.0, 24_414.0625])
def test_an_interval_of_exactly_the_threshold_is_no_violation_wherever_it_lies(frequency):
    threshold = 45
    firsts = np.arange(0, 20_000_000, 70_001)
    for interval, expected in ((threshold, 0), (threshold - 1, firsts.size)):
        samples = np.sort(np.concatenate([firsts, firsts + interval]))
        spikes = trains(np.zeros_like(samples), samples, num_units=1, lengths=(21_000_000,), frequency=frequency)
        counts = isi_violation(spikes, threshold / frequency * 1e3, 0.0)[0]["isi_violations_count"]
        assert counts.tolist() == [expected]


def test_a_threshold_between_samples_counts_the_samples_below():
    spikes = trains([0] * 4, [0, 37, 1000, 1038], num_units=1, lengths=(2000,), frequency=25_000.0)
    assert isi_violation(spikes, 1.5, 0.0)[0]["isi_violations_count"].tolist() == [1]  # 37.5 samples
    assert rp_violation(spikes, 1.52, 0.0)[0]["rp_violations"].tolist() == [2]  # 38 samples, included
