"""Every option of the command line and its help."""

import argparse
from typing import NoReturn

from ephys_postprocess import __version__
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.execution import FAILURE_POLICIES, PROGRESS_STYLES

EPILOG = """\
what is read:
  data/preprocessed_{recording_name}/      recording folder saved by SpikeInterface, binary or zarr
  data/spikesorted_{recording_name}/       sorting folder, .npz or .zarr
  data/binary_{recording_name}.json, preprocessed_{recording_name}.json, motion_{recording_name}/, job_*.json: optional

what is written:
  results/postprocessed_{recording_name}.zarr                     SortingAnalyzer
  results/data_process_postprocessing_{recording_name}.json       parameters, versions, what was found, times
  results/postprocessing-report_{recording_name}.html             the report
  results/units_{recording_name}.csv, .parquet                    a row for each unit
  results/summary.html, units.parquet, units.csv                  over several recordings

examples:
  run --example
  run --n-jobs 8 --params '{"waveforms": {"ms_before": 1.0, "ms_after": 2.0}}'
  run --data /data --results /results --recording probeA --resume
  run --verify results --audit 5
  run --help parameters                    every parameter with its default

precedence: defaults < parameters (--params, or code/params.json where nothing is given) < single flags.

positional arguments may stand in any order and are told apart by content: true or false is use_motion_corrected, a
number is n_jobs, anything else is the parameters (a file or JSON text).

exit codes: 0 all done, or skipped upstream; 1 a recording failed, by its data or a bug, and would fail again; 2 the
caller's mistake, before any work; 75 a recording failed for want of something that may be there later, or elsewhere:
space, memory, a file system that answers, results that another run holds (run again, with --resume); 130 interrupted;
143 terminated. With --on-failure placeholder a failed recording that got its placeholder counts as done.

"""


class NothingToDo(Exception):  # noqa: N818 - not an error
    """--help or --version has been printed."""


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that `cli.main` alone decides on exit codes."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"{message[:1].upper()}{message[1:]}. See --help.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002 - argparse's signature
        raise NothingToDo


def print_parameters() -> None:
    """`--help parameters`: every parameter with its default."""
    from ephys_postprocess.parameters.docs import RULE, help_overview

    print(f"{RULE}\n\n{help_overview()}\n\nEach one's meaning and bounds: docs/parameters.md, beside run.")


def make_parser() -> _Parser:
    """Every option, with its help."""
    parser = _Parser(
        prog="run",
        description="Postprocess spike-sorted recordings: from data/ to results/, one SortingAnalyzer per recording.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("values", nargs="*", metavar="use_motion_corrected | n_jobs | params", help="see below")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--example", action="store_true", help="make an example recording and postprocess that")
    parser.add_argument(
        "--list",
        dest="is_list",
        action="store_true",
        help="only print the names of recordings in --data, one per line (with --progress json, one event each): for "
        "tasks of one recording",
    )
    parser.add_argument(
        "--relink",
        dest="relink",
        metavar="RESULT",
        help="only let a result that was moved (postprocessed_NAME.zarr, or a folder of them) refer again to its "
        "recording, which lies in --data",
    )
    parser.add_argument(
        "--verify", metavar="RESULTS", help="only check that the results in this folder are complete and unchanged"
    )
    parser.add_argument(
        "--audit",
        metavar="N",
        help="only recompute N random units of each result in --results with stock SpikeInterface, from --data, and "
        "report the worst differences",
    )
    parser.add_argument(
        "--summary",
        metavar="RESULTS",
        help="only write one page over the recordings of this results folder (summary.html), and one table of all "
        "their units (units.parquet, units.csv); with --data, recordings there that have no result are listed, too; a "
        "call with several recordings does so by itself",
    )
    parser.add_argument(
        "--report",
        dest="report_of",
        metavar="RESULT",
        help="only make the report of a finished result (postprocessed_NAME.zarr, stock SpikeInterface's too), beside "
        "it or in --results",
    )
    parser.add_argument(
        "--from",
        dest="from_result",
        metavar="RESULT",
        help="with --export-phy: only export this finished result (postprocessed_NAME.zarr)",
    )
    _add_input_options(parser)
    _add_parameter_options(parser)
    _add_execution_options(parser)
    return parser


def _add_input_options(parser: _Parser) -> None:
    group = parser.add_argument_group("a sorting and its traces in place of --data, also several")
    group.add_argument(
        "--sorting",
        action="append",
        metavar="PATH",
        help="a Kilosort or phy folder (nothing in it is run), or a sorting saved by SpikeInterface",
    )
    group.add_argument(
        "--traces",
        action="append",
        metavar="PATH",
        help="SpikeGLX, Open Ephys, NWB, a raw file, or saved by SpikeInterface; default: the raw file that the "
        "Kilosort folder names, if it lies in or beside it",
    )
    group.add_argument("--name", action="append", metavar="NAME", help="of the recording; default: the traces' name")
    group.add_argument("--pairs", metavar="CSV", help="a table of these: sorting, traces, name")
    group.add_argument("--stream", metavar="NAME", help="which of several streams of the traces")
    group.add_argument("--probe", metavar="FILE", help="of probeinterface")
    group.add_argument(
        "--no-filter",
        action="store_true",
        help="raw traces as they are; default: high-pass 300 Hz and common median reference, in scratch",
    )


def _add_parameter_options(parser: _Parser) -> None:
    group = parser.add_argument_group("what to compute")
    group.add_argument("--params", metavar="JSON_OR_FILE", help="parameters as JSON text or a file of it")
    group.add_argument("--params-file", metavar="FILE", help="the same, as a file")
    group.add_argument("--params-str", metavar="JSON", help="the same, as JSON text")
    group.add_argument(
        "--use-motion-corrected",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="apply the motion that preprocessing estimated",
    )
    group.add_argument("--skip-extensions", metavar="A,B", help="leave these extensions out, and whatever needs them")


def _add_execution_options(parser: _Parser) -> None:
    group = parser.add_argument_group("how to run (cannot change a result)")
    group.add_argument(
        "--n-jobs",
        metavar="N",
        help="threads: a whole number, -1 = all cores (the default), or a share such as 0.5 or 1.0; never below 1 nor "
        "above the cores granted by CO_CPUS, N_JOBS_EXT, SLURM_CPUS_PER_TASK, SLURM_CPUS_ON_NODE, CPU affinity and "
        "cgroup",
    )
    for name in ("data", "results", "scratch"):
        default = "../scratch, else the temporary folder" if name == "scratch" else f"../{name}, beside code/"
        group.add_argument(f"--{name}", metavar="FOLDER", help=f"default: {default}")
    group.add_argument(
        "--recording", action="append", metavar="NAME", help="only this recording; may be given several times"
    )
    group.add_argument(
        "--on-failure",
        choices=FAILURE_POLICIES,
        help="a recording that fails here: exit code 1 (fail, the default), or a placeholder and exit code 0",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        default=None,
        help="keep results that are complete and were made from the same inputs, parameters and version",
    )
    group.add_argument(
        "--allow-pickle",
        action="store_true",
        default=None,
        help="open recordings saved as .pkl: a pickle can run any code, so only for files you trust",
    )
    group.add_argument(
        "--allow-class",
        action="append",
        metavar="NAME",
        help="also open recordings and sortings of this class, which a description in the data names; may be given "
        "several times. Without it only classes that read data and compute are: some of the others run code that lies "
        "in the data folder, or download libraries",
    )
    group.add_argument("--no-report", dest="report", action="store_false", default=None, help="no HTML report")
    group.add_argument(
        "--export-phy",
        metavar="FOLDER",
        help="also write a folder for phy, with the principal components of all spikes: FOLDER itself for one "
        "recording, FOLDER/NAME for several",
    )
    group.add_argument(
        "--progress",
        choices=PROGRESS_STYLES,
        help="default: auto = a live bar on a terminal, else plain lines; json = one event per line on stdout, "
        "the log on standard error",
    )
    group.add_argument("--debug", action="store_true", default=None, help="more log, and tracebacks of every failure")
