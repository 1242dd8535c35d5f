"""Signals at awkward moments: amid tidying up, before Python runs, inside compiled code."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from faults.conftest import CODE
from faults.scars import hidden, visible

from ephys_postprocess.machine.stopping import GRACE_SECONDS


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_signal_at_each_line_of_holding_and_publishing(tmp_path, has_failed):
    """In one process, each time one line later: told once, and nothing half-made is left whichever line it was."""
    program = SIGNAL_AT_A_LINE.format(code=str(CODE), results=str(tmp_path), has_failed=has_failed)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    num_lines = int(done.stdout)
    assert num_lines > 40
    for line in range(num_lines):
        assert visible(tmp_path / f"{line}") in ([], ["data_process_postprocessing_r.json", "postprocessed_r.zarr"])


SIGNAL_AT_A_LINE = """
import signal, sys
from pathlib import Path
sys.path.insert(0, {code!r})
from ephys_postprocess.results import files as result_files
from ephys_postprocess.machine.stopping import Terminated, signals_as_exceptions

def publish(files):
    with files.held():
        files.building.mkdir()
        files.staged(files.data_process).write_text("new")
        if {has_failed}:
            raise OSError
        files.publish()

for line in range(10_000):
    files = result_files.ResultFiles(Path({results!r}) / str(line), "r")
    left = line
    def trace(frame, event, _argument):
        global left
        # `_locked` has lines at which Python itself would act on no signal.
        if frame.f_code.co_filename != result_files.__file__ or frame.f_code.co_name == "_locked":
            return None
        left -= event == "line"
        if left < 0:
            sys.settrace(None)
            signal.raise_signal(signal.SIGTERM)
        return trace
    try:
        with signals_as_exceptions():
            sys.settrace(trace)
            publish(files)
    except (Terminated, OSError):
        pass
    sys.settrace(None)
    assert not [path.name for path in files.folder.glob(".*")], line
    if left >= 0:
        break
print(line)
"""


def test_signals_at_random_moments_of_holding_and_publishing(tmp_path):
    """Real ones, as tracing cannot stop inside the standard library, whose tidying makes other exceptions of ours."""
    program = MANY_SIGNALS.format(code=str(CODE), results=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 50


MANY_SIGNALS = """
import os, random, signal, sys, threading, time
from pathlib import Path
sys.path.insert(0, {code!r})
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.machine.stopping import Terminated, signals_as_exceptions

def send_soon():
    time.sleep(random.uniform(0, 0.0015))
    os.kill(os.getpid(), signal.SIGTERM)

signal.signal(signal.SIGTERM, lambda *_: None)  # where it comes too late
num_stopped = 0
for turn in range(600):
    files = ResultFiles(Path({results!r}) / str(turn % 20), "r")
    sender = threading.Thread(target=send_soon)
    try:
        with signals_as_exceptions():
            sender.start()
            with files.held():
                files.building.mkdir()
                files.staged(files.data_process).write_text("x")
                if turn % 2:
                    files.publish()
    except Terminated:
        num_stopped += 1
    sender.join()
    assert not [path.name for path in files.folder.glob(".*")], turn
    assert files.analyzer.exists() == files.data_process.exists(), turn
print(num_stopped)
"""


def hear_interrupts():
    """A shell cannot trap what was ignored when it began, as SIGINT is where the suite runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_signal_while_the_environment_is_made(tmp_path):
    """No prepared Python here: the first run would make one, which takes minutes."""
    for name in ("python3", "python"):
        (tmp_path / name).write_text('#!/bin/sh\ncase "$1" in -) exit 1;; -c) exit 0;; esac\nexec sleep 60\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "tmp").mkdir()  # in the real one, an environment made before may lie
    folders = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    surroundings = {"PATH": f"{tmp_path}:/usr/bin:/bin", **folders}
    for number in (signal.SIGTERM, signal.SIGINT):
        making = subprocess.Popen(
            [CODE / "run"],
            env=surroundings,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_interrupts,
        )
        assert "Setting up" in making.stderr.readline()
        making.send_signal(number)
        assert "Stopped before anything was begun" in making.communicate(timeout=20)[1]  # not the minute of its child
        assert making.returncode == 128 + number


def test_a_signal_during_a_long_call_of_compiled_code_ends_it_by_force(tmp_path):
    assert GRACE_SECONDS < 2  # of the two seconds that a run may take to end
    program = (
        f"import sys; sys.path.insert(0, {str(CODE)!r})\n"
        "import time\nfrom pathlib import Path\n"
        "from ephys_postprocess.results.files import ResultFiles\n"
        "from ephys_postprocess.machine.stopping import signals_as_exceptions\n"
        f"files = ResultFiles(Path({str(tmp_path)!r}), 'r')\n"
        "with signals_as_exceptions(), files.held():\n"
        "    files.building.mkdir()\n"
        "    while True:\n"
        "        try: print('ready', flush=True); time.sleep(30)\n"
        "        except BaseException: pass  # as code does that swallows the exception\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    start = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    texts = process.communicate(timeout=20)
    assert time.perf_counter() - start < 15  # not the thirty seconds; by itself 1.4
    assert process.returncode == 143
    assert "Terminated" in texts[1]
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_threads_stop_between_pieces():
    from ephys_postprocess.machine.threads import map_in_threads

    done = []

    def work(piece):
        done.append(piece)
        if piece == 3:
            raise KeyboardInterrupt
        time.sleep(0.005)

    with pytest.raises(KeyboardInterrupt):
        map_in_threads(work, range(1000), 2)
    assert len(done) < 500  # by itself fewer than ten
    assert threading.active_count() < 20
