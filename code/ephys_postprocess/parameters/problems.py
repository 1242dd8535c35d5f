"""Messages about wrong parameters: all problems at once, each with name, value, what is allowed and a suggestion."""

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the parameters."""

    name: str  # dotted, as the caller wrote it
    sentence: str

    def __str__(self) -> str:
        return f"{self.name}: {self.sentence}" if self.name else self.sentence


# What people call extensions.
_SHORT_NAMES = {
    "pca": "principal_components",
    "pcs": "principal_components",
    "wfs": "waveforms",
    "ccg": "correlograms",
    "ccgs": "correlograms",
    "acg": "auto_correlograms",
    "acgs": "auto_correlograms",
    "isi": "isi_histograms",
    "qm": "quality_metrics",
    "metrics": "quality_metrics",
}


def report(problems: list[Problem], source: str) -> str:
    """One message for all problems, one line each."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{count} in {source}:", *(f"  - {problem}" for problem in problems)])


def suggestion(name: str, known: list[str], rare: list[str]) -> str:
    """' Did you mean …?' for a misspelt name, or the names there are (without the rare ones)."""
    if (full := _SHORT_NAMES.get(str(name).lower())) in known:
        return f" Did you mean '{full}'?"
    close = difflib.get_close_matches(str(name), [*known, *rare], n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(known)}." if known else " It takes no parameters."


def unknown_name(name: str, known: Sequence[str], kind: str = "parameter", rare: Sequence[str] = ()) -> str:
    """The sentence for a name that does not exist."""
    return f"unknown {kind}.{suggestion(name, list(known), list(rare))}"


def describe_validation_error(
    err: ValidationError, model: type[BaseModel], origins: dict[Path, str], prefix: str = ""
) -> list[Problem]:
    """pydantic's findings as problems, in the names the caller used.

    Parameters
    ----------
    err : pydantic.ValidationError
    model : type
        The declaration that refused the document.
    origins : dict
        Translated path → the dotted name under which the caller gave it.
    prefix : str
        Name of the section that `model` declares.
    """
    problems = {}
    for error in err.errors(include_url=False):
        path = _own_path(error["loc"], model)
        name = ".".join(filter(None, (prefix, _name_of(path, origins))))
        problem = Problem(name, _sentence(error, path, model))
        problems.setdefault(problem.name, problem)  # the branches of a union would complain one by one
    return list(problems.values())


def _sentence(error: dict[str, Any], path: Path, model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden":
        return _unknown_parameter(path, model)
    got = f" (got {show(error['input'])})."
    if error["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        close = difflib.get_close_matches(str(error["input"]), allowed, n=1, cutoff=0.6)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        return f"must be one of {', '.join(allowed)}{got}{hint}"
    if error["type"] == "value_error":
        sentence = str(error["ctx"]["error"])
        return sentence + (got if sentence.startswith("must ") and not isinstance(error["input"], dict) else ".")
    return _PLAIN.get(error["type"], error["msg"].lower()).format(**error.get("ctx", {})) + got


_PLAIN = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "string_type": "must be a text",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "missing": "must have one entry more",
    "none_required": "must be null",
    "model_type": "must be an object {{…}}",
    "model_attributes_type": "must be an object {{…}}",
    "dict_type": "must be an object {{…}}",
}


def _unknown_parameter(path: Path, model: type[BaseModel]) -> str:
    section = section_at(model, path[:-1])
    known = list(section.model_fields) if section else []
    if not difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6):
        sentence = named_elsewhere(str(path[-1]), model)
        if sentence:
            return sentence
    return unknown_name(str(path[-1]), known, "metric" if path[-2:-1] == ("metric_params",) else "parameter")


def named_elsewhere(name: str, model: type[BaseModel], prefix: str = "") -> str:
    """The sentence for a name that exists, but in other sections; empty when there are none, or too many to list."""
    places = [prefix + ".".join(leaf) for leaf in leaves(model) if leaf[-1] == name]
    return f"unknown parameter here. Did you mean {' or '.join(map(repr, places))}?" if 1 <= len(places) <= 4 else ""


def section_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The section that lies at `path` below `model`, or None where there is none."""
    section: type[BaseModel] | None = model
    for name in path:
        if section is None or name not in section.model_fields:
            return None
        section = section_type(section.model_fields[name].annotation)
    return section


def section_type(annotation: Any) -> type[BaseModel] | None:
    """The section within an annotation such as `Waveforms | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return next(filter(None, map(section_type, get_args(annotation))), None)
    return None


def leaves(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every single parameter below `model`."""
    paths = []
    for name, field in model.model_fields.items():
        section = section_type(field.annotation)
        paths += leaves(section, (*prefix, name)) if section else [(*prefix, name)]
    return paths


def show(value: Any) -> str:
    """A value as the caller wrote it, in JSON, cut where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _own_path(location: Path, model: type[BaseModel]) -> Path:
    """pydantic's location without the names it gives to the branches of a union."""
    path: list[str | int] = []
    section: type[BaseModel] | None = model
    for part in location:
        if section is not None:
            path.append(part)
            field = section.model_fields.get(str(part))
            section = section_type(field.annotation) if field else None
        elif isinstance(part, int):
            path.append(part)
    return tuple(path)


def _name_of(path: Path, origins: dict[Path, str]) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return ".".join([origins[path[:length]], *map(str, path[length:])])
    return ".".join(map(str, path))
