"""Raw files are read where they are needed, once, and one that is cut short is told as what it is."""

import contextlib
import errno
import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference.small_analyzer import ArrayTraces

from ephys_postprocess import raw_files
from ephys_postprocess.errors import InputError
from ephys_postprocess.machine import page_cache
from ephys_postprocess.machine.page_cache import FETCHED_AT_ONCE_BYTES
from ephys_postprocess.raw_files import BLOCK_BYTES, JOINED_BYTES, RawFile, TraceBuffer, merge_ranges
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces import reading
from ephys_postprocess.stages.traces.reading import InOrder, for_each_stretch
from ephys_postprocess.stages.traces.stretches import Windows, plan_stretches
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass
from ephys_postprocess.traces import RawTraces

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
    seen, order = [], InOrder()

    def work(stretch, window):
        with order.turn_of(stretch.index):
            for row in range(*stretch.rows_of(windows.spikes)):
                start, stop = max(samples[row] - 5, 0), min(samples[row] + 10, (2000, 300)[segment_indices[row]])
                seen.append((segment_indices[row], samples[row]))
                got = window[start - stretch.origin_sample : stop - stretch.origin_sample, 0]
                np.testing.assert_array_equal(got, np.arange(start, stop))

    for_each_stretch(traces, stretches, work, num_threads)
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
    both, threads = threading.Barrier(2, timeout=30), set()

    def work(_stretch, _window):
        threads.add(threading.get_ident())
        both.wait()

    for_each_stretch(traces, stretches, work, 8)
    assert len(threads) == 2


def test_stretches_are_let_through_in_order_and_not_further_ahead_than_allowed():
    order, waiting = InOrder(most_ahead=2), threading.Event()
    passed = []

    def pass_through(index):
        waiting.set()
        with order.turn_of(index):
            passed.append(index)

    with order.turn_of(1):  # one before its turn is allowed
        pass
    thread = threading.Thread(target=pass_through, args=(2,))
    thread.start()
    waiting.wait(30)
    assert passed == []
    with contextlib.suppress(ZeroDivisionError), order.turn_of(0):
        raise ZeroDivisionError  # what fails has had its turn
    thread.join(30)
    assert passed == [2]


@pytest.fixture
def large(raw, monkeypatch):
    """The same, as if it were larger than the memory; and what was read past the page cache: (position, size)."""
    traces, values, path = raw
    traces.is_larger_than_memory = True
    blocks, preadv = [], os.preadv

    def noting(descriptor, memories, position, *flags):
        if descriptor == traces.files[0]._direct_descriptor:
            blocks.append((position, len(memories[0])))
            assert all(np.frombuffer(memory, np.uint8).ctypes.data % BLOCK_BYTES == 0 for memory in memories)
        return preadv(descriptor, memories, position, *flags)

    assert traces.files[0]._direct_descriptor is not None, "the temporary folder's file system has no direct reads"
    monkeypatch.setattr(os, "preadv", noting)
    return traces, values, path, blocks


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, LENGTH), min_size=2, max_size=8, unique=True))
@example([0, LENGTH])
@example([0, 1, LENGTH - 1, LENGTH])
def test_what_does_not_fit_into_memory_is_read_past_the_page_cache(large, edges):
    traces, values, _, blocks = large
    ranges = np.sort(np.array(edges[: len(edges) // 2 * 2])).reshape(-1, 2)
    buffer = TraceBuffer()
    for first in (int(ranges[0, 0]), 0):
        window = traces.read(0, first, LENGTH, ranges, buffer)
        assert window.shape == (LENGTH - first, NUM_CHANNELS)
        for start, stop in ranges:
            np.testing.assert_array_equal(window[start - first : stop - first], values[start:stop])
    assert blocks
    assert all(position % BLOCK_BYTES == 0 and size % BLOCK_BYTES == 0 for position, size in blocks)


def test_reads_past_the_cache_that_stop_short_go_on(large, monkeypatch):
    traces, values, *_ = large
    preadv = os.preadv
    short = iter([5000, 4096, 12_288])
    monkeypatch.setattr(
        os, "preadv", lambda d, m, position: preadv(d, [m[0][: -(-next(short, 2**30) // 4096) * 4096]], position)
    )
    np.testing.assert_array_equal(traces.read(0, 3, 2000), values[3:2000])


def test_past_the_cache_it_is_the_file_that_was_opened(raw):
    traces, values, path = raw
    traces.is_larger_than_memory = True
    path.rename(path.with_suffix(".moved"))
    path.write_bytes(bytes(HEADER_BYTES + LENGTH * ROW_BYTES))  # another one under its name
    np.testing.assert_array_equal(traces.read(0, 5, 900), values[5:900])
    assert traces.files[0]._direct_descriptor is not None


def test_a_file_cut_short_is_told_past_the_cache_too(large):
    traces, _, path, _ = large
    os.truncate(path, HEADER_BYTES + 1000 * ROW_BYTES + 5)
    traces.read(0, 0, 1000)
    for stop in (1001, 1100, 5000):
        with pytest.raises(InputError, match="cut short meanwhile"):
            traces.read(0, 900, stop)


@pytest.mark.parametrize("is_at_opening", [True, False])
def test_without_direct_reads_the_cache_is_read_and_let_go(raw, monkeypatch, is_at_opening):
    traces, values, _ = raw
    traces.is_larger_than_memory = True
    monkeypatch.setattr(raw_files, "KEPT_IN_CACHE_BYTES", 10 * ROW_BYTES)
    if is_at_opening:
        monkeypatch.setattr(os, "O_DIRECT", 2**31 - 1)  # such an open fails
    else:
        preadv, direct = os.preadv, traces.files[0]._direct_descriptor

        def refusing(descriptor, *arguments):
            if descriptor == direct:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return preadv(descriptor, *arguments)

        monkeypatch.setattr(os, "preadv", refusing)
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *advice: told.append(advice))
    np.testing.assert_array_equal(traces.read(0, 200, 300), values[200:300])
    assert told == [(HEADER_BYTES + 190 * ROW_BYTES, 100 * ROW_BYTES, os.POSIX_FADV_DONTNEED)]
    traces.read(0, 0, 5)  # less than the margin that the next stretch needs
    assert len(told) == 1
    assert traces.num_bytes == LENGTH * ROW_BYTES


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("can_start", [True, False])
def test_readers_go_ahead_and_every_window_comes_once(large, monkeypatch, num_threads, can_start):
    traces, values, *_ = large
    if not can_start:
        monkeypatch.setattr(reading, "start_threads", lambda *_: [])
    stretches = plan_stretches(traces, [Windows(spikes_at(np.arange(0, LENGTH, 400)), 7, 9)], 1000)
    seen = []

    def work(stretch, window):
        for start, stop in stretch.ranges:
            got = window[start - stretch.origin_sample : stop - stretch.origin_sample]
            np.testing.assert_array_equal(got, values[start:stop])
        seen.append(stretch.index)

    for_each_stretch(traces, stretches, work, num_threads)
    assert sorted(seen) == list(range(LENGTH // 1000))


@pytest.mark.parametrize("is_large", [True, False])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_stretch_that_cannot_be_read_stops_all_and_nobody_waits(raw, is_large, num_threads):
    traces, _, path = raw
    traces.is_larger_than_memory = is_large
    os.truncate(path, HEADER_BYTES + 5500 * ROW_BYTES)
    stretches = plan_stretches(traces, [Windows(spikes_at(np.arange(0, LENGTH, 400)), 7, 9)], 1000)
    order, seen = InOrder(), []

    def work(stretch, _window):
        with order.turn_of(stretch.index):
            seen.append(stretch.index)

    with pytest.raises(InputError, match="cut short meanwhile"):
        for_each_stretch(traces, stretches, work, num_threads, [order])
    assert set(seen) >= set(range(5))


def test_the_system_is_asked_to_fetch_no_more_at_a_time_than_it_does(raw, monkeypatch):
    traces, _, _ = raw
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *advice: told.append(advice))
    monkeypatch.setattr(page_cache, "_is_in_memory", lambda *_: False)
    traces.expect(0, np.array([[0, 20_000], [30_000, 30_010]]))
    assert {advice for *_, advice in told} == {os.POSIX_FADV_WILLNEED}
    pieces = [(start, start + size) for start, size, _ in told]
    assert all(stop - start <= FETCHED_AT_ONCE_BYTES for start, stop in pieces)
    joined = merge_ranges(np.array(pieces)).tolist()
    assert joined == [
        [HEADER_BYTES + a * ROW_BYTES, HEADER_BYTES + b * ROW_BYTES] for a, b in ((0, 20_000), (30_000, 30_010))
    ]


def test_what_is_in_memory_is_not_fetched(raw, monkeypatch):
    traces, _, path = raw
    path.read_bytes()  # now it is
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *advice: told.append(advice))
    traces.expect(0, np.array([[0, 20_000]]))
    assert told == []
    monkeypatch.setattr(os, "RWF_NOWAIT", 2**30)  # which the system does not know
    traces.expect(0, np.array([[0, 20_000]]))
    assert told


def test_the_system_is_asked_ever_more_rarely_while_all_is_in_memory(monkeypatch):
    asked, told = [], []
    first_on_disk, num_pieces = 2000, 3000

    def is_in_memory(_, position):
        asked.append(position // FETCHED_AT_ONCE_BYTES)
        return position // FETCHED_AT_ONCE_BYTES < first_on_disk

    monkeypatch.setattr(page_cache, "_is_in_memory", is_in_memory)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, position, *__: told.append(position // FETCHED_AT_ONCE_BYTES))
    fetcher = page_cache.Fetcher(descriptor=-1)
    for piece in range(num_pieces):
        fetcher.fetch(piece * FETCHED_AT_ONCE_BYTES, FETCHED_AT_ONCE_BYTES)
    most_apart = page_cache.MOST_UNASKED + 1
    assert asked[:8] == list(range(8))
    assert np.diff(asked).max() == most_apart
    assert sum(piece < first_on_disk for piece in asked) < first_on_disk / 8
    # Once something is not there, each is asked for again: no more is passed over than lies between two questions.
    assert told == list(range(told[0], num_pieces))
    assert first_on_disk <= told[0] < first_on_disk + most_apart


@pytest.mark.parametrize(
    ("bytes_ahead", "expected"), [(0, [0, 1, 2]), (250 * ROW_BYTES, [0, 1, 2, 3]), (2**40, range(10))]
)
def test_what_comes_next_is_asked_for_so_many_bytes_ahead(monkeypatch, bytes_ahead, expected):
    """Each stretch once, in order; at least the one after that which is read."""
    monkeypatch.setattr(reading, "BYTES_AHEAD", bytes_ahead)
    traces = ArrayTraces([np.zeros((1000, NUM_CHANNELS), np.int16)])
    asked = []
    monkeypatch.setattr(traces, "expect", lambda _, ranges: asked.append(int(ranges[0, 0]) // 100))
    stretches = plan_stretches(traces, [Windows(spikes_at(np.arange(0, 1000, 10), (1000,)), 0, 10)], 100)
    ahead = reading._LookAhead(traces, stretches)
    ahead.look_beyond(0)
    ahead.look_beyond(1)
    assert asked == list(expected)
    for index in range(2, 10):
        ahead.look_beyond(index)
    assert asked == list(range(10))
