"""Settings in the environment that numba cannot take, and what would take SpikeInterface's checks away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ephys_postprocess.machine.library_settings import drop_unusable_settings

CODE = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("threads", ["0", "-1", "abc", "", "1.5", "9" * 5000, "\u0665"])
def test_what_is_no_number_of_threads_is_forgotten(threads):
    environment = {"NUMBA_NUM_THREADS": threads, "NUMBA_OPT": "nonsense", "OTHER": "x"}
    drop_unusable_settings(environment)
    assert environment == {"OTHER": "x"}


def test_what_numba_can_take_stays():
    environment = {"NUMBA_NUM_THREADS": "4", "NUMBA_OPT": "max"}
    drop_unusable_settings(environment)
    assert environment == {"NUMBA_NUM_THREADS": "4", "NUMBA_OPT": "max"}
    drop_unusable_settings(empty := {})
    assert empty == {}


def test_the_capsule_runs_with_assertions_and_from_its_own_folder(tmp_path):
    """SpikeInterface checks its input with assertions, and is not imported without docstrings."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "optimize=$PYTHONOPTIMIZE"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    settings = {"PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "1", "CAPSULE_PYTHON": str(python)}
    done = subprocess.run(
        [CODE / "run", "--version"], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("optimize=\n")
