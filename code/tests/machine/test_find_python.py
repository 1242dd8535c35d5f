"""Where `code/run` finds or makes its environment, on machines with odd homes, caches and locks."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[2]
# What PREPARED names on PATH is prepared, and making an environment is quick.
SCRIPT = """
set -euo pipefail
source "$1/find_python.sh"
is_prepared() { [[ " ${PREPARED:-} " == *" $1 "* ]]; }
make_environment() { mkdir -- "$1" && touch -- "$1/complete"; }
find_python "$1" requirements.lock
printf '%s' "$CAPSULE_PYTHON"
"""
STRANGER = 4321
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make folders of other users")


@pytest.fixture
def find(tmp_path):
    """find(HOME=…) runs `find_python`: exit code, the interpreter, what was said."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "record").mkdir()
    getent = tmp_path / "bin" / "getent"
    getent.parent.mkdir()
    getent.write_text(f"#!/bin/sh\n[ -e {tmp_path}/no_record ] || echo x:x:0:0::{tmp_path}/record:/bin/sh\n")
    getent.chmod(0o755)

    def run(prefix=(), **environment):
        done = subprocess.run(
            [*prefix, "bash", "-c", SCRIPT, "bash", str(CODE)],
            env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, Path(done.stdout), done.stderr

    return run


def test_made_once_in_the_users_cache(find, tmp_path):
    code, python, said = find(HOME=str(tmp_path / "record"))
    assert (code, said) == (0, "")
    assert python.is_relative_to(tmp_path / "record" / ".cache" / "ephys-postprocess")
    assert python.parts[-2:] == ("bin", "python")
    assert find(HOME=str(tmp_path / "record")) == (0, python, "")
    assert find(XDG_CACHE_HOME=str(tmp_path / "x"))[1].is_relative_to(tmp_path / "x")


@pytest.mark.parametrize(("prepared", "chosen"), [("python python3", "python3"), ("python", "python")])
def test_what_is_prepared_on_path_comes_first(find, tmp_path, prepared, chosen):
    assert find(HOME=str(tmp_path / "record"), PREPARED=prepared) == (0, Path(chosen), "")


def test_nobody_else_may_write_there_whatever_the_umask(find, tmp_path):
    code, python, _ = find(prefix=("sh", "-c", 'umask 0; exec "$@"', "sh"), HOME=str(tmp_path / "record"))
    assert code == 0
    made = [folder for folder in python.parents if folder.is_relative_to(tmp_path / "record" / ".cache")]
    assert {folder.name for folder in made if folder.exists()} >= {".cache", "ephys-postprocess"}
    assert [folder for folder in made if folder.exists() and folder.stat().st_mode & 0o022] == []


def test_the_callers_umask_is_kept_for_what_follows(tmp_path):
    script = f"umask 007; source {CODE}/find_python.sh; CAPSULE_PYTHON=x find_python {CODE} requirements.lock; umask"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "0007"


def test_without_home_the_password_file_knows_it(find, tmp_path):
    assert find()[1].is_relative_to(tmp_path / "record" / ".cache")


def test_without_any_home_a_closed_temporary_folder_serves(find, tmp_path):
    (tmp_path / "no_record").touch()
    code, python, _ = find()
    folder = tmp_path / "tmp" / f"ephys-postprocess-{os.geteuid()}"
    assert code == 0
    assert python.is_relative_to(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert find()[1] == python


@pytest.mark.parametrize("planted", ["link", "open to others", "a stranger's"])
def test_a_planted_temporary_folder_is_not_used(find, tmp_path, planted):
    if planted == "a stranger's" and os.getuid() != 0:
        pytest.skip("only root can make folders of other users")
    (tmp_path / "no_record").touch()
    assert find()[0] == 0
    folder = tmp_path / "tmp" / f"ephys-postprocess-{os.geteuid()}"  # with an environment that looks complete
    if planted == "link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    elif planted == "open to others":
        folder.chmod(0o770)
    else:
        os.chown(folder, STRANGER, STRANGER)
    code, python, said = find()
    assert (code, python) == (1, Path())
    assert f"{folder} cannot be used" in said
    assert "Cannot run: no prepared Python environment on PATH, and no folder to make one in" in said


@needs_root
def test_nothing_is_made_in_the_home_of_somebody_else(find, tmp_path):
    home = tmp_path / "theirs"
    home.mkdir()
    os.chown(home, STRANGER, STRANGER)
    code, python, said = find(HOME=str(home))
    assert code == 0
    assert python.is_relative_to(tmp_path / "record")
    assert list(home.iterdir()) == []
    assert "cannot be used" in said


def test_a_cache_that_cannot_be_written_is_passed_over(find, tmp_path):
    (tmp_path / "file").touch()
    code, python, said = find(XDG_CACHE_HOME=str(tmp_path / "file"), HOME=str(tmp_path / "file"))
    assert code == 0
    assert python.is_relative_to(tmp_path / "tmp")  # HOME is ours, and not to be had: so it is meant
    assert "line" not in said  # of this script, as bash tells of what went wrong in it


def test_nowhere_to_write_is_one_clear_message(find, tmp_path):
    (tmp_path / "no_record").touch()
    (tmp_path / "file").touch()
    code, _, said = find(HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path / "file"))
    assert code == 1
    assert "Set XDG_CACHE_HOME to a writable folder" in said
    assert "line" not in said


@pytest.mark.parametrize("flock", ["#!/bin/sh\nexit 1\n", None])
def test_without_locks_it_goes_on(find, tmp_path, flock):
    if flock is not None:
        (tmp_path / "bin" / "flock").write_text(flock)
        (tmp_path / "bin" / "flock").chmod(0o755)
    code, python, said = find(HOME=str(tmp_path / "record"))
    assert code == 0
    assert python.is_relative_to(tmp_path / "record")
    assert ("No locks in" in said) == (flock is not None)
