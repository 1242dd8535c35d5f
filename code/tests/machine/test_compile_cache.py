"""Where compiled kernels are kept: found wherever the code lies, in folders that no stranger can have written to."""

import os
import stat

import pytest

from ephys_postprocess.machine import compile_cache
from ephys_postprocess.machine.compile_cache import CompileCache, use_compile_cache
from ephys_postprocess.machine.processor import choose_processor

STRANGER = 4321
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make folders of other users")


@pytest.fixture(autouse=True)
def _own_process_is_left_alone(monkeypatch):
    monkeypatch.setattr(compile_cache, "_in_use", None)


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(compile_cache.tempfile, "gettempdir", lambda: str(folder))
    return folder


def folder_below(base, mode=0o755, owner=None):
    """A cache folder that somebody made below `base`."""
    folder = base / compile_cache._hash_of_kernels()
    folder.mkdir(parents=True)
    folder.chmod(mode)
    if owner is not None:
        os.chown(folder, owner, owner)
    return folder


def closed_to_writing(monkeypatch, folder):
    """As root may write everywhere, what a read-only file system says is made up."""
    access = os.access

    def made_up(path, mode):
        return access(path, mode) and not (mode & os.W_OK and str(path).startswith(str(folder)))

    monkeypatch.setattr(compile_cache.os, "access", made_up)


def test_a_folder_named_by_the_user_wins(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "mine"), "HOME": str(tmp_path)}
    cache = use_compile_cache(environment)
    assert cache.write_folder == tmp_path / "mine" / compile_cache._hash_of_kernels()
    assert environment["NUMBA_CACHE_DIR"] == str(cache.write_folder)
    assert stat.S_IMODE(cache.write_folder.stat().st_mode) == 0o700
    assert use_compile_cache(environment).write_folder == cache.write_folder  # a process that inherits the variable


def test_the_users_cache_is_the_default(tmp_path):
    cache = use_compile_cache({"HOME": str(tmp_path)})
    assert cache.write_folder.parent == tmp_path / ".cache" / "ephys-postprocess" / "numba"
    assert use_compile_cache({"XDG_CACHE_HOME": str(tmp_path / "x")}).write_folder.is_relative_to(tmp_path / "x")


@pytest.mark.parametrize("home", ["file", "", None])
def test_without_a_writable_home_the_temp_folder_serves(tmp_path, temporary_folder, home):
    (tmp_path / "file").touch()
    environment = {} if home is None else {"HOME": str(tmp_path / home) if home else ""}
    cache = use_compile_cache(environment)
    base = temporary_folder / f"ephys-postprocess-numba-{os.getuid()}"
    assert cache.write_folder.parent == base
    assert stat.S_IMODE(base.stat().st_mode) == 0o700
    assert cache.remarks == ()


@needs_root
def test_nothing_is_left_in_the_home_of_somebody_else(tmp_path, temporary_folder):
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, STRANGER, STRANGER)
    assert use_compile_cache({"HOME": str(home)}).write_folder.is_relative_to(temporary_folder)
    assert list(home.iterdir()) == []


def test_a_read_only_cache_is_read_and_new_code_kept_elsewhere(tmp_path, temporary_folder, monkeypatch):
    image = folder_below(tmp_path / "image")
    closed_to_writing(monkeypatch, image)
    cache = use_compile_cache({"NUMBA_CACHE_DIR": str(image.parent)})
    assert cache.write_folder.is_relative_to(temporary_folder)
    assert cache.read_folders == (cache.write_folder, image)
    assert cache.remarks == ()


@needs_root
def test_a_strangers_cache_is_passed_over_with_a_line(tmp_path, temporary_folder):
    theirs = folder_below(tmp_path / "theirs", owner=STRANGER)
    cache = use_compile_cache({"NUMBA_CACHE_DIR": str(theirs.parent)})
    assert cache.read_folders == (cache.write_folder,)
    assert cache.write_folder.is_relative_to(temporary_folder)
    assert cache.remarks == (f"Compiled kernels in {theirs} are not used: it belongs to another user (id {STRANGER}).",)


@needs_root
def test_the_owner_of_the_code_is_trusted(tmp_path, temporary_folder, monkeypatch):
    """Whoever wrote the code that we run needs no cache to have us run something."""
    theirs = folder_below(tmp_path / "theirs", owner=STRANGER)
    monkeypatch.setattr(compile_cache, "_trusted_owners", lambda: frozenset({0, STRANGER}))
    cache = use_compile_cache({"NUMBA_CACHE_DIR": str(theirs.parent)})
    assert theirs in cache.read_folders
    assert cache.write_folder.is_relative_to(temporary_folder)  # never into another user's folder
    assert cache.remarks == ()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o707, 0o1777])
def test_a_folder_that_others_can_write_to_is_passed_over(tmp_path, temporary_folder, mode):
    shared = folder_below(tmp_path / "shared", mode)
    cache = use_compile_cache({"NUMBA_CACHE_DIR": str(shared.parent)})
    assert shared not in cache.read_folders
    assert cache.write_folder.is_relative_to(temporary_folder)
    assert "others may write to it (chmod go-w)" in cache.remarks[0]


@pytest.mark.parametrize("where", ["named", "temporary", "temporary base"])
def test_a_planted_link_is_not_followed(tmp_path, temporary_folder, where):
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    base = tmp_path / "named" if where == "named" else temporary_folder / f"ephys-postprocess-numba-{os.getuid()}"
    if where == "temporary base":
        base.symlink_to(target)
    else:
        base.mkdir()
        base.chmod(0o755)
        (base / compile_cache._hash_of_kernels()).symlink_to(target)
    cache = use_compile_cache({"NUMBA_CACHE_DIR": str(base)} if where == "named" else {})
    assert target not in {folder.resolve() for folder in (*cache.read_folders, cache.write_folder) if folder}
    assert "it is a link or a file" in cache.remarks[0]
    assert list(target.iterdir()) == []


@needs_root
def test_a_temporary_folder_planted_by_somebody_else_is_not_used(temporary_folder):
    planted = temporary_folder / f"ephys-postprocess-numba-{os.getuid()}"
    folder_below(planted)  # its owner may still put another one in its place
    os.chown(planted, STRANGER, STRANGER)
    cache = use_compile_cache({})
    assert (cache.write_folder, cache.read_folders) == (None, ())
    assert "belongs to another user" in cache.remarks[0]


def test_nowhere_to_write_is_no_error(tmp_path, monkeypatch):
    def no_temporary_folder():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(compile_cache.tempfile, "gettempdir", no_temporary_folder)
    (tmp_path / "file").touch()
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "file" / "below")}
    cache = use_compile_cache(environment)
    assert cache.write_folder is None
    assert environment["NUMBA_CACHE_DIR"] == os.devnull
    assert [remark.split(" (")[0] for remark in cache.remarks] == [
        f"Compiled kernels are not kept in {tmp_path / 'file' / 'below'}",
        "Compiled kernels are not kept: there is no temporary folder to write to.",
    ]
    cache.compiled.append("waveforms.gather_windows")
    assert cache.summary() == (
        "Kernels: 1 compiled (waveforms.gather_windows), 0 loaded; new ones are not kept "
        "(no folder for them can be written)"
    )


def test_one_line_says_what_was_compiled_and_where_it_is_kept(tmp_path):
    cache = CompileCache(tmp_path, (tmp_path,))
    assert cache.summary() is None
    cache.num_loaded = 3
    assert cache.summary() == f"Kernels: 0 compiled, 3 loaded; kept in {tmp_path}"
    cache.compiled += [*"fedcba", "a"]
    cache.num_damaged = 2
    assert cache.summary() == (
        f"Kernels: 7 compiled (a, b, c, d, e, …), 3 loaded (2 damaged file(s) were passed over); kept in {tmp_path}"
    )


def cpuinfo(root, flags):
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n", encoding="ascii")
    return root


V2 = "fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
V3 = f"{V2} abm avx avx2 bmi1 bmi2 f16c fma movbe"


@pytest.mark.parametrize(
    ("name", "flags", "kept"),
    [
        ("x86-64-v3", V3, True),
        ("x86-64-v2", V2, True),
        ("x86-64-v3", V2, False),
        ("x86-64-v4", V3, False),
        ("host", V3, False),
        ("", V3, False),
        ("generic", "fpu", True),  # every processor has what numba calls generic
        ("x86-64-v3", None, True),  # nobody says what this one has
    ],
)
def test_a_level_that_the_processor_lacks_is_given_up(tmp_path, monkeypatch, name, flags, kept):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    root = tmp_path if flags is None else cpuinfo(tmp_path, flags)
    environment = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": "", "OTHER": "1"}
    remark = choose_processor(environment, root)
    assert ("NUMBA_CPU_NAME" in environment) == ("NUMBA_CPU_FEATURES" in environment) == kept
    assert (remark is not None) == (not kept and name not in ("", "host"))
    assert environment["OTHER"] == "1"
    assert choose_processor({}, root) is None


def test_a_level_of_another_architecture_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    environment = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}
    assert "it lacks all of x86" in choose_processor(environment, tmp_path)
    assert environment == {}
