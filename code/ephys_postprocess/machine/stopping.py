"""SIGTERM (a scheduler's time limit) and Ctrl-C: clean up and end within two seconds, whatever runs just then."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Of the two seconds there are; the rest is for what is left to do by force.
GRACE_SECONDS = 1.4
SECONDS_BETWEEN_LOOKS = 0.05  # at whether the signal was lost
_WORDS = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}

_last_wishes: list[Callable[[], None]] = []
_is_waiting = False  # inside `signals_wait`
_waiting_number: int | None = None  # the signal that came meanwhile
_raised_number: int | None = None  # the signal whose exception is on its way


class Terminated(BaseException):
    """SIGTERM as an exception: everything half-made is cleaned up, and no `except Exception` stops it."""


STOPS = (KeyboardInterrupt, Terminated)


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
def signals_wait() -> Iterator[None]:
    """Let a signal's exception wait for the end of the body, which must be short: for steps that belong together."""
    global _is_waiting, _waiting_number
    _is_waiting = True
    try:
        yield
    finally:
        _is_waiting = False
        number, _waiting_number = _waiting_number, None
        if number is not None:
            _raise_or_wait(number)


def raise_if_stopping() -> None:
    """Raise a signal's exception again, where what has been caught may be what some library made of it."""
    if _raised_number is not None:
        raise _exception_of(_raised_number)


def _raise_or_wait(number: int) -> None:
    global _waiting_number, _raised_number
    if not _is_waiting:
        _raised_number = number
        raise _exception_of(number)
    _waiting_number = number


def _exception_of(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


class _Stopping:
    """What becomes of the first signal while a body runs."""

    def __init__(self):
        self.is_over = threading.Event()  # the body is: its outcome stands
        self.is_lost = False
        self._is_stopping = False
        self._earlier_hook = sys.unraisablehook

    def handle(self, number, _frame):
        if self._is_stopping and not self.is_lost:
            return
        self._is_stopping, self.is_lost = True, False
        if not self.is_over.is_set():
            _raise_or_wait(number)

    def notice_lost(self, unraisable):
        """Python's hook for an exception where none can leave, as in the `__del__` of an object."""
        if isinstance(unraisable.exc_value, STOPS):
            self.is_lost = True
        else:
            self._earlier_hook(unraisable)

    @contextlib.contextmanager
    def installed(self, wakeup_descriptor):
        """Hear signals, and hear of lost exceptions."""
        sys.unraisablehook = self.notice_lost
        earlier_descriptor = signal.set_wakeup_fd(wakeup_descriptor, warn_on_full_buffer=False)
        earlier = {number: signal.signal(number, self.handle) for number in SIGNALS}
        try:
            yield
        finally:
            self.is_over.set()
            signal.set_wakeup_fd(earlier_descriptor)
            for number, handler in earlier.items():
                signal.signal(number, handler)
            sys.unraisablehook = self._earlier_hook


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Turn the first SIGTERM into `Terminated` and the first SIGINT into KeyboardInterrupt; later ones are ignored.

    Python runs a handler only between two of its own instructions, so a long call of compiled code would hold it up,
    and an exception may be lost in code that nobody can raise from, or become another one in code that tidies up. A
    second thread therefore sends the signal again where it was lost, and ends the process when the grace is over; what
    became another exception is raised at the end of the body. Outside the main thread nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _raised_number
    _raised_number = None
    stopping = _Stopping()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    watcher = threading.Thread(target=_watch, args=(read_end, stopping), daemon=True, name="stopping")
    has_watcher = _can_start(watcher)
    try:
        with stopping.installed(write_end):
            yield
    finally:
        os.write(write_end, b"\0")
        if has_watcher:
            watcher.join()
        os.close(read_end)
        os.close(write_end)
    raise_if_stopping()


def _can_start(thread: threading.Thread) -> bool:
    """Start a thread; False where a limit on processes leaves none, and a long call may then hold up a signal."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _watch(read_end: int, stopping: _Stopping) -> None:
    """Wait for a signal and see that it ends the process in time."""
    while (number := os.read(read_end, 1)[0]) not in SIGNALS:
        if stopping.is_over.is_set():
            return
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        if stopping.is_over.wait(SECONDS_BETWEEN_LOOKS):
            return
        if stopping.is_lost:
            signal.pthread_kill(threading.main_thread().ident, number)
    for wish in tuple(_last_wishes):  # the main thread may still be leaving a context
        with contextlib.suppress(OSError):
            wish()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        print(farewell(number), file=sys.stderr, flush=True)
    os._exit(exit_code(number))
