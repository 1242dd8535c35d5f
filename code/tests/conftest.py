"""Shared fixtures: the real command line, and small inputs in the capsule's layout."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parent.parent


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


@pytest.fixture(scope="session")
def run_capsule(tmp_path_factory):
    """run_capsule("--params", "{}", data=folder) runs `code/run` as a user does, in this environment's Python."""

    def run(*arguments, data=None, results=None, environment=None, timeout=300) -> Finished:
        results = results or tmp_path_factory.mktemp("results")
        folders = ["--results", str(results)] + ([] if data is None else ["--data", str(data)])
        variables = {**os.environ, "CAPSULE_PYTHON": sys.executable, **(environment or {})}
        done = subprocess.run(
            [str(CODE / "run"), *map(str, arguments), *folders],
            env=variables,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr, Path(results))

    return run
