"""The whole command against stock SpikeInterface, run alternately on one made set; writes figures.json, prints a table.

    python benchmarks/bench_capsule.py                           # makes two minutes of 384 channels, then both
    python benchmarks/bench_capsule.py --times 10                # twenty minutes: the same two ten times, 27.6 GB
    python benchmarks/bench_capsule.py --data FOLDER --name NAME --no-stock
    python benchmarks/bench_capsule.py --record minutes_2        # keep the figures; then python benchmarks/figures.py

Made data and the stock recipe are `make_data.py` and `stock_recipe.py` beside this file.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from figures import record, stage_table
from make_data import make_data
from process_tree import Cost, run_command

CODE = Path(__file__).resolve().parent.parent
NAME = "benchmark"


def main() -> None:
    """Make the data, run both, and say what they cost."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.work_folder) as work:
        work = Path(work)
        data, name = arguments.data, arguments.name
        if data is None:
            data = work / "data"
            make_data(data, name, arguments.duration, arguments.units, arguments.channels, arguments.times, seed=0)
        warm_up(data, name, work, arguments.n_jobs)
        ours, stock, alone = [], [], []
        for _ in range(arguments.repeats):
            ours.append(run_ours(data, name, work, arguments.n_jobs))
            if arguments.stock:
                stock.append(run_stock(data, name, work))
            if arguments.one_thread:
                alone.append(run_ours(data, name, work, "1"))
        cold = run_ours(data, name, work, arguments.n_jobs, is_cold=True)
    measured = {"ours": summary(ours), "stock": summary(stock), "cold_s": round(cold[0].seconds, 2)}
    if alone:
        measured["one_thread_s"] = summary(alone)["whole_s"]
    print(stage_table(measured))
    if arguments.record:
        record(arguments.record, measured)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="an input folder, instead of a made one")
    parser.add_argument("--name", default=NAME, help="the recording in --data")
    parser.add_argument("--duration", type=float, default=120.0)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--times", type=int, default=1, help="repeat the made recording so often")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--n-jobs", default="2")
    parser.add_argument("--no-stock", dest="stock", action="store_false", help="time ours alone")
    parser.add_argument("--one-thread", action="store_true", help="time ours with one thread, too")
    parser.add_argument("--record", metavar="SET", help="keep the figures under this name in figures.json")
    parser.add_argument("--work-folder", type=Path, help="where data and results go for the time being")
    return parser.parse_args()


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


def run_stock(data, name, work) -> tuple[Cost, dict[str, float]]:
    times = work / "stock.json"
    recipe = Path(__file__).with_name("stock_recipe.py")
    command = [sys.executable, str(recipe), str(data), name, str(work / "stock.zarr"), "--json", str(times)]
    cost = run_command(command, log=work / "stock.log")
    shutil.rmtree(work / "stock.zarr", ignore_errors=True)
    return cost, json.loads(times.read_text())


def summary(runs: list[tuple[Cost, dict[str, float]]]) -> dict | None:
    """Medians over the runs, every whole time, and the highest peak."""
    if not runs:
        return None
    names = list(dict.fromkeys(name for _, stages in runs for name in stages))
    return {
        "whole_s": round(statistics.median(cost.seconds for cost, _ in runs), 2),
        "every_try_s": [round(cost.seconds, 2) for cost, _ in runs],
        "peak_memory_mb": round(max(cost.peak_memory_mb for cost, _ in runs)),
        "stages_s": {name: round(statistics.median(stages.get(name, 0.0) for _, stages in runs), 3) for name in names},
    }


if __name__ == "__main__":
    main()
