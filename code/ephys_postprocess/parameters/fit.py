"""Parameters against the recording they are for: every one that cannot be used on it, before any work."""

from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.problems import Problem
from ephys_postprocess.parameters.types import Section


def misfits(parameters: Parameters, recording: RecordingFacts) -> list[Problem]:
    """Everything that is asked for and cannot be had of this recording."""
    return list(_misfits(parameters, recording, ""))


def _misfits(section: Section, recording: RecordingFacts, prefix: str):
    for name, sentence in section.misfits(recording).items():
        yield Problem(prefix + name, sentence)
    used = getattr(section, "metric_names", None)
    for name in type(section).model_fields:
        inner = getattr(section, name)
        if not isinstance(inner, Section):
            continue
        if name == "metric_params" and used is not None:
            for metric in used:
                yield from _misfits(getattr(inner, metric), recording, f"{prefix}{name}.{metric}.")
        else:
            yield from _misfits(inner, recording, f"{prefix}{name}.")
