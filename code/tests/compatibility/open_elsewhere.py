"""Open finished results with another SpikeInterface, as someone does who has never heard of this capsule.

Makes a virtual environment with nothing but the SpikeInterface asked for and what its extension classes import, and
opens the results there with no environment variable set. Needs the package registry and a minute or two, so it is a
script and not part of the test suite (which opens a result with its own SpikeInterface):

    python tests/compatibility/open_elsewhere.py 0.105.3 results/postprocessed_*.zarr
    python tests/compatibility/open_elsewhere.py 0.104.8 results/postprocessed_*.zarr

Exit code 0 if every extension that this version knows was loaded with all its data, else 1. Environments are kept in
the user's cache folder (`--environments` for another) and used again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

NUMCODECS = "numcodecs==0.15.2"  # the first that refuses pickles
IMPORTED_BY_EXTENSIONS = ("pandas", "scikit-learn", "numba", "scipy")
READER = Path(__file__).parent / "read_everything.py"


def python_with(spikeinterface_version: str, environments: Path) -> Path:
    """The interpreter of a virtual environment with that SpikeInterface; made on the first call."""
    folder = environments / f"spikeinterface-{spikeinterface_version}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        packages = [f"spikeinterface=={spikeinterface_version}", NUMCODECS, *IMPORTED_BY_EXTENSIONS]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / "complete").touch()
    return python


def open_with(python: Path, stores: list[Path]) -> int:
    """Read the stores in a process without any environment variable, from a folder of no importance."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, READER.resolve(), *(store.resolve() for store in stores)]
        return subprocess.run(command, env={}, cwd=folder, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", help="SpikeInterface's version, such as 0.105.3")
    parser.add_argument("stores", nargs="+", type=Path, help="postprocessed_*.zarr folders")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("--environments", type=Path, default=cache / "ephys-postprocess" / "compatibility")
    arguments = parser.parse_args()
    return open_with(python_with(arguments.version, arguments.environments), arguments.stores)


if __name__ == "__main__":
    sys.exit(main())
