"""Shared fixtures: the real command line, run as a user runs it."""

import gc
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples each time, so that a run of the tests fails for what was changed and for nothing else; new ones are
# drawn with --hypothesis-profile=drawn.
settings.register_profile("drawn")
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

CODE = Path(__file__).resolve().parent.parent
# What the surroundings may say about cores; a test that wants them says so itself.
CORE_COUNTS = ("CO_CPUS", "N_JOBS_EXT", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")


@pytest.fixture(scope="module", autouse=True)
def long_lived_objects_set_apart():
    """What a file's tests begin with stays: the garbage collector need not look through it again.

    SpikeInterface calls for a full collection at each chunk that it saves; among all that 2,700 tests import and
    collect, one took a third of a second, and those together half of the suite's processor time.
    """
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Finished:
    """What a run of the command line left behind."""

    exit_code: int
    stdout: str
    stderr: str
    results: Path

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    def names(self) -> set[str]:
        """What lies in the results folder, hidden files included."""
        return {path.name for path in self.results.iterdir()} if self.results.exists() else set()

    def store(self, name: str) -> Path:
        return self.results / f"postprocessed_{name}.zarr"

    def placeholder(self, name: str) -> set[str]:
        """What lies in the result's folder, where it is a placeholder."""
        return {path.name for path in self.store(name).iterdir()}

    def data_process(self, name: str) -> dict:
        path = self.results / f"data_process_postprocessing_{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def parameters(self, name: str) -> dict:
        return self.data_process(name)["code"]["parameters"]

    def extensions(self, name: str) -> set[str]:
        """Extensions in the store, with their parameters."""
        return {path.name for path in (self.store(name) / "extensions").iterdir() if path.is_dir()}

    def params_of(self, name: str, extension: str) -> dict:
        """The parameters of an extension as the store has them."""
        text = (self.store(name) / "extensions" / extension / ".zattrs").read_text(encoding="utf-8")
        return json.loads(text)["params"]


@dataclass(frozen=True)
class Call:
    """One call of the command line."""

    arguments: tuple = ()
    data: Path | None = None  # --data
    results: Path | None = None  # --results, unless `is_bare`
    environment: dict | None = None
    code: Path = CODE
    is_bare: bool = False  # no --data and --results: the folders beside `code`
    before: list | tuple = ()  # a command that runs the command
    options: dict | None = None  # of subprocess.run


def _run(call: Call, timeout=300) -> Finished:
    folders = [] if call.is_bare else ["--results", str(call.results)]
    folders += [] if call.is_bare or call.data is None else ["--data", str(call.data)]
    surroundings = {name: value for name, value in os.environ.items() if name not in CORE_COUNTS}
    done = subprocess.run(
        [*call.before, str(call.code / "run"), *map(str, call.arguments), *folders],
        env={**surroundings, "CAPSULE_PYTHON": sys.executable, **(call.environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        **(call.options or {}),
    )
    return Finished(done.returncode, done.stdout, done.stderr, Path(call.results))


@pytest.fixture(scope="session")
def run_capsule(tmp_path_factory):
    """run_capsule("--params", "{}", data=folder) runs `code/run` as a user does, in this environment's Python."""

    def run(*arguments, results=None, timeout=300, **call) -> Finished:
        return _run(Call(arguments, results=results or tmp_path_factory.mktemp("results"), **call), timeout)

    return run


@pytest.fixture(scope="session")
def run_capsules(run_capsule):
    """run_capsules({label: keyword arguments of run_capsule, "arguments" among them}): two at a time, {label: result}.

    A run of a tiny input is mostly start-up on one core.
    """

    def run(calls: dict[str, dict]) -> dict[str, Finished]:
        with ThreadPoolExecutor(2) as pool:
            futures = {}
            for label, call in calls.items():
                options = dict(call)
                futures[label] = pool.submit(run_capsule, *options.pop("arguments", ()), **options)
            return {label: future.result() for label, future in futures.items()}

    return run
