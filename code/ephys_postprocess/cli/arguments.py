"""From argv to parameters and execution: every form in which the capsule has ever been called."""

import argparse
import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ephys_postprocess.cli.given import given_pairs
from ephys_postprocess.cli.options import NothingToDo, make_parser, print_parameters
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.execution import FAILURE_POLICIES, PROGRESS_STYLES, Execution, make_execution
from ephys_postprocess.parameters.document import LoadedParameters, Parameters, load_parameters
from ephys_postprocess.parameters.era_table import FLAGS
from ephys_postprocess.parameters.eras import split_names
from ephys_postprocess.parameters.problems import Problem, report, show
from ephys_postprocess.parameters.text import (
    job_count,
    parse_parameters,
    read_parameters,
    read_parameters_file,
    value_from_text,
)

MAX_DIGITS = 9  # of a number of units; Python itself refuses to read 5000
SHIPPED_PARAMETERS = Path(__file__).parents[2] / "params.json"


@dataclass(frozen=True)
class Arguments:
    """What the caller wants."""

    parameters: Parameters
    execution: Execution
    is_example: bool
    is_list: bool  # only print the names of the recordings
    relink: Path | None  # only write the link of this result, or of those in this folder, anew
    verify_folder: Path | None  # only check the results in this folder
    num_units_to_audit: int | None  # only compare so many units of every result with stock SpikeInterface
    summary_folder: Path | None  # only write one page over the results in this folder
    summary_data_folder: Path | None  # and name the recordings in this one that have no result
    report_of: Path | None  # only make the report of this finished result
    report_folder: Path | None  # where to write that; beside the result where None
    from_result: Path | None  # only export this finished result to phy
    warnings: tuple[str, ...]  # to log: parameters that are renamed, dropped or without effect


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Everything that argv says, checked.

    Raises
    ------
    ParameterError
        For anything wrong, with all problems of the parameters at once.
    NothingToDo
        When --help or --version has been printed.
    """
    if any(first in ("--help", "-h") and then == "parameters" for first, then in itertools.pairwise(argv)):
        print_parameters()
        raise NothingToDo
    parser = make_parser()
    flags, unknown = parser.parse_known_intermixed_args(list(argv))
    if unknown:
        raise ParameterError(_unknown_options(unknown, parser))
    positionals = _sort_positionals(flags.values)
    document, source, is_on_command_line = _read_document(flags, positionals)
    loaded = load_parameters(document, source, split_names(flags.skip_extensions))
    # The wish to open pickles must come from the command line itself: a file may have come with the data.
    merged = loaded.flags if is_on_command_line else {k: v for k, v in loaded.flags.items() if k != "allow_pickle"}
    choices = {**_checked_flags(merged, source), **_given_flags(flags, positionals)}
    return _assemble(loaded, choices, flags)


def _assemble(loaded: LoadedParameters, choices: dict[str, Any], flags: argparse.Namespace) -> Arguments:
    parameters = loaded.parameters
    use_motion_corrected = choices.pop("use_motion_corrected", None)
    if use_motion_corrected is not None:
        parameters = parameters.model_copy(update={"use_motion_corrected": use_motion_corrected})
    choices = {_FIELDS.get(name, name): value for name, value in choices.items()}
    # From the command line alone: a file that came with the data has no say in what is written, or may be called.
    choices["export_phy_folder"] = _given_folder(flags.export_phy)
    choices["given_pairs"] = given_pairs(flags)
    choices["allow_classes"] = tuple(flags.allow_class or ())
    if flags.from_result is not None and flags.export_phy is None:
        raise ParameterError("--from names a finished result to export: add --export-phy FOLDER.")
    _check_modes(flags)
    execution = make_execution(loaded.job_kwargs, **choices)
    warnings = loaded.warnings
    if execution.job_kwargs_without_effect:
        names = ", ".join(f"job_kwargs.{name}" for name in execution.job_kwargs_without_effect)
        warnings = (*warnings, f"Without effect here: {names}.")
    return Arguments(
        parameters=parameters,
        execution=execution,
        is_example=flags.example,
        is_list=flags.is_list,
        relink=_given_folder(flags.relink),
        verify_folder=_given_folder(flags.verify),
        num_units_to_audit=_number_to_audit(flags.audit),
        summary_folder=_given_folder(flags.summary),
        summary_data_folder=choices.get("data_folder"),
        report_of=_given_folder(flags.report_of),
        report_folder=choices.get("results_folder"),
        from_result=_given_folder(flags.from_result),
        warnings=warnings,
    )


def _check_modes(flags: argparse.Namespace) -> None:
    """Refuse two modes in one call; --audit beside --verify is one: verify, then audit."""
    given = {
        "--example": flags.example,
        "--verify": flags.verify is not None,
        "--audit": flags.audit is not None and flags.verify is None,
        "--summary": flags.summary is not None,
        "--report": flags.report_of is not None,
        "--from": flags.from_result is not None,
    }
    modes = [name for name, is_given in given.items() if is_given]
    if len(modes) > 1:
        raise ParameterError(f"{' and '.join(modes)} exclude each other: each is a call of its own.")


def _sort_positionals(values: list[str]) -> dict[str, str]:
    """Positional values by what they are; empty ones, which an app panel sends, are left out."""
    positionals: dict[str, str] = {}
    for value in filter(str.strip, values):
        meaning = value_from_text(value)
        if isinstance(meaning, bool):
            name = "use_motion_corrected"
        else:
            name = "n_jobs" if isinstance(meaning, int | float) else "params"
        if name in positionals:
            raise ParameterError(
                f"Two positional arguments for {name}: '{positionals[name]}' and '{value}'. They are told apart by "
                "content: true or false, a number, a parameters file; each at most once."
            )
        positionals[name] = value
    return positionals


def _read_document(flags: argparse.Namespace, positionals: dict[str, str]) -> tuple[dict[str, Any], str, bool]:
    """The parameters document, what to call it, and whether it stands on the command line itself."""
    given = {
        "--params": flags.params,
        "--params-file": flags.params_file,
        "--params-str": flags.params_str,
        "the positional argument": positionals.get("params"),
    }
    given = {name: text for name, text in given.items() if text is not None and text.strip()}
    if len(given) > 1:
        raise ParameterError(f"Parameters are given more than once: by {' and by '.join(given)}. Give one of them.")
    if not given:
        is_shipped = SHIPPED_PARAMETERS.is_file()
        return (*(read_parameters_file(SHIPPED_PARAMETERS) if is_shipped else ({}, "parameters")), False)
    name, text = next(iter(given.items()))
    if name == "--params-file":
        return (*read_parameters_file(text), False)
    if name == "--params-str":
        return parse_parameters(text, name), name, True
    document, source = read_parameters(text)
    return document, source, text.lstrip().startswith("{")


def _given_flags(flags: argparse.Namespace, positionals: dict[str, str]) -> dict[str, Any]:
    """Flags given on the command line; an option wins over the positional of the same meaning."""
    names = (*FLAGS, "use_motion_corrected")
    given = {name: positionals[name] for name in names if name in positionals}
    given |= {name: value for name in names if (value := getattr(flags, name, None)) is not None}
    return _checked_flags(given, "the arguments")


def _checked_flags(given: dict[str, Any], source: str) -> dict[str, Any]:
    """Flags as values, wherever they were given."""
    checked, problems = {}, []
    for name, value in given.items():
        try:
            checked[name] = _FLAG_READERS[name](value)
        except (ValueError, TypeError) as err:
            problems.append(Problem(f"--{name.replace('_', '-')}", f"{err} (got {show(value)})."))
    if problems:
        raise ParameterError(report(problems, source))
    return checked


def _switch(value: Any) -> bool:
    value = value_from_text(value)
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _one_of(choices: tuple[str, ...]) -> Any:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def _folder(value: Any) -> Path:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a folder")
    try:
        folder = Path(value).expanduser().absolute()
        folder.exists()  # raises for what no file system can hold
    except FileNotFoundError as error:
        raise ValueError("the working folder is gone; give a full path") from error
    except RuntimeError as error:
        raise ValueError("names a home folder that this machine does not know") from error
    except OSError as error:
        raise ValueError(f"cannot be a folder: {error.strerror}") from error
    return folder


def _given_folder(value: str | None) -> Path | None:
    if value is None:
        return None
    try:
        return _folder(value)
    except ValueError as err:
        raise ParameterError(f"{err} (got {show(value)}).") from err


def _number_to_audit(value: str | None) -> int | None:
    if value is None:
        return None
    is_number = value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS
    if not is_number or int(value) < 1:
        raise ParameterError(f"--audit: must be a number of units, at least 1 (got {show(value)}).")
    return int(value)


def _recordings(value: Any) -> tuple[str, ...]:
    # Names may hold commas, so text is one name.
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(map(str, value)))


# Flags whose field of Execution has another name.
_FIELDS = {
    "recording": "recordings",
    "data": "data_folder",
    "results": "results_folder",
    "scratch": "scratch_folder",
}
_FLAG_READERS = {
    "n_jobs": job_count,
    "use_motion_corrected": _switch,
    "report": _switch,
    "resume": _switch,
    "allow_pickle": _switch,
    "debug": _switch,
    "progress": _one_of(PROGRESS_STYLES),
    "on_failure": _one_of(FAILURE_POLICIES),
    "recording": _recordings,
    "data": _folder,
    "results": _folder,
    "scratch": _folder,
}


def _unknown_options(unknown: list[str], parser: argparse.ArgumentParser) -> str:
    known = [option for action in parser._actions for option in action.option_strings]
    lines = []
    for option in unknown:
        close = difflib.get_close_matches(option.partition("=")[0], known, n=1, cutoff=0.6)
        lines.append(f"Unknown option {option}.{f' Did you mean {close[0]}?' if close else ' See --help.'}")
    return "\n".join(lines)
