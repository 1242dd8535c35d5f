"""The same postprocessing with SpikeInterface alone, as one would write it today: what the capsule is compared with.

    python benchmarks/stock_recipe.py DATA NAME RESULT.zarr [--json SECONDS.json] [--n-jobs 2]

Templates on a radius of 100 µm, duplicates removed above 90 % shared spikes, then every extension and quality metric
that the capsule computes by default, with the same parameters, in a binary folder first and saved as zarr at the end:
the way that SpikeInterface is fastest. Seconds of each step go to the JSON.
"""

import argparse
import json
import os
import shutil
import time
import warnings
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one thread for each of SpikeInterface's processes
START = time.perf_counter()

import spikeinterface.core as si  # noqa: E402 - imports are a part of what is timed
import spikeinterface.metrics  # noqa: E402 - registers extensions
import spikeinterface.postprocessing  # noqa: E402, F401
from spikeinterface.curation import remove_redundant_units  # noqa: E402

RADIUS_UM, DUPLICATE_THRESHOLD = 100.0, 0.9
EXTENSIONS = {
    "random_spikes": {"method": "uniform", "max_spikes_per_unit": 500, "seed": 0},
    "noise_levels": {"random_slices_kwargs": {"num_chunks_per_segment": 20, "chunk_size": 10_000, "seed": 0}},
    "waveforms": {"ms_before": 3.0, "ms_after": 4.0},
    "templates": {"operators": ["average", "std"]},
    "spike_amplitudes": {},
    "amplitude_scalings": {},
    "spike_locations": {"method": "grid_convolution"},
    "template_similarity": {"method": "cosine"},
    "correlograms": {"window_ms": 50.0, "bin_ms": 1.0},
    "isi_histograms": {"window_ms": 100.0, "bin_ms": 5.0},
    "unit_locations": {"method": "monopolar_triangulation"},
    "template_metrics": {"include_multi_channel_metrics": True},
    "principal_components": {"n_components": 5, "mode": "by_channel_local", "whiten": True},
    "valid_unit_periods": {},
}
QUALITY_METRICS = [
    *("num_spikes", "firing_rate", "presence_ratio", "snr", "isi_violation", "rp_violation", "sliding_rp_violation"),
    *("amplitude_cutoff", "amplitude_median", "amplitude_cv", "noise_cutoff", "synchrony", "firing_range", "drift"),
    *("sd_ratio", "mahalanobis", "d_prime", "nearest_neighbor", "silhouette"),
]


class Steps:
    """Seconds of each step, by its name."""

    def __init__(self):
        self.seconds = {"import": time.perf_counter() - START}

    def run(self, name: str, step):
        """What `step()` returns."""
        start = time.perf_counter()
        outcome = step()
        self.seconds[name] = time.perf_counter() - start
        print(f"{name:24s} {self.seconds[name]:8.2f} s", flush=True)
        return outcome


def main() -> None:
    """Run the steps one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("name")
    parser.add_argument("result", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    si.set_global_job_kwargs(n_jobs=arguments.n_jobs, chunk_duration="1s", progress_bar=False)
    steps = Steps()
    recording = si.load(arguments.data / f"preprocessed_{arguments.name}")
    sorting = si.load(arguments.data / f"spikesorted_{arguments.name}")
    postprocess(recording, sorting, arguments.result, steps)
    steps.seconds["TOTAL"] = time.perf_counter() - START
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(steps.seconds, indent=1))


def postprocess(recording, sorting, result: Path, steps: Steps) -> None:
    """From a recording and its sorting to a saved SortingAnalyzer."""
    first = steps.run("sparsity", lambda: _analyzer(sorting, recording, method="radius", radius_um=RADIUS_UM))
    steps.run("dedup_templates", lambda: first.compute(["random_spikes", "templates"], extension_params=_SEEDED))
    unique = steps.run("dedup", lambda: remove_redundant_units(first, duplicate_threshold=DUPLICATE_THRESHOLD))
    folder = result.with_suffix(".building")
    shutil.rmtree(folder, ignore_errors=True)
    sparsity = first.select_units(unique.unit_ids).sparsity
    analyzer = steps.run(
        "create",
        lambda: _analyzer(unique, recording, sparsity=sparsity, format="binary_folder", folder=folder),
    )
    for name, parameters in EXTENSIONS.items():
        steps.run(name, lambda name=name, parameters=parameters: analyzer.compute({name: parameters}))
    steps.run("quality_metrics", lambda: analyzer.compute("quality_metrics", metric_names=QUALITY_METRICS))
    shutil.rmtree(result, ignore_errors=True)
    steps.run("save", lambda: analyzer.save_as(format="zarr", folder=result))
    shutil.rmtree(folder, ignore_errors=True)


_SEEDED = {"random_spikes": EXTENSIONS["random_spikes"]}


def _analyzer(sorting, recording, **options):
    return si.create_sorting_analyzer(sorting, recording, sparse=True, return_in_uV=True, **options)


if __name__ == "__main__":
    main()
