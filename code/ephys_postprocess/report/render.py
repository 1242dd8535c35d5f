"""Report data as one self-contained HTML page: no network, no clock, every text escaped."""

import base64
import hashlib
import json
from pathlib import Path

from ephys_postprocess import __version__
from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.report.findings import find_warnings, judge_units
from ephys_postprocess.report.payload import build_payload
from ephys_postprocess.results.files import refuse_links
from ephys_postprocess.results.seals import seal_html

_FOLDER = Path(__file__).parent
# Scripts that know nothing of what a page shows, then those of this page; each may use the ones before it.
SHARED_SCRIPTS = ("values.js", "dom.js", "colors.js", "filter.js", "table.js")
_SCRIPTS = (
    *SHARED_SCRIPTS,
    *("data.js", "plot.js", "charts.js", "probe.js", "raster.js", "similarity.js", "metrics.js", "labels.js"),
    *("units.js", "template_figure.js", "waveforms.js", "trains.js", "unit.js", "page.js"),
)


def build_report(data: ReportData) -> str:
    """The page's text.

    Raises
    ------
    ImportError
        jinja2 is not installed.
    """
    from markupsafe import Markup

    style, script = page_style(), page_script(_SCRIPTS)
    page = (
        environment()
        .get_template("template.html.jinja")
        .render(
            title=f"Postprocessing of {data.run.recording_name}",
            recording_name=data.run.recording_name,
            facts=run_facts(data),
            warnings=find_warnings(data),
            duplicates=data.duplicates,
            has_units=data.num_units > 0,
            style=Markup(style),
            script=Markup(script),
            style_hash=policy_hash(style),
            script_hash=policy_hash(script),
            methods=data.methods.paragraphs,
            references=data.methods.references,
            payload=Markup(script_safe_json(build_payload(data))),
            report_version=__version__,
        )
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # names may hold what no encoding can write


def write_report(data: ReportData, path: Path) -> None:
    """Write the report's page."""
    write_page(build_report(data), path)


def write_page(text: str, path: Path) -> None:
    """Write a page, sealed, under a hidden name, then rename it."""
    hidden = path.with_name(f".{path.name}.building")
    refuse_links(hidden)
    hidden.write_bytes(seal_html(text).encode("utf-8"))
    hidden.replace(path)


def run_facts(data: ReportData) -> list[tuple[str, str]]:
    """What was run, as (name, value), for the top of the page."""
    run = data.run
    facts = [
        ("Duration", duration_text(run.duration_s)),
        ("Channels", f"{len(data.probe.channel_ids)} at {run.sampling_frequency_hz / 1000:g} kHz"),
    ]
    if len(run.segment_durations_s) > 1:
        facts.append(("Segments", str(len(run.segment_durations_s))))
    facts.append(("Units", _units_text(data)))
    facts.append(("Spikes", f"{data.spikes.trains.num_spikes:,}"))
    verdicts = judge_units(data)
    if verdicts is not None and data.num_units:
        facts.append(("Default thresholds", verdicts.text()))
    if run.is_filtered is False:
        facts.append(("Traces", "not filtered"))
    if run.started:
        seconds = "" if run.seconds is None else f", took {run.seconds:.0f} s"
        facts.append(("Run", run.started[:19].replace("T", " ") + _zone(run.started) + seconds))
    made = f"capsule {run.version}, {run.stored_by}" if run.version else run.stored_by
    facts.append(("Made with", made))
    return facts


def duration_text(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def script_safe_json(payload: dict) -> str:
    """JSON that no HTML parser can mistake for the end of its script element."""
    text = json.dumps(payload, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _units_text(data: ReportData) -> str:
    if data.run.num_units_in is None:
        return str(data.num_units)
    return f"{data.run.num_units_in} in, {len(data.duplicates)} duplicates removed, {data.num_units} out"


def _zone(started: str) -> str:
    return " UTC" if started.endswith(("Z", "+00:00")) else ""


def environment():
    """jinja2 with our templates: every text is escaped, every name must be given.

    Raises
    ------
    ImportError
        jinja2 is not installed.
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )


def page_style(has_charts: bool = True) -> str:
    """The style sheet of every page; with charts, the library's before ours."""
    return (_read("vendor/uPlot.min.css") + "\n" if has_charts else "") + _read("page/style.css")


def page_script(names, has_charts: bool = True) -> str:
    """One script of `names` of the folder `page`, in one scope; with charts, their library and its licence first."""
    library = f"/*! uPlot\n{_read('vendor/uPlot.LICENSE')}*/\n{_read('vendor/uPlot.iife.min.js')}\n"
    ours = "\n".join(_read(f"page/{name}") for name in names)
    return f"(() => {{\n'use strict';\n{library if has_charts else ''}{ours}\n}})();\n"


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def policy_hash(text: str) -> str:
    """What a Content-Security-Policy says to allow exactly this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
