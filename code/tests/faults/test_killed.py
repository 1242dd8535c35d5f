"""Runs killed at any moment: nothing partial under a final name, nothing in the next run's way, the same bytes."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from faults.conftest import CODE, NAME
from faults.scars import arrays_of, hidden, partial_results, visible

from ephys_postprocess.stages.write_results import ResultFiles

EXIT_CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
STAGES = (
    *("load_inputs", "sample_templates", "deduplicate", "random_spikes", "noise_levels", "waveforms", "templates"),
    *("principal_components", "spike_amplitudes", "unit_locations", "template_similarity", "template_metrics"),
    *("correlograms", "isi_histograms", "valid_unit_periods", "quality_metrics", "report", "write_results"),
)
# A short set always, the long one with -m slow: 76 in all.
SHORT_TIMES = [(number, share) for number in EXIT_CODES for share in (0.55, 0.8)]
LONG_TIMES = [(number, share / 100) for number in EXIT_CODES for share in range(8, 104, 8)]
SHORT_STAGES = [(signal.SIGKILL, "waveforms"), (signal.SIGTERM, "quality_metrics"), (signal.SIGINT, "write_results")]
LONG_STAGES = [
    (number, stage)
    for row, stage in enumerate(STAGES)
    for number in EXIT_CODES
    if (number, stage) not in SHORT_STAGES and (number == signal.SIGKILL or row % 3 == 0)
]


def slow(cases):
    return [pytest.param(*each, marks=pytest.mark.slow) for each in cases]


@pytest.fixture(scope="session")
def usual_seconds(capsule, tiny_data, undisturbed, tmp_path_factory):  # noqa: ARG001 - after a first, cold run
    """How long a warm run takes here and now."""
    start = time.perf_counter()
    capsule(tiny_data, tmp_path_factory.mktemp("timed"), "--recording", NAME)
    return time.perf_counter() - start


def end(process, number, tally):
    """Send the signal; return (exit code, texts, seconds until the end)."""
    start = time.perf_counter()
    process.send_signal(number)
    texts = "".join(process.communicate(timeout=60))
    tally("kills")
    return process.returncode, texts, time.perf_counter() - start


def check_scars(results, number, ended, tally):
    """Nothing partial; after SIGTERM and SIGINT nothing at all, within two seconds, and a word about it."""
    code, texts, seconds = ended
    assert partial_results(results, NAME) == []
    if code == 0:  # it was done before the signal came
        tally("kills", -1)
        return
    if number != signal.SIGKILL:
        assert code == EXIT_CODES[number], texts
        assert seconds < 2.0 + 2.0 * (os.getloadavg()[0] > 2 * os.cpu_count())  # a crowded machine is not our doing
        assert "Traceback" not in texts
        assert hidden(results) == []
    tally("survived kills")


def check_next_run(capsule, data, results, expected, tally):
    code, texts = capsule(data, results, "--recording", NAME, "--resume")
    assert code == 0, texts
    assert arrays_of(results, NAME) == expected
    assert hidden(results) == []
    tally("byte-identical next runs")


@pytest.mark.parametrize(("number", "share"), [*SHORT_TIMES, *slow(LONG_TIMES)])
def test_killed_at_a_time(
    number, share, start_capsule, capsule, tiny_data, tmp_path, undisturbed, usual_seconds, tally
):
    process = start_capsule(tiny_data, tmp_path, "--recording", NAME)
    time.sleep(share * usual_seconds + random.uniform(-0.03, 0.03))
    check_scars(tmp_path, number, end(process, number, tally), tally)
    check_next_run(capsule, tiny_data, tmp_path, undisturbed[1], tally)


@pytest.mark.parametrize(("number", "stage"), [*SHORT_STAGES, *slow(LONG_STAGES)])
def test_killed_when_a_stage_begins(number, stage, start_capsule, capsule, tiny_data, tmp_path, undisturbed, tally):
    process = start_capsule(tiny_data, tmp_path, "--recording", NAME, "--progress", "json")
    for line in process.stdout:
        if "stage_started" in line and f'"stage": "{stage}' in line:
            break
    check_scars(tmp_path, number, end(process, number, tally), tally)
    check_next_run(capsule, tiny_data, tmp_path, undisturbed[1], tally)


@pytest.mark.parametrize("number", EXIT_CODES)
def test_killed_while_an_earlier_result_is_replaced(
    number, start_capsule, capsule, tiny_data, tmp_path, undisturbed, copy_of, tally
):
    results = copy_of(undisturbed[0], tmp_path / "results")
    process = start_capsule(tiny_data, results, "--recording", NAME, "--progress", "json")
    for line in process.stdout:
        if '"stage": "write_results"' in line:
            break
    time.sleep(random.uniform(0, 0.1))
    end(process, number, tally)
    process.wait()
    assert partial_results(results, NAME) == []
    assert ResultFiles(results, NAME).analyzer.is_dir() or ResultFiles(results, NAME).ready.is_dir()
    tally("survived kills")
    check_next_run(capsule, tiny_data, results, undisturbed[1], tally)


@pytest.mark.parametrize("has_earlier", [False, True])
def test_killed_before_each_step_of_publishing(tmp_path, has_earlier, tally):
    """Publishing in a process of its own that ends before its n-th change to a name, for every n."""
    for step in range(200):
        results = tmp_path / f"{step}"
        program = PUBLISH.format(code=str(CODE), results=str(results), has_earlier=has_earlier, step=step)
        code = subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode
        files = ResultFiles(results, "r")
        with files.held():
            pass
        assert hidden(results) == []
        kept = (files.analyzer / "store.txt").read_text() if files.analyzer.exists() else None
        beside = files.data_process.read_text() if files.data_process.exists() else None
        assert (kept, beside) in [("new", "new"), ("old", "old")] + [(None, None)] * (not has_earlier)
        tally("kills")
        tally("survived kills")
        if code == 0:
            break
    assert 5 < step < 199


PUBLISH = """
import os, sys
from pathlib import Path
sys.path.insert(0, {code!r})
from ephys_postprocess.stages.write_results import ResultFiles

def publish(text):
    with files.held():
        files.building.mkdir(parents=True)
        (files.building / "store.txt").write_text(text)
        for path in (files.units_table, files.data_process):
            files.staged(path).write_text(text)
        files.publish()

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")
files = ResultFiles(Path({results!r}), "r")
if {has_earlier}:
    publish("old")
left = {step}
def stop(event, _arguments):
    global left
    if event in CHANGES and files.lock.name not in str(_arguments):
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(stop)
publish("new")
"""


def test_a_signal_during_a_long_call_of_compiled_code_ends_it_by_force(tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(CODE)!r})\n"
        "import threading, time\nfrom pathlib import Path\n"
        "from ephys_postprocess.stages.write_results import ResultFiles\n"
        "from ephys_postprocess.stopping import signals_as_exceptions\n"
        f"files = ResultFiles(Path({str(tmp_path)!r}), 'r')\n"
        "with signals_as_exceptions(), files.held():\n"
        "    files.building.mkdir(); print('ready', flush=True)\n"
        "    lock = threading.Lock(); lock.acquire()\n"
        "    while True:\n"
        "        try: time.sleep(30)\n"
        "        except BaseException: pass  # as code does that swallows the exception\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    start = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    texts = process.communicate(timeout=20)
    assert time.perf_counter() - start < 2.5
    assert process.returncode == 143
    assert "Terminated" in texts[1]
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_a_second_signal_does_not_stop_the_cleaning_up(start_capsule, tiny_data, tmp_path, tally):
    process = start_capsule(tiny_data, tmp_path, "--recording", NAME, "--progress", "json")
    for line in process.stdout:
        if '"stage": "templates"' in line:
            break
    for _ in range(5):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert visible(tmp_path) == hidden(tmp_path) == []
    tally("kills")
    tally("survived kills")


def test_threads_stop_between_pieces():
    from ephys_postprocess.threads import map_in_threads

    done = []

    def work(piece):
        done.append(piece)
        if piece == 3:
            raise KeyboardInterrupt
        time.sleep(0.005)

    with pytest.raises(KeyboardInterrupt):
        map_in_threads(work, range(1000), 2)
    assert len(done) < 50
    assert threading.active_count() < 20
