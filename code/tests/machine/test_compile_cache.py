"""The compile cache: found wherever the code lies, never taken from a stranger, copied from a read-only image."""

import os
import stat

import pytest

from ephys_postprocess.machine import compile_cache
from ephys_postprocess.machine.compile_cache import use_compile_cache


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(compile_cache.tempfile, "gettempdir", lambda: str(folder))
    return folder


def test_a_folder_named_by_the_user_wins(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "mine"), "HOME": str(tmp_path)}
    use_compile_cache(environment)
    assert environment["NUMBA_CACHE_DIR"].startswith(str(tmp_path / "mine"))


def test_the_users_cache_is_the_default(tmp_path):
    environment = {"HOME": str(tmp_path)}
    use_compile_cache(environment)
    assert environment["NUMBA_CACHE_DIR"].startswith(str(tmp_path / ".cache" / "ephys-postprocess"))


def test_without_a_writable_home_the_temp_folder_serves(tmp_path, temporary_folder):
    blocked = tmp_path / "file"
    blocked.touch()
    environment = {"HOME": str(blocked)}
    use_compile_cache(environment)
    assert environment["NUMBA_CACHE_DIR"].startswith(str(temporary_folder))


def test_what_a_read_only_image_compiled_is_copied(tmp_path, temporary_folder, monkeypatch):
    image = tmp_path / "image"
    compiled = image / compile_cache._hash_of_kernels()
    compiled.mkdir(parents=True, mode=0o755)
    (compiled / "kernel.nbi").write_text("compiled")
    monkeypatch.setattr(compile_cache.os, "access", lambda path, _mode: not str(path).startswith(str(image)))
    environment = {"NUMBA_CACHE_DIR": str(image)}
    use_compile_cache(environment)
    copied = temporary_folder / f"ephys-postprocess-numba-{os.getuid()}" / compiled.name / "kernel.nbi"
    assert copied.read_text() == "compiled"


def test_a_folder_that_others_can_write_to_is_not_copied(tmp_path, temporary_folder, monkeypatch):
    shared = tmp_path / "shared"
    planted = shared / compile_cache._hash_of_kernels()
    planted.mkdir(parents=True)
    (planted / "kernel.nbi").write_text("planted")
    planted.chmod(planted.stat().st_mode | stat.S_IWOTH)
    monkeypatch.setattr(compile_cache.os, "access", lambda path, _mode: not str(path).startswith(str(shared)))
    environment = {"NUMBA_CACHE_DIR": str(shared)}
    use_compile_cache(environment)
    assert list(temporary_folder.rglob("kernel.nbi")) == []
