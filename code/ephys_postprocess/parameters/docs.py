"""The declarations as documents: the shipped params.json, its JSON Schema, the pages in docs/ and the help text."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ephys_postprocess.parameters.dictionary import THRESHOLDS, data_dictionary
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.parameters.extensions import DEFAULT_EXTENSIONS, Extensions
from ephys_postprocess.parameters.job_kwargs import JobKwargs
from ephys_postprocess.parameters.methods import LocationOptions
from ephys_postprocess.parameters.metrics import QualityMetricParams
from ephys_postprocess.parameters.problems import section_type

RULE = (
    "An `extensions` object lists what is computed, each entry merged over that extension's defaults. Without one, "
    "all default extensions are computed, and entries under `postprocessing` or at top level change or add to them "
    "(null: not computed)."
)
_QUALITY_OPTIONS = ("use_valid_periods", "seed", "skip_pc_metrics")


def shipped_document() -> dict[str, Any]:
    """The defaults in the documented form of params.json; loading it gives exactly `Parameters()`."""
    parameters = Parameters()
    extensions = parameters.extensions.arguments()
    metrics = extensions.pop("quality_metrics")
    options = {name: metrics[name] for name in _QUALITY_OPTIONS}
    return {
        "job_kwargs": {"n_jobs": -1, "chunk_duration": "1s", "progress_bar": True},
        "use_motion_corrected": parameters.use_motion_corrected,
        "return_in_uV": parameters.return_in_uV,
        "seed": parameters.seed,
        "sparsity": dict(parameters.sparsity),
        "postprocessing": {
            "duplicate_threshold": parameters.duplicate_threshold,
            **extensions,
            "quality_metrics": options,
        },
        "quality_metrics_names": metrics["metric_names"],
        "quality_metrics": {name: params for name, params in metrics["metric_params"].items() if params},
    }


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of today's form and of the shipped one, of which a document may mix both."""
    schema = Parameters.model_json_schema()
    definitions = schema.pop("$defs")
    job_kwargs = JobKwargs.model_json_schema()
    definitions["JobKwargs"] = _job_kwargs_schema(job_kwargs)
    properties = schema["properties"]
    extensions = definitions["Extensions"]["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parameters of the ephys postprocessing capsule",
        "description": RULE,
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "$schema": {"type": "string"},
            "job_kwargs": {"$ref": "#/$defs/JobKwargs"},
            "logging": {"description": "Ignored: pipelines hand it to every step."},
            **properties,
            "postprocessing": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"duplicate_threshold": properties["duplicate_threshold"], **extensions},
            },
            "quality_metrics_names": definitions["QualityMetrics"]["properties"]["metric_names"],
            "quality_metrics": {"$ref": "#/$defs/QualityMetricParams"},
        },
        "$defs": definitions,
    }


def to_json(document: dict[str, Any]) -> str:
    """JSON text as it is kept in the repository."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def parameters_page() -> str:
    """Every parameter, as a page in Markdown."""
    lines = [
        "# Parameters",
        "",
        "Made by `tools/render_docs.py` from the declarations in `ephys_postprocess/parameters/`.",
        "",
    ]
    lines += [RULE, "", "| parameter | default | allowed | meaning |", "|---|---|---|---|"]
    for path, field in _parameters(Parameters):
        allowed = _allowed(field).replace("|", "\\|")
        lines.append(f"| `{path}` | `{_default(path, field)}` | {allowed} | {field.description} |")
    absent = [name for name in Extensions.model_fields if name not in DEFAULT_EXTENSIONS]
    lines += [
        "",
        f"Computed by default: {_code_list(DEFAULT_EXTENSIONS)}. Only when asked for: {_code_list(absent)}.",
        "",
    ]
    return "\n".join(lines)


def dictionary_page() -> str:
    """Every column of the units tables, with the default parameters filled in, as a page in Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "Every column of the units tables, told here with the default parameters. The parquet files and the report "
        "tell it with the parameters that were really used. Made by `tools/render_docs.py`.",
        "",
        "| column | unit | meaning | source | wanted by curators |",
        "|---|---|---|---|---|",
    ]
    for name, column in data_dictionary().items():
        wanted = f"{THRESHOLDS[name].text()} ({THRESHOLDS[name].source})" if name in THRESHOLDS else ""
        lines.append(f"| `{name}` | {column.unit} | {column.meaning} | {column.source} | {wanted} |")
    return "\n".join([*lines, ""])


def _code_list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def help_overview() -> str:
    """The parameters with their defaults, for `--help parameters`."""
    lines = ["parameters (JSON), with their defaults:"]
    for section, assignments in _by_section(Parameters):
        is_optional = section.startswith("extensions.") and section.split(".")[1] not in DEFAULT_EXTENSIONS
        title = f"{section} (only when asked for)" if is_optional else section
        lines.append(f"  {title}")
        lines += textwrap.wrap("  ".join(assignments), 112, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _job_kwargs_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The types as they are written, where reading turns text into numbers."""
    schema["properties"]["chunk_duration"].update(anyOf=[{"type": ["number", "string", "null"]}])
    for name in ("chunk_memory", "total_memory"):
        schema["properties"][name].update(anyOf=[{"type": ["integer", "string", "null"]}])
    return schema


def _parameters(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        section = section_type(field.annotation)
        if section is None or section is LocationOptions:
            yield f"{prefix}{name}", field
        else:
            yield from _parameters(section, f"{prefix}{name}.")


def _by_section(model: type[BaseModel]) -> list[tuple[str, list[str]]]:
    extensions = {f"extensions.{name}": [] for name in Extensions.model_fields}
    sections: dict[str, list[str]] = {"top level": [], "sparsity": [], **extensions}
    for path, field in _parameters(model):
        section, _, name = path.rpartition(".")
        section, name = ("top level", path) if not section else (section, name)
        is_option = section.startswith("extensions.unit_locations") and name != "method"
        if not is_option:  # every one of them is null, and which ones hold depends on the method
            sections.setdefault(section, []).append(f"{name}={_default(path, field)}")
    return list(sections.items())


def _default(path: str, field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, BaseModel):
        return "{}"
    text = json.dumps(list(default) if isinstance(default, tuple) else default)
    is_long = path == "extensions.quality_metrics.metric_names"
    return f"all but {', '.join(sorted(set(QualityMetricParams.model_fields) - set(default)))}" if is_long else text


def _allowed(field: FieldInfo) -> str:
    schema = _FieldSchema(field).text
    return schema or "any"


class _FieldSchema:
    """What a field allows, in words, from its JSON Schema."""

    def __init__(self, field: FieldInfo) -> None:
        model = type("One", (BaseModel,), {"__annotations__": {"it": field.annotation}, "it": field})
        schema = model.model_json_schema()
        self.definitions = schema.get("$defs", {})
        self.text = self._words(schema["properties"]["it"])

    def _words(self, schema: dict[str, Any]) -> str:
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return " or ".join(dict.fromkeys(self._words(option) for option in options))
        if "$ref" in schema:
            return ", ".join(self.definitions[schema["$ref"].rpartition("/")[2]]["properties"])
        if "enum" in schema:
            return ", ".join(schema["enum"]) if len(schema["enum"]) < 10 else "names of metrics"
        if "const" in schema:
            return str(schema["const"])
        if schema.get("type") == "array":
            return self._list_words(schema)
        return f"{_TYPE_WORDS.get(schema.get('type', ''), 'any')}{_bounds(schema)}"

    def _list_words(self, schema: dict[str, Any]) -> str:
        if "prefixItems" in schema:
            return "[" + ", ".join(self._words(part) for part in schema["prefixItems"]) + "]"
        return f"list of {self._words(schema['items'])}"


_TYPE_WORDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true, false",
    "string": "text",
    "null": "null",
    "object": "object",
}
_BOUND_WORDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}


def _bounds(schema: dict[str, Any]) -> str:
    bounds = [f"{sign} {schema[name]:g}" for name, sign in _BOUND_WORDS.items() if name in schema]
    return f" {' and '.join(bounds)}" if bounds else ""
