"""Many recordings on one page: a row for each, with links to the reports; no network, every text escaped."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from ephys_postprocess import __version__
from ephys_postprocess.report.render import environment, page_script, page_style, policy_hash

if TYPE_CHECKING:  # pyarrow may be missing, and whoever asks for a summary is told so
    from ephys_postprocess.results.all_units import UnitsOfRecording

NUM_BINS = 24  # of the yield along the probe
_SCRIPTS = ("summary.js",)


@dataclass(frozen=True)
class RecordingRow:
    """What the page says of one recording; None where nothing tells."""

    recording_name: str
    status: str  # "done", "skipped", "failed", "missing" or "broken"
    line: str = ""  # why it was skipped, failed or is broken
    report: str | None = None  # name of the file beside the page
    units_in: int | None = None
    duplicates: int | None = None
    units_out: int | None = None
    spikes: int | None = None
    channels: int | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    units: "UnitsOfRecording | None" = None

    @property
    def report_link(self) -> str | None:
        """The report's address relative to the page."""
        return None if self.report is None else quote(self.report)

    def verdict(self, name: str) -> int | None:
        """How many units are in one group of `Verdicts`: "passes", "fails" or "is_open"."""
        verdicts = None if self.units is None else self.units.verdicts
        return None if verdicts is None else int(getattr(verdicts, name).sum())

    def median(self, column: str) -> float | None:
        """Of a metric over the units that have a value."""
        values = np.empty(0) if self.units is None else self.units.column(column)
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else None

    @property
    def depths_um(self) -> np.ndarray:
        """float64: where along the probe the units are."""
        values = np.empty(0) if self.units is None else self.units.column("y_um")
        return values[np.isfinite(values)]


@dataclass(frozen=True)
class Summary:
    """The recordings of a results folder."""

    rows: tuple[RecordingRow, ...]
    tables: tuple[str, ...] = field(default=())  # names of the files with all units

    def facts(self) -> list[tuple[str, str]]:
        """What there is, as (name, value), for the top of the page."""
        statuses = [row.status for row in self.rows]
        counts = [f"{statuses.count(status)} {status}" for status in dict.fromkeys(sorted(statuses))]
        passing = [row.verdict("passes") for row in self.rows]
        return [
            ("Recordings", f"{len(self.rows)}: {', '.join(counts)}"),
            ("Units", f"{sum(row.units_out or 0 for row in self.rows):,}"),
            ("Pass default thresholds", f"{sum(number or 0 for number in passing):,}"),
        ]


def build_summary(summary: Summary) -> str:
    """The page's text.

    Raises
    ------
    ImportError
        jinja2 is not installed.
    """
    from markupsafe import Markup

    style, script = page_style(has_charts=False), page_script(_SCRIPTS, has_charts=False)
    low, high = _depth_range(summary.rows)
    page = (
        environment()
        .get_template("summary.html.jinja")
        .render(
            rows=summary.rows,
            facts=summary.facts(),
            tables=summary.tables,
            bars={row.recording_name: yield_bars(row.depths_um, low, high) for row in summary.rows},
            depth_range=(low, high),
            style=Markup(style),
            script=Markup(script),
            style_hash=policy_hash(style),
            script_hash=policy_hash(script),
            report_version=__version__,
        )
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def yield_bars(depths_um: np.ndarray, low_um: float, high_um: float) -> list[int]:
    """Units in each of `NUM_BINS` stretches of the probe, the same for all recordings; empty without units."""
    if not depths_um.size:
        return []
    return np.histogram(depths_um, NUM_BINS, (low_um, max(high_um, low_um + 1.0)))[0].tolist()


def _depth_range(rows: tuple[RecordingRow, ...]) -> tuple[float, float]:
    depths_um = np.concatenate([np.empty(0), *(row.depths_um for row in rows)])
    return (float(depths_um.min()), float(depths_um.max())) if depths_um.size else (0.0, 0.0)
