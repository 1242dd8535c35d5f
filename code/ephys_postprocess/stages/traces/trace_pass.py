"""Passes over the traces in time order: each stretch is read once, and the next ones are fetched meanwhile."""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.traces import TraceBuffer, TraceSource, merge_ranges


@dataclass(frozen=True)
class Stretch:
    """What is read at a time, of one segment, for the spikes in [start_sample, stop_sample)."""

    index: int  # in time order, from 0
    segment_index: int
    start_sample: int
    stop_sample: int
    origin_sample: int  # of the first row that is read: the start, or before it by a margin
    end_sample: int
    ranges: np.ndarray  # int64 (num_ranges, 2): what is needed of [origin_sample, end_sample), see `TraceSource.read`

    def rows_of(self, spikes: SpikeTrains) -> tuple[int, int]:
        """The half-open range of rows of `spikes` that are this stretch's own."""
        return spikes.rows_between(self.segment_index, self.start_sample, self.stop_sample)


@dataclass(frozen=True)
class Windows:
    """Samples around each of some spikes: num_samples_before of them, and from the spike on num_samples_after."""

    spikes: SpikeTrains
    num_samples_before: int
    num_samples_after: int


class SpikeConsumer(Protocol):
    """Something that needs the traces around every spike; keeps its own output arrays, one row per spike."""

    margin_samples: int  # how far from a spike it looks

    def consume(
        self, traces: np.ndarray, origin_sample: int, segment_index: int, first_spike: int, last_spike: int
    ) -> None:
        """Fill output rows first_spike:last_spike, and no others.

        `traces` is int16 or float32 (num_rows, num_channels), unscaled; row r is sample origin_sample + r of the
        segment. It reaches margin_samples beyond each of these spikes, except where the segment ends. It is valid
        during the call only.
        """
        ...


class TraceWatcher(Protocol):
    """Something that needs every sample once."""

    def watch(self, traces: np.ndarray, number: int) -> None:
        """Take in stretch `number` of all, int16 or float32 (num_samples, num_channels), unscaled; in any order."""
        ...


def run_trace_pass(
    traces: TraceSource,
    spikes: SpikeTrains,
    consumers: Sequence[SpikeConsumer],
    chunk_samples: int,
    num_threads: int,
    report_spikes: Callable[[int], None] | None = None,
    *,
    is_sparse: bool = False,
    watcher: TraceWatcher | None = None,
) -> None:
    """Read each stretch that holds a spike once, with margins, and let every consumer fill its rows.

    Stretches are independent and consumers write only the rows of the stretch's own spikes, so the number of threads
    changes no byte. Memory: `num_threads` stretches at a time. `is_sparse` where the margins around the spikes are but
    a part of the traces, and no consumer looks further: of raw files only these are read. For a watcher all is read.
    """
    is_complete = watcher is not None
    margin = max((consumer.margin_samples for consumer in consumers), default=0)
    windows = Windows(spikes, margin, margin + 1)
    is_whole = is_complete or not is_sparse
    stretches = plan_stretches(traces, [windows], chunk_samples, is_whole=is_whole, is_complete=is_complete)
    numbers = {(each.segment_index, each.start_sample): number for number, each in enumerate(stretches)}

    def work(stretch, window):
        if watcher is not None:
            own = window[stretch.start_sample - stretch.origin_sample : stretch.stop_sample - stretch.origin_sample]
            watcher.watch(own, numbers[stretch.segment_index, stretch.start_sample])
        first_spike, last_spike = stretch.rows_of(spikes)
        if first_spike == last_spike:
            return
        for start, stop in stretch.ranges.tolist():
            needed = window[start - stretch.origin_sample : stop - stretch.origin_sample]
            refuse_not_finite(needed, stretch.segment_index, start, stop)
        for consumer in consumers:
            consumer.consume(window, stretch.origin_sample, stretch.segment_index, first_spike, last_spike)
        if report_spikes is not None:
            report_spikes(last_spike - first_spike)

    for_each_stretch(traces, stretches, work, num_threads)


def plan_stretches(
    traces: TraceSource,
    windows: Sequence[Windows],
    chunk_samples: int,
    *,
    is_whole: bool = False,
    is_complete: bool = False,
) -> list[Stretch]:
    """Every stretch with a spike of any of the `windows`; with `is_complete`, those without one, too.

    Needed of it are these windows, or with `is_whole` all from the first sample that one may reach to the last.
    """
    before = max(each.num_samples_before for each in windows)
    after = max(each.num_samples_after for each in windows)
    stretches = []
    chunk_samples = traces.fixed_chunk_samples or chunk_samples
    for segment_index, start, stop in chunks_in_time(traces.segment_lengths, chunk_samples):
        length = traces.segment_lengths[segment_index]
        spans = np.concatenate([_spans(each, segment_index, start, stop) for each in windows])
        if not (len(spans) or is_complete):
            continue
        # What a chain of preprocessors returns depends on where it is cut: at the margins, whichever spikes there are.
        origin, end = max(0, start - before), min(length, stop + max(after - 1, 0))
        ranges = np.array([[origin, end]]) if is_whole else merge_ranges(np.clip(spans, 0, length))
        if traces.is_raw and len(ranges):
            origin, end = int(ranges[0, 0]), int(ranges[-1, 1])
        stretches.append(Stretch(len(stretches), segment_index, start, stop, origin, end, ranges))
    return stretches


def _spans(windows, segment_index, start_sample, stop_sample):
    first, last = windows.spikes.rows_between(segment_index, start_sample, stop_sample)
    samples = windows.spikes.samples[first:last]
    return np.stack([samples - windows.num_samples_before, samples + windows.num_samples_after], axis=1)


def for_each_stretch(
    traces: TraceSource, stretches: Sequence[Stretch], work: Callable[[Stretch, np.ndarray], None], num_threads: int
) -> None:
    """Call `work(stretch, window)` on each stretch, in threads that start them in order.

    `window` is what `TraceSource.read` returns, and lies in memory that the thread's next stretch is read into.
    """
    num_threads = min(num_threads, traces.most_at_once or num_threads)
    buffers, order = queue.SimpleQueue(), _ReadingOrder(num_threads)
    for _ in range(num_threads):
        buffers.put(TraceBuffer())

    def run(index):
        buffer = buffers.get()
        _expect(traces, stretches[index + num_threads : index + num_threads + 1])
        try:
            with order.turn_of(index):
                window = _read(traces, stretches[index], buffer)
            work(stretches[index], window)
        finally:
            buffers.put(buffer)

    _expect(traces, stretches[:num_threads])
    map_in_threads(run, range(len(stretches)), num_threads)


class _ReadingOrder:
    """Lets no thread read far ahead of one that was held up, so that what both need is still at hand."""

    def __init__(self, most_ahead: int):
        self._most_ahead = most_ahead
        self._first_unread = 0
        self._read_since: set[int] = set()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn_of(self, index: int):
        """Threads take the stretches in order, so whoever waits here waits for one that is being read."""
        with self._changed:
            self._changed.wait_for(lambda: index < self._first_unread + self._most_ahead)
        try:
            yield
        finally:
            with self._changed:
                self._read_since.add(index)
                while self._first_unread in self._read_since:
                    self._read_since.remove(self._first_unread)
                    self._first_unread += 1
                self._changed.notify_all()


class InTurn:
    """Hands on what threads give it in the order of the stretches, so that a sum has one order, whoever adds to it."""

    def __init__(self, hand_on: Callable[[object], None]):
        self._hand_on = hand_on
        self._next = 0
        self._early: dict[int, object] = {}
        self._lock = threading.Lock()

    def give(self, index: int, item: object) -> None:
        """The item of one stretch; each must have one."""
        with self._lock:
            self._early[index] = item
            while self._next in self._early:
                self._hand_on(self._early.pop(self._next))
                self._next += 1


def read_side_by_side(
    traces: TraceSource, stretches: Sequence[Stretch], num_threads: int
) -> Iterator[list[tuple[Stretch, np.ndarray]]]:
    """Yield some consecutive stretches and their windows at a time, for work that must keep their order."""
    num_at_once = min(num_threads, traces.most_at_once or num_threads)
    buffers = [TraceBuffer() for _ in range(num_at_once)]
    _expect(traces, stretches[:num_at_once])
    for first in range(0, len(stretches), num_at_once):
        some = stretches[first : first + num_at_once]
        windows = map_in_threads(lambda pair: _read(traces, *pair), zip(some, buffers, strict=False), num_at_once)
        _expect(traces, stretches[first + num_at_once : first + 2 * num_at_once])
        yield list(zip(some, windows, strict=True))


def _read(traces, stretch, buffer):
    where = (stretch.segment_index, stretch.origin_sample, stretch.end_sample)
    return traces.read(*where, ranges=stretch.ranges, buffer=buffer)


def _expect(traces, stretches):
    for stretch in stretches:
        traces.expect(stretch.segment_index, stretch.ranges)


def refuse_not_finite(traces: np.ndarray, segment_index: int, start_sample: int, stop_sample: int) -> None:
    """Raise InputError for NaN or infinite traces: they would spread to whatever is averaged over spikes."""
    if traces.dtype.kind == "f" and not np.isfinite(traces.sum()):
        raise InputError(
            f"The traces hold NaN or infinite values between samples {start_sample} and {stop_sample} of segment "
            f"{segment_index}. Run preprocessing again."
        )


def chunks_in_time(segment_lengths: Sequence[int], chunk_samples: int):
    """Yield (segment_index, start_sample, stop_sample) over every segment, in time order."""
    for segment_index, length in enumerate(segment_lengths):
        edges = [*range(0, length, chunk_samples), length]
        yield from ((segment_index, start, stop) for start, stop in itertools.pairwise(edges))
