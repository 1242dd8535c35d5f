"""Stretches read in time order by threads, with the next ones on their way from the disk meanwhile."""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable, Sequence

import numpy as np

from ephys_postprocess.machine.threads import map_in_threads, start_threads
from ephys_postprocess.raw_files import TraceBuffer
from ephys_postprocess.stages.traces.stretches import Stretch
from ephys_postprocess.traces import TraceSource

# What is on its way from the disk while something else is worked on. Less leaves a fast disk idle between two small
# windows; more would not fit beside everything else into the little memory that some schedulers give.
BYTES_AHEAD = 2**26


class InOrder:
    """Lets stretches through in their order, so that none is more than `most_ahead` before the first that is not yet.

    With 1, one at a time. Threads take the stretches in order, so whoever waits here waits for one that is worked on.
    """

    def __init__(self, most_ahead: int = 1):
        self._most_ahead = most_ahead
        self._first_waited_for = 0
        self._early: set[int] = set()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn_of(self, index: int):
        """Wait for the turn of stretch `index`, which ends with the `with` block; each must have one."""
        with self._changed:
            self._changed.wait_for(lambda: index < self._first_waited_for + self._most_ahead)
        try:
            yield
        finally:
            with self._changed:
                self._early.add(index)
                while self._first_waited_for in self._early:
                    self._early.remove(self._first_waited_for)
                    self._first_waited_for += 1
                self._changed.notify_all()

    def give_up(self) -> None:
        """Let everybody through: a stretch has failed before its turn, so nothing will come of the others."""
        with self._changed:
            self._most_ahead = sys.maxsize
            self._changed.notify_all()


def for_each_stretch(
    traces: TraceSource,
    stretches: Sequence[Stretch],
    work: Callable[[Stretch, np.ndarray], None],
    num_threads: int,
    orders: Sequence[InOrder] = (),
) -> None:
    """Call `work(stretch, window)` on each stretch, in threads that start them in order.

    `window` is what `TraceSource.read` returns, valid during the call. `orders` are those that `work` lets stretches
    through: when one fails, the others must not wait for it.
    """
    num_threads = min(num_threads, traces.most_at_once or num_threads)

    def run(index):
        try:
            with windows.of(index) as window:
                work(stretches[index], window)
        except BaseException:
            for order in orders:
                order.give_up()
            raise

    kind = _ReadBefore if traces.num_readers else _ReadWhenNeeded
    with contextlib.closing(kind(traces, stretches, num_threads)) as windows:
        map_in_threads(run, range(len(stretches)), num_threads)


class _ReadWhenNeeded:
    """Windows read by the threads that work on them, while the system fetches the next ones."""

    def __init__(self, traces: TraceSource, stretches: Sequence[Stretch], num_threads: int):
        self._traces, self._stretches = traces, stretches
        self._ahead = _LookAhead(traces, stretches)
        # No thread reads far ahead of one that was held up, so that what both need is still at hand.
        self._order = InOrder(num_threads)
        self._buffers = _buffers(num_threads)

    @contextlib.contextmanager
    def of(self, index: int):
        """The window of stretch `index`."""
        buffer = self._buffers.get()
        self._ahead.look_beyond(index)
        try:
            with self._order.turn_of(index):
                window = _read(self._traces, self._stretches[index], buffer)
            yield window
        finally:
            self._buffers.put(buffer)

    def close(self) -> None:
        """Nothing goes on by itself."""


class _ReadBefore:
    """Windows read by threads of their own, in order, before they are needed."""

    def __init__(self, traces: TraceSource, stretches: Sequence[Stretch], num_threads: int):
        self._traces, self._stretches = traces, stretches
        self._buffers = _buffers(num_threads + traces.num_readers)
        self._todo = iter(range(len(stretches)))
        self._found: dict[int, tuple] = {}  # index: (window, its buffer, None), or (None, its buffer, what went wrong)
        self._changed = threading.Condition()
        self._readers = start_threads(self._read_on, min(traces.num_readers, len(stretches)))

    @contextlib.contextmanager
    def of(self, index: int):
        """The window of stretch `index`; each is asked for once, in order."""
        if not self._readers:
            self._read_next()
        with self._changed:
            self._changed.wait_for(lambda: index in self._found)
            window, buffer, error = self._found.pop(index)
        try:
            if error is not None:
                raise error
            yield window
        finally:
            self._buffers.put(buffer)

    def close(self) -> None:
        """Read nothing more."""
        with self._changed:
            self._todo = iter(())
        for _ in self._readers:
            self._buffers.put(None)  # for one that waits for a buffer
        for reader in self._readers:
            reader.join()

    def _read_on(self):
        while self._read_next():
            pass

    def _read_next(self) -> bool:
        """Read the next stretch that nobody has begun; whether there was one."""
        buffer, window, error = self._buffers.get(), None, None
        with self._changed:
            index = next(self._todo, None)
        if index is None or buffer is None:
            return False
        try:
            window = _read(self._traces, self._stretches[index], buffer)
        except BaseException as wrong:  # noqa: BLE001 - raised again by whoever asks for this window
            error = wrong
        with self._changed:
            self._found[index] = (window, buffer, error)
            self._changed.notify_all()
        return True


def _buffers(number):
    buffers = queue.SimpleQueue()
    for _ in range(number):
        buffers.put(TraceBuffer())
    return buffers


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


class _LookAhead:
    """Says what is read next, so far ahead that the disk never waits: a few large stretches, or many small windows."""

    def __init__(self, traces: TraceSource, stretches: Sequence[Stretch]):
        self._traces, self._stretches = traces, stretches
        row_bytes = traces.num_channels * traces.dtype.itemsize
        num_bytes = [int((each.ranges[:, 1] - each.ranges[:, 0]).sum()) * row_bytes for each in stretches]
        self._stops = np.concatenate([[0], np.cumsum(num_bytes)])  # of each stretch, in bytes from the first one on
        self._num_expected = 0
        self._lock = threading.Lock()

    def look_beyond(self, index: int) -> None:
        """Stretch `index` is about to be read."""
        with self._lock:
            first = self._num_expected
            reach = int(np.searchsorted(self._stops, self._stops[index + 1] + BYTES_AHEAD, side="right")) - 1
            self._num_expected = max(first, min(max(reach, index + 2), len(self._stretches)))
            expected = self._stretches[first : self._num_expected]
        for stretch in expected:
            self._traces.expect(stretch.segment_index, stretch.ranges)


def _read(traces, stretch, buffer):
    where = (stretch.segment_index, stretch.origin_sample, stretch.end_sample)
    return traces.read(*where, ranges=stretch.ranges, buffer=buffer)
