"""Two small commands for schedulers: which recordings there are, and results that were moved."""

import json
import os
import shutil

import pytest
import spikeinterface.core as si
from end_to_end.make_inputs import NAME, save

from ephys_postprocess.cli.main import main
from ephys_postprocess.results.files import ResultFiles


@pytest.fixture
def moved(default_run, tmp_path):
    """A result of the default run, copied to where its link leads nowhere."""
    folder = tmp_path / "published" / "deep" / "down"
    shutil.copytree(default_run.results, folder)
    return ResultFiles(folder, NAME)


@pytest.fixture
def relink(tmp_path, capsys):
    def call(result, data):
        code = main(["--relink", str(result), "--data", str(data), "--results", str(tmp_path)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return call


def link_of(files):
    return json.loads((files.analyzer / "recording" / "0").read_bytes())[0]


def is_linked(files):
    return si.load(files.analyzer).has_recording()


def is_whole(files, capsys):
    code = main(["--verify", str(files.folder)])
    capsys.readouterr()
    return code == 0


def test_recordings_are_listed_one_a_line(tmp_path, run_capsule):
    for name in ("b c", "a#1.2"):
        (tmp_path / f"preprocessed_{name}").mkdir()
    os.mkdir(os.fsencode(tmp_path) + b"/preprocessed_\xff")  # noqa: PTH102 - a name that is no text
    done = run_capsule("--list", data=tmp_path, options={"errors": "surrogateescape"})
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "a#1.2\nb c\n\udcff\n"
    assert run_capsule("--list", "--recording", "b c", data=tmp_path).stdout == "b c\n"


def test_recordings_are_listed_as_events(tmp_path, capsys):
    (tmp_path / "preprocessed_a").mkdir()
    assert main(["--list", "--progress", "json", "--data", str(tmp_path), "--results", str(tmp_path / "r")]) == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["event"], event["recording"], event["index"], event["total"]) == ("recording_found", "a", 1, 1)
    assert not (tmp_path / "r").exists()


def test_nothing_to_list_is_the_callers_mistake(tmp_path, capsys):
    assert main(["--list", "--data", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing to postprocess" in captured.err


@pytest.mark.parametrize("given", ["the result", "its folder"])
def test_a_moved_result_is_linked_again(moved, relink, tiny_data, given, capsys):
    assert not is_linked(moved)
    code, said = relink(moved.analyzer if given == "the result" else moved.folder, tiny_data)
    assert code == 0, said
    assert f"{moved.analyzer.name} refers to its recording in {tiny_data}" in said
    assert is_linked(moved)
    assert is_whole(moved, capsys)
    # As a run would have written it: relative, by the names that the data has.
    path = link_of(moved)["kwargs"]["folder_path"]
    assert (moved.analyzer / path).resolve() == (tiny_data / f"preprocessed_{NAME}").resolve()
    assert not os.path.isabs(path)  # noqa: PTH117 - of text


def test_the_staged_names_are_kept_in_the_link(moved, relink, tiny_data, tmp_path):
    """A pipeline stages each input as a link of its own; the next task stages them anew."""
    staged = tmp_path / "staged"
    staged.mkdir()
    for path in tiny_data.iterdir():
        (staged / path.name).symlink_to(path)
    assert relink(moved.analyzer, staged)[0] == 0
    assert link_of(moved)["kwargs"]["folder_path"] == f"../../../../staged/preprocessed_{NAME}"
    assert is_linked(moved)


def test_another_recording_is_refused_and_nothing_changes(moved, relink, tmp_path, capsys):
    save(
        tmp_path / "other",
        recording=si.generate_recording(num_channels=4, durations=[1.0], sampling_frequency=30_000.0),
    )
    code, said = relink(moved.analyzer, tmp_path / "other")
    assert code == 2
    assert "is not the one it was made from" in said
    assert is_whole(moved, capsys)


def test_a_damaged_result_is_not_sealed_anew(moved, relink, tiny_data, capsys):
    manifest = moved.analyzer / ".capsule_manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    code, said = relink(moved.analyzer, tiny_data)
    assert code == 2
    assert "is damaged: see --verify" in said
    assert not is_whole(moved, capsys)


def test_placeholders_are_passed_over(relink, tiny_data, tmp_path):
    files = ResultFiles(tmp_path / "r", NAME)
    with files.held():
        files.write_placeholder("skipped")
    code, said = relink(files.analyzer, tiny_data)
    assert (code, said) == (0, f"{files.analyzer.name} is a placeholder: nothing to link\n")
    assert relink(files.folder, tiny_data)[0] == 0


def test_no_result_at_all(relink, tiny_data, tmp_path):
    (tmp_path / "empty").mkdir()
    code, said = relink(tmp_path / "empty", tiny_data)
    assert code == 2
    assert "holds no postprocessed_*.zarr. Point --relink at" in said
