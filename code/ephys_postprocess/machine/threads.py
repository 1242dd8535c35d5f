"""Threads over independent pieces of work; results never depend on how many there are."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

logger = logging.getLogger(__name__)

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")


def map_in_threads(work: Callable[[Piece], Outcome], pieces: Iterable[Piece], num_threads: int) -> list[Outcome]:
    """Call `work` on each piece with `num_threads` threads and return the outcomes in the order of the pieces.

    Parameters
    ----------
    work : callable
        Called once per piece. Must let go of the GIL (numba kernel with nogil, BLAS, codec) to gain from threads, and
        must write only what no other piece writes.
    pieces : iterable
        The work, in order.
    num_threads : int
        At least 1; 1 runs in the calling thread, so that a debugger or profiler sees plain calls.

    Raises
    ------
    Exception
        The first failing piece's exception; pieces not yet started are dropped.
    """
    pieces = list(pieces)
    num_threads = min(num_threads, len(pieces))
    if num_threads < 2:
        return [work(piece) for piece in pieces]
    crew = _Crew(work, pieces)
    threads: list[threading.Thread] = []
    try:
        _start(crew.run, num_threads, threads)
        if not threads:
            crew.run()
        for thread in threads:
            thread.join()
    except BaseException:
        crew.stop()
        for thread in threads:
            thread.join()
        raise
    return crew.outcomes()


class _Crew:
    """Pieces of work, taken in order by however many threads there are, and what came of them."""

    def __init__(self, work: Callable, pieces: list):
        self._work = work
        self._todo = iter(enumerate(pieces))
        self._lock = threading.Lock()
        self._outcomes = [None] * len(pieces)
        self._errors: dict[int, BaseException] = {}  # index of the piece: what it raised

    def run(self) -> None:
        """Work until nothing is left to take, or a piece has failed."""
        while (taken := self._take()) is not None:
            index, piece = taken
            try:
                self._outcomes[index] = self._work(piece)
            except BaseException as error:  # noqa: BLE001 - raised again by `outcomes`, in the calling thread
                self._errors[index] = error
                self.stop()

    def stop(self) -> None:
        """Let nothing more be taken."""
        with self._lock:
            self._todo = iter(())

    def outcomes(self) -> list:
        """In the order of the pieces; raises what the first failing piece raised."""
        if self._errors:
            raise self._errors[min(self._errors)]
        return self._outcomes

    def _take(self):
        with self._lock:
            return next(self._todo, None)


def start_threads(run: Callable[[], None], num_threads: int) -> list[threading.Thread]:
    """Start threads that call `run`: fewer, or none, where a limit on processes leaves no more."""
    threads: list[threading.Thread] = []
    _start(run, num_threads, threads)
    return threads


def _start(run: Callable[[], None], num_threads: int, threads: list[threading.Thread]) -> None:
    """Start threads, and put them on the list: fewer, or none, where a limit on processes leaves no more."""
    for _ in range(num_threads):
        thread = threading.Thread(target=run, name="work")
        try:
            thread.start()
        except RuntimeError:
            _say_once(f"Only {len(threads)} of {num_threads} threads could be started (see ulimit -u); going on.")
            return
        threads.append(thread)


@cache
def _say_once(warning: str) -> None:
    logger.warning("%s", warning)


def split_evenly(total: int, num_parts: int) -> list[tuple[int, int]]:
    """At most `num_parts` non-empty (start, stop) stretches of near equal length that cover `range(total)`."""
    num_parts = max(1, min(num_parts, total))
    edges = [total * part // num_parts for part in range(num_parts + 1)]
    return [(start, stop) for start, stop in itertools.pairwise(edges) if stop > start]
