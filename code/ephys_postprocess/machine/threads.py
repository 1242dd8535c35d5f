"""Threads over independent pieces of work; results never depend on how many there are."""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Outcome = TypeVar("Outcome")


def map_in_threads(work: Callable[[Piece], Outcome], pieces: Iterable[Piece], num_threads: int) -> list[Outcome]:
    """Call `work` on each piece with `num_threads` threads and return the outcomes in the order of the pieces.

    Parameters
    ----------
    work : callable
        Called once a piece. Must let go of the GIL (numba kernel with nogil, BLAS, codec) to gain from threads, and
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
    if num_threads == 1 or len(pieces) < 2:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(max_workers=min(num_threads, len(pieces))) as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def split_evenly(total: int, num_parts: int) -> list[tuple[int, int]]:
    """At most `num_parts` non-empty (start, stop) stretches of near equal length that cover `range(total)`."""
    num_parts = max(1, min(num_parts, total))
    edges = [total * part // num_parts for part in range(num_parts + 1)]
    return [(start, stop) for start, stop in itertools.pairwise(edges) if stop > start]
