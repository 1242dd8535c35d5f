"""Limits under which no library can be loaded end in a sentence, before any is."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ephys_postprocess.machine.limits import MIN_ADDRESS_SPACE_BYTES, MIN_STACK_BYTES

CAPSULE = Path(__file__).resolve().parents[2] / "run_capsule.py"


def answer(kind, soft, hard):
    """Exit code and words of the capsule under a limit."""
    done = subprocess.run(
        [sys.executable, str(CAPSULE), "--version"],
        preexec_fn=lambda: resource.setrlimit(kind, (soft, hard)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("megabytes", [250, 600, 1499])
def test_few_addresses_are_told(megabytes):
    code, said = answer(resource.RLIMIT_AS, megabytes * 10**6, megabytes * 10**6)
    assert code == 2
    assert said.startswith(f"Cannot run: this process may take {megabytes} MB of addresses (ulimit -v)")
    assert said.count("\n") == 1


def test_a_small_stack_is_raised_or_told():
    code, said = answer(resource.RLIMIT_STACK, 256_000, 256_000)
    assert (code, said.count("\n")) == (2, 1)
    assert "the stack is limited to 256 kB (ulimit -s)" in said
    assert answer(resource.RLIMIT_STACK, 256_000, 8 * MIN_STACK_BYTES)[0] == 0


def test_enough_is_enough():
    assert answer(resource.RLIMIT_AS, MIN_ADDRESS_SPACE_BYTES, MIN_ADDRESS_SPACE_BYTES)[0] == 0
