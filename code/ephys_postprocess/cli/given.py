"""--sorting, --traces and --name, or a small table of them, as pairs."""

import argparse
import csv
import io
from pathlib import Path

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.given import GivenPair
from ephys_postprocess.parameters.text import text_of_file

COLUMNS = ("sorting", "traces", "name")


def given_pairs(flags: argparse.Namespace) -> tuple[GivenPair, ...]:
    """The pairs that the command line names.

    Raises
    ------
    ParameterError
        Unequal numbers of switches, a name used twice, a table without the column.
    """
    rows = _rows_of_switches(flags) + ([] if flags.pairs is None else _rows_of_table(_path(flags.pairs)))
    if not rows:
        for switch in ("stream", "probe"):
            if getattr(flags, switch) is not None:
                raise ParameterError(f"--{switch} belongs to --sorting PATH, which is not given.")
        return ()
    pairs = [
        GivenPair(
            name=name or _default_name(sorting, traces),
            sorting=sorting,
            traces=traces,
            stream=flags.stream,
            probe=None if flags.probe is None else _path(flags.probe),
            is_filtered_here=not flags.no_filter,
        )
        for sorting, traces, name in rows
    ]
    names = [pair.name for pair in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"Two recordings would be called {twice[0]!r}. Give each a --name of its own.")
    return tuple(pairs)


def _rows_of_switches(flags: argparse.Namespace) -> list[tuple[Path, Path | None, str | None]]:
    sortings, traces, names = flags.sorting or [], flags.traces or [], flags.name or []
    for switch, values in (("--traces", traces), ("--name", names)):
        if values and len(values) != len(sortings):
            raise ParameterError(
                f"{len(sortings)} --sorting and {len(values)} {switch}: give one for each sorting, in the same order."
            )
    traces, names = traces or [None] * len(sortings), names or [None] * len(sortings)
    return [
        (_path(sorting), None if one is None else _path(one), name)
        for sorting, one, name in zip(sortings, traces, names, strict=True)
    ]


def _rows_of_table(file: Path) -> list[tuple[Path, Path | None, str | None]]:
    """Rows of the table; its relative paths start from the table's folder."""
    try:
        rows = list(csv.DictReader(io.StringIO(text_of_file(file), newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise ParameterError(f"--pairs: {file} cannot be read ({error}).") from error
    if not rows or any(not (row.get("sorting") or "").strip() for row in rows):
        raise ParameterError(f"--pairs: {file} must have the columns {', '.join(COLUMNS)}, and a sorting in every row.")
    cells = [[(row.get(column) or "").strip() for column in COLUMNS] for row in rows]
    return [
        (file.parent / _path(sorting, file.parent), _path(traces, file.parent) if traces else None, name or None)
        for sorting, traces, name in cells
    ]


def _path(text: str, base: Path | None = None) -> Path:
    path = Path(text).expanduser()
    return path.absolute() if base is None else (base / path).absolute()


def _default_name(sorting: Path, traces: Path | None) -> str:
    named = sorting if traces is None else traces
    return named.name if named.is_dir() else named.name.removesuffix(named.suffix)
