"""One live line at the foot of a terminal: recording, stage, how much is done, spikes per second, time left.

rich draws it, and is imported here only. Nested stages share the line: the innermost is shown.
"""

import contextlib
import logging
import sys

_live = None  # the terminal has one foot


@contextlib.contextmanager
def live_progress(recording_name: str, stage_name: str, total: int | None, unit: str):
    """Show a stage while the body runs; yields a callable told how much is done, None where rich is missing."""
    global _live
    try:
        outer = _live
        _live = outer or _make_progress()
    except ImportError:
        yield None
        return
    progress = _live
    title = _one_line(f"{recording_name}: {stage_name}")
    for task in progress.tasks:
        progress.update(task.id, visible=False)
    task_id = progress.add_task(title, total=total, unit=unit)
    try:
        with contextlib.ExitStack() as shown:
            if outer is None:
                shown.enter_context(progress)
                shown.enter_context(_log_above(progress.console))
            yield lambda done: progress.update(task_id, completed=done)
    finally:
        progress.remove_task(task_id)
        for task in progress.tasks[-1:]:
            progress.update(task.id, visible=True)
        _live = outer


def _make_progress():
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    name = Column(no_wrap=True, overflow="ellipsis", max_width=70)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        _rate_column(),
    )
    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=5,
    )


def _rate_column():
    from rich.progress import ProgressColumn
    from rich.table import Column
    from rich.text import Text

    class RateAndTimeLeft(ProgressColumn):
        def render(self, task):
            if not (task.total and task.completed and task.elapsed):
                return Text("")
            rate = task.completed / task.elapsed
            seconds_left = (task.total - task.completed) / rate
            return Text(f"{task.percentage:3.0f} %  {rate:,.0f} {task.fields['unit']}/s  {seconds_left:,.0f} s left")

    return RateAndTimeLeft(Column(no_wrap=True))


def _one_line(name: str) -> str:
    """A name from the data, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in name)


class _AboveTheLine:
    """A stream whose text is put above the live line."""

    def __init__(self, console):
        self._console = console

    def write(self, text: str) -> None:
        self._console.print(text, end="", markup=False, emoji=False, highlight=False, soft_wrap=True)

    def flush(self) -> None:
        """Nothing is held back."""


@contextlib.contextmanager
def _log_above(console):
    """While the line is live, log lines meant for a terminal go above it, instead of through it."""
    handlers = [
        handler
        for handler in logging.getLogger("ephys_postprocess").handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr)
        if handler.stream.isatty()
    ]
    streams = [handler.setStream(_AboveTheLine(console)) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)
