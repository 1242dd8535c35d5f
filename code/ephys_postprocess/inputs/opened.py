"""One recording's inputs as everything after them sees them: traces, spikes, and the fingerprint of both."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.bare_sortings import without_spikes
from ephys_postprocess.inputs.data_folder import Found, RecordingInput
from ephys_postprocess.inputs.fingerprints import (
    InputFingerprint,
    fingerprint_files,
    fingerprint_inputs,
    names_of_files_behind,
)
from ephys_postprocess.inputs.loading import Loaded, load_recording_and_sorting
from ephys_postprocess.inputs.trace_roots import guard_roots
from ephys_postprocess.inputs.trace_sources import can_return_in_uV, spike_trains, trace_source
from ephys_postprocess.inputs.trace_survey import survey_traces
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.space import available_memory_bytes, chunk_that_fits, num_chunks_that_fit
from ephys_postprocess.machine.stage_log import StageLog
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.traces import RawTraces, TraceSource

logger = logging.getLogger(__name__)


@dataclass
class Inputs:
    """One recording's inputs with its traces and spikes as arrays."""

    loaded: Loaded  # its sorting without spikes, which would be in memory twice
    fingerprint: InputFingerprint
    data_folder: Path
    input_names: tuple[str, ...]  # files in `data_folder` that the result is made from
    metadata_files: tuple[Path, ...]  # of the session
    traces: TraceSource
    spikes: SpikeTrains | None  # of every unit; None once they are let go
    return_in_uV: bool
    num_threads: int
    chunk_samples: int
    scratch_folder: Path

    def let_spikes_go(self) -> None:
        """Forget the spikes: the analyzer has those of the units kept, and all of them twice are a lot of memory."""
        self.spikes = None

    def check_unchanged(self) -> None:
        """Raise InputError where an input file is not what it was when the run began."""
        if fingerprint_files(self.data_folder, list(self.input_names))[0] != self.fingerprint.files:
            raise InputError(
                f"{self.loaded.recording_name}: inputs changed while they were read, so the result would be a "
                "mixture. Wait until nothing writes to them any more, and run again."
            )


def open_inputs(
    item: RecordingInput, found: Found, parameters: Parameters, execution: Execution, log: StageLog
) -> Inputs:
    """Open the recording and its sorting; raises UpstreamSkipped or InputError."""
    with log.stage("load_inputs") as stage:
        loaded = load_recording_and_sorting(
            item,
            use_motion_corrected=parameters.use_motion_corrected,
            allow_pickle=execution.allow_pickle,
            allow_classes=execution.allow_classes,
        )
        stage.count(
            units=loaded.sorting.get_num_units(),
            channels=loaded.recording_to_read.get_num_channels(),
            segments=loaded.recording_to_read.get_num_segments(),
        )
    return open_traces(loaded, item, found, parameters, execution)


def open_traces(
    loaded: Loaded, item: RecordingInput, found: Found, parameters: Parameters, execution: Execution
) -> Inputs:
    """Decide how traces are read, and take the fingerprint of what the result will be made from."""
    recording = loaded.recording_to_read
    return_in_uV = parameters.return_in_uV and can_return_in_uV(recording)
    guard_roots(recording, execution.num_threads)
    traces = trace_source(recording, return_in_uV=return_in_uV)
    spikes = spike_trains(loaded.sorting, traces.segment_lengths)
    survey = survey_traces(traces)
    broken = survey.broken(recording.channel_ids)
    if broken:
        raise InputError(f"preprocessed_{loaded.recording_name}: the traces hold {broken}. Run preprocessing again.")
    alarms = survey.alarms(recording.channel_ids)
    implausible = survey.implausible_microvolts() if return_in_uV else None
    for alarm in (*alarms, *filter(None, [implausible])):
        logger.warning("  %s", alarm)
    metadata = [path.relative_to(item.data_folder).as_posix() for path in found.metadata_files]
    behind = [
        name
        for one in (recording, loaded.recording_to_store, loaded.sorting)
        for name in names_of_files_behind(one.to_dict(recursive=True), item.data_folder)
    ]
    listed = (*loaded.input_files, *metadata)
    # A description names files that lie elsewhere; what is below a listed folder is seen with the folder.
    names = (*listed, *(name for name in dict.fromkeys(behind) if not _is_below(name, listed)))
    fingerprint = fingerprint_inputs(
        item.data_folder,
        list(names),
        survey.digest,
        spikes,
        loaded.sorting.unit_ids,
        {"skip_times": item.skip_times},
    )
    return Inputs(
        loaded=replace(loaded, sorting=without_spikes(loaded.sorting)),
        fingerprint=fingerprint,
        data_folder=item.data_folder,
        input_names=names,
        metadata_files=tuple(found.metadata_files),
        traces=traces,
        spikes=spikes,
        return_in_uV=return_in_uV,
        num_threads=execution.num_threads,
        chunk_samples=_chunk_samples(traces, execution),
        scratch_folder=execution.scratch_folder,
    )


def _is_below(name: str, listed: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(f"{one}/") for one in listed)


def _chunk_samples(traces: TraceSource, execution: Execution) -> int:
    """How much is read at a time; where that is part of the result, memory decides how many stretches there are."""
    rate_hz, itemsize = traces.sampling_frequency_hz, traces.dtype.itemsize
    if traces.fixed_chunk_samples is not None:
        traces.most_at_once = num_chunks_that_fit(traces.fixed_chunk_samples, traces.num_channels, itemsize)
        if traces.most_at_once < execution.num_threads:
            logger.warning("  Too little memory: %d stretch(es) of traces are read at a time.", traces.most_at_once)
        return traces.fixed_chunk_samples
    if isinstance(traces, RawTraces):
        traces.is_larger_than_memory = traces.num_bytes > available_memory_bytes()
    asked = execution.chunk_samples(rate_hz, traces.num_channels, itemsize)
    num_chunks = execution.num_threads + traces.num_readers
    fitting = chunk_that_fits(asked, traces.num_channels, itemsize, rate_hz, num_chunks)
    if fitting < asked:
        logger.warning(
            "  Too little memory for chunks of %.3g s: traces are read %.3g s at a time.",
            asked / rate_hz,
            fitting / rate_hz,
        )
    return fitting
