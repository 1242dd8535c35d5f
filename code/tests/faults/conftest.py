"""What the fault tests share: the tiny input, an undisturbed result of it, and the tally for the README's table."""

import collections
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from end_to_end.make_inputs import save, tiny
from faults.broken_inputs import make_good
from faults.scars import arrays_of

CODE = Path(__file__).resolve().parents[2]
NAME = "block0 probeA#1 (x.y)_recording1"
OTHER_NAME = "block0_probeB_recording1"
HAS_PASSED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """data/ with two recordings: one of NAME, and a shorter one of OTHER_NAME."""
    data = tmp_path_factory.mktemp("faults") / "data"
    data.mkdir()
    save(data, NAME)
    recording, sorting = tiny((3.0,), num_channels=8, num_units=3, seed=4)
    save(data, OTHER_NAME, recording, sorting)
    return data


@pytest.fixture(scope="session")
def good_data(tmp_path_factory):
    """data/ with nothing wrong, for tests to break a copy of."""
    data = tmp_path_factory.mktemp("good") / "data"
    make_good(data)
    return data


@pytest.fixture
def data(good_data, tmp_path):
    return shutil.copytree(good_data, tmp_path / "data")


@pytest.fixture(scope="session")
def start_capsule():
    """start_capsule(data, results, *arguments): a running process, with its texts in pipes."""

    def start(data, results, *arguments, prefix=(), **options):
        command = [*prefix, CODE / "run", "--data", data, "--results", results, "--n-jobs", "2", *arguments]
        environment = {**os.environ, "CAPSULE_PYTHON": sys.executable, **options.pop("environment", {})}
        return subprocess.Popen(
            [*map(str, command)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return start


@pytest.fixture(scope="session")
def capsule(start_capsule):
    """capsule(data, results, *arguments): the finished process: (exit code, everything it said)."""

    def run(*arguments, **options):
        process = start_capsule(*arguments, **options)
        texts = process.communicate(timeout=300)
        return process.returncode, "".join(texts)

    return run


@pytest.fixture(scope="session")
def undisturbed(capsule, tiny_data, tmp_path_factory):
    """The results of a run that nothing disturbs: its folder, and the bytes of every array by name."""
    results = tmp_path_factory.mktemp("undisturbed")
    code, said = capsule(tiny_data, results, "--recording", NAME)
    assert code == 0, said
    return results, arrays_of(results, NAME)


@pytest.fixture
def tally(request):
    """tally(kind, number): tried so many of a kind, for README.md's table; survived where the whole test passes."""
    tried = collections.Counter()

    def add(kind, number=1):
        tried[kind] += number

    yield add
    path = os.environ.get("FAULTS_TALLY")
    if path:
        with Path(path).open("a") as handle:
            for kind, number in tried.items():
                handle.write(json.dumps([kind, number, number * request.node.stash.get(HAS_PASSED, False)]) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.stash[HAS_PASSED] = report.passed
    return report


@pytest.fixture
def copy_of():
    return shutil.copytree
