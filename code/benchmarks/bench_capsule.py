"""The whole command against stock SpikeInterface, run alternately on one made set; prints the table of README.md.

    python benchmarks/bench_capsule.py --stock-recipe STOCK_RECIPE.py --make-dataset MAKE_DATASET.py

`--stock-recipe` is a script `RECIPE DATA NAME OUT.zarr --json TIMES` that does the same work with SpikeInterface alone,
with two processes; `--make-dataset` is a script `MAKE OUT --name NAME --duration S --units N --channels C`.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from process_tree import Cost, run_command

CODE = Path(__file__).resolve().parent.parent
NAME = "benchmark"
# Our stage: the stages of the stock recipe that do its work.
STAGES = {
    "load_inputs": ("import",),
    "sample_templates": ("sparsity", "dedup_templates"),
    "deduplicate": ("dedup", "create"),
    "random_spikes": ("random_spikes",),
    "noise_levels": ("noise_levels",),
    "waveforms": ("waveforms",),
    "templates": ("templates",),
    "principal_components": ("principal_components",),
    "spike_amplitudes + amplitude_scalings + spike_locations": (
        "spike_amplitudes",
        "amplitude_scalings",
        "spike_locations",
    ),
    "unit_locations": ("unit_locations",),
    "template_similarity": ("template_similarity",),
    "template_metrics": ("template_metrics",),
    "correlograms": ("correlograms",),
    "isi_histograms": ("isi_histograms",),
    "valid_unit_periods": ("valid_unit_periods",),
    "quality_metrics": ("quality_metrics",),
}


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.work_folder) as work:
        work = Path(work)
        data = arguments.data or make_data(arguments, work)
        name = arguments.name if arguments.data else NAME
        warm_up(data, name, work, arguments.n_jobs)
        ours, stock, alone = [], [], []
        for _ in range(arguments.repeats):
            ours.append(run_ours(data, name, work, arguments.n_jobs))
            if arguments.stock_recipe:
                stock.append(run_stock(arguments.stock_recipe, data, name, work))
            if arguments.one_thread:
                alone.append(run_ours(data, name, work, "1"))
        cold = run_ours(data, name, work, arguments.n_jobs, is_cold=True)
        print_table(ours, stock, alone, cold)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stock-recipe", type=Path, help="without it, only ours is timed")
    parser.add_argument("--make-dataset", type=Path)
    parser.add_argument("--data", type=Path, help="an input folder, instead of a made one")
    parser.add_argument("--name", help="the recording in --data")
    parser.add_argument("--duration", default="120")
    parser.add_argument("--units", default="200")
    parser.add_argument("--channels", default="384")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--n-jobs", default="2")
    parser.add_argument("--one-thread", action="store_true", help="time ours with one thread, too")
    parser.add_argument("--work-folder", type=Path, help="where data and results go for the time being")
    return parser.parse_args()


def make_data(arguments, work: Path) -> Path:
    shape = ["--duration", arguments.duration, "--units", arguments.units, "--channels", arguments.channels]
    run_command([sys.executable, str(arguments.make_dataset), str(work / "data"), "--name", NAME, *shape])
    return work / "data"


def warm_up(data: Path, name: str, work: Path, n_jobs: str) -> None:
    """Fill numba's cache and the page cache."""
    run_ours(data, name, work, n_jobs)


def run_ours(data, name, work, n_jobs, is_cold=False) -> tuple[Cost, dict[str, float]]:
    results = work / "results"
    shutil.rmtree(results, ignore_errors=True)
    environment = dict(os.environ)
    if is_cold:
        environment["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=work)
    command = [str(CODE / "run"), "--data", str(data), "--results", str(results), "--n-jobs", n_jobs]
    cost = run_command([*command, "--recording", name], environment, work / "ours.log")
    record = json.loads((results / f"data_process_postprocessing_{name}.json").read_text())
    return cost, {row["name"]: row["seconds"] for row in record["output_parameters"]["stages"]}


def run_stock(recipe, data, name, work) -> tuple[Cost, dict[str, float]]:
    times = work / "stock.json"
    environment = dict(os.environ) | {"PER_EXT": "1"}
    command = [sys.executable, str(recipe), str(data), name, str(work / "stock.zarr"), "--json", str(times)]
    cost = run_command(command, environment, work / "stock.log")
    shutil.rmtree(work / "stock.zarr", ignore_errors=True)
    return cost, json.loads(times.read_text())


def print_table(ours, stock, alone, cold) -> None:
    def median(runs, stage):
        return statistics.median(stages.get(stage, 0.0) for _, stages in runs) if runs else float("nan")

    def whole(runs):
        return statistics.median(cost.seconds for cost, _ in runs) if runs else float("nan")

    def print_stage(name, mine, theirs):
        print(f"| {name} | {mine:.2f} | {theirs:.2f} | {theirs / mine if mine > 0.005 else float('inf'):.1f} |")

    print("| stage | ours, s | stock, s | ratio |\n|---|---|---|---|")
    mine, theirs = whole(ours), whole(stock)
    rest = [mine, theirs]
    for stage, stock_stages in STAGES.items():
        seconds = median(ours, stage), sum(median(stock, name) for name in stock_stages)
        rest = [left - spent for left, spent in zip(rest, seconds, strict=True)]
        print_stage(stage, *seconds)
    print_stage("the rest: start, tables, report, checksums (stock: saving)", *rest)
    print(f"| **whole command** | **{mine:.1f}** | **{theirs:.1f}** | **{theirs / mine:.1f}** |")
    peak = max(cost.peak_memory_mb for cost, _ in ours)
    stock_peak = max((cost.peak_memory_mb for cost, _ in stock), default=float("nan"))
    print(f"| peak memory of the process tree, MB | {peak:.0f} | {stock_peak:.0f} | {stock_peak / peak:.1f} |")
    print(f"| whole command, cold compile cache | {cold[0].seconds:.1f} | | |")
    if alone:
        print(f"| whole command, one thread | {whole(alone):.1f} | | {whole(alone) / mine:.2f} times as long |")


if __name__ == "__main__":
    main()
