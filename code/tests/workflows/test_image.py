"""The two descriptions of the image say the same, by the same steps."""

import re
import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).resolve().parents[3] / "environment"
DESCRIPTIONS = ("Dockerfile", "apptainer.def")


def text_of(name):
    lines = (ENVIRONMENT / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:FROM|From:) (\S+)",
        r"NUMBA_CPU_NAME=(x86-64-v\d)",
        r"NUMBA_CACHE_DIR=(\S+)",
        r"steps\.sh (install|warm) (?=/opt)",
        r"(/opt/ephys-postprocess/code/run)",
    ],
)
def test_both_images_are_made_alike(pattern):
    docker, apptainer = (sorted(set(re.findall(pattern, text_of(name)))) for name in DESCRIPTIONS)
    assert docker == apptainer != []


def test_a_step_that_is_not_known_is_refused():
    done = subprocess.run([ENVIRONMENT / "steps.sh", "other"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "install LOCK_FILE or warm CODE" in done.stderr
