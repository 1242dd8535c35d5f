"""The capsule as pipelines run it: a read-only copy of `code/`, staged links, another folder, no arguments at all."""

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from end_to_end.make_inputs import NAME

CODE = Path(__file__).resolve().parent.parent.parent
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


def bound_by_permissions() -> list[str]:
    """What to put before a command so that root, too, may not write where the permission bits forbid it."""
    if os.geteuid() != 0:
        return []
    assert shutil.which("setpriv"), "as root, this test needs setpriv (util-linux), or run it as another user"
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


@pytest.fixture(scope="module")
def capsule(run_capsule, tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("a capsule")
    stage_as_links(tiny_data, folder / "staged inputs")
    (folder / "data").symlink_to("staged inputs")
    (folder / "results").mkdir()
    code = copy_code(folder / "code")
    before = listing(code)
    try:
        done = run_capsule(
            code=code,
            is_bare=True,
            results=folder / "results",
            before=bound_by_permissions(),
            options={"cwd": "/"},
        )
        yield Capsule(folder, done, before, listing(code))
    finally:
        for path in [code, *code.rglob("*")]:  # so that pytest can remove it
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def test_code_is_really_closed(capsule):
    touch = [*bound_by_permissions(), "touch", str(capsule.folder / "code" / "new")]
    assert subprocess.run(touch, capture_output=True, check=False).returncode != 0


def test_no_arguments_from_another_folder(capsule, files_of, metadata_copies):
    assert capsule.done.exit_code == 0, capsule.done.text
    assert capsule.done.names() == files_of(NAME) | metadata_copies


def test_nothing_is_written_into_code(capsule):
    assert capsule.after == capsule.before


def test_nothing_is_written_into_data(capsule):
    assert sorted(path.name for path in (capsule.folder / "staged inputs").iterdir()) == sorted(
        [f"preprocessed_{NAME}", f"spikesorted_{NAME}", f"motion_{NAME}", "ecephys_session"]
    )


def test_the_result_refers_to_the_staged_name_and_not_behind_the_link(capsule):
    import zarr

    link = zarr.open_group(str(capsule.done.store(NAME)), mode="r")["recording"][0]
    assert link["kwargs"]["folder_path"] == f"../../data/preprocessed_{NAME}"


def test_the_numbers_are_those_of_any_other_run(capsule, default_run):
    ours, theirs = ((done.results / f"units_{NAME}.csv").read_bytes() for done in (capsule.done, default_run))
    assert ours == theirs
