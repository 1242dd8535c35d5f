"""Every form of the command line, its messages and its exit codes."""

import json
import logging
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from ephys_postprocess import __version__
from ephys_postprocess.cli import main as cli
from ephys_postprocess.cli.arguments import parse_arguments
from ephys_postprocess.errors import InputError, ParameterError
from ephys_postprocess.machine.execution import usable_cores
from ephys_postprocess.parameters.document import Parameters

CODE_FOLDER = Path(__file__).parents[2]
NUM_CORES = usable_cores().count


@pytest.fixture(autouse=True)
def _no_scheduler(monkeypatch):
    for name in ("CO_CPUS", "N_JOBS_EXT", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def params_file(tmp_path):
    path = tmp_path / "my params (1).json"
    path.write_text('{"duplicate_threshold": 0.5, "job_kwargs": {"n_jobs": 1}}', encoding="utf-8")
    return str(path)


def test_no_arguments_mean_the_defaults():
    arguments = parse_arguments([])
    assert arguments.parameters == Parameters()
    assert arguments.execution.num_threads == NUM_CORES
    assert arguments.execution.progress == "auto"
    assert arguments.warnings == ()
    assert not arguments.is_example


@pytest.mark.parametrize(
    ("argv", "threshold", "motion"),
    [
        (["--params", "FILE"], 0.5, False),
        (["--params-file", "FILE"], 0.5, False),
        (["FILE"], 0.5, False),
        (["true", "-1", "FILE"], 0.5, True),
        (["FILE", "True"], 0.5, True),
        (["8", "FILE"], 0.5, False),
        (["--params", '{"duplicate_threshold": 0.7}'], 0.7, False),
        (["--params-str", '{"duplicate_threshold": 0.7}'], 0.7, False),
        (['{"duplicate_threshold": 0.7}'], 0.7, False),
        (["--params", '{"use_motion_corrected": true}'], 0.9, True),
        (["--params", '{"use_motion_corrected": true}', "--no-use-motion-corrected"], 0.9, False),
        (["--params", '{"use_motion_corrected": true}', "false"], 0.9, False),
        (["--params", "{}", "--use-motion-corrected"], 0.9, True),
        (["--params", "{}"], 0.9, False),
        (["--params", ""], 0.9, False),
        (["false", "0.8"], 0.9, False),
        (["", "", ""], 0.9, False),
        (["--n-jobs", "1", "true"], 0.9, True),
        (["true", "--n-jobs", "1", "FILE"], 0.5, True),
    ],
)
def test_forms_of_parameters(argv, threshold, motion, params_file):
    parameters = parse_arguments([params_file if word == "FILE" else word for word in argv]).parameters
    assert parameters.duplicate_threshold == threshold
    assert parameters.use_motion_corrected is motion


@pytest.mark.parametrize(
    ("argv", "jobs"),
    [
        (["--n-jobs", "-1"], NUM_CORES),
        (["--n-jobs", "1"], 1),
        (["--n-jobs", "1.0"], NUM_CORES),
        (["--n-jobs", "0.01"], 1),
        (["--n-jobs", ".5"], max(1, NUM_CORES // 2)),
        (["1"], 1),
        (["-1", "--n-jobs", "1"], 1),
        (["FILE"], 1),
        (["FILE", "--n-jobs", "-1"], NUM_CORES),
        (["--params", '{"n_jobs": "1"}'], 1),
        (["--params", '{"n_jobs": "1"}', "--n-jobs", "-1"], NUM_CORES),
    ],
)
def test_forms_of_n_jobs(argv, jobs, params_file):
    assert parse_arguments([params_file if word == "FILE" else word for word in argv]).execution.num_threads == jobs


def test_schedulers_limit_n_jobs(monkeypatch):
    monkeypatch.setenv("CO_CPUS", "1")
    assert parse_arguments(["--n-jobs", "16"]).execution.num_threads == 1


def test_skip_extensions():
    arguments = parse_arguments(["--skip-extensions", "spike_locations,principal_components", "--n-jobs", "-1"])
    assert "spike_locations" not in arguments.parameters.extensions
    assert "Skipped as asked: spike_locations, principal_components." in arguments.warnings[0]


def test_execution_flags(tmp_path):
    execution = parse_arguments(
        [
            *("--data", str(tmp_path / "d"), "--results", str(tmp_path / "r"), "--scratch", str(tmp_path / "s")),
            *("--recording", "block0 probe#A, x.y", "--recording", "b", "--allow-pickle"),
            *("--on-failure", "placeholder", "--progress", "json", "--debug"),
        ]
    ).execution
    folders = (execution.data_folder, execution.results_folder, execution.scratch_folder)
    assert folders == (tmp_path / "d", tmp_path / "r", tmp_path / "s")
    assert execution.recordings == ("block0 probe#A, x.y", "b")
    assert execution.allow_pickle
    assert execution.on_failure == "placeholder"
    assert execution.progress == "json"
    assert execution.log_level == logging.DEBUG


def test_consent_to_pickles_comes_from_the_command_line(tmp_path):
    assert parse_arguments(["--params", '{"allow_pickle": true}']).execution.allow_pickle
    path = tmp_path / "from_elsewhere.json"
    path.write_text('{"allow_pickle": true}', encoding="utf-8")
    assert not parse_arguments(["--params", str(path)]).execution.allow_pickle


def test_parameters_without_effect_are_named():
    assert (
        "Without effect here: job_kwargs.mp_context."
        in parse_arguments(["--params", '{"job_kwargs": {"mp_context": "spawn"}}']).warnings
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--n-jobs", "many"], "--n-jobs: must be -1 (all cores), a whole number, or a share"),
        (["--n-jobs"], "expected one argument"),
        (["--n-job", "3"], "Did you mean --n-jobs?"),
        (["--param", "{}"], "Did you mean --params?"),
        (["--on-failure", "ignore"], "invalid choice"),
        (["true", "false"], "Two positional arguments for use_motion_corrected"),
        (["no such file"], "nor an existing file"),
        (["--params", "a.json", "--params-str", "{}"], "given more than once"),
        (["--params", "{"], "not valid JSON"),
        (["--params", '{"n_jobs": "x"}'], "--n-jobs: must be"),
        (["--params", '{"duplicate_threshold": 2, "waveform": {}}'], "2 problems in --params"),
        (["--skip-extensions", "drift"], "unknown extension"),
    ],
)
def test_mistakes_are_exit_code_2(argv, sentence, capsys):
    assert cli.main(argv) == 2
    assert sentence in capsys.readouterr().err


def test_version_and_help(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "precedence: defaults < parameters" in text
    for told in ("preprocessed_{recording_name}/", "postprocessed_{recording_name}.zarr", "exit codes:", "examples:"):
        assert told in text
    assert "extensions.valid_unit_periods" not in text
    assert text.count("\n") < 130
    for call in (["--help", "parameters"], ["-h", "parameters"]):
        assert cli.main(call) == 0
        assert "extensions.valid_unit_periods" in capsys.readouterr().out


@pytest.fixture
def pipeline(monkeypatch):
    """Stands in for the real pipeline: `pipeline.run` may be set to anything."""
    module = types.ModuleType("ephys_postprocess.commands.pipeline")
    module.calls = []
    module.run = lambda parameters, execution: module.calls.append((parameters, execution)) or 0
    monkeypatch.setitem(sys.modules, "ephys_postprocess.commands.pipeline", module)
    return module


def test_main_runs_the_pipeline(pipeline):
    assert cli.main(["--params", '{"duplicate_threshold": null}']) == 0
    parameters, _ = pipeline.calls[0]
    assert parameters.duplicate_threshold is None


def raising(error):
    def run(*_):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("nothing in data/"), 2),
        (ParameterError("wrong"), 2),
        (RuntimeError("our bug"), 1),
        (KeyboardInterrupt(), 130),
        (cli.Terminated(), 143),
    ],
)
def test_exit_codes(pipeline, error, code, capsys):
    pipeline.run = raising(error)
    assert cli.main([]) == code
    assert ("Traceback" in capsys.readouterr().err) is (code == 1)


def test_debug_shows_the_traceback_of_expected_failures(pipeline, capsys):
    pipeline.run = raising(InputError("nothing in data/"))
    assert cli.main(["--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_sigterm_ends_with_143(pipeline):
    before = signal.getsignal(signal.SIGTERM)
    pipeline.run = lambda *_: os.kill(os.getpid(), signal.SIGTERM) or signal.pause()
    assert cli.main([]) == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_log_lines(pipeline, capsys):
    def run(*_):
        logging.getLogger("ephys_postprocess.commands.pipeline").info("a story")
        logging.getLogger("ephys_postprocess.commands.pipeline").warning("an alarm")
        return 0

    pipeline.run = run
    assert cli.main(["--params", '{"isis": {}}']) == 0
    out, err = capsys.readouterr()
    assert out == "a story\n"
    assert err == "WARNING: Renamed: isis → isi_histograms.\nWARNING: an alarm\n"
    assert cli.main(["--progress", "json"]) == 0
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == ["an alarm"]


def test_a_mistake_costs_no_heavy_import():
    program = (
        "import sys; from ephys_postprocess.cli.main import main; code = main(['--params', '{\"waveform\": 1}']);"
        "heavy = {'numpy', 'numba', 'scipy', 'pandas', 'zarr', 'spikeinterface'} & set(sys.modules);"
        "print(code, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CODE_FOLDER, check=True)
    assert done.stdout == "2 []\n"
    assert "Did you mean 'waveforms'?" in done.stderr


def test_the_real_command_line_refuses_typos(tmp_path):
    done = subprocess.run(
        [sys.executable, str(CODE_FOLDER / "run_capsule.py"), "--params", json.dumps({"sparsit": {}})],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert "Did you mean 'sparsity'?" in done.stderr
