"""What ran, on what, with which parameters, where and at what cost: an aind-data-schema DataProcess."""

import importlib.metadata
import os
import platform
from dataclasses import dataclass, field
from datetime import datetime

from ephys_postprocess import __version__
from ephys_postprocess.results.code_origin import NAME, code_origin
from ephys_postprocess.results.files import shown
from ephys_postprocess.results.seals import seal_json

LIBRARIES = ("spikeinterface", "numpy", "scipy", "scikit-learn", "numba", "pandas", "zarr", "numcodecs")


@dataclass
class RunRecord:
    """What is known of one recording's run when it is over; every field is plain JSON-like data."""

    recording_name: str
    start: datetime  # with its time zone
    end: datetime
    parameters: dict  # effective, complete
    fingerprint: str  # hash of what can change the result
    num_threads: int
    inputs: list[str]
    counts: dict[str, int]
    duplicates: list[dict]
    excess_spikes: dict[str, int]
    stages: list[dict]
    metrics_not_computed: dict[str, str]  # column: reason, with some of the units
    missing_values: list[dict] = field(default_factory=list)  # every missing value: columns, all unit_ids, reason
    notes: list[str] = field(default_factory=list)
    integrity: dict = field(default_factory=dict)  # checksums of the result and fingerprint of its inputs


def data_process_json(record: RunRecord) -> str:
    """The run as the text of a DataProcess file (aind-data-schema 2.x)."""
    from aind_data_schema.components.identifiers import Code
    from aind_data_schema.core.processing import DataProcess, ProcessStage, ResourceUsage
    from aind_data_schema_models.process_names import ProcessName

    origin = code_origin()
    process = DataProcess(
        process_type=ProcessName.EPHYS_POSTPROCESSING,
        name="Ephys postprocessing",
        stage=ProcessStage.PROCESSING,
        code=Code(
            url=origin.url,
            name=NAME,
            commit_hash=origin.commit,
            version=__version__,
            language="Python",
            language_version=platform.python_version(),
            parameters=_as_text({**record.parameters, "recording_name": record.recording_name}),
        ),
        experimenters=["AIND Pipeline"],
        start_date_time=record.start,
        end_date_time=max(record.start, record.end),  # a clock may be set back during a run
        output_parameters=_as_text(_output_parameters(record)),
        resources=ResourceUsage(
            os=platform.system(), architecture=platform.machine(), cpu_cores=os.cpu_count(), cpu=platform.processor()
        ),
        notes=shown(" ".join(record.notes)) or None,
    )
    return seal_json(process.model_dump_json(indent=3))


def library_versions() -> dict[str, str]:
    """Versions of the libraries that numbers depend on, and Python's."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **versions}


def _as_text(value):
    """Names of units and files may hold bytes that JSON cannot say: they become escapes, at any depth."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {_as_text(key): _as_text(inner) for key, inner in value.items()}
    return [_as_text(inner) for inner in value] if isinstance(value, list | tuple) else value


def _output_parameters(record: RunRecord) -> dict:
    return {
        **record.counts,
        "duplicate_units": record.duplicates,
        "excess_spikes_removed": record.excess_spikes,
        "metrics_not_computed": record.metrics_not_computed,
        "missing_values": record.missing_values,
        "inputs": record.inputs,
        "integrity": record.integrity,
        "n_jobs": record.num_threads,
        "parameters_fingerprint": record.fingerprint,
        "stages": record.stages,
        "versions": library_versions(),
        "notes": record.notes,
    }
