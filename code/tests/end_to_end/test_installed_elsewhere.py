"""The capsule as pipelines run it: a read-only copy of `code/`, staged links, another user, no arguments at all."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from end_to_end.make_inputs import NAME

CODE = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534
SHIPPED = ("run", "run_capsule.py", "find_python.sh", "params.json", "requirements.lock", "ephys_postprocess")


@dataclass(frozen=True)
class Capsule:
    """A folder as a pipeline makes it, the run in it, and `code/` before and after."""

    folder: Path
    done: object  # Finished
    before: dict[str, int]
    after: dict[str, int]


def copy_code(folder: Path) -> Path:
    """A copy of what a pipeline keeps of the repository, that nobody may write to."""
    folder.mkdir()
    for name in SHIPPED:
        source = CODE / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    return folder


def stage_as_links(source: Path, target: Path) -> None:
    """Each input as a link of its own, as Nextflow stages them."""
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).symlink_to(path)


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def another_user(home: Path) -> dict:
    """Options of subprocess.run to run as nobody, where we are root and nobody can use this Python; else none."""
    if os.geteuid() != 0:
        return {}
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    imports = [sys.executable, "-c", "import spikeinterface.core"]
    tried = subprocess.run(imports, capture_output=True, check=False, env={"HOME": str(home)}, **options)
    return options if tried.returncode == 0 else {}


@pytest.fixture(scope="module")
def capsule(run_capsule, tiny_data):
    # Not pytest's folder: that is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="capsule "))
    try:
        folder.chmod(0o755)
        (folder / "home").mkdir()
        options = another_user(folder / "home")
        open_to_all(tiny_data)
        stage_as_links(tiny_data, folder / "staged inputs")
        (folder / "data").symlink_to("staged inputs")
        (folder / "results").mkdir()
        for name in ("home", "results"):
            (folder / name).chmod(0o777)
        code = copy_code(folder / "code")
        before = listing(code)
        done = run_capsule(
            code=code,
            is_bare=True,
            results=folder / "results",
            environment={"HOME": str(folder / "home"), **_compile_cache(options)},
            options={"cwd": "/", **options},
        )
        yield Capsule(folder, done, before, listing(code))
    finally:
        for path in (folder / "code").rglob("*"):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        (folder / "code").chmod(0o755)
        shutil.rmtree(folder)


def open_to_all(folder: Path) -> None:
    """Let every user read a folder made by pytest."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0))
    for parent in folder.parents:
        if parent.owner() == folder.owner() and parent != Path("/") and parent.name.startswith("pytest-"):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)


def _compile_cache(options: dict) -> dict:
    """Another user cannot use our compiled kernels; an empty variable lets the capsule choose."""
    return {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": ""} if options else {}


def test_no_arguments_from_another_folder(capsule, files_of, metadata_copies):
    assert capsule.done.exit_code == 0, capsule.done.text
    assert capsule.done.names() == files_of(NAME) | metadata_copies


def test_nothing_is_written_into_code(capsule):
    assert capsule.after == capsule.before


def test_nothing_is_written_into_data(capsule):
    assert sorted(path.name for path in (capsule.folder / "staged inputs").iterdir()) == sorted(
        [f"preprocessed_{NAME}", f"spikesorted_{NAME}", f"motion_{NAME}", "ecephys_session"]
    )


def test_the_results_belong_to_whoever_ran_it(capsule):
    owners = {path.stat().st_uid for path in capsule.done.results.rglob("*")}
    assert len(owners) == 1


def test_the_result_refers_to_the_staged_name_and_not_behind_the_link(capsule):
    import zarr

    link = zarr.open_group(str(capsule.done.store(NAME)), mode="r")["recording"][0]
    assert link["kwargs"]["folder_path"] == f"../../data/preprocessed_{NAME}"


def test_the_numbers_are_those_of_any_other_run(capsule, default_run):
    ours, theirs = ((done.results / f"units_{NAME}.csv").read_bytes() for done in (capsule.done, default_run))
    assert ours == theirs
