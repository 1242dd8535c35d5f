"""Every command that README.md shows is run as it stands there, on a tiny recording."""

import re
import shlex
from pathlib import Path

import pytest
from end_to_end.make_inputs import save, tiny

README = Path(__file__).resolve().parents[3] / "README.md"
# The environment's own commands are what .ci/run runs; other programs are not ours.
RUN_BY_THE_GATE = {"./code/run --example", "./code/run_tests"}
SMALL = ("--scratch", "{scratch}", "--n-jobs", "1", "--skip-extensions", "principal_components,spike_locations")


def commands() -> list[str]:
    """The lines of README's code blocks that start our command, without their comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [line.partition("#")[0].strip() for name, block in blocks if not name for line in block.splitlines()]
    return [line for line in lines if line.startswith("./code/")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two recordings, and the words that stand for folders in README."""
    from ephys_postprocess.cli.main import main

    root = tmp_path_factory.mktemp("readme")
    data, results = root / "data", root / "results"
    data.mkdir()
    for name in ("a", "b"):
        save(data, name, *tiny((3.0,), 4, 2))
    (root / "my.json").write_text('{"waveforms": {"ms_before": 1.0, "ms_after": 2.0}}')
    small = [part.format(scratch=root) for part in SMALL]
    assert main(["--data", str(data), "--results", str(results), *small]) == 0
    return {
        "RESULT.zarr": results / "postprocessed_a.zarr",
        "RESULTS": results,
        "--data FOLDER": f"--data {data}",
        "my.json": root / "my.json",
    }


@pytest.mark.parametrize("command", [line for line in commands() if line not in RUN_BY_THE_GATE])
def test_a_command_of_the_readme_works(command, folders, tmp_path, monkeypatch):
    from ephys_postprocess.cli.main import main

    for word, value in {**folders, "FOLDER": tmp_path / "phy"}.items():
        command = command.replace(word, str(value))
    argv = shlex.split(command)[1:]
    root = folders["RESULTS"].parent
    if "--data" not in argv:
        argv += ["--data", str(root / "data")]
    is_a_run = not {"--report", "--summary", "--verify", "--list", "--relink", "--from"} & set(argv)
    if "--results" not in argv and "--audit" not in argv and not {"--summary", "--verify"} & set(argv):
        argv += ["--results", str(tmp_path)]
    if is_a_run:
        argv += [part.format(scratch=root) for part in SMALL if part not in argv]
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 0


def test_the_readme_shows_the_commands_that_it_promises():
    shown = " ".join(commands())
    assert set(commands()) >= RUN_BY_THE_GATE
    for switch in (
        "--params-file",
        "--list",
        "--resume",
        "--summary",
        "--report",
        "--export-phy",
        "--relink",
        "--verify",
    ):
        assert switch in shown
