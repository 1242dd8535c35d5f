"""Everything that can change a result: one typed, closed, frozen declaration, and how a document becomes one."""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ValidationError

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.eras import translate
from ephys_postprocess.parameters.extensions import Extensions
from ephys_postprocess.parameters.job_kwargs import JobKwargs
from ephys_postprocess.parameters.methods import Sparsity
from ephys_postprocess.parameters.metric_extensions import QualityMetrics
from ephys_postprocess.parameters.needs import resolve_extensions, unknown_extensions
from ephys_postprocess.parameters.problems import describe_validation_error, report
from ephys_postprocess.parameters.types import Flag, Fraction, Nullable, Section, Seed, declare


class Parameters(Section):
    """The parameters of a run, complete; `Parameters()` are the defaults."""

    use_motion_corrected: Flag = declare(False, "Apply the motion estimated by preprocessing to the traces.")
    duplicate_threshold: Annotated[Fraction | None, Nullable] = declare(
        0.9, "A unit with more than this share of its spikes in another that stays is removed; null = keep all units."
    )
    return_in_uV: Flag = declare(True, "Compute in µV rather than in the recording's own counts.")
    seed: Seed = declare(0, "Seed of the SortingAnalyzer (choice of spikes for main channels and sparsity).")
    sparsity: Annotated[Sparsity | None, Nullable] = declare(
        Sparsity(), "Which channels belong to which unit; null = all channels to every unit (small probes only)."
    )
    extensions: Extensions = declare(Extensions(), "What is computed, and with which parameters.")

    @property
    def quality_metrics(self) -> QualityMetrics | None:
        """The quality metrics to compute, or None when they are not asked for."""
        return self.extensions.quality_metrics

    def fingerprint(self) -> str:
        """sha256 (hex) of the parameters that can change a result, the same on every machine."""
        canonical = json.dumps(_with_effect(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences_from_defaults(self) -> list[str]:
        """One line a parameter that is not at its default, for the log."""
        return _differences(self.arguments(), Parameters().arguments())


@dataclass(frozen=True)
class LoadedParameters:
    """What a parameter document says."""

    parameters: Parameters
    job_kwargs: JobKwargs  # how to run: for `execution.py`
    flags: dict[str, Any]  # command-line flags that a pipeline merged into the document, as written
    warnings: tuple[str, ...]  # one line each: renamed, dropped or unused


def load_parameters(
    document: dict[str, Any] | None = None, source: str = "parameters", skip_extensions: tuple[str, ...] = ()
) -> LoadedParameters:
    """Parameters from a document of any era, merged over the defaults.

    Parameters
    ----------
    document : dict, optional
        As read from JSON; left unchanged.
    source : str
        What to call the document in messages.
    skip_extensions : tuple of str
        Extensions not to compute; whatever needs them is left out too.

    Raises
    ------
    ParameterError
        With every problem of the document at once.
    """
    translation = translate(document or {})
    problems = list(translation.problems)
    parameters, job_kwargs = Parameters(), JobKwargs()
    try:
        parameters = Parameters.model_validate(translation.document)
    except ValidationError as err:
        problems += describe_validation_error(err, Parameters, translation.origins)
    try:
        job_kwargs = JobKwargs.model_validate(translation.job_kwargs)
    except ValidationError as err:
        problems += describe_validation_error(err, JobKwargs, {}, "job_kwargs")
    if unknown := unknown_extensions(skip_extensions):
        raise ParameterError(report(unknown, "the arguments"))
    skip = skip_extensions or translation.skip_extensions
    problems += unknown_extensions(translation.skip_extensions)
    if problems:  # needs are judged only where all sections could be read: half of them would mislead
        raise ParameterError(report(problems, source))
    resolution = resolve_extensions(parameters.extensions, skip, translation.document["extensions"])
    if resolution.problems:
        raise ParameterError(report(resolution.problems, source))
    return LoadedParameters(
        parameters=parameters.model_copy(update={"extensions": resolution.extensions}),
        job_kwargs=job_kwargs,
        flags=translation.flags,
        warnings=(*translation.warnings, *resolution.warnings),
    )


def _with_effect(section: Section) -> dict[str, Any]:
    fields = {name: getattr(section, name) for name in type(section).model_fields if name not in section.without_effect}
    plain = section.arguments()
    return {
        name: _with_effect(value) if isinstance(value, Section) and name != "metric_params" else plain.get(name)
        for name, value in fields.items()
    }


def _differences(values: dict[str, Any], defaults: dict[str, Any], prefix: str = "") -> list[str]:
    lines = []
    names = values if prefix.endswith("metric_params.") else dict.fromkeys([*defaults, *values])
    for name in names:
        path, value, default = f"{prefix}{name}", values.get(name), defaults.get(name)
        if value == default:
            continue
        if prefix == "extensions." and (name not in values or name not in defaults):
            lines.append(f"{path}: {'computed' if name in values else 'not computed'} (unlike the default)")
        elif isinstance(value, dict) and isinstance(default, dict):
            lines += _differences(value, default, f"{path}.")
        elif name == "metric_names" and value is not None and default is not None:
            lines += _name_differences(path, value, default)
        else:
            lines.append(f"{path}: {json.dumps(value)} (default {json.dumps(default)})")
    return lines


def _name_differences(path: str, names: list[str], defaults: list[str]) -> list[str]:
    without = [name for name in defaults if name not in names]
    extra = [name for name in names if name not in defaults]
    lines = [f"{path}: without {', '.join(without)}"] if without else []
    lines += [f"{path}: also {', '.join(extra)}"] if extra else []
    return lines or [f"{path}: in another order"]
