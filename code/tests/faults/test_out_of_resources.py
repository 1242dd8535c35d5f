"""Disks full, folders closed, too little memory, few handles: a clear error, the other recordings intact."""

import contextlib
import os
import re
import resource
import shutil
import subprocess

import pytest
from faults.conftest import CODE, NAME, OTHER_NAME
from faults.scars import arrays_of, hidden, partial_results, visible

from ephys_postprocess.cli import main as cli
from ephys_postprocess.commands import recording
from ephys_postprocess.engine.space_needed import estimate_need
from ephys_postprocess.machine import failures
from ephys_postprocess.machine.space import Need, available_memory_bytes, check_free_space, chunk_that_fits
from ephys_postprocess.parameters.extensions import EXTENSION_NAMES, Extensions

BOTH = ("--recording", NAME, "--recording", OTHER_NAME)


def can_mount():
    if os.getuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs to mount a small file system, as root")


@contextlib.contextmanager
def mounted(folder, size):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def assert_clear(code, said, *words, exit_code=1):
    assert code == exit_code, said
    assert "Traceback" not in said
    for word in words:
        assert re.search(word, said), (word, said)


@needs_mounts
def test_too_little_space_for_results_is_said_before_computing(capsule, tiny_data, tmp_path, tally):
    tally("faults")
    with mounted(tmp_path / "small", "2m") as results:
        code, said = capsule(tiny_data, results, "--recording", NAME)
        assert_clear(
            code,
            said,
            rf"Not enough space in {results}",
            r"about \d+\.\d MB are needed, \d+\.\d MB are free",
            exit_code=75,
        )
        assert "quality_metrics " not in said
        assert hidden(results) == []


@needs_mounts
@pytest.mark.parametrize("size", ["1m", "2m", "3m"])
def test_results_full_in_the_middle(capsule, tiny_data, tmp_path, size, tally):
    """The estimate is passed, and then something else takes the room."""
    tally("faults")
    environment = {"PYTHONPATH": str(optimist(tmp_path))}
    with mounted(tmp_path / "small", size) as results:
        code, said = capsule(tiny_data, results, *BOTH, environment=environment)
        assert_clear(
            code, said, rf"No space left in {results} \(--results\)", r"About \d+\.\d MB are needed there", exit_code=75
        )
        assert partial_results(results, NAME) == []
        assert hidden(results) == []


def optimist(folder):
    """A folder for PYTHONPATH that makes the check of free space pass."""
    (folder / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(CODE)!r})\n"
        "import ephys_postprocess.machine.space as space\nspace.check_free_space = lambda *_: None\n"
    )
    return folder


@needs_mounts
def test_scratch_full(capsule, tiny_data, tmp_path, tally):
    tally("faults", 2)
    with mounted(tmp_path / "small", "1m") as scratch:
        code, said = capsule(tiny_data, tmp_path / "r", "--recording", NAME, "--scratch", scratch)
        assert_clear(code, said, rf"Not enough space in {scratch}", "MB are needed", exit_code=75)
        environment = {"PYTHONPATH": str(optimist(tmp_path))}
        code, said = capsule(
            tiny_data, tmp_path / "r", "--recording", NAME, "--scratch", scratch, environment=environment
        )
        assert_clear(code, said, rf"No space left in {scratch} \(--scratch\)", exit_code=75)
        assert list(scratch.iterdir()) == []
    assert visible(tmp_path / "r") == []


@needs_mounts
def test_the_small_recording_is_done_where_the_large_one_does_not_fit(capsule, tiny_data, tmp_path, tally):
    tally("faults")
    with mounted(tmp_path / "small", "3500k") as results:
        code, said = capsule(tiny_data, results, *BOTH, "--no-report")
        assert_clear(code, said, "Not enough space|No space left", exit_code=75)
        assert partial_results(results, OTHER_NAME) == []
        assert (results / f"postprocessed_{OTHER_NAME}.zarr").is_dir(), said


@needs_mounts
def test_read_only_results_and_an_earlier_result_in_them(capsule, tiny_data, undisturbed, tmp_path, copy_of, tally):
    tally("faults", 2)
    with mounted(tmp_path / "closed", "64m") as results:
        copy_of(undisturbed[0], results, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", results], check=True)
        code, said = capsule(tiny_data, results, *BOTH)
        assert_clear(code, said, f"Cannot write results in {results}: Read-only file system")
        assert arrays_of(results, NAME) == undisturbed[1]
        code, said = capsule(tiny_data, results, "--recording", NAME, "--on-failure", "placeholder")
        assert "Traceback" not in said


@needs_mounts
def test_a_small_dev_shm(start_capsule, tiny_data, undisturbed, tmp_path, tally):
    tally("faults")
    command = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    run = start_capsule(tiny_data, tmp_path, "--recording", NAME, prefix=["unshare", "-m", "sh", "-c", command, "sh"])
    texts = run.communicate(timeout=120)
    assert run.returncode == 0, texts
    assert arrays_of(tmp_path, NAME) == undisturbed[1]


@needs_mounts
def test_a_full_compile_cache_costs_time_only(capsule, tiny_data, undisturbed, tmp_path, tally):
    tally("faults")
    with mounted(tmp_path / "small", "200k") as cache:
        code, said = capsule(tiny_data, tmp_path, "--recording", NAME, environment={"NUMBA_CACHE_DIR": str(cache)})
    assert code == 0, said
    assert arrays_of(tmp_path, NAME) == undisturbed[1]


def test_no_permission(capsule, tiny_data, tmp_path, tally):
    tally("faults", 2)
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    # root may do everything unless it gives that up
    prefix = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.getuid() == 0 else ()
    if prefix and shutil.which("setpriv") is None:
        pytest.skip("root without setpriv cannot be refused anything")
    for results in (closed, closed / "below"):
        code, said = capsule(tiny_data, results, "--recording", NAME, prefix=prefix)
        assert_clear(code, said, f"Cannot write results in {results}: Permission denied. Make it writable")
    closed.chmod(0o755)


def test_results_that_are_a_file(capsule, tiny_data, tmp_path, tally):
    tally("faults")
    (tmp_path / "r").write_text("x")
    code, said = capsule(tiny_data, tmp_path / "r", "--recording", NAME)
    assert_clear(code, said, "Cannot write results in")


def limited(kind, value):
    return {"preexec_fn": lambda: resource.setrlimit(kind, (value, value))}


def test_256_handles(capsule, tiny_data, undisturbed, tmp_path, tally):
    tally("faults")
    code, said = capsule(tiny_data, tmp_path, "--recording", NAME, **limited(resource.RLIMIT_NOFILE, 256))
    assert code == 0, said
    assert arrays_of(tmp_path, NAME) == undisturbed[1]


def test_a_limit_on_file_sizes(capsule, tiny_data, tmp_path, tally):
    tally("faults")
    code, said = capsule(tiny_data, tmp_path, "--recording", NAME, **limited(resource.RLIMIT_FSIZE, 100_000))
    assert_clear(code, said, "File too large")
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_too_little_memory_for_the_chunk(capsule, tiny_data, undisturbed, tmp_path, tally):
    tally("faults")
    code, said = capsule(
        *(tiny_data, tmp_path, "--recording", NAME),
        # numpy comes in early there, so the number of BLAS threads must be known even earlier
        environment={"PYTHONPATH": str(poor(tmp_path)), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert code == 0, said
    assert "Too little memory for chunks of 1 s: traces are read 0.05 s at a time" in said
    assert arrays_of(tmp_path, NAME) == undisturbed[1]


def poor(folder):
    """A folder for PYTHONPATH that makes the machine look as if 100 kB were free."""
    (folder / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(CODE)!r})\n"
        "import ephys_postprocess.machine.space as space\nspace.available_memory_bytes = lambda: 100_000\n"
    )
    return folder


def test_a_reader_that_goes_away_costs_no_result(start_capsule, tiny_data, tmp_path, undisturbed, tally):
    tally("faults")
    run = start_capsule(tiny_data, tmp_path, "--recording", NAME)
    run.stdout.close()
    said = run.stderr.read()
    assert run.wait(timeout=120) == 0, said
    assert "Traceback" not in said
    assert arrays_of(tmp_path, NAME) == undisturbed[1]


@pytest.mark.parametrize("asked", [1, 100, 30_000])
def test_a_chunk_is_never_enlarged(asked):
    assert chunk_that_fits(asked, 384, 2, 30_000.0, 2) <= asked


def test_memory_of_a_cgroup_and_of_the_machine(tmp_path):
    for name, text in {
        "proc/meminfo": "MemTotal: 16000 kB\nMemAvailable: 8000 kB\n",
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/job/memory.max": "4000000",
        "sys/fs/cgroup/job/memory.current": "3000000",
        "sys/fs/cgroup/job/memory.stat": "anon 5\ninactive_file 500000\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert available_memory_bytes(tmp_path) == 1_500_000
    (tmp_path / "sys/fs/cgroup/job/memory.max").write_text("max")
    assert available_memory_bytes(tmp_path) == 8_192_000


def only(*names):
    return Extensions().model_copy(update={name: None for name in EXTENSION_NAMES if name not in names})


def test_the_estimate_counts_what_is_computed(tmp_path):
    import numpy as np

    arguments = (1000, np.array([500, 100]), np.array([4, 8]), 32, 90)
    little = estimate_need(*arguments, only("templates"), np.dtype("int16"), 30_000.0)
    much = estimate_need(*arguments, only("templates", "waveforms"), np.dtype("int16"), 30_000.0)
    assert little.results_bytes < much.results_bytes
    assert much.scratch_bytes == 600 * 90 * 8 * 2
    check_free_space(Need(1, 1), tmp_path, tmp_path)


def test_bins_of_less_than_a_sample_are_not_counted_as_space():
    import numpy as np

    def needed(bin_ms):
        bins = Extensions().correlograms.model_copy(update={"bin_ms": bin_ms})
        asked = only("correlograms").model_copy(update={"correlograms": bins})
        of_two = np.array([500, 100]), np.array([4, 8])
        return estimate_need(1000, *of_two, 32, 90, asked, np.dtype("int16"), 20_000.0).results_bytes

    assert needed(1e-9) == needed(0.05) > needed(0.1)


def test_a_raw_file_cut_short_while_it_is_read_costs_no_other_recording(tiny_data, tmp_path, monkeypatch, caplog):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    (raw,) = (data / f"preprocessed_{NAME}").glob("*.raw")
    find_duplicates = recording.remove_duplicates

    def cut_meanwhile(*arguments):
        os.truncate(raw, raw.stat().st_size // 2)
        monkeypatch.setattr(recording, "remove_duplicates", find_duplicates)
        return find_duplicates(*arguments)

    monkeypatch.setattr(recording, "remove_duplicates", cut_meanwhile)
    names = [argument for name in (NAME, OTHER_NAME) for argument in ("--recording", name)]
    results = tmp_path / "results"
    assert cli.main(["--data", str(data), "--results", str(results), "--n-jobs", "2", "--no-report", *names]) == 1
    assert f"{raw}: ends at byte {raw.stat().st_size}" in caplog.text
    assert "Traceback" not in caplog.text
    assert (results / f"postprocessed_{OTHER_NAME}.zarr").is_dir()
    assert not (results / f"postprocessed_{NAME}.zarr").exists()


def test_units_whose_pairs_do_not_fit_into_memory_are_told_before_work(tiny_data, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(failures, "available_memory_bytes", lambda: 1000)
    arguments = ["--data", str(tiny_data), "--results", str(tmp_path), "--recording", NAME, "--n-jobs", "1"]
    assert cli.main(arguments) == 75
    assert re.search(r"Not enough memory: .* take at least \d+\.\d MB; 0\.0 MB are free", caplog.text)
    assert "sparsity.radius_um" in caplog.text
    assert partial_results(tmp_path, NAME) == []
