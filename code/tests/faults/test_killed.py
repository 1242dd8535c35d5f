"""Runs killed at any moment: nothing partial under a final name, nothing in the next run's way, the same bytes."""

import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from faults.conftest import CODE, NAME
from faults.scars import arrays_of, hidden, partial_results, visible

from ephys_postprocess.results.files import ResultFiles

EXIT_CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
STAGES = (
    *("load_inputs", "sample_templates", "gather_windows", "deduplicate"),
    *("random_spikes", "noise_levels", "waveforms", "templates"),
    *("principal_components", "spike_amplitudes", "unit_locations", "template_similarity", "template_metrics"),
    *("correlograms", "isi_histograms", "valid_unit_periods", "quality_metrics", "report", "write_results"),
)
# Two where nothing else runs; on a crowded machine each of a run's steps may wait for a processor.
MOST_SECONDS = 10.0
ALL_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)  # in this order, as only SIGKILL may leave something
# A short set always; the rest is slow.
SHORT_SHARES, LONG_SHARES = (0.55, 0.8), (0.08, 0.16, 0.24, 0.32, 0.4, 0.48, 0.64, 0.72, 0.88, 0.96, 1.04)
SHORT_STAGES = ("waveforms", "quality_metrics", "write_results")
LONG_STAGES = tuple(stage for stage in STAGES if stage not in SHORT_STAGES)


def short_and_slow(short, long):
    return [*short, *(pytest.param(each, marks=pytest.mark.slow) for each in long)]


@pytest.fixture(scope="session")
def usual_seconds(capsule, tiny_data, undisturbed, tmp_path_factory):  # noqa: ARG001 - after a first, cold run
    """How long a warm run takes here and now."""
    start = time.perf_counter()
    capsule(tiny_data, tmp_path_factory.mktemp("timed"), "--recording", NAME)
    return time.perf_counter() - start


@dataclass(frozen=True)
class End:
    """How a run ended."""

    exit_code: int
    texts: str
    seconds: float  # since the signal

    @property
    def is_by_signal(self) -> bool:
        return self.exit_code != 0


def wait_for(process, words) -> bool:
    """Read what a run says until some words come; False where it ends without them."""
    return any(words in line for line in process.stdout)


def end(process, number, tally) -> End:
    """Send the signal and wait; a run that was done before it came is no kill."""
    start = time.perf_counter()
    process.send_signal(number)
    texts = "".join(filter(None, process.communicate(timeout=60)))
    ended = End(process.returncode, texts, time.perf_counter() - start)
    tally("kills", int(ended.is_by_signal))
    return ended


def check_scars(results, number, ended):
    """Nothing partial; after SIGTERM and SIGINT nothing hidden, soon after, and a word about it."""
    assert partial_results(results, NAME) == []
    if not ended.is_by_signal:
        assert hidden(results) == []
    elif number == signal.SIGKILL:
        assert ended.exit_code == -number
    elif ended.exit_code == -number:
        # Python itself was just starting and had not yet heard of our handlers; to a shell that is 143 and 130, too.
        assert not re.search(r"thread\(s\)|stage|ephys_postprocess", ended.texts), ended.texts
        assert hidden(results) == []
    else:
        assert ended.exit_code == EXIT_CODES[number], ended.texts
        assert ended.seconds < MOST_SECONDS, ended.texts
        assert re.search("Stopped before|nothing half-written is left", ended.texts), ended.texts
        assert "Traceback" not in ended.texts
        assert hidden(results) == []


def check_next_run(capsule, data, results, expected, tally):
    tally("next runs")
    code, texts = capsule(data, results, "--recording", NAME, "--resume")
    assert code == 0, texts
    assert arrays_of(results, NAME) == expected
    assert hidden(results) == []


@pytest.mark.parametrize("share", short_and_slow(SHORT_SHARES, LONG_SHARES))
def test_killed_at_a_time(share, start_capsule, capsule, tiny_data, tmp_path, undisturbed, usual_seconds, tally):
    """One run after the other in the same folder, and then one that is left alone."""
    for number in ALL_SIGNALS:
        process = start_capsule(tiny_data, tmp_path, "--recording", NAME)
        time.sleep(share * usual_seconds + random.uniform(-0.03, 0.03))
        check_scars(tmp_path, number, end(process, number, tally))
    check_next_run(capsule, tiny_data, tmp_path, undisturbed[1], tally)


@pytest.mark.parametrize("stage", short_and_slow(SHORT_STAGES, LONG_STAGES))
def test_killed_when_a_stage_begins(stage, start_capsule, capsule, tiny_data, tmp_path, undisturbed, tally):
    for number in ALL_SIGNALS:
        process = start_capsule(tiny_data, tmp_path, "--recording", NAME, "--progress", "json")
        has_begun = wait_for(process, f'"stage": "{stage}')
        check_scars(tmp_path, number, end(process, number, tally))
        assert has_begun
    check_next_run(capsule, tiny_data, tmp_path, undisturbed[1], tally)


@pytest.mark.parametrize("number", EXIT_CODES)
def test_killed_while_an_earlier_result_is_replaced(
    number, start_capsule, capsule, tiny_data, tmp_path, undisturbed, copy_of, tally
):
    results = copy_of(undisturbed[0], tmp_path / "results")
    process = start_capsule(tiny_data, results, "--recording", NAME, "--progress", "json")
    assert wait_for(process, '"stage": "write_results"')
    time.sleep(random.uniform(0, 0.1))
    check_scars(results, number, end(process, number, tally))
    assert ResultFiles(results, NAME).analyzer.is_dir() or ResultFiles(results, NAME).ready.is_dir()
    check_next_run(capsule, tiny_data, results, undisturbed[1], tally)


@pytest.mark.parametrize("has_earlier", [False, True])
def test_killed_before_each_step_of_publishing(tmp_path, has_earlier, tally):
    """Publishing in a process of its own that ends before its n-th change to a name, for every n."""
    program = PUBLISH.format(code=str(CODE), results=str(tmp_path), has_earlier=has_earlier)
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    *codes_of_killed, last_code = map(int, done.stdout.split())
    assert last_code == 0
    assert 5 < len(codes_of_killed) < 199
    for step in range(len(codes_of_killed) + 1):
        files = ResultFiles(tmp_path / f"{step}", "r")
        with files.held():
            pass
        assert hidden(files.folder) == []
        kept = (files.analyzer / "store.txt").read_text() if files.analyzer.exists() else None
        beside = files.data_process.read_text() if files.data_process.exists() else None
        assert (kept, beside) in [("new", "new"), ("old", "old")] + [(None, None)] * (not has_earlier)
    assert set(codes_of_killed) == {9}
    tally("kills while publishing", len(codes_of_killed))


PUBLISH = """
import os, sys
from pathlib import Path
sys.path.insert(0, {code!r})
from ephys_postprocess.results.files import ResultFiles

def publish(files, text):
    with files.held():
        files.building.mkdir(parents=True)
        (files.building / "store.txt").write_text(text)
        for path in (files.units_table, files.data_process):
            files.staged(path).write_text(text)
        files.publish()

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")

def publish_until(step):
    files = ResultFiles(Path({results!r}) / str(step), "r")
    if {has_earlier}:
        publish(files, "old")
    left = step
    def stop(event, arguments):
        nonlocal left
        if event in CHANGES and files.lock.name not in str(arguments):
            left -= 1
            if left < 0:
                os._exit(9)
    sys.addaudithook(stop)
    publish(files, "new")

for step in range(200):
    process = os.fork()  # much cheaper than a new Python a step
    if process == 0:
        publish_until(step)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    print(code)
    if code == 0:
        break
"""


def test_a_second_signal_does_not_stop_the_cleaning_up(start_capsule, tiny_data, tmp_path, tally):
    tally("kills")
    process = start_capsule(tiny_data, tmp_path, "--recording", NAME, "--progress", "json")
    assert wait_for(process, '"stage": "templates"')
    for _ in range(5):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert visible(tmp_path) == hidden(tmp_path) == []


def test_a_signal_when_nobody_listens_any_more(start_capsule, tiny_data, tmp_path, tally):
    """As Ctrl-C at `run 2>&1 | tee log`, which ends tee as well."""
    tally("kills")
    process = start_capsule(tiny_data, tmp_path, "--recording", NAME, "--progress", "json")
    assert wait_for(process, '"stage": "templates"')
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert visible(tmp_path) == hidden(tmp_path) == []
