"""A run of many recordings: what it says of each, in the log and in events, and its exit code."""

import errno
import json
import re
from datetime import datetime

import pytest

from ephys_postprocess.cli import main as cli
from ephys_postprocess.commands import recording as recording_module
from ephys_postprocess.commands.outcomes import Outcome
from ephys_postprocess.errors import InputError
from ephys_postprocess.machine import stage_log

NAMES = ["a", "b#1 of 2", "c"]
LOCKED = OSError(errno.EIO, "Input/output error", "/data/raw")


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """call({name: exception or status}, arguments) runs the command line with recordings that end as told."""
    data, results = tmp_path / "data", tmp_path / "results"
    for name in NAMES:
        (data / f"preprocessed_{name}").mkdir(parents=True)

    def run(endings, *arguments):
        def postprocess(item, _found, files, _parameters, _execution):
            ending = endings[item.recording_name]
            if isinstance(ending, Exception):
                raise ending
            recording_module.logger.info("a line\nof two")
            recording_module.logger.warning("an alarm")
            files.building.mkdir()
            (files.building / "x").write_bytes(bytes(100))
            files.staged(files.report).write_text("report")
            files.publish()
            return Outcome(item.recording_name, ending, "1 unit in")

        monkeypatch.setattr(recording_module, "postprocess_recording", postprocess)
        monkeypatch.setattr("ephys_postprocess.commands.summary.summarise", lambda *_: None)  # of results made up here
        code = cli.main(["--data", str(data), "--results", str(results), "--scratch", str(tmp_path), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    run.results = results
    return run


def all_done(**others):
    return {**dict.fromkeys(NAMES, "done"), **others}


def test_every_line_says_which_recording_it_is_about(call):
    _, out, err = call(all_done(c=InputError("broken\nin two lines")))
    for index, name in enumerate(NAMES, 1):
        own = [line for line in out.splitlines() if line.startswith(f"[{index}/3] {name}: ")]
        started = rf"{re.escape(name)}: started \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d[+-].*"
        assert re.fullmatch(rf"\[{index}/3\] {re.escape(name)}: {started}", own[0])
    first = [line.removeprefix("[1/3] a: ") for line in out.splitlines() if line.startswith("[1/3] a: ")]
    assert first[1:] == [
        *("a line", "of two", "done: 1 unit in"),
        f"  report: {call.results / 'postprocessing-report_a.html'}",
    ]
    assert "[1/3] a: WARNING: an alarm" in err.splitlines()
    assert "[3/3] c: ERROR: c failed: broken\n[3/3] c: in two lines\n" in err
    closing = out[out.index("Results of 3 recording(s)") :].splitlines()
    assert closing[1:] == ["  done     a: 1 unit in", "  done     b#1 of 2: 1 unit in", "  failed   c: broken"]


def test_one_recording_alone_has_no_prefix(call):
    _, out, err = call(all_done(), "--recording", "a")
    assert "[1/1]" not in out + err
    assert re.search(r"^a: started ", out, re.MULTILINE)
    assert f"  report: {call.results / 'postprocessing-report_a.html'}" in out


def test_events_of_a_run(call):
    code, out, _ = call({**all_done(c=LOCKED), "b#1 of 2": "kept"}, "--progress", "json", "--no-report")
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == [
        *("run_started", "recording_started", "warning", "recording_finished"),
        *("recording_started", "warning", "recording_finished"),
        *("recording_started", "warning", "recording_finished", "run_finished"),
    ]
    started, first, alarm, finished = events[:4]
    assert started["recordings"] == NAMES
    assert started["results"] == str(call.results)
    assert "recording" not in started
    assert (first["recording"], first["index"], first["total"]) == ("a", 1, 3)
    assert (alarm["recording"], alarm["level"], alarm["message"]) == ("a", "warning", "an alarm")
    assert (finished["status"], finished["bytes"], finished["is_temporary"]) == ("done", 106, False)
    assert finished["paths"] == {
        "analyzer": str(call.results / "postprocessed_a.zarr"),
        "report": str(call.results / "postprocessing-report_a.html"),
    }
    assert finished["seconds"] >= 0
    assert events[-3]["level"] == "error"
    assert (events[-2]["status"], events[-2]["is_temporary"], events[-2]["paths"]) == ("failed", True, {})
    last = events[-1]
    assert (last["exit_code"], last["bytes"], last["counts"]) == (75, 212, {"done": 1, "kept": 1, "failed": 1})
    assert code == 75
    for event in events:
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        assert [name for name in event if not re.search(rf"\b{name}\b", stage_log.__doc__)] == []


@pytest.mark.parametrize(
    ("endings", "arguments", "code"),
    [
        ({}, (), 0),
        ({"a": "skipped", "b#1 of 2": "kept"}, (), 0),
        ({"a": InputError("bad data")}, (), 1),
        ({"a": ValueError("a bug")}, (), 1),
        ({"a": LOCKED}, (), 75),
        ({"a": MemoryError()}, (), 75),
        ({"a": LOCKED, "c": InputError("bad data")}, (), 75),  # another try may do one more
        ({"a": LOCKED, "c": ValueError("a bug")}, ("--on-failure", "placeholder"), 0),
    ],
)
def test_exit_codes(call, endings, arguments, code):
    assert call(all_done(**endings), *arguments)[0] == code


def test_a_failure_without_even_a_placeholder_is_no_success(call, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ephys_postprocess.results.files.ResultFiles.write_placeholder", refused)
    code, _, err = call(all_done(a=InputError("bad data")), "--on-failure", "placeholder")
    assert code == 1
    assert "No placeholder either: No space left" in err


def test_no_placeholder_replaces_a_store_that_somebody_else_made(call):
    store = call.results / "postprocessed_a.zarr"
    store.mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    code, _, err = call(all_done(a=InputError("bad data")), "--on-failure", "placeholder")
    assert code == 1
    assert "postprocessed_a.zarr is a store that is no complete result of this capsule" in err
    assert [path.name for path in store.iterdir()] == [".zgroup"]


def test_an_input_folder_that_cannot_be_read_for_now(call, monkeypatch):
    def failing(*_):
        raise InputError("data: not a readable folder") from OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("ephys_postprocess.commands.pipeline.find_recordings", failing)
    assert call(all_done())[0] == 75


def test_what_the_system_refuses_a_command_is_a_sentence(call, monkeypatch):
    def failing(*_):
        raise MemoryError

    monkeypatch.setattr("ephys_postprocess.commands.pipeline.find_recordings", failing)
    code, _, err = call(all_done())
    assert code == 75
    assert "Not enough memory" in err
    assert "Traceback" not in err
