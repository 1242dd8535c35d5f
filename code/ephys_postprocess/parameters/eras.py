"""Parameter documents of every era, translated by one table into today's form.

Three forms are in use: the seed's (`postprocessing{…}`, `quality_metrics_names`, `quality_metrics{…}`), the flat one
(extensions at top level), and today's (`extensions{…}`, the metrics within). An `extensions` object lists what is
computed; in the other two all default extensions are computed and those named change or add to them.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ephys_postprocess.parameters.era_table import (
    DROPPED,
    FLAGS,
    METRIC_NAMES,
    OTHER_STEPS,
    RENAMED,
    TEMPLATE_METRIC_NAMES,
    TOP_LEVEL,
)
from ephys_postprocess.parameters.extensions import DEFAULT_EXTENSIONS, EXTENSION_NAMES, Extensions
from ephys_postprocess.parameters.metric_extensions import QualityMetrics
from ephys_postprocess.parameters.problems import Problem, named_elsewhere, show, unknown_name

Path = tuple[str, ...]
_KNOWN_AT_TOP = (*TOP_LEVEL, "extensions", "job_kwargs", *EXTENSION_NAMES)
_RARE_AT_TOP = (*FLAGS, "skip_extensions", "postprocessing", "quality_metrics_names")
_METRIC_OPTIONS = (
    *QualityMetrics.model_fields,
    "qm_params",
    "periods",
    "delete_existing_metrics",
    "metrics_to_compute",
)


@dataclass
class Translation:
    """A document in today's form, and what happened on the way."""

    document: dict[str, Any] = field(default_factory=dict)
    job_kwargs: Any = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)
    skip_extensions: tuple[str, ...] = ()
    origins: dict[Path, str] = field(default_factory=dict)  # today's path → the dotted name it was given under
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    unseeded: list[str] = field(default_factory=list)
    other_steps: list[str] = field(default_factory=list)
    lists_extensions: bool = False  # an `extensions` object says what is computed

    def put(self, path: Path, value: Any, origin: str) -> None:
        """Put a value where today's form has it; objects merge, anything given twice is a problem."""
        if isinstance(value, dict) and value:
            for name, part in value.items():
                self.put((*path, name), part, f"{origin}.{name}")
            return
        section = self.document
        for name in path[:-1]:
            if not isinstance(section.setdefault(name, {}), dict):
                section[name] = {}
            section = section[name]
        is_empty_object = isinstance(value, dict)
        earlier = section.get(path[-1], value)
        if is_empty_object and isinstance(earlier, dict):
            section.setdefault(path[-1], {})
        elif earlier != value:
            self.problems.append(Problem(origin, f"given twice, as {show(value)} and as {show(earlier)}."))
        else:
            section[path[-1]] = value
        self.origins.setdefault(path, origin)


def translate(document: dict[str, Any]) -> Translation:
    """A document of any era in today's form; the document itself is left unchanged.

    Returns
    -------
    Translation
        `document` is ready for `Parameters.model_validate`; `problems` holds what no era knows, and what is given
        twice; `warnings` one line for each renamed name, and one for all that have no successor.
    """
    result = Translation()
    for name, value in deepcopy(document).items():
        _translate_top_level(name, value, result)
    _fill_in_extensions(result)
    if result.dropped:
        result.warnings.append(f"Without successor, no effect: {', '.join(result.dropped)}.")
    if result.other_steps:
        result.warnings.append(f"Ignored, because they belong to other steps: {', '.join(result.other_steps)}.")
    if result.unseeded:
        names = ", ".join(result.unseeded)
        result.warnings.append(f"Seed null means the default seed here, so that results repeat: {names}.")
    return result


def _translate_top_level(name: str, value: Any, result: Translation) -> None:
    if _set_aside(name, value, result):
        return
    if name == "postprocessing" and isinstance(value, dict):
        for inner, part in value.items():
            _translate_nested(inner, part, result)
    elif name in ("extensions", "required_extensions", "additional_extensions"):
        _translate_extensions(name, value, result)
    elif name == "quality_metrics_names":
        _translate_section(("extensions", "quality_metrics", "metric_names"), value, name, result)
    elif name in TOP_LEVEL:
        _translate_section((name,), value, name, result)
    else:
        _translate_flat(name, value, name, result)


def _set_aside(name: str, value: Any, result: Translation) -> bool:
    """Take out what is no parameter of a result; True when `name` is such."""
    if name == "job_kwargs":
        result.job_kwargs = value
    elif name == "skip_extensions":
        result.skip_extensions = split_names(value)
    elif name in OTHER_STEPS:
        result.other_steps.append(name)
    elif name in FLAGS:
        result.flags[name] = value
    else:  # pipelines hand their logging section to every step; editors want $schema
        return name in ("logging", "$schema")
    return True


def _translate_nested(name: str, value: Any, result: Translation) -> None:
    origin = f"postprocessing.{name}"
    if name in EXTENSION_NAMES and name != "quality_metrics":
        _translate_section(("extensions", name), value, origin, result)
    elif name in TOP_LEVEL:
        _translate_section((name,), value, origin, result)
    elif name in ("job_kwargs", "logging", "extensions", "quality_metrics_names"):
        _translate_top_level(name, value, result)  # a pipeline's own file, where each step is one section
    else:
        _translate_flat(name, value, origin, result)


def _translate_extensions(name: str, value: Any, result: Translation) -> None:
    if isinstance(value, list | tuple):
        value = {entry: {} for entry in value if isinstance(entry, str)}
    if not isinstance(value, dict):
        result.problems.append(Problem(name, f"must be an object {{…}} (got {show(value)})."))
        return
    if name != "extensions":
        result.warnings.append(f"Renamed: {name} → extensions.")
    result.lists_extensions = True
    for inner, part in value.items():
        _translate_flat(inner, part, f"{name}.{inner}", result)


def _translate_flat(name: str, value: Any, origin: str, result: Translation) -> None:
    """An extension (or an old name of one) given at top level, in `postprocessing` or in `extensions`."""
    if name == "quality_metrics" and isinstance(value, dict):
        for inner, part in value.items():
            middle = () if inner in _METRIC_OPTIONS else ("metric_params",)
            path = ("extensions", "quality_metrics", *middle, inner)
            _translate_section(path, part, f"{origin}.{inner}", result)
        if not value and origin != "quality_metrics":
            result.put(("extensions", "quality_metrics"), {}, origin)
    elif name == "return_scaled":
        _translate_section((name,), value, origin, result)
    elif name in EXTENSION_NAMES or ("extensions", name) in RENAMED or ("extensions", name) in DROPPED:
        _translate_section(("extensions", name), value, origin, result)
    else:
        is_inside = "extensions." in origin
        known = EXTENSION_NAMES if is_inside else _KNOWN_AT_TOP
        kind, rare = ("extension", ()) if is_inside else ("parameter", _RARE_AT_TOP)
        sentence = named_elsewhere(name, Extensions, "extensions.") or unknown_name(name, known, kind, rare)
        result.problems.append(Problem(origin, sentence))


def _translate_section(path: Path, value: Any, origin: str, result: Translation) -> None:
    """Follow the table down from `path`: rename, drop, rewrite, or put the value where it is."""
    if path in DROPPED:
        result.dropped.append(origin)
    elif path in RENAMED:
        new_path, rewrite = RENAMED[path]
        value = rewrite(value) if rewrite and isinstance(value, dict) else value
        if value is None and rewrite:
            result.dropped.append(origin)
            return
        result.warnings.append(f"Renamed: {origin} → {'.'.join(_shown(new_path))}.")
        _translate_section(new_path, value, origin, result)
    elif path[-1] == "seed" and (value is None or value in ("null", "none")):
        result.unseeded.append(origin)
    elif path[-1] in ("metric_names",):
        result.put(path, _translate_metric_names(path, value, origin, result), origin)
    elif isinstance(value, dict) and value:
        result.put(path, {}, origin)
        for name, part in value.items():
            _translate_section((*path, name), part, f"{origin}.{name}", result)
    else:
        result.put(path, _rewritten(path, value, origin, result), origin)


def _translate_metric_names(path: Path, names: Any, origin: str, result: Translation) -> Any:
    if isinstance(names, str):
        names = list(split_names(names))
    if not isinstance(names, list):
        return names
    renamed = TEMPLATE_METRIC_NAMES if "template_metrics" in path else METRIC_NAMES
    for name in dict.fromkeys(name for name in names if isinstance(name, str) and name in renamed):
        result.warnings.append(f"Renamed: {origin}: {name} → {renamed[name]}.")
    return [renamed.get(name, name) if isinstance(name, str) else name for name in names]


def _rewritten(path: Path, value: Any, origin: str, result: Translation) -> Any:
    """The value, or what an old spelling of it means."""
    meaning = value
    if path == ("extensions", "template_similarity", "method") and value == "cosine_similarity":
        meaning = "cosine"
    elif path[-2:] == ("silhouette", "method") and isinstance(value, list) and len(value) == 1:
        meaning = value[0]
    if meaning != value:
        result.warnings.append(f"Read as: {origin}: {show(value)} → {show(meaning)}.")
    return meaning


def _shown(path: Path) -> Path:
    return tuple(name for name in path if name != "extensions") if path[0] == "extensions" else path


def _fill_in_extensions(result: Translation) -> None:
    extensions = result.document.setdefault("extensions", {})
    if result.lists_extensions and not extensions:
        result.problems.append(Problem("extensions", "lists nothing. Name at least one, or leave it out for all."))
    for name in EXTENSION_NAMES:
        is_computed = name in DEFAULT_EXTENSIONS and not result.lists_extensions
        extensions.setdefault(name, {} if is_computed else None)


def split_names(value: Any) -> tuple[str, ...]:
    """Names from "a,b" or ["a", "b"]."""
    if not isinstance(value, list | tuple):
        value = [] if value is None else str(value).split(",")
    return tuple(dict.fromkeys(str(part).strip() for part in value if str(part).strip()))
