"""SIGTERM (a scheduler's time limit) and Ctrl-C: clean up and end within two seconds, whatever runs just then."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Of the two seconds there are; the rest is for what is left to do by force.
GRACE_SECONDS = 1.4
_WORDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}

_last_wishes: list[Callable[[], None]] = []


class Terminated(BaseException):
    """SIGTERM as an exception: everything half-made is cleaned up, and no `except Exception` stops it."""


def exit_code(number: int) -> int:
    """The exit code of a process that a signal ended, as shells have it: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + number


def farewell(number: int) -> str:
    """The last line of a run that a signal ended."""
    return f"{_WORDS[signal.Signals(number)]}; nothing half-written is left under a final name."


@contextlib.contextmanager
def last_wish(wish: Callable[[], None]) -> Iterator[None]:
    """Have `wish` called, from another thread, if a signal has to end the process by force inside this context."""
    _last_wishes.append(wish)
    try:
        yield
    finally:
        _last_wishes.remove(wish)


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Turn the first SIGTERM into `Terminated` and the first SIGINT into KeyboardInterrupt; later ones are ignored.

    Python runs a handler only between two of its own instructions, so a long call of compiled code would hold it up,
    and an exception may be lost in code that nobody can raise from. A second thread therefore ends the process when
    the grace is over. Outside the main thread nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_stopping = threading.Event()

    def stop(number, _frame):
        if is_stopping.is_set():
            return
        is_stopping.set()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    is_over = threading.Event()
    watcher = threading.Thread(target=_end_when_overdue, args=(read_end, is_over), daemon=True, name="stopping")
    earlier = {number: signal.signal(number, stop) for number in SIGNALS}
    earlier_descriptor = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        signal.set_wakeup_fd(earlier_descriptor)
        for number, handler in earlier.items():
            signal.signal(number, handler)
        os.write(write_end, b"\0")
        watcher.join()
        os.close(read_end)
        os.close(write_end)


def _end_when_overdue(read_end: int, is_over: threading.Event) -> None:
    while (number := os.read(read_end, 1)[0]) not in SIGNALS:
        if is_over.is_set():
            return
    if is_over.wait(GRACE_SECONDS):
        return
    for wish in tuple(_last_wishes):  # the main thread may still be leaving a context
        with contextlib.suppress(OSError):
            wish()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        print(farewell(number), file=sys.stderr, flush=True)
    os._exit(exit_code(number))
