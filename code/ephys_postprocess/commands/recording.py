"""The story of one recording: every number of its result comes from one of the stages below, in this order."""

import gc
import logging
from datetime import datetime
from functools import partial

from spikeinterface.core import SortingAnalyzer

from ephys_postprocess.commands.export_phy import export_result
from ephys_postprocess.commands.outcomes import Outcome, tell_failure
from ephys_postprocess.commands.report import write_report_file
from ephys_postprocess.engine.analyzer import keep_units, make_analyzer
from ephys_postprocess.engine.duplicates import KeptUnits, expected_to_stay, remove_duplicates
from ephys_postprocess.engine.engine import compute_extensions
from ephys_postprocess.engine.gathering import Gathered, gather_windows
from ephys_postprocess.engine.parameter_fit import refuse_misfits, with_unit_indices
from ephys_postprocess.engine.sampling import SampledTemplates, sample_templates
from ephys_postprocess.engine.sinks import StoreSink
from ephys_postprocess.engine.space_needed import memory_needed, space_needed
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.inputs.bare_sortings import with_spikes
from ephys_postprocess.inputs.data_folder import Found, RecordingInput, UpstreamSkipped
from ephys_postprocess.inputs.opened import Inputs, open_inputs
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.failures import check_free_memory, explained
from ephys_postprocess.machine.free_memory import give_back_free_memory
from ephys_postprocess.machine.space import check_free_space
from ephys_postprocess.machine.stage_log import StageLog
from ephys_postprocess.machine.zarr_paths import take_full_paths_for_folders
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.phy.folder import PhyFolder, folders_of_recordings
from ephys_postprocess.results.files import ResultFiles
from ephys_postprocess.results.result_store import ResultStore
from ephys_postprocess.results.resume import why_redo
from ephys_postprocess.results.write import ComputedRecording, write_beside_store
from ephys_postprocess.traces import TraceSource

logger = logging.getLogger(__name__)


def postprocess_recording(
    item: RecordingInput, found: Found, files: ResultFiles, parameters: Parameters, execution: Execution
) -> Outcome:
    """Read, de-duplicate, compute, write, publish; raises whatever stops this recording."""
    start = datetime.now().astimezone()
    take_full_paths_for_folders()
    files.check_names([path.name for path in found.metadata_files])
    log = StageLog(item.recording_name, execution.progress_style)
    try:
        inputs = open_inputs(item, found, parameters, execution, log)
    except UpstreamSkipped as skip:
        logger.warning("%s: skipped, because %s; a placeholder is written", item.recording_name, skip)
        files.write_placeholder(str(skip))
        return Outcome(item.recording_name, "skipped", str(skip))
    if execution.resume:
        why = why_redo(files, inputs.fingerprint, parameters.fingerprint(), inputs.num_threads)
        if why is None:
            kept = Outcome(item.recording_name, "kept", "complete, and made from the same inputs and parameters")
            return _export(kept, found, files, inputs.traces, execution, log)
        logger.info("  computed, because %s", why)
    refuse_misfits(parameters, inputs)
    log.watch(inputs.traces.reads.so_far)
    with log.stage("sample_templates"):
        sampled = sample(inputs, parameters)
    is_expected = expected_to_stay(inputs, sampled.rough_peaks, parameters.duplicate_threshold)
    need = space_needed(inputs, sampled, is_expected, parameters.extensions)
    inputs.scratch_folder.mkdir(parents=True, exist_ok=True)
    check_free_space(need, files.folder, inputs.scratch_folder)
    check_free_memory(memory_needed(inputs, sampled, is_expected, parameters.extensions))
    with explained(execution, need):
        with log.stage("gather_windows"):
            gathered = gather_windows(inputs, sampled, is_expected, parameters)
        with log.stage("deduplicate") as stage:
            kept = remove_duplicates(inputs, gathered.peaks, parameters.duplicate_threshold, stage)
        work = compute(inputs, sampled, kept, gathered, files, parameters.extensions.arguments(), log)
        with log.stage("write_results"):
            notes = [*kept.notes, *work.notes]
            computed = ComputedRecording(
                inputs, parameters, work.analyzer, kept.duplicates, work.not_computed, notes, log.as_table(), start
            )
            make_report = partial(_write_report, work, files, log) if execution.report else None
            write_beside_store(computed, files, make_report)
            files.publish()
    done = Outcome(item.recording_name, "done", kept.summary(log.seconds))
    return _export(done, found, files, inputs.traces, execution, log)


def sample(inputs: Inputs, parameters: Parameters) -> SampledTemplates:
    """Main channels and sparsity."""
    return sample_templates(
        inputs.loaded.recording_to_read,
        inputs.loaded.sorting,
        inputs.loaded.main_channel_indices,
        inputs.traces,
        inputs.spikes,
        parameters,
        inputs.chunk_samples,
        inputs.num_threads,
    )


def compute(
    inputs: Inputs,
    sampled: SampledTemplates,
    kept: KeptUnits,
    gathered: Gathered,
    files: ResultFiles,
    extensions: dict[str, dict],
    log: StageLog,
) -> Workspace:
    """Every extension and metric, written into the hidden store as it is computed."""
    analyzer, store = _begin_result(inputs, sampled, kept, files)
    gc.collect()  # creating a store leaves sortings in cycles, by the frames of exceptions that were dealt with
    give_back_free_memory()
    work = Workspace(
        analyzer,
        inputs.traces,
        StoreSink(store),
        inputs.num_threads,
        inputs.chunk_samples,
        inputs.scratch_folder,
        expected_waveforms=gathered.waveforms,
    )
    compute_extensions(work, with_unit_indices(extensions, analyzer.unit_ids), log.stage)
    store.finish()
    return work


def _begin_result(
    inputs: Inputs, sampled: SampledTemplates, kept: KeptUnits, files: ResultFiles
) -> tuple[SortingAnalyzer, ResultStore]:
    """The analyzer of the units kept and its store; the spikes are in the store alone."""
    loaded = inputs.loaded
    inputs.spikes.let_order_go()
    sorting, sparsity, main_channel_indices = keep_units(loaded.sorting, sampled, kept.is_kept)
    analyzer = make_analyzer(
        loaded.recording_to_read, sorting, sparsity, main_channel_indices, return_in_uV=inputs.return_in_uV
    )
    analyzer.sorting = with_spikes(analyzer.sorting, inputs.spikes, kept.is_kept)  # a copy, and no further one
    inputs.let_spikes_go()
    store = ResultStore(
        files.building, analyzer, loaded.recording_to_store, inputs.num_threads, described=loaded.words_to_store
    )
    analyzer.sorting = store.sorting()
    return analyzer, store


def _write_report(work: Workspace, files: ResultFiles, log: StageLog, data_process: dict) -> bool:
    give_back_free_memory()  # the report reads every spike again
    with log.stage("report"):
        if "average_templates" in vars(work):  # they are in memory already; the store's would be decompressed
            work.data_of("templates")["average"] = work.average_templates
        return write_report_file(
            work.analyzer, files.staged(files.report), files.recording_name, data_process, work.num_threads
        )


def _export(
    outcome: Outcome, found: Found, files: ResultFiles, traces: TraceSource, execution: Execution, log: StageLog
) -> Outcome:
    """Write the folder for phy where one is asked for; a failure is told here and costs nothing of the result."""
    if execution.export_phy_folder is None:
        return outcome
    names = [item.recording_name for item in found.recordings]
    folder = PhyFolder(folders_of_recordings(execution.export_phy_folder, names)[outcome.recording_name])
    try:
        export_result(files.analyzer, folder, execution, log, traces)
    except (CapsuleError, OSError) as error:
        tell_failure(error, f"{outcome.recording_name}: the export to phy", execution)
        return Outcome(outcome.recording_name, "failed", f"{outcome.line}; but the export to phy failed, see above")
    return outcome
