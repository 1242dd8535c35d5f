"""From a finished result to a folder for phy, with the principal components of every spike."""

import logging
from dataclasses import fields
from pathlib import Path

import numpy as np
from spikeinterface.core.core_tools import ms_to_samples

from ephys_postprocess import __version__
from ephys_postprocess.errors import ResultError
from ephys_postprocess.machine.stage_log import Stage
from ephys_postprocess.phy import files as phy_export
from ephys_postprocess.phy.folder import PhyFolder
from ephys_postprocess.results.analyzer_tables import unit_columns
from ephys_postprocess.results.finished_result import FinishedResult
from ephys_postprocess.results.pca_models import PREFIX
from ephys_postprocess.stages.principal_components.all_spike_projections import AllSpikeProjections
from ephys_postprocess.stages.principal_components.models import PrincipalComponentModels
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass
from ephys_postprocess.traces import RawTraces, TraceSource

logger = logging.getLogger(__name__)

WAVEFORM_ROWS_AT_ONCE = 1024


def export_phy(
    result: FinishedResult,
    folder: PhyFolder,
    traces: TraceSource | None,
    chunk_samples: int,
    num_threads: int,
    stage: Stage,
) -> None:
    """Write `folder`; what has to be left out is said in the log and in the folder's marker file.

    Parameters
    ----------
    result : FinishedResult
        With `templates`; anything else it lacks is left out.
    folder : PhyFolder
    traces : TraceSource, or None
        None leaves out the principal components of all spikes.
    chunk_samples, num_threads : int
    stage : Stage
        Told of the spikes done.

    Raises
    ------
    ResultError
        The folder holds something else, the result has no templates, or there are too few spikes for phy.
    """
    templates = _templates(result)
    notes: list[str] = []
    description = {"written_by": f"ephys_postprocess {__version__}", "recording_name": result.recording_name}
    with folder.written(description | {"left_out": notes}) as building:
        _write_small_files(result, building, folder.folder, templates, traces, notes)
        _write_principal_components(result, building, traces, chunk_samples, num_threads, stage, notes)
    for note in notes:
        logger.warning("  phy: %s", note)
    stage.count(units=result.spikes.num_units, spikes=result.spikes.num_spikes)


def _write_small_files(result, building: Path, final_folder: Path, templates, traces, notes) -> None:
    analyzer = result.analyzer
    raw = _raw_files(traces)
    phy_export.write_params(
        building,
        raw,
        final_folder,
        analyzer.get_num_channels(),
        analyzer.sampling_frequency,
        analyzer.is_filtered(),
    )
    amplitudes = _array_or_note(result, "spike_amplitudes", "amplitudes", notes)
    phy_export.write_spikes(building, result.spikes, amplitudes)
    similarity = _array_or_note(result, "template_similarity", "similarity", notes)
    phy_export.write_templates(building, templates, result.sparsity, similarity)
    groups = analyzer.get_recording_property("group")
    phy_export.write_channels(
        building,
        analyzer.channel_ids,
        analyzer.get_channel_locations(),
        np.zeros(analyzer.get_num_channels(), dtype=np.int32) if groups is None else np.asarray(groups),
    )
    phy_export.write_cluster_columns(building, analyzer.get_num_units(), cluster_columns(analyzer))
    if raw is None:
        _write_sampled_waveforms(result, building)


def _templates(result) -> np.ndarray:
    for operator in ("average", "median"):
        templates = result.array("templates", operator)
        if templates is not None:
            return templates
    raise ResultError(f"{result.folder.name}: has no templates, which phy cannot do without.")


def cluster_columns(analyzer) -> dict[str, list]:
    """What phy shows of each cluster: ids, KSLabel, channel group, main channel, location, every metric."""
    columns: dict[str, list] = {}
    if analyzer.unit_ids.dtype.kind in "iu":  # SpikeInterface's phy reader takes this one for numbers
        columns["si_unit_id"] = analyzer.unit_ids.tolist()
    properties = {"KSLabel": "KSLabel", "group": "channel_group"}
    for name, column in properties.items():
        values = analyzer.sorting.get_property(name)
        if values is not None:
            columns[column] = values.tolist()
    return columns | unit_columns(analyzer)


def _array_or_note(result, extension, name, notes):
    array = result.array(extension, name)
    if array is None:
        notes.append(f"{extension} was not computed and is left out.")
    return array


def _raw_files(traces: TraceSource | None) -> phy_export.RawFiles | None:
    """The raw files behind the traces where phy can read them."""
    if not isinstance(traces, RawTraces):
        return None
    files = traces.files
    is_alike = len({(file.dtype, file.header_bytes) for file in files}) == 1
    if not is_alike or any(not file.path.endswith(phy_export.PHY_RAW_ENDINGS) for file in files):
        return None
    return phy_export.RawFiles(tuple(Path(file.path) for file in files), files[0].dtype, files[0].header_bytes)


def _write_sampled_waveforms(result, building: Path) -> None:
    waveforms = result.extensions.array("waveforms", "waveforms")
    rows = result.array("random_spikes", "random_spikes_indices")
    if waveforms is None or rows is None or (np.diff(rows) <= 0).any():
        return
    phy_export.write_sampled_waveforms(
        building, waveforms, rows, result.spikes.unit_indices, result.sparsity, WAVEFORM_ROWS_AT_ONCE
    )


def _write_principal_components(result, building, traces, chunk_samples, num_threads, stage, notes) -> None:
    reason = _why_no_projections(result, traces)
    if reason is not None:
        notes.append(f"no principal components: {reason}")
        return
    models = _stored_models(result)
    window, rate_hz = result.extensions.params("waveforms"), result.analyzer.sampling_frequency
    num_before, num_after = (ms_to_samples(window[name], rate_hz) for name in ("ms_before", "ms_after"))
    spikes, sparsity = result.spikes, result.sparsity
    with phy_export.open_pc_features(building, spikes.num_spikes, models.components.shape[1], sparsity) as features:
        consumer = AllSpikeProjections(
            models, spikes, sparsity, num_before, num_after, traces.gains, traces.offsets, projections=features
        )
        run_trace_pass(traces, spikes, [consumer], chunk_samples, num_threads, stage.advance)


def _why_no_projections(result, traces) -> str | None:
    extensions = result.extensions
    if not extensions.has("principal_components"):
        return "principal_components was not computed."
    if extensions.array("principal_components", f"{PREFIX}components") is None:
        return "the result holds no models as arrays; SpikeInterface keeps them as pickles, which are not opened."
    if extensions.params("principal_components")["mode"] == "concatenated":
        return "the mode 'concatenated' cannot project every spike."
    if not extensions.has("waveforms"):
        return "without waveforms the window that they were fitted in is unknown."
    if traces is None:
        return f"{result.folder.name} refers to a recording that is not here; bring it back to its place and try again."
    return None


def _stored_models(result) -> PrincipalComponentModels:
    """The fitted models, in the order of the analyzer's channels."""
    params = result.extensions.params("principal_components")
    names = [field.name for field in fields(PrincipalComponentModels)[2:]]
    arrays = {name: result.array("principal_components", PREFIX + name) for name in names}
    if params["mode"] == "by_channel_local":
        stored_ids = result.array("principal_components", f"{PREFIX}channel_ids").tolist()
        order = [stored_ids.index(channel_id) for channel_id in result.analyzer.channel_ids.tolist()]
        arrays = {name: array[order] for name, array in arrays.items()}
    return PrincipalComponentModels(mode=params["mode"], whiten=bool(params["whiten"]), **arrays)
