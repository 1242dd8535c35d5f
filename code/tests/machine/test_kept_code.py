"""One file a kernel: whatever becomes of it, the kernel computes what it should, and the file is mended."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from ephys_postprocess.kernels._jit import fused_kernel, kernel
from ephys_postprocess.machine import compile_cache, kept_code
from ephys_postprocess.machine.compile_cache import CompileCache

CODE = Path(__file__).resolve().parents[2]
VALUES = np.arange(5)
TWICE, SQUARE = VALUES * 2, VALUES**2


def twice(values):
    return values * 2


def square(values):
    return values * values


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(compile_cache, "_in_use", CompileCache(folder, (folder,)))
    return folder


def run(function=twice, dtype=np.int16, decorator=kernel):
    """Call a kernel as a new process would; its counts are compiled, loaded, damaged."""
    cache = compile_cache.compile_cache_in_use()
    cache.compiled, cache.num_loaded, cache.num_damaged = [], 0, 0
    values = decorator(function)(VALUES.astype(dtype))
    expected = TWICE if function is twice else SQUARE
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == expected.astype(dtype).dtype or dtype == np.int16
    return len(cache.compiled), cache.num_loaded, cache.num_damaged


def test_compiled_once_and_loaded_from_then_on(folder):
    assert run() == (1, 0, 0)
    assert run() == (0, 1, 0)
    (path,) = folder.iterdir()
    assert path.name.startswith("test_kept_code.twice-")
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_signature_function_and_option_has_its_own_file(folder):
    run(dtype=np.int16), run(dtype=np.float32), run(square), run(square, decorator=fused_kernel)
    assert len(list(folder.iterdir())) == 4
    assert [run(dtype=np.int16), run(dtype=np.float32), run(square)] == [(0, 1, 0)] * 3
    assert run(square, decorator=fused_kernel) == (0, 1, 0)


def cut(content):
    return content[: len(content) // 2]


def one_byte_changed(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        cut,
        lambda content: content[:10],
        lambda content: content[:40],
        one_byte_changed,
        lambda content: os.urandom(len(content)),
        lambda content: content + b"x",
        lambda _: b"\x80\x04cos\nabort\n(tR.",  # a pickle that would end the process
    ],
    ids=["emptied", "halved", "magic cut", "digest cut", "one bit", "garbage", "longer", "a pickle"],
)
def test_a_damaged_file_is_a_miss_and_is_mended(folder, damage):
    run()
    (path,) = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert run() == (1, 0, 1)
    assert run() == (0, 1, 0)


def test_a_file_of_another_signature_is_a_miss(folder):
    run(dtype=np.int16)
    (int16_file,) = folder.iterdir()
    run(dtype=np.float32)
    (float_file,) = set(folder.iterdir()) - {int16_file}
    int16_file.write_bytes(float_file.read_bytes())
    assert run(dtype=np.int16) == (1, 0, 1)
    assert run(dtype=np.int16) == (0, 1, 0)


def test_whole_content_that_cannot_be_rebuilt_is_a_miss(folder):
    """As what another build of the libraries may have written."""
    run()
    (path,) = folder.iterdir()
    cache = kept_code.KeptCode(twice, False)
    context = kernel(twice).targetctx
    key = cache._key((numba.typeof(VALUES.astype(np.int16)),), context.codegen())
    assert path.name == cache._file_name(key)
    for payload in (b"no pickle", kept_code.dumps(("too", "few")), kept_code.dumps(None)):
        kept_code._write(path, key, payload)
        assert run() == (1, 0, 1)
        assert run() == (0, 1, 0)


@pytest.mark.parametrize("kind", ["folder", "link", "dead link", "fifo"])
def test_what_is_no_file_is_a_miss(folder, tmp_path, kind):
    run()
    (path,) = folder.iterdir()
    path.rename(tmp_path / "elsewhere")
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    compiled, loaded, _ = run()
    assert (compiled, loaded) == (1, 0)
    if kind != "folder":
        assert run() == (0, 1, 0)
        assert path.is_file()
        assert not path.is_symlink()


@pytest.mark.parametrize("mode", [0o622, 0o660])
def test_a_file_that_others_could_have_written_is_not_loaded(folder, mode):
    run()
    (path,) = folder.iterdir()
    path.chmod(mode)
    assert run() == (1, 0, 1)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make files of other users")
def test_a_strangers_file_is_not_loaded(folder):
    run()
    (path,) = folder.iterdir()
    os.chown(path, 4321, 4321)
    assert run() == (1, 0, 1)
    assert path.stat().st_uid == os.getuid()


def test_another_processor_or_version_is_another_key(monkeypatch):
    class Codegen:
        def magic_tuple(self):
            return ("x86_64-unknown-linux-gnu", "another", "")

    signature = (numba.typeof(VALUES),)
    here = kernel(twice).targetctx.codegen()
    keys = {kept_code.KeptCode(twice, False)._key(signature, codegen) for codegen in (here, Codegen())}
    monkeypatch.setattr(kept_code.numba, "__version__", "0.0")
    keys.add(kept_code.KeptCode(twice, False)._key(signature, here))
    assert len(keys) == 3


def test_a_readers_folder_is_never_written_to(folder, tmp_path, monkeypatch):
    run()
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    monkeypatch.setattr(compile_cache, "_in_use", CompileCache(mine, (mine, folder)))
    assert run() == (0, 1, 0)
    (path,) = folder.iterdir()
    path.write_bytes(b"")
    assert run() == (1, 0, 1)
    assert path.read_bytes() == b""
    assert run() == (0, 1, 0)  # from our own folder


def test_a_folder_that_went_away_costs_no_result(folder):
    folder.rmdir()
    assert run() == (1, 0, 0)
    assert "No such file" in compile_cache.compile_cache_in_use().summary()


def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert run() == (1, 0, 0)
    assert list(folder.iterdir()) == []
    assert "new ones are not kept (No space left on device)" in compile_cache.compile_cache_in_use().summary()


TASK = """
import sys, numpy as np
from ephys_postprocess.kernels.waveforms import gather_windows
from ephys_postprocess.machine.compile_cache import compile_cache_in_use
for dtype in sys.argv[1:]:
    traces = (np.arange(400).reshape(100, 4) + (0 if dtype == "uint16" else -200)).astype(dtype)
    windows = np.zeros((1, 10, 2), dtype)
    gather_windows(traces, np.array([5]), np.array([[0, 1]]), np.array([0]), windows)
    assert np.array_equal(windows[0], traces[5:15, [0, 1]]), dtype
cache = compile_cache_in_use()
print(len(cache.compiled), cache.num_loaded, cache.num_damaged)
"""


def test_cold_tasks_of_two_types_at_once_share_a_folder(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(CODE)}

    def start(*dtypes):
        command = [sys.executable, "-c", TASK, *dtypes]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    tasks = [start(dtype) for dtype in ("int16", "uint16") * 3]
    assert [task.wait() for task in tasks] == [0] * 6
    assert len(list(tmp_path.glob("*/*"))) == 2
    compiled, loaded, damaged = start("int16", "uint16").communicate()[0].split()
    assert (compiled, loaded, damaged) == ("0", "2", "0")
    for task in tasks:
        task.stdout.close()
