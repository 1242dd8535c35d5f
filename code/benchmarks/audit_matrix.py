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
from probeinterface import generate_multi_columns_probe, generate_multi_shank, generate_tetrode

CODE = Path(__file__).resolve().parent.parent
NUM_CHANNELS, DURATION_S, GAIN_UV = 32, 40.0, 2.34375


def location_methods(units: str, spikes: str) -> dict:
    return {"unit_locations": {"method": units}, "spike_locations": {"method": spikes}}


PROBES = {
    "two columns": lambda: generate_multi_columns_probe(
        2, NUM_CHANNELS // 2, xpitch=32, ypitch=20, y_shift_per_column=[0, 10]
    ),
    "four shanks": lambda: generate_multi_shank(
        num_shank=4, shank_pitch=[250, 0], num_columns=2, num_contact_per_column=48, xpitch=32, ypitch=15
    ),
    "1024 channels": lambda: generate_multi_columns_probe(8, 128, xpitch=20, ypitch=20),
    "tetrode": generate_tetrode,
}
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
    "three_segments": ({"durations": (20.0, 12.0, 8.0)}, {}),
    "uint16": ({"dtype": "uint16"}, {}),
    "uneven_gains": ({"is_gain_uneven": True}, {}),
    "np2_four_shanks": ({"probe": "four shanks", "num_units": 30, "durations": (12.0,)}, {}),
    "1024_channels": ({"probe": "1024 channels", "num_units": 30, "durations": (6.0,)}, {}),
    "tetrode_of_one_unit": ({"probe": "tetrode", "num_units": 1, "durations": (60.0,)}, {}),
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


def make_input(
    data: Path,
    durations=(DURATION_S,),
    dtype: str = "int16",
    format: str = "binary",
    probe: str = "two columns",
    num_units: int = 12,
    *,
    is_gain_uneven: bool = False,
) -> None:
    """A recording and its true sorting, with one unit of few spikes beside them where there are several."""
    data.mkdir(parents=True)
    contacts = PROBES[probe]()
    contacts.set_device_channel_indices(np.arange(contacts.get_contact_count()))
    recording, truth = si.generate_ground_truth_recording(
        durations=list(durations), num_units=num_units, probe=contacts, seed=5, sampling_frequency=30000.0
    )
    ending = ".zarr" if format == "zarr" else ""
    as_counts(recording, dtype, is_gain_uneven=is_gain_uneven).save(
        folder=data / f"preprocessed_x{ending}", format=format, progress_bar=False, verbose=False
    )
    few = {"few": np.array([3000, 9000, 15000])} if num_units > 1 else {}
    trains = [
        {str(unit): truth.get_unit_spike_train(unit, segment_index=index) for unit in truth.unit_ids} | few
        for index in range(len(durations))
    ]
    si.NumpySorting.from_unit_dict(trains, 30000.0).save(folder=data / "spikesorted_x")


def as_counts(recording, dtype: str, *, is_gain_uneven: bool):
    """The same traces as a converter gives them: whole counts around zero, or around the middle of uint16."""
    from spikeinterface.preprocessing import scale

    num_channels = recording.get_num_channels()
    if dtype == "float32":
        recording.set_channel_gains(1.0)
        recording.set_channel_offsets(0.0)
        return recording
    gains = GAIN_UV * (np.linspace(0.5, 2.0, num_channels) if is_gain_uneven else np.ones(num_channels))
    middle = 2**15 if dtype == "uint16" else 0
    counts = scale(recording, gain=1 / gains, offset=np.full(num_channels, middle), dtype=dtype)
    counts.set_channel_gains(gains)
    counts.set_channel_offsets(-middle * gains)
    return counts


if __name__ == "__main__":
    main()
