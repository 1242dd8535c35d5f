"""The stages of one recording as `pipeline.py` lists them: SpikeInterface objects and records meet here."""

import gc
import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from ephys_postprocess import provenance
from ephys_postprocess.errors import InputError
from ephys_postprocess.fingerprints import InputFingerprint, fingerprint_files, fingerprint_inputs
from ephys_postprocess.free_memory import give_back_free_memory
from ephys_postprocess.inputs import Found, RecordingInput
from ephys_postprocess.manifest import write_manifest
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.reporting import write_report_file
from ephys_postprocess.resume import integrity, why_redo
from ephys_postprocess.space import Need, check_free_space, chunk_that_fits, estimate_need
from ephys_postprocess.spikeinterface_adapters.analyzer import keep_units, make_analyzer, metric_columns, unit_columns
from ephys_postprocess.spikeinterface_adapters.engine import compute_extensions
from ephys_postprocess.spikeinterface_adapters.loading import Loaded, load_recording_and_sorting
from ephys_postprocess.spikeinterface_adapters.result_store import ResultStore
from ephys_postprocess.spikeinterface_adapters.sampling import SampledTemplates, sample_templates
from ephys_postprocess.spikeinterface_adapters.sinks import StoreSink
from ephys_postprocess.spikeinterface_adapters.trace_sources import can_return_in_uV, spike_trains, trace_source
from ephys_postprocess.spikeinterface_adapters.workspace import Workspace
from ephys_postprocess.stage_log import Stage, StageLog
from ephys_postprocess.stages.deduplicate import deduplicate, template_peaks
from ephys_postprocess.stages.missing_values import find_missing_values
from ephys_postprocess.stages.trace_survey import survey_traces
from ephys_postprocess.stages.units_table import write_units_csv, write_units_parquet
from ephys_postprocess.stages.write_results import (
    ResultFiles,
    copy_session_metadata,
    write_text,
)
from ephys_postprocess.traces import TraceSource

logger = logging.getLogger(__name__)


@dataclass
class Inputs:
    """One recording's inputs with its traces and spikes as arrays."""

    loaded: Loaded
    fingerprint: InputFingerprint
    traces: TraceSource
    spikes: SpikeTrains | None  # of every unit; None once they are let go
    return_in_uV: bool
    num_threads: int
    chunk_samples: int
    scratch_folder: Path

    def let_spikes_go(self) -> None:
        """Forget the spikes: the analyzer has those of the units kept, and all of them twice are a lot of memory."""
        self.spikes = None
        self.loaded = replace(self.loaded, sorting=None)


@dataclass(frozen=True)
class KeptUnits:
    """Which units stay, and what is known of those that go."""

    is_kept: np.ndarray  # bool (num_units,)
    duplicates: list[dict]  # a row each: removed_unit_id, kept_unit_id, shared_fraction

    def summary(self, log: StageLog) -> str:
        """The closing line of a recording."""
        seconds = sum(record.seconds for record in log.records)
        units_in, units_out = self.is_kept.size, int(self.is_kept.sum())
        return f"{units_in} units in, {len(self.duplicates)} duplicates removed, {units_out} units out, {seconds:.1f} s"


def open_inputs(item: RecordingInput, found: Found, parameters, execution, log: StageLog) -> Inputs:
    """Open the recording and its sorting; raises UpstreamSkipped or InputError."""
    with log.stage("load_inputs") as stage:
        loaded = load_recording_and_sorting(
            item, use_motion_corrected=parameters.use_motion_corrected, allow_pickle=execution.allow_pickle
        )
        stage.count(
            units=loaded.sorting.get_num_units(),
            channels=loaded.recording_to_read.get_num_channels(),
            segments=loaded.recording_to_read.get_num_segments(),
        )
    return open_traces(loaded, item, found, parameters, execution)


def open_traces(loaded: Loaded, item: RecordingInput, found: Found, parameters, execution) -> Inputs:
    """Decide how traces are read, and take the fingerprint of what the result will be made from."""
    recording = loaded.recording_to_read
    return_in_uV = parameters.return_in_uV and can_return_in_uV(recording)
    traces = trace_source(recording, return_in_uV=return_in_uV)
    spikes = spike_trains(loaded.sorting, traces.segment_lengths)
    survey = survey_traces(traces)
    broken = survey.broken(recording.channel_ids)
    if broken:
        raise InputError(f"preprocessed_{loaded.recording_name}: the traces hold {broken}. Run preprocessing again.")
    for alarm in survey.alarms(recording.channel_ids):
        logger.warning("  %s", alarm)
    fingerprint = fingerprint_inputs(
        item.data_folder,
        _names_of_inputs(loaded, found, item.data_folder),
        survey.digest,
        spikes,
        loaded.sorting.unit_ids,
        {"skip_times": item.skip_times},
    )
    return Inputs(
        loaded,
        fingerprint,
        traces,
        spikes,
        return_in_uV,
        execution.num_jobs,
        _chunk_samples(traces, execution),
        execution.scratch_folder,
    )


def why_not_keep(inputs: Inputs, files: ResultFiles, parameters) -> str | None:
    """Why the recording must be computed although --resume was given; None where its result is up to date."""
    return why_redo(files, inputs.fingerprint, parameters.fingerprint(), inputs.num_threads)


def sample(inputs: Inputs, parameters) -> SampledTemplates:
    """Main channels, sparsity and the templates that de-duplication aligns by."""
    return sample_templates(
        inputs.loaded.recording_to_read,
        inputs.loaded.sorting,
        inputs.traces,
        inputs.spikes,
        parameters,
        inputs.chunk_samples,
        inputs.num_threads,
    )


def remove_duplicates(inputs: Inputs, sampled: SampledTemplates, parameters, stage: Stage) -> KeptUnits:
    """Find the units whose spikes another unit has; every one removed is named in the log."""
    num_units = inputs.spikes.num_units
    if parameters.duplicate_threshold is None or num_units == 0:
        stage.count(units=num_units)
        return KeptUnits(np.ones(num_units, dtype=bool), [])
    shifts, amplitudes = template_peaks(sampled.templates, sampled.main_columns, sampled.nbefore)
    found = deduplicate(
        inputs.spikes,
        shifts,
        amplitudes,
        duplicate_threshold=parameters.duplicate_threshold,
        num_threads=inputs.num_threads,
    )
    duplicates = found.as_rows(inputs.loaded.sorting.unit_ids)
    for row in duplicates:
        logger.info(
            "  duplicate: unit %(removed_unit_id)s removed in favour of unit %(kept_unit_id)s, "
            "which has %(shared_fraction).1f %% of its spikes",
            {**row, "shared_fraction": 100 * row["shared_fraction"]},
        )
    stage.count(units_in=num_units, duplicates_removed=len(duplicates), units_out=int(found.is_kept.sum()))
    return KeptUnits(found.is_kept, duplicates)


def check_space(inputs: Inputs, sampled: SampledTemplates, kept: KeptUnits, files: ResultFiles, parameters) -> Need:
    """What the result will take; raises ResultError where there is less room than that."""
    extensions = dict(parameters.extensions.arguments())
    windows = extensions.get("waveforms") or extensions.get("templates") or {"ms_before": 0, "ms_after": 0}
    counts = np.bincount(inputs.spikes.unit_indices, minlength=inputs.spikes.num_units)[kept.is_kept]
    most = (extensions.get("random_spikes") or {}).get("max_spikes_per_unit") or 0
    need = estimate_need(
        int(counts.sum()),
        np.minimum(counts, most),
        sampled.sparsity.mask[kept.is_kept].sum(axis=1),
        inputs.traces.num_channels,
        int((windows["ms_before"] + windows["ms_after"]) * inputs.traces.sampling_frequency_hz / 1000),
        extensions,
        inputs.traces.dtype,
    )
    inputs.scratch_folder.mkdir(parents=True, exist_ok=True)
    check_free_space(need, files.folder, inputs.scratch_folder)
    return need


def compute(
    inputs: Inputs, sampled: SampledTemplates, kept: KeptUnits, files: ResultFiles, parameters, log: StageLog
) -> Workspace:
    """Every extension and metric, written into the hidden store as it is computed."""
    analyzer, store = _begin_result(inputs, sampled, kept, files)
    inputs.let_spikes_go()
    gc.collect()  # creating a store leaves sortings in cycles, by the frames of exceptions that were dealt with
    give_back_free_memory()
    work = Workspace(
        analyzer, inputs.traces, StoreSink(store), inputs.num_threads, inputs.chunk_samples, inputs.scratch_folder
    )
    compute_extensions(work, dict(parameters.extensions.arguments()), log.stage)
    store.finish()
    return work


def _begin_result(inputs: Inputs, sampled: SampledTemplates, kept: KeptUnits, files: ResultFiles):
    """The analyzer of the units kept and its store; the spikes are in the store alone."""
    loaded = inputs.loaded
    sorting, sparsity, main_channels = keep_units(loaded.sorting, sampled, kept.is_kept)
    analyzer = make_analyzer(
        loaded.recording_to_read, sorting, sparsity, main_channels, return_in_uV=inputs.return_in_uV
    )
    store = ResultStore(files.building, analyzer, loaded.recording_to_store, inputs.num_threads)
    analyzer.sorting = store.sorting()
    return analyzer, store


def write_results(
    inputs: Inputs,
    kept: KeptUnits,
    work: Workspace,
    files: ResultFiles,
    found: Found,
    parameters,
    log: StageLog,
    start: datetime,
    *,
    with_report: bool,
) -> None:
    """Say what is missing, give the store its name, and write the files beside it."""
    missing = find_missing_values(metric_columns(work.analyzer), work.not_computed, work.analyzer.unit_ids)
    for values in missing:
        (logger.warning if values.is_everywhere else logger.info)("  %s", values.line())
    for note in work.notes:
        logger.info("  %s", note)
    loaded = inputs.loaded
    record = provenance.RunRecord(
        recording_name=loaded.recording_name,
        start=start,
        end=datetime.now().astimezone(),
        parameters=parameters.arguments(),
        fingerprint=parameters.fingerprint(),
        num_jobs=inputs.num_threads,
        inputs=list(loaded.input_files),
        counts={
            "num_units_in": int(kept.is_kept.size),
            "num_duplicate_units_removed": len(kept.duplicates),
            "num_units_out": int(kept.is_kept.sum()),
            "num_spikes": len(work.analyzer.sorting.to_spike_vector()),
            "num_channels": inputs.traces.num_channels,
            "num_segments": len(inputs.traces.segment_lengths),
        },
        duplicates=kept.duplicates,
        excess_spikes={str(unit_id): int(count) for unit_id, count in loaded.excess_spikes.items()},
        stages=log.as_table(),
        metrics_not_computed={column: values.line() for values in missing for column in values.columns},
        notes=[*loaded.notes, *work.notes],
    )
    copy_session_metadata(files, list(found.metadata_files))
    _write_units_tables(files, unit_columns(work.analyzer))
    _check_unchanged(inputs, found)
    record.integrity = integrity(write_manifest(files.building, inputs.num_threads), files, inputs.fingerprint)
    data_process = provenance.data_process_json(record)
    write_text(files.staged(files.data_process), data_process)
    if with_report:
        _write_report(work, files, data_process, log)
    files.publish()


def _write_units_tables(files: ResultFiles, columns: dict[str, list]) -> None:
    write_units_csv(files.staged(files.units_table), columns)
    if not write_units_parquet(files.staged(files.units_parquet), columns):
        logger.info("  no %s: pyarrow is not installed", files.units_parquet.name)


def _write_report(work: Workspace, files: ResultFiles, data_process: str, log: StageLog) -> None:
    with log.stage("report"):
        if "average_templates" in vars(work):  # they are in memory already; the store's would be decompressed
            work.data_of("templates")["average"] = work.average_templates
        write_report_file(
            work.analyzer, files.staged(files.report), files.recording_name, json.loads(data_process), work.num_threads
        )


def _chunk_samples(traces: TraceSource, execution) -> int:
    rate_hz, itemsize = traces.sampling_frequency_hz, traces.dtype.itemsize
    asked = execution.chunk_samples(rate_hz, traces.num_channels, itemsize)
    fitting = chunk_that_fits(asked, traces.num_channels, itemsize, rate_hz, execution.num_jobs)
    if fitting < asked:
        logger.warning(
            "  Too little memory for chunks of %.3g s: traces are read %.3g s at a time.",
            asked / rate_hz,
            fitting / rate_hz,
        )
    return fitting


def _names_of_inputs(loaded: Loaded, found: Found, data_folder: Path) -> list[str]:
    metadata = [path.relative_to(data_folder).as_posix() for path in found.metadata_files]
    return [*loaded.input_files, *metadata]


def _check_unchanged(inputs: Inputs, found: Found) -> None:
    data_folder = found.recordings[0].data_folder
    names = _names_of_inputs(inputs.loaded, found, data_folder)
    if fingerprint_files(data_folder, names)[0] != inputs.fingerprint.files:
        raise InputError(
            f"{inputs.loaded.recording_name}: inputs changed while they were read, so the result would be a mixture. "
            "Wait until nothing writes to them any more, and run again."
        )
