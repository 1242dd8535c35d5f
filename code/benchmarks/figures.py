"""The measured figures, in one place: figures.json, from which the tables of both README.md are made.

python benchmarks/figures.py            # write the tables
python benchmarks/figures.py --check    # write nothing; exit code 1 when one is out of date
"""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
FIGURES = BENCHMARKS / "figures.json"
START, END = "<!-- figures:start -->\n", "<!-- figures:end -->"
# Our stages: the steps of the stock recipe that do their work.
STAGES = {
    ("load_inputs",): ("import",),
    ("sample_templates", "gather_windows"): ("sparsity", "dedup_templates"),
    ("deduplicate",): ("dedup", "create"),
    ("random_spikes",): ("random_spikes",),
    ("noise_levels",): ("noise_levels",),
    ("waveforms",): ("waveforms",),
    ("templates",): ("templates",),
    ("principal_components",): ("principal_components",),
    ("spike_amplitudes + amplitude_scalings + spike_locations",): (
        "spike_amplitudes",
        "amplitude_scalings",
        "spike_locations",
    ),
    ("unit_locations",): ("unit_locations",),
    ("template_similarity",): ("template_similarity",),
    ("template_metrics",): ("template_metrics",),
    ("correlograms",): ("correlograms",),
    ("isi_histograms",): ("isi_histograms",),
    ("valid_unit_periods",): ("valid_unit_periods",),
    ("quality_metrics",): ("quality_metrics",),
}
SETS = {"minutes_2": "Two minutes", "minutes_20": "Twenty minutes (27.6 GB)"}


def record(name: str, measured: dict) -> None:
    """Keep the figures of one set under its name."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures[name] = {"commit": _commit(), **measured}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _commit() -> str:
    command = ["git", "-C", str(BENCHMARKS), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def stage_table(measured: dict) -> str:
    """Every stage of ours beside stock's, in Markdown."""
    ours, stock = measured["ours"], measured["stock"] or {"whole_s": None, "peak_memory_mb": None, "stages_s": {}}
    lines, rest = ["| stage | ours, s | stock, s | ratio |", "|---|---|---|---|"], [ours["whole_s"], stock["whole_s"]]
    for stages, steps in STAGES.items():
        mine = sum(ours["stages_s"].get(stage, 0.0) for stage in stages)
        theirs = sum(stock["stages_s"].get(step, 0.0) for step in steps) if stock["stages_s"] else None
        rest = [left if spent is None else left - spent for left, spent in zip(rest, (mine, theirs), strict=True)]
        lines.append(_row(" + ".join(stages), mine, theirs, 2))
    lines.append(_row("the rest: start, tables, report, checksums (stock: saving)", *rest, 2))
    lines.append(_row("**whole command**", ours["whole_s"], stock["whole_s"], 1))
    lines.append(_row("peak memory of the process tree, MB", ours["peak_memory_mb"], stock["peak_memory_mb"], 0))
    lines.append(f"| whole command, cold compile cache | {measured['cold_s']:.1f} | | |")
    if "one_thread_s" in measured:
        lines.append(f"| whole command, one thread | {measured['one_thread_s']:.1f} | | |")
    return "\n".join(lines)


def short_table(figures: dict) -> str:
    """Whole runs of every recorded set, for the project's front page."""
    lines = ["384 channels and 224 units on two cores, both commands from start to exit:\n"]
    lines.append("| | this capsule | stock SpikeInterface 0.105.3 | ratio |")
    lines.append("|---|---|---|---|")
    for name, title in SETS.items():
        if name in figures:
            ours, stock = figures[name]["ours"], figures[name]["stock"]
            lines.append(_row(f"{title}, s", ours["whole_s"], stock["whole_s"], 1))
            lines.append(_row(f"{title}, peak memory, MB", ours["peak_memory_mb"], stock["peak_memory_mb"], 0))
    return "\n".join(lines)


def rendered(figures: dict) -> dict[Path, str]:
    """Path: its text with today's figures in it."""
    sets = [(title, figures[name]) for name, title in SETS.items() if name in figures]
    stages = "\n\n".join(f"{title}, at commit {one['commit']}:\n\n{stage_table(one)}" for title, one in sets)
    tables = {BENCHMARKS.parent.parent / "README.md": short_table(figures), BENCHMARKS / "README.md": stages}
    return {path: _between_marks(path.read_text(encoding="utf-8"), table) for path, table in tables.items()}


def main() -> int:
    """Write the tables, or say which are out of date."""
    texts = rendered(json.loads(FIGURES.read_text(encoding="utf-8")))
    stale = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" not in sys.argv[1:]:
            path.write_text(texts[path], encoding="utf-8")
    return 1 if stale and "--check" in sys.argv[1:] else 0


def _between_marks(text: str, table: str) -> str:
    before, after = text.split(START)[0], text.split(END)[1]
    return f"{before}{START}{table}\n{END}{after}"


def _row(name: str, mine: float, theirs: float | None, digits: int) -> str:
    if theirs is None:
        return f"| {name} | {mine:.{digits}f} | | |"
    ratio = f"{theirs / mine:.1f}" if mine >= 0.005 else "–"
    return f"| {name} | {mine:.{digits}f} | {theirs:.{digits}f} | {ratio} |"


if __name__ == "__main__":
    sys.exit(main())
