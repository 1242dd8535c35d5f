"""Raw files are read where they are needed, once, and one that is cut short is told as what it is."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.small_analyzer import ArrayTraces

from ephys_postprocess import traces as traces_module
from ephys_postprocess.errors import InputError
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces.trace_pass import (
    Windows,
    for_each_stretch,
    plan_stretches,
    read_side_by_side,
    run_trace_pass,
)
from ephys_postprocess.traces import JOINED_BYTES, RawFile, RawTraces, TraceBuffer, merge_ranges

LENGTH, NUM_CHANNELS, HEADER_BYTES = 60_000, 16, 48
ROW_BYTES = 2 * NUM_CHANNELS


@pytest.fixture
def raw(tmp_path):
    """(traces, the values in the file, its path)."""
    values = np.random.default_rng(0).integers(-2000, 2000, (LENGTH, NUM_CHANNELS)).astype(np.int16)
    path = tmp_path / "traces.raw"
    path.write_bytes(bytes(HEADER_BYTES) + values.tobytes())
    file = RawFile(str(path), values.dtype, NUM_CHANNELS, HEADER_BYTES, LENGTH)
    return RawTraces([file], 30_000.0, np.ones(NUM_CHANNELS), np.zeros(NUM_CHANNELS)), values, path


def spikes_at(samples, lengths=(LENGTH,), segment_indices=None):
    samples = np.asarray(samples, dtype=np.int64)
    zeros = np.zeros(samples.size, dtype=np.int64)
    return SpikeTrains(samples, zeros, zeros if segment_indices is None else segment_indices, 1, lengths, 30_000.0)


def test_a_stretch_is_what_the_file_holds(raw):
    traces, values, _ = raw
    np.testing.assert_array_equal(traces.read(0, 10, 500), values[10:500])
    assert (traces.reads.bytes_needed, traces.reads.bytes_read) == (490 * ROW_BYTES, 490 * ROW_BYTES)
    assert not traces.read(0, 10, 500).flags.writeable


def test_only_the_ranges_are_read_and_neighbours_in_one_go(raw):
    traces, values, _ = raw
    apart = JOINED_BYTES // ROW_BYTES
    ranges = np.array([[100, 200], [200 + apart, 300 + apart], [2000, 2010]])
    window = traces.read(0, 100, 2010, ranges, TraceBuffer())
    for start, stop in ranges:
        np.testing.assert_array_equal(window[start - 100 : stop - 100], values[start:stop])
    assert traces.reads.bytes_needed == 210 * ROW_BYTES
    assert traces.reads.bytes_read == (210 + apart) * ROW_BYTES


def test_a_file_cut_short_meanwhile_is_an_input_error_that_names_it(raw):
    traces, values, path = raw
    os.truncate(path, HEADER_BYTES + 1000 * ROW_BYTES)
    np.testing.assert_array_equal(traces.read(0, 900, 1000), values[900:1000])
    with pytest.raises(InputError, match=rf"traces\.raw: ends at byte {HEADER_BYTES + 1000 * ROW_BYTES}.*cut short"):
        traces.read(0, 900, 1001)
    with pytest.raises(InputError, match="cut short"):
        for_each_stretch(traces, plan_stretches(traces, [Windows(spikes_at([5000]), 5, 5)], 500), print, 2)


def test_a_file_that_is_gone_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"absent\.raw: cannot be opened"):
        RawTraces([RawFile(str(tmp_path / "absent.raw"), np.dtype("int16"), 2, 0, 10)], 1.0, [1, 1], [0, 0])


def test_an_error_of_the_disk_is_an_input_error(raw, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(InputError, match=r"traces\.raw: traces cannot be read \(Input/output error\)"):
        raw[0].read(0, 0, 10)


def test_a_read_that_stops_short_goes_on(raw, monkeypatch):
    traces, values, _ = raw
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, parts, position: whole(file, [parts[0][:1001]], position))
    np.testing.assert_array_equal(traces.read(0, 0, 400), values[:400])


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12), st.integers(0, 5))
def test_merged_ranges_cover_what_the_ranges_cover(pairs, most_apart):
    merged = merge_ranges(np.array(pairs, dtype=np.int64).reshape(-1, 2), most_apart)
    covered = {sample for start, stop in pairs for sample in range(start, stop)}
    filled = {sample for start, stop in merged.tolist() for sample in range(start, stop)}
    gaps = merged[1:, 0] - merged[:-1, 1]
    assert covered <= filled
    assert (gaps > most_apart).all()
    # What is filled beyond is in gaps no longer than allowed.
    assert all(any(near in covered for near in range(sample - most_apart, sample)) for sample in filled - covered)
    assert (merged[:, 1] > merged[:, 0]).all()


@pytest.mark.parametrize("is_raw", [True, False])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_each_pass_asks_for_each_window_once_in_time_order(is_raw, num_threads):
    values = np.arange(2000).reshape(-1, 1).astype(np.int16)
    traces = ArrayTraces([values, values[:300]], is_raw=is_raw)
    samples, segment_indices = np.array([0, 40, 41, 333, 1999, 7, 299]), np.array([0, 0, 0, 0, 0, 1, 1])
    windows = Windows(spikes_at(samples, (2000, 300), segment_indices), 5, 10)
    stretches = plan_stretches(traces, [windows], 100)
    assert [stretch.start_sample for stretch in stretches] == [0, 300, 1900, 0, 200]
    seen = []
    for pieces in read_side_by_side(traces, stretches, num_threads):
        for stretch, window in pieces:
            for row in range(*stretch.rows_of(windows.spikes)):
                start, stop = max(samples[row] - 5, 0), min(samples[row] + 10, (2000, 300)[segment_indices[row]])
                seen.append((segment_indices[row], samples[row]))
                got = window[start - stretch.origin_sample : stop - stretch.origin_sample, 0]
                np.testing.assert_array_equal(got, np.arange(start, stop))
    assert seen == list(zip(segment_indices, samples, strict=True))
    assert max(reads.max() for reads in traces.num_reads) == 1
    if is_raw:
        assert [int(reads.sum()) for reads in traces.num_reads] == [10 + 16 + 15 + 6, 15 + 6]


def test_windows_of_several_kinds_are_read_together():
    traces = ArrayTraces([np.zeros((1000, 2), np.int16)])
    windows = [Windows(spikes_at([100, 500], (1000,)), 5, 5), Windows(spikes_at([102, 700], (1000,)), 20, 1)]
    (stretch,) = plan_stretches(traces, windows, 1000)
    assert stretch.ranges.tolist() == [[82, 105], [495, 505], [680, 701]]
    assert (stretch.origin_sample, stretch.end_sample) == (82, 701)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_failing_consumer_ends_the_pass(num_threads):
    class Failing:
        margin_samples = 1

        def consume(self, *_):
            raise ZeroDivisionError

    traces = ArrayTraces([np.zeros((1000, 2), np.int16)])
    with pytest.raises(ZeroDivisionError):
        run_trace_pass(traces, spikes_at(np.arange(5, 995, 10), (1000,)), [Failing()], 100, num_threads)


def test_where_cuts_matter_they_are_the_source_s_own():
    traces = ArrayTraces([np.zeros((1000, 2), np.int16)], is_raw=False)
    traces.fixed_chunk_samples = 300
    windows = Windows(spikes_at([10, 290, 310], (1000,)), 4, 9)
    for chunk_samples in (7, 300, 5000):
        stretches = plan_stretches(traces, [windows], chunk_samples)
        assert [(stretch.origin_sample, stretch.end_sample) for stretch in stretches] == [(0, 308), (296, 608)]


def test_no_more_stretches_at_once_than_fit_into_memory():
    traces = ArrayTraces([np.zeros((1000, 2), np.int16)])
    traces.most_at_once = 2
    stretches = plan_stretches(traces, [Windows(spikes_at(np.arange(0, 1000, 100), (1000,)), 1, 1)], 100)
    assert [len(pieces) for pieces in read_side_by_side(traces, stretches, 8)] == [2] * 5


def test_what_no_pass_will_find_in_memory_again_is_let_go(raw, monkeypatch):
    traces, values, _ = raw
    monkeypatch.setattr(traces_module, "KEPT_IN_CACHE_BYTES", 10 * ROW_BYTES)
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *advice: told.append(advice))
    traces.read(0, 100, 200)
    assert told == []
    traces.is_larger_than_memory = True
    np.testing.assert_array_equal(traces.read(0, 200, 300), values[200:300])
    assert told == [(HEADER_BYTES + 190 * ROW_BYTES, 100 * ROW_BYTES, os.POSIX_FADV_DONTNEED)]
    traces.read(0, 0, 5)  # less than is kept
    assert len(told) == 1
    assert traces.num_bytes == LENGTH * ROW_BYTES
