"""Recompute results of many kinds of input and parameters with stock SpikeInterface, and list what differs.

    python benchmarks/audit_matrix.py --audit AUDIT.py [--only NAME] [--work-folder FOLDER]

AUDIT.py is a script `AUDIT RESULT.zarr PREPROCESSED_FOLDER` that recomputes every extension with SpikeInterface and
prints a line an array: extension, column, worst absolute error, that over the standard deviation, share within 1e-3.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import spikeinterface.core as si
from probeinterface import generate_multi_columns_probe

CODE = Path(__file__).resolve().parent.parent
NUM_CHANNELS, DURATION_S, GAIN_UV = 32, 40.0, 2.34375


def location_methods(units: str, spikes: str) -> dict:
    return {"unit_locations": {"method": units}, "spike_locations": {"method": spikes}}


# Name of a case: (how the input is made, parameters merged over the defaults).
CASES = {
    "defaults": ({}, {}),
    "center_of_mass": ({}, location_methods("center_of_mass", "center_of_mass")),
    "grid_convolution": ({}, location_methods("grid_convolution", "grid_convolution")),
    "monopolar_triangulation": ({}, location_methods("monopolar_triangulation", "monopolar_triangulation")),
    "pca_by_channel_global": ({}, {"principal_components": {"mode": "by_channel_global"}}),
    "pca_concatenated_dense": (
        {},
        {
            "sparsity": None,
            "principal_components": {"mode": "concatenated"},
            "amplitude_scalings": {"max_dense_channels": None},
        },
    ),
    "dense": ({}, {"sparsity": None, "amplitude_scalings": {"max_dense_channels": None}}),
    "two_segments": ({"durations": (25.0, 15.0)}, {}),
    "float32": ({"dtype": "float32"}, {}),
    "zarr": ({"format": "zarr"}, {}),
    "similarity_l1_lag": ({}, {"template_similarity": {"method": "l1", "max_lag_ms": 0.2}}),
    "unscaled": ({}, {"return_in_uV": False}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audit", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=CASES)
    parser.add_argument("--work-folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work_folder) as work:
        for name in arguments.only or CASES:
            run_case(name, *CASES[name], Path(work) / name, arguments.audit)


def run_case(name: str, how: dict, parameters: dict, folder: Path, audit: Path) -> None:
    make_input(folder / "data", **how)
    command = [str(CODE / "run"), "--data", str(folder / "data"), "--results", str(folder / "results")]
    done = subprocess.run([*command, "--params", json.dumps(parameters)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: the capsule failed\n{done.stdout}{done.stderr}")
        return
    preprocessed = next((folder / "data").glob("preprocessed_*"))
    audited = subprocess.run(
        [sys.executable, str(audit), str(folder / "results" / "postprocessed_x.zarr"), str(preprocessed)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = audited.stdout.splitlines()[1:]
    differing = [line for line in lines if line.rstrip().endswith("<<<")]
    print(f"{name}: {len(lines)} arrays, {len(differing)} differ", *differing, sep="\n    ", flush=True)
    if audited.returncode:
        print(audited.stderr[-2000:])
    shutil.rmtree(folder)


def make_input(data: Path, durations=(DURATION_S,), dtype: str = "int16", format: str = "binary") -> None:
    """A recording and its true sorting, with one unit of few spikes."""
    from spikeinterface.preprocessing import scale

    data.mkdir(parents=True)
    probe = generate_multi_columns_probe(2, NUM_CHANNELS // 2, xpitch=32, ypitch=20, y_shift_per_column=[0, 10])
    probe.set_device_channel_indices(np.arange(NUM_CHANNELS))
    recording, truth = si.generate_ground_truth_recording(
        durations=list(durations), num_units=12, probe=probe, seed=5, sampling_frequency=30000.0
    )
    if dtype == "int16":
        recording = scale(recording, gain=1 / GAIN_UV, dtype="int16")
    recording.set_channel_gains(GAIN_UV if dtype == "int16" else 1.0)
    recording.set_channel_offsets(0.0)
    ending = ".zarr" if format == "zarr" else ""
    recording.save(
        folder=data / f"preprocessed_x{ending}", format=format, dtype=dtype, progress_bar=False, verbose=False
    )
    trains = [
        {str(unit): truth.get_unit_spike_train(unit, segment_index=index) for unit in truth.unit_ids}
        | {"few": np.array([3000, 9000, 15000])}
        for index in range(len(durations))
    ]
    si.NumpySorting.from_unit_dict(trains, 30000.0).save(folder=data / "spikesorted_x")


if __name__ == "__main__":
    main()
