"""The end of a recording's run: what is missing is said, and the files beside the store are written."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from spikeinterface.core import SortingAnalyzer

from ephys_postprocess.inputs.opened import Inputs
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.results.analyzer_tables import dictionary_of, metric_columns, unit_columns
from ephys_postprocess.results.files import ResultFiles, copy_session_metadata, write_text
from ephys_postprocess.results.manifest import write_manifest
from ephys_postprocess.results.missing_values import MissingValues, find_missing_values
from ephys_postprocess.results.provenance import RunRecord, data_process_json
from ephys_postprocess.results.resume import integrity
from ephys_postprocess.results.units_table import write_units_csv, write_units_parquet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComputedRecording:
    """All that is known of a recording once every extension is in its store."""

    inputs: Inputs
    parameters: Parameters
    analyzer: SortingAnalyzer
    duplicates: list[dict]  # a row each: removed_unit_id, kept_unit_id, shared_fraction
    not_computed: dict[str, dict[int, str]]  # metric column: unit index: why it has no value
    notes: list[str]
    stages: list[dict]  # seconds and peak memory of each stage
    start: datetime


def write_beside_store(
    computed: ComputedRecording, files: ResultFiles, make_report: Callable[[dict], bool] | None
) -> None:
    """Write the tables, the session's metadata and the data process beside the store; nothing has its name yet.

    Parameters
    ----------
    computed : ComputedRecording
    files : ResultFiles
    make_report : callable, optional
        Called with the data process; returns whether a report was written. None: no report is asked for.

    Raises
    ------
    InputError
        An input changed during the run.
    """
    missing = _find_missing(computed)
    copy_session_metadata(files, list(computed.inputs.metadata_files))
    _write_units_tables(files, computed.analyzer)
    computed.inputs.check_unchanged()
    record = _run_record(computed, missing)
    manifest = write_manifest(files.building, computed.inputs.num_threads)
    record.integrity = integrity(manifest, files, computed.inputs.fingerprint)
    if make_report is not None:
        record.integrity["has_report"] = make_report(json.loads(data_process_json(record)))
    write_text(files.staged(files.data_process), data_process_json(record))


def _find_missing(computed: ComputedRecording) -> list[MissingValues]:
    """Every metric value that is missing, each reason said once in the log."""
    analyzer = computed.analyzer
    missing = find_missing_values(metric_columns(analyzer), computed.not_computed, analyzer.unit_ids)
    for values in missing:
        (logger.warning if values.is_everywhere else logger.info)("  %s", values.line())
    for note in computed.notes:
        logger.info("  %s", note)
    return missing


def _run_record(computed: ComputedRecording, missing: list[MissingValues]) -> RunRecord:
    inputs, analyzer = computed.inputs, computed.analyzer
    loaded = inputs.loaded
    num_units = analyzer.get_num_units()
    return RunRecord(
        recording_name=loaded.recording_name,
        start=computed.start,
        end=datetime.now().astimezone(),
        parameters=computed.parameters.arguments(),
        fingerprint=computed.parameters.fingerprint(),
        num_threads=inputs.num_threads,
        inputs=list(loaded.input_files),
        counts={
            "num_units_in": num_units + len(computed.duplicates),
            "num_duplicate_units_removed": len(computed.duplicates),
            "num_units_out": num_units,
            "num_spikes": len(analyzer.sorting.to_spike_vector()),
            "num_channels": inputs.traces.num_channels,
            "num_segments": len(inputs.traces.segment_lengths),
            **_chain_cuts(inputs.traces.fixed_chunk_samples),
        },
        duplicates=computed.duplicates,
        excess_spikes={str(unit_id): int(count) for unit_id, count in loaded.excess_spikes.items()},
        stages=computed.stages,
        metrics_not_computed={column: values.line() for values in missing for column in values.columns},
        missing_values=[values.as_dict() for values in missing],
        notes=[*loaded.notes, *computed.notes],
    )


def _chain_cuts(chunk_samples: int | None) -> dict[str, int]:
    """Where a chain of preprocessors was cut, as far as the values depend on it: every so many samples."""
    return {} if chunk_samples is None else {"chain_chunk_samples": chunk_samples}


def _write_units_tables(files: ResultFiles, analyzer: SortingAnalyzer) -> None:
    columns = unit_columns(analyzer)
    write_units_csv(files.staged(files.units_table), columns)
    if not write_units_parquet(files.staged(files.units_parquet), columns, dictionary_of(analyzer)):
        logger.info("  no %s: pyarrow is not installed", files.units_parquet.name)
