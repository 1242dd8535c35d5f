"""What each extension and metric needs: missing needs are refused, skipped extensions take their dependents along."""

from dataclasses import dataclass
from typing import Any

from ephys_postprocess.parameters.computed import Computed
from ephys_postprocess.parameters.extensions import EXTENSION_NAMES, Extensions
from ephys_postprocess.parameters.metric_extensions import QualityMetrics
from ephys_postprocess.parameters.metrics import PC_METRICS, SPIKETRAIN_METRICS
from ephys_postprocess.parameters.problems import Problem, unknown_name


@dataclass(frozen=True)
class Resolution:
    """The extensions that will be computed, and what there is to say about it."""

    extensions: Extensions
    problems: list[Problem]  # extensions whose needs are not computed
    warnings: tuple[str, ...]


def resolve_extensions(extensions: Extensions, skip: tuple[str, ...], given: dict[str, Any]) -> Resolution:
    """Leave out what is to be skipped and what needs it; find needs that nothing will meet.

    Parameters
    ----------
    extensions : Extensions
        As declared or as asked for.
    skip : tuple of str
        Names of extensions not to compute.
    given : dict
        The `extensions` object of the translated document, to tell a value given from a default.
    """
    kept, warnings = _without(extensions, skip)
    kept, moved = _with_openable_metrics(kept)
    kept, metric_warnings = _without_unmet_metrics(kept, given)
    kept, window_warnings = _with_window_of_waveforms(kept, given)
    return Resolution(kept, _unmet_needs(extensions), (*warnings, *moved, *metric_warnings, *window_warnings))


def unknown_extensions(names: tuple[str, ...]) -> list[Problem]:
    """Names to skip that are no extension's."""
    return [
        Problem(f"--skip-extensions {name}", unknown_name(name, EXTENSION_NAMES, "extension"))
        for name in names
        if name not in EXTENSION_NAMES
    ]


def missing_needs(needs: tuple[str, ...], available: tuple[str, ...]) -> list[str]:
    """Those of `needs` that `available` does not meet; "a|b" is met by either."""
    return [need for need in needs if not any(name in available for name in need.split("|"))]


def _computed(extensions: Extensions) -> dict[str, Computed]:
    return {name: getattr(extensions, name) for name in extensions.keys()}  # noqa: SIM118 - names, not fields


def _unmet_needs(extensions: Extensions) -> list[Problem]:
    computed = _computed(extensions)
    problems = []
    for name, extension in computed.items():
        missing = missing_needs(extension.needed(), tuple(computed))
        if missing:
            needed = " and ".join("'" + need.replace("|", "' or '") + "'" for need in missing)
            sentence = f"needs {needed}, which is not computed. Add it, or leave {name} out."
            problems.append(Problem(f"extensions.{name}", sentence))
    return [*problems, *_missing_depth(extensions), *_missing_samples(extensions), *_missing_operator(extensions)]


def _missing_operator(extensions: Extensions) -> list[Problem]:
    """Metrics of templates that are not made."""
    metrics, templates = extensions.template_metrics, extensions.templates
    if metrics is None or templates is None or metrics.template_operator in templates.operators:
        return []
    sentence = (
        f"templates.operators has no '{metrics.template_operator}' (got {', '.join(map(str, templates.operators))})."
    )
    return [Problem("extensions.template_metrics.template_operator", sentence)]


def _missing_samples(extensions: Extensions) -> list[Problem]:
    """Scalings or similarities of a longer part of the templates than there is."""
    scalings, source = extensions.amplitude_scalings, extensions.waveforms or extensions.templates
    problems = []
    if source is None:
        return problems
    similarity, window_ms = extensions.template_similarity, source.ms_before + source.ms_after
    if similarity is not None and similarity.max_lag_ms >= window_ms:
        sentence = f"must be less than the templates' {window_ms:g} ms (got {similarity.max_lag_ms:g})."
        problems.append(Problem("extensions.template_similarity.max_lag_ms", sentence))
    for name in ("ms_before", "ms_after"):
        asked, had = getattr(scalings, name, None), getattr(source, name)
        if asked is not None and asked > had:
            sentence = f"must not exceed the templates' {had:g} ms (got {asked:g})."
            problems.append(Problem(f"extensions.amplitude_scalings.{name}", sentence))
    return problems


def _missing_depth(extensions: Extensions) -> list[Problem]:
    """Drift in depth, of spikes that are located without one."""
    metrics, locations = extensions.quality_metrics, extensions.spike_locations
    if metrics is None or locations is None or "drift" not in metrics.metric_names:
        return []
    if metrics.metric_params.drift.direction != "z" or locations.method != "center_of_mass":
        return []
    sentence = "spikes that center_of_mass locates have no z. Choose x or y, or another spike_locations.method."
    return [Problem("extensions.quality_metrics.metric_params.drift.direction", sentence)]


def _without(extensions: Extensions, skip: tuple[str, ...]) -> tuple[Extensions, list[str]]:
    computed = _computed(extensions)
    skipped = [name for name in skip if name in computed]
    for name in skipped:
        del computed[name]
    dependents = []
    while broken := {
        name: missing
        for name, extension in computed.items()
        if (missing := missing_needs(extension.needed(), tuple(computed)))
    }:
        for name, missing in broken.items():
            dependents.append(f"{name} (needs {', '.join(missing)})")
            del computed[name]
    if not skipped:
        return extensions, []
    warning = f"Skipped as asked: {', '.join(skipped)}."
    if dependents:
        warning += f" Left out with them: {', '.join(dependents)}."
    return _only(extensions, computed), [warning]


def _only(extensions: Extensions, computed: dict[str, Computed]) -> Extensions:
    return extensions.model_copy(update={name: computed.get(name) for name in EXTENSION_NAMES})


def _with_openable_metrics(extensions: Extensions) -> tuple[Extensions, list[str]]:
    """Spike-train metrics as the quality metrics of the same names: SpikeInterface 0.105 opens no result with them."""
    if extensions.spiketrain_metrics is None:
        return extensions, []
    names = extensions.spiketrain_metrics.metric_names or tuple(SPIKETRAIN_METRICS)
    metrics = extensions.quality_metrics or QualityMetrics(metric_names=())
    both = tuple(dict.fromkeys([*metrics.metric_names, *names]))
    update = {"spiketrain_metrics": None, "quality_metrics": metrics.model_copy(update={"metric_names": both})}
    return extensions.model_copy(update=update), [
        f"spiketrain_metrics: SpikeInterface 0.105 cannot open a result that holds it; {', '.join(names)} are computed "
        "as quality_metrics, where they are the same."
    ]


def _without_unmet_metrics(extensions: Extensions, given: dict[str, Any]) -> tuple[Extensions, list[str]]:
    metrics = extensions.quality_metrics
    if metrics is None:
        return extensions, []
    warnings = _unused_metric_params(metrics, given)
    available = extensions.keys()
    unmet = {}
    for name in metrics.metric_names:
        is_left_out = metrics.skip_pc_metrics and name in PC_METRICS
        missing = missing_needs(getattr(metrics.metric_params, name).needed(), tuple(available))
        if missing and not is_left_out:
            unmet[name] = " and ".join(missing).replace("|", " or ")
    if not unmet:
        return extensions, warnings
    names = tuple(name for name in metrics.metric_names if name not in unmet)
    reasons = ", ".join(f"{name} (needs {missing})" for name, missing in unmet.items())
    warnings.append(f"Quality metrics left out, because what they need is not computed: {reasons}.")
    update = metrics.model_copy(update={"metric_names": names}) if names else None
    return extensions.model_copy(update={"quality_metrics": update}), warnings


def _unused_metric_params(metrics: QualityMetrics, given: dict[str, Any]) -> list[str]:
    params = (given.get("quality_metrics") or {}).get("metric_params") or {}
    unused = [name for name in params if name not in metrics.metric_names]
    return [f"Parameters of metrics that are not asked for, without effect: {', '.join(unused)}."] if unused else []


def _with_window_of_waveforms(extensions: Extensions, given: dict[str, Any]) -> tuple[Extensions, list[str]]:
    """Templates made from waveforms have their window (as in SpikeInterface): say so where another was given."""
    waveforms, templates = extensions.waveforms, extensions.templates
    if waveforms is None or templates is None:
        return extensions, []
    window = {"ms_before": waveforms.ms_before, "ms_after": waveforms.ms_after}
    ignored = [
        f"templates.{name} = {getattr(templates, name):g}"
        for name in (given.get("templates") or {})
        if name in window and getattr(templates, name) != window[name]
    ]
    warnings = [f"Without effect, because templates are made from waveforms: {', '.join(ignored)}."] if ignored else []
    return extensions.model_copy(update={"templates": templates.model_copy(update=window)}), warnings
