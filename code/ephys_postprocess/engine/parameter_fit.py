"""Parameters and the recording they meet: refused before work where they do not fit, and unit ids made indices."""

from typing import Any

import numpy as np
from spikeinterface.core.base import unit_period_dtype

from ephys_postprocess.engine.unit_channels import mask_by_property
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.inputs.opened import Inputs
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.fit import misfits
from ephys_postprocess.parameters.problems import report


def refuse_misfits(parameters: Parameters, inputs: Inputs) -> None:
    """Raise ParameterError with every parameter that cannot be used on this recording."""
    loaded = inputs.loaded
    recording, sorting = loaded.recording_to_read, loaded.sorting
    problems = misfits(parameters, facts_of(recording, sorting))
    if problems:
        raise ParameterError(report(problems, f"parameters that do not fit {loaded.recording_name}"))
    sparsity = parameters.sparsity
    if sparsity is not None and sparsity.method == "by_property":
        mask_by_property(recording, sorting, sparsity.by_property)


def facts_of(recording, sorting) -> RecordingFacts:
    """What parameters ask of a recording and its sorting."""
    return RecordingFacts(
        float(recording.sampling_frequency),
        tuple(recording.get_num_samples(segment_index=index) for index in range(recording.get_num_segments())),
        tuple(map(str, sorting.unit_ids)),
        tuple(map(tuple, np.asarray(recording.get_channel_locations(), dtype=np.float64)[:, :2].tolist())),
    )


def with_unit_indices(extensions: dict[str, dict[str, Any]], unit_ids) -> dict[str, dict[str, Any]]:
    """The extensions' arguments with user-defined periods as SpikeInterface has them; units not kept have none."""
    periods = (extensions.get("valid_unit_periods") or {}).get("user_defined_periods")
    if periods is None:
        return extensions
    index_of = {str(unit_id): index for index, unit_id in enumerate(unit_ids)}
    rows = [
        (segment or 0, start, end, index_of[str(unit)])
        for unit, segment, start, end in periods
        if str(unit) in index_of
    ]
    named = extensions["valid_unit_periods"] | {"user_defined_periods": np.array(sorted(rows), unit_period_dtype)}
    return extensions | {"valid_unit_periods": named}
