"""Whether the number of threads changes a byte of the results.

    python benchmarks/same_bytes.py DATA NAME                        # with 1, 2, 3 and 7 threads
    python benchmarks/same_bytes.py DATA NAME --input zarr chain     # traces saved as zarr; a chain that filters them

Lists every file of the store and of the units tables that differs from one thread's. Zarr and chain are made from DATA
in a temporary folder, and are to agree among themselves: a filter changes the traces.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import spikeinterface.core as si
from spikeinterface.preprocessing import highpass_filter

CODE = Path(__file__).resolve().parent.parent
INPUTS = ("as it is", "zarr", "chain")


def main() -> None:
    """Run each input with every number of threads; exit code 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("name", help="of the recording")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 3, 7])
    parser.add_argument("--input", choices=INPUTS, nargs="+", default=["as it is"])
    parser.add_argument("--folder", help="where to work; the temporary folder by default")
    arguments = parser.parse_args()
    differs = False
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for kind in arguments.input:
            data = arguments.data if kind == "as it is" else make_input(arguments, kind, Path(folder) / kind)
            hashes = {number: run(data, Path(folder), arguments.name, number) for number in arguments.threads}
            differs |= report(arguments.name, kind, hashes)
    raise SystemExit(differs)


def make_input(arguments: argparse.Namespace, kind: str, data: Path) -> Path:
    """`arguments.data` with its traces in a zarr store, or as a high-pass filter of them that is computed when read."""
    data.mkdir()
    sorting = f"spikesorted_{arguments.name}"
    (data / sorting).symlink_to((arguments.data / sorting).resolve())
    saved = (arguments.data / f"preprocessed_{arguments.name}").resolve()
    if kind == "zarr":
        folder = data / f"preprocessed_{arguments.name}.zarr"
        si.load(saved).save(folder=folder, format="zarr", progress_bar=False, verbose=False, n_jobs=1)
    else:
        shutil.copytree(saved, data / "traces")  # a description may not lead out of its data folder
        chain = highpass_filter(si.load(data / "traces"), freq_min=300.0)
        chain.dump_to_json(data / f"preprocessed_{arguments.name}.json", relative_to=data)
    return data


def run(data: Path, folder: Path, name: str, num_threads: int) -> dict[str, str]:
    """File: hash of its content, for all that is not about the run itself."""
    results = folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    command = [CODE / "run", "--data", data, "--results", results, "--n-jobs", str(num_threads), "--no-report"]
    environment = {**os.environ, "CAPSULE_PYTHON": sys.executable}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    files = [path for path in (results / f"postprocessed_{name}.zarr").rglob("*") if path.is_file()]
    files += results.glob(f"units_{name}.*")
    return {path.relative_to(results).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def report(name: str, kind: str, hashes: dict[int, dict[str, str]]) -> bool:
    """Say which files differ from those of the first number of threads; whether any do."""
    numbers = list(hashes)
    first = hashes[numbers[0]]
    differing = {
        number: sorted(path for path in {*own, *first} if own.get(path) != first.get(path))
        for number, own in hashes.items()
    }
    for number, paths in differing.items():
        for path in paths:
            print(f"{name}, {kind}: {path} differs between {numbers[0]} and {number} threads")
    if not any(differing.values()):
        print(
            f"{name}, {kind}: {len(first)} files are the same with {', '.join(map(str, numbers))} threads", flush=True
        )
    return any(differing.values())


if __name__ == "__main__":
    main()
