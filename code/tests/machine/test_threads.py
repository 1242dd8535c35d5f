"""Work in threads: in order, whoever does it, and with fewer threads where no more can be started."""

import threading

import pytest

from ephys_postprocess.machine import threads
from ephys_postprocess.machine.threads import map_in_threads, split_evenly


@pytest.fixture
def only(monkeypatch, caplog):
    """only(n): no more than n threads can be started from now on."""
    threads._say_once.cache_clear()
    start = threading.Thread.start

    def limit(num_threads):
        left = iter(range(num_threads))

        def start_or_fail(thread):
            if next(left, None) is None:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)
        return caplog

    return limit


@pytest.mark.parametrize("num_threads", [1, 2, 7])
def test_outcomes_come_in_the_order_of_the_pieces(num_threads):
    assert map_in_threads(lambda piece: piece**2, range(50), num_threads) == [piece**2 for piece in range(50)]
    assert map_in_threads(str, [], num_threads) == []


@pytest.mark.parametrize("num_that_start", [0, 1, 3])
def test_fewer_threads_do_the_same_work_once(only, num_that_start):
    log = only(num_that_start)
    done = []
    outcomes = map_in_threads(lambda piece: done.append(piece) or -piece, range(20), 4)
    assert outcomes == [-piece for piece in range(20)]
    assert sorted(done) == list(range(20))  # none twice: a piece may add to what is there
    assert log.messages == [f"Only {num_that_start} of 4 threads could be started (see ulimit -u); going on."]


@pytest.mark.parametrize("num_threads", [1, 4])
def test_the_first_failing_piece_is_told_and_what_is_not_begun_is_dropped(num_threads):
    begun = []

    def work(piece):
        begun.append(piece)
        if piece >= 3:
            raise ValueError(piece)

    with pytest.raises(ValueError, match=r"^3$"):
        map_in_threads(work, range(1000), num_threads)
    assert len(begun) < 20


def test_an_exception_in_the_calling_thread_stops_the_others(monkeypatch):
    begun = []
    join = threading.Thread.join

    def interrupted(*_):
        monkeypatch.setattr(threading.Thread, "join", join)
        raise KeyboardInterrupt

    waiting = threading.Event()

    def work(piece):
        begun.append(piece)
        waiting.wait(0.01)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        map_in_threads(work, range(1000), 2)
    assert len(begun) < 20


@pytest.mark.parametrize(("total", "parts"), [(10, 3), (2, 5), (0, 4), (7, 1)])
def test_stretches_cover_the_range(total, parts):
    stretches = split_evenly(total, parts)
    assert [index for start, stop in stretches for index in range(start, stop)] == list(range(total))
    assert len(stretches) == min(total, parts)
