"""Compile every kernel for the inputs that people have, so that nobody who runs the image waits for it.

    python tools/warm_kernels.py        # into NUMBA_CACHE_DIR, for NUMBA_CPU_NAME; says which kernels were not met

Small made recordings of each kind are postprocessed: 16-bit counts of one gain and of several, unsigned
ones, floating-point numbers, zarr; with every method of locating, of principal components and of
similarity. A kind that is left out compiles on its first run, as everywhere.
"""

import importlib
import json
import os
import pkgutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import spikeinterface.core as si

CODE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CODE))

from ephys_postprocess import kernels  # noqa: E402
from ephys_postprocess.cli import main as command_line  # noqa: E402
from ephys_postprocess.machine.compile_cache import use_compile_cache  # noqa: E402
from ephys_postprocess.parameters.document import Parameters  # noqa: E402

DURATION_S, NUM_CHANNELS, NUM_UNITS, GAIN_UV = 20.0, 16, 8, 2.34375
METHODS_OF_UNITS = ("monopolar_triangulation", "grid_convolution", "center_of_mass")
EXTENSIONS = Parameters().extensions.arguments()
METHODS_OF_SPIKES = ("grid_convolution", "monopolar_triangulation", "center_of_mass")
MODES_OF_COMPONENTS = ("by_channel_local", "by_channel_global", "concatenated")
SIMILARITIES = ("cosine", "l1", "l2")
NUM_SETS = 3
KINDS_WITH_EVERY_SET = ("counts", "unsigned counts", "floats")  # types of traces


def main() -> int:
    """Run everything; 0 where every kernel was compiled or loaded at least once."""
    use_compile_cache(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in save_kinds(Path(folder)).items():
            for number in range(NUM_SETS if name in KINDS_WITH_EVERY_SET else 1):
                postprocess(data, Path(folder) / f"results of {name} {number}", parameters(number))
    missed = kernels_without_file(Path(os.environ["NUMBA_CACHE_DIR"]))
    print(f"{len(missed)} kernel(s) were not met: {', '.join(missed) or '-'}", file=sys.stderr)
    return int(bool(missed))


def save_kinds(folder: Path) -> dict[str, Path]:
    """A data folder for each kind of recording."""
    recording, sorting = si.generate_ground_truth_recording(
        durations=[DURATION_S],
        sampling_frequency=30_000.0,
        num_channels=NUM_CHANNELS,
        num_units=NUM_UNITS,
        seed=1,
        generate_sorting_kwargs={"firing_rates": 30.0, "refractory_period_ms": 2.0},
    )
    traces = recording.get_traces()
    counts = np.clip(np.round(traces / GAIN_UV), -(2**14), 2**14).astype(np.int16)
    unsigned = (counts.astype(np.int32) + 2**15).astype(np.uint16)
    floats = traces.astype(np.float32)
    kinds = {
        "counts": (counts, GAIN_UV, "binary"),
        "unsigned counts": (unsigned, GAIN_UV, "binary"),
        "floats": (floats, 1.0, "binary"),
        "counts of several gains": (counts, GAIN_UV * np.linspace(0.9, 1.1, NUM_CHANNELS), "binary"),
        "zarr": (counts, GAIN_UV, "zarr"),
        # Fewer channels than kernels take at a time.
        "counts of a tetrode": (counts[:, :4], GAIN_UV, "binary"),
        "unsigned counts of a tetrode": (unsigned[:, :4], GAIN_UV, "binary"),
        "floats of a tetrode": (floats[:, :4], 1.0, "binary"),
    }
    return {
        name: save(folder / name, made_like(recording, values, gain), sorting, file_format)
        for name, (values, gain, file_format) in kinds.items()
    }


def made_like(recording: si.BaseRecording, traces: np.ndarray, gains_to_uV) -> si.BaseRecording:
    """A recording of other traces with the probe of this one."""
    made = si.NumpyRecording([traces], recording.sampling_frequency)
    made.set_channel_gains(gains_to_uV)
    made.set_channel_offsets(-(2**15) * gains_to_uV if traces.dtype == np.uint16 else 0.0)
    made.annotate(is_filtered=True)
    made.set_probe(recording.get_probe().get_slice(np.arange(traces.shape[1])))
    return made


def save(data: Path, recording: si.BaseRecording, sorting: si.BaseSorting, file_format: str) -> Path:
    """Write both as preprocessing and spike sorting do."""
    suffix = ".zarr" if file_format == "zarr" else ""
    recording.save(folder=data / f"preprocessed_warm{suffix}", format=file_format, progress_bar=False, verbose=False)
    sorting.save(folder=data / "spikesorted_warm")
    return data


def parameters(number: int) -> dict:
    """The `number`-th set of parameters; all sets together name every method."""
    return {
        "return_in_uV": number != 1,
        "sparsity": {"method": "radius", "radius_um": 1e6 if number == 2 else 100.0},  # concatenated: every channel
        "extensions": {
            **{name: {} for name in EXTENSIONS},
            "unit_locations": {"method": METHODS_OF_UNITS[number]},
            "spike_locations": {"method": METHODS_OF_SPIKES[number]},
            "principal_components": {"mode": MODES_OF_COMPONENTS[number], "n_components": 3},
            "template_similarity": {"method": SIMILARITIES[number]},
        },
    }


def postprocess(data: Path, results: Path, chosen: dict) -> None:
    """As a user's call does it, with two threads."""
    folders = ["--data", str(data), "--results", str(results), "--scratch", str(results.parent)]
    code = command_line.main([*folders, "--params", json.dumps(chosen), "--n-jobs", "2", "--no-report"])
    if code != 0:
        raise SystemExit(code)


def kernels_without_file(folder: Path) -> list[str]:
    """Kernels of the package of which nothing is kept in a folder, by module and function."""
    kept = {path.name.rpartition("-")[0] for path in folder.glob("*.nbc")}
    defined = set()
    for module in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if hasattr(value, "py_func") and value.__module__ == module.name:
                defined.add(f"{module.name.rpartition('.')[2]}.{value.__qualname__}")
    return sorted(defined - kept)


if __name__ == "__main__":
    sys.exit(main())
