"""What a run says while it works: a live line on a terminal, plain lines, JSON events."""

import importlib.util
import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from ephys_postprocess.cli import main as cli
from ephys_postprocess.machine import live_progress, stage_log
from ephys_postprocess.machine.events import standard_output_for_events
from ephys_postprocess.machine.stage_log import StageLog

CODE = Path(__file__).resolve().parents[2]
ON_A_TERMINAL = """
import logging, sys, time
from ephys_postprocess.cli.console import logging_to_console
from ephys_postprocess.machine.stage_log import StageLog
with logging_to_console(logging.INFO):
    log = StageLog("probe[A]\\x1b[31m", "bar")
    with log.stage("trace_pass", 1000) as stage:
        for _ in range(10):
            stage.advance(100)
            time.sleep(0.1)
            logging.getLogger("ephys_postprocess.x").info("said in between")
    with log.stage("outer"), log.stage("inner"):
        time.sleep(0.5)
print("rich" in sys.modules)
"""


def run_on_terminal(text):
    """What a 120 columns wide terminal gets from Python code."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(CODE)}
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdout=terminal, stderr=terminal, stdin=terminal, env=environment
    )
    os.close(terminal)
    received = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError:  # the other end is closed
            break
        received += chunk
    os.close(controller)
    assert process.wait() == 0, received.decode()
    return received.decode()


def events_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="ephys_postprocess")
    return caplog


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(stage_log, "SECONDS_BETWEEN_EVENTS", 0.0)


def test_the_live_line_shows_recording_stage_rate_and_time_left():
    pytest.importorskip("rich")
    received = run_on_terminal(ON_A_TERMINAL)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", received)
    assert "probe[A]?[31m: trace_pass" in shown
    assert re.search(r"\d+ %  [\d,]+ spikes/s  \d+ s left", shown)
    assert "probe[A]?[31m: inner" in shown
    assert shown.count("said in between") == 10
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    assert lines.count("said in between") == 10  # above the live line, never through it
    assert re.search(r"trace_pass +1\.\d\d s +[\d,]+ spikes/s", shown)
    assert lines[-2:] == ["True", ""]
    assert received.count("\x1b[?25h") >= received.count("\x1b[?25l") > 0  # the cursor is back


@pytest.mark.parametrize("progress", ["plain", "json", "off"])
def test_rich_is_imported_for_a_live_line_only(progress):
    text = ON_A_TERMINAL.replace('"bar"', f'"{progress}"')
    assert run_on_terminal(text).rstrip().endswith("False")


def test_falls_back_to_plain_lines_without_rich(said, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with StageLog("recording", "bar").stage("waveforms", 5) as stage:
        stage.advance(5)
    assert "waveforms" in said.text


def test_a_failing_stage_gives_the_terminal_back():
    if importlib.util.find_spec("rich") is None:
        pytest.skip("rich is not installed")
    with pytest.raises(ValueError, match="broken"), StageLog("recording", "bar").stage("templates"):
        raise ValueError("broken")
    assert live_progress._live is None


def test_plain_lines_hold_counts_and_rates(said):
    log = StageLog("recording", "plain")
    with log.stage("load_inputs") as stage:
        stage.count(units=1234, channels=64)
    with log.stage("trace_pass", 100) as stage:
        stage.advance(100)
    first, second = (record.getMessage() for record in said.records)
    assert re.fullmatch(r"  load_inputs +0\.\d\d s  1,234 units, 64 channels", first)
    assert re.search(r"trace_pass +0\.\d\d s  [\d,]+ spikes/s", second)


@pytest.mark.usefixtures("no_waiting")
def test_json_events_are_documented(capsys):
    log = StageLog("recording", "json")
    with log.stage("trace_pass", 200) as stage:
        stage.advance(50)
        stage.advance(150)
        stage.count(units=3)
    with pytest.raises(ValueError, match="bad"), log.stage("templates"):
        raise ValueError("bad")
    log.finish("failed", "bad")
    events = events_of(capsys.readouterr().out)
    names = ["stage_started", "stage_progress", "stage_progress", "stage_finished", "stage_started", "stage_failed"]
    assert [event["event"] for event in events] == [*names, "recording_finished"]
    for event in events:
        assert event["recording"] == "recording"
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        unknown = [name for name in event if not re.search(rf"\b{name}\b", stage_log.__doc__)]
        assert unknown == []
    assert events[0]["total"] == 200
    assert (events[1]["done"], events[2]["done"]) == (50, 200)
    assert events[2]["seconds_left"] == 0
    assert events[3]["units"] == 3
    assert events[3]["per_second"] > 0
    assert events[5]["error"] == "ValueError: bad"
    assert events[6]["status"] == "failed"
    assert "stage" not in events[6]


def test_progress_events_come_at_most_once_a_second(capsys):
    with StageLog("recording", "json").stage("trace_pass", 10_000) as stage:
        for _ in range(10_000):
            stage.advance(1)
    assert [event["event"] for event in events_of(capsys.readouterr().out)] == ["stage_started", "stage_finished"]


@pytest.mark.usefixtures("no_waiting")
def test_advances_from_many_threads_are_all_counted(capsys):
    with StageLog("recording", "json").stage("trace_pass", 4000) as stage:
        threads = [threading.Thread(target=lambda: [stage.advance(1) for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    done = [event["done"] for event in events_of(capsys.readouterr().out) if event["event"] == "stage_progress"]
    assert done == list(range(1, 4001))


def test_standard_output_holds_events_alone(capsys):
    with standard_output_for_events():
        print("a library prints this")
        with StageLog("recording", "json").stage("templates"):
            pass
    captured = capsys.readouterr()
    assert len(events_of(captured.out)) == 2
    assert "a library prints this" in captured.err


def test_command_line_keeps_standard_output_for_events(tmp_path, capsys, monkeypatch):
    def run(*_):
        logging.getLogger("ephys_postprocess").info("a line of the story")
        StageLog("recording", "json").finish("done", "well")
        return 0

    monkeypatch.setattr("ephys_postprocess.commands.pipeline.run", run)
    assert cli.main(["--progress", "json", "--results", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert [event["status"] for event in events_of(captured.out)] == ["done"]
    assert "a line of the story" in captured.err


def test_off_says_nothing(said, capsys):
    with StageLog("recording", "off").stage("templates", 5) as stage:
        stage.advance(5)
    assert not said.records
    assert capsys.readouterr().out == ""


def test_table_holds_each_stage_once():
    log = StageLog("recording", "off")
    with log.stage("one") as stage:
        stage.count(units=2)
    with log.stage("two"):
        pass
    first, second = log.as_table()
    assert first["name"] == "one"
    assert first["counts"] == {"units": 2}
    assert first["peak_memory_mb"] > 0
    assert second["seconds"] >= 0


def test_each_stage_notes_what_it_read_of_the_traces(capsys, said):
    so_far = [0, 0]
    log = StageLog("probeA", "json")
    with log.stage("before"):
        so_far[:] = 5, 5
    log.watch(lambda: tuple(so_far))
    with log.stage("sample"):
        so_far[:] = 1_000_005, 3_000_005
    with log.stage("deduplicate"):
        pass
    rows = {row["name"]: (row["bytes_needed"], row["bytes_read"]) for row in log.as_table()}
    assert rows == {"before": (0, 0), "sample": (1_000_000, 3_000_000), "deduplicate": (0, 0)}
    ends = {event["stage"]: event for event in events_of(capsys.readouterr().out) if event["event"] == "stage_finished"}
    assert (ends["sample"]["bytes_needed"], ends["sample"]["bytes_read"]) == (1_000_000, 3_000_000)
    assert "bytes_read" not in ends["deduplicate"]
    log.progress = "plain"
    with log.stage("waveforms"):
        so_far[:] = 2_000_005, 5_000_005
    assert "2 MB of traces read" in said.text
