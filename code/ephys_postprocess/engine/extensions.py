"""The table of extensions: which function computes each, from what the workspace holds."""

import dataclasses

import numpy as np

from ephys_postprocess.engine.quality_metrics import metrics_table, quality_metrics
from ephys_postprocess.engine.sampling import random_spike_arguments
from ephys_postprocess.engine.sinks import rows_per_block
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import Sparsity, Table
from ephys_postprocess.stages.locations.spike_locations import grid_prototype, prepare_spike_locations
from ephys_postprocess.stages.locations.unit_locations import locate_units
from ephys_postprocess.stages.principal_components.models import principal_components
from ephys_postprocess.stages.quality.valid_unit_periods import valid_unit_periods
from ephys_postprocess.stages.spike_trains.correlograms import auto_correlograms, correlograms
from ephys_postprocess.stages.spike_trains.isi_histograms import isi_histograms
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates.template_metrics import template_metrics
from ephys_postprocess.stages.templates.template_similarity import template_similarity
from ephys_postprocess.stages.templates.templates import compute_packed_templates, find_peak_shifts, unpack_channels
from ephys_postprocess.stages.traces.amplitude_scalings import AmplitudeScalings, scaling_sparsity_mask
from ephys_postprocess.stages.traces.microvolts import Scaling
from ephys_postprocess.stages.traces.spike_amplitudes import SpikeAmplitudes
from ephys_postprocess.stages.traces.trace_deviations import TraceDeviations
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass
from ephys_postprocess.stages.traces.waveforms import for_each_block

DENSE_RADIUS_UM = 75.0  # SpikeInterface's: the channels that unit locations use where the analyzer is dense


def _random_spikes(work: Workspace, extension) -> dict:
    rows = select_random_spikes(work.spikes, **random_spike_arguments(extension.params))
    return {"random_spikes_indices": rows}


def _noise_levels(work: Workspace, extension) -> dict:
    params = extension.params
    return {"noise_levels": work.noise_levels(params.get("method", "mad"), params["random_slices_kwargs"])}


def _waveforms(work: Workspace, extension) -> dict:
    source = work.open_waveforms(extension.params["ms_before"], extension.params["ms_after"])
    selection = source.selection
    shape = (selection.num_waveforms, selection.num_samples, selection.width)
    dtype = np.dtype(extension.params["dtype"])
    counts = work.sink.create_counts_array(extension, "waveforms", shape, dtype, source.common_gain)
    if counts is not None:
        for_each_block(
            source.gather_counts,
            counts.array.shape[0],
            rows_per_block(counts.array),
            counts.write_chunk,
            work.num_threads,
        )
        return {"waveforms": counts.array}
    array = work.sink.create_array(extension, "waveforms", shape, dtype)

    def write(first_row, waveforms):
        array[first_row : first_row + len(waveforms)] = waveforms

    for_each_block(source.gather, shape[0], rows_per_block(array), write, work.num_threads)
    return {"waveforms": array}


def _templates(work: Workspace, extension) -> dict:
    has_waveforms = work.analyzer.has_extension("waveforms")
    params = extension.params
    source = (
        work.open_waveforms_again() if has_waveforms else work.open_waveforms(params["ms_before"], params["ms_after"])
    )
    packed = compute_packed_templates(
        source, extension.params["operators"], work.num_threads, is_scaled=work.analyzer.return_in_uV
    )
    if "average" in packed:
        # In µV the values are float32 to begin with; half the memory for everything that works on them.
        dtype = np.float32 if work.analyzer.return_in_uV else np.float64
        work.average_templates = unpack_channels(packed["average"].astype(dtype), work.sparsity)
    dtype = np.float64 if has_waveforms else np.float32
    return {key: _write_dense(work, extension, key, values, dtype) for key, values in packed.items()}


def _write_dense(work: Workspace, extension, key: str, packed: np.ndarray, dtype):
    """Packed templates as a dense array in its final place, a block of units at a time."""
    shape = (*packed.shape[:2], work.sparsity.mask.shape[1])
    array = work.sink.create_array(extension, key, shape, np.dtype(dtype))
    num_rows = rows_per_block(array)

    def write(first_unit):
        units = slice(first_unit, first_unit + num_rows)
        array[units] = unpack_channels(packed[units], Sparsity(work.sparsity.mask[units]))

    map_in_threads(write, range(0, shape[0], num_rows), work.num_threads)
    return array


def _spike_amplitudes(work: Workspace, _params: dict) -> SpikeAmplitudes:
    in_uV = work.analyzer.return_in_uV
    shifts = find_peak_shifts(work.average_templates, work.main_channel_indices, work.nbefore, work.analyzer.peak_sign)
    return SpikeAmplitudes(
        work.spikes,
        work.main_channel_indices,
        shifts,
        work.traces.exact_gains if in_uV else None,
        work.traces.exact_offsets if in_uV else None,
        work.traces.dtype,
    )


def _amplitude_scalings(work: Workspace, params: dict) -> AmplitudeScalings:
    options = dict(params)
    given = options.pop("sparsity")
    mask = scaling_sparsity_mask(
        None if work.analyzer.sparsity is None else work.sparsity.mask,
        None if given is None else given.mask,
        *work.sparsity.mask.shape,
        options.pop("max_dense_channels"),
    )
    traces = work.traces
    return AmplitudeScalings(
        work.spikes, work.average_templates, work.nbefore, mask, traces.exact_gains, traces.exact_offsets, **options
    )


def _spike_locations(work: Workspace, params: dict):
    options = dict(params)
    seed, method_kwargs = options.pop("seed"), options["method_kwargs"]
    scaling, prototype = Scaling.of(work.traces), None
    if options["method"] == "grid_convolution" and method_kwargs.get("prototype") is None and work.spikes.num_spikes:
        prototype = grid_prototype(
            work.traces,
            work.spikes,
            work.main_channel_indices,
            scaling=scaling,
            ms_before=options["ms_before"],
            ms_after=options["ms_after"],
            seed=seed,
            n_peaks=method_kwargs.get("n_peaks", 5000),
            num_threads=work.num_threads,
        )
    return prepare_spike_locations(
        work.spikes,
        work.main_channel_indices,
        work.channel_locations_um,
        scaling=scaling,
        prototype=prototype,
        **options,
    )


# Extensions with a value for every spike: what makes the consumer of the fused pass, and where the values are in it.
CONSUMERS = {
    "spike_amplitudes": (_spike_amplitudes, {"amplitudes": "amplitudes"}),
    "amplitude_scalings": (
        _amplitude_scalings,
        {"amplitude_scalings": "amplitude_scalings", "collision_mask": "collision_mask"},
    ),
    "spike_locations": (_spike_locations, {"spike_locations": "locations"}),
}


def compute_for_all_spikes(work: Workspace, wanted: dict[str, dict], *, watch_traces: bool = False) -> None:
    """The fused pass: every extension of CONSUMERS that is wanted, with one read of the traces.

    With `watch_traces`, the traces' standard deviations are found on the way and put into the workspace.
    """
    watcher = TraceDeviations(work.traces) if watch_traces else None
    extensions = {name: work.begin(name, params) for name, params in wanted.items()}
    consumers = {name: CONSUMERS[name][0](work, extension.params) for name, extension in extensions.items()}
    run_trace_pass(
        work.traces,
        work.spikes,
        list(consumers.values()),
        work.chunk_samples,
        work.num_threads,
        work.report_spikes,
        watcher=watcher,
    )
    if watcher is not None:
        work.trace_deviations = watcher.deviations()
    if "spike_locations" in consumers:
        is_nowhere = np.isnan(consumers["spike_locations"].locations["x"])
        work.note_spikes("spike_locations: none, for the traces around the spike are flat", is_nowhere)
    for name, consumer in consumers.items():
        attributes = CONSUMERS[name][1]
        work.finish(extensions[name], {key: getattr(consumer, attribute) for key, attribute in attributes.items()})


def _unit_locations(work: Workspace, extension) -> dict:
    options = {name: value for name, value in extension.params.items() if value is not None}
    sparsity = work.sparsity
    if work.analyzer.sparsity is None:
        sparsity = work.sparsity_within(options.get("radius_um", DENSE_RADIUS_UM))
    locations = locate_units(
        work.average_templates,
        sparsity,
        work.main_channel_indices,
        work.channel_locations_um,
        work.nbefore,
        work.sampling_frequency_hz,
        dtype=work.templates_dtype,
        **options,
    )
    return {"unit_locations": locations}


def _template_similarity(work: Workspace, extension) -> dict:
    similarity = template_similarity(
        work.average_templates,
        work.sparsity,
        work.sampling_frequency_hz,
        **extension.params,
        num_threads=work.num_threads,
    )
    return {"similarity": similarity}


def _correlograms(work: Workspace, extension) -> dict:
    params = extension.params
    ccgs, bins = correlograms(work.spikes, params["window_ms"], params["bin_ms"], work.num_threads)
    return {"ccgs": ccgs, "bins": bins}


def _auto_correlograms(work: Workspace, extension) -> dict:
    params = extension.params
    acgs, bins = auto_correlograms(work.spikes, params["window_ms"], params["bin_ms"], work.num_threads)
    return {"acgs": acgs, "bins": bins}


def _isi_histograms(work: Workspace, extension) -> dict:
    histograms, bins = isi_histograms(work.spikes, extension.params["window_ms"], extension.params["bin_ms"])
    return {"isi_histograms": histograms, "bins": bins}


def _principal_components(work: Workspace, extension) -> dict:
    params = extension.params
    source = work.open_waveforms_again()
    gain_uV = source.common_gain
    result = principal_components(
        source.gather_unit if gain_uV is None else source.counts_of_unit,
        source.selection.trains.unit_indices,
        work.sparsity,
        source.selection.num_samples,
        params["n_components"],
        params["mode"],
        params["whiten"],
        work.num_threads,
        gain_uV,
    )
    work.note_units("principal components: too few spikes for the fit", result.few_spikes_units)
    work.note_units("principal components: zeros on a channel that no unit could fit", result.unprojected_units)
    projection = result.projection.astype(np.dtype(params["dtype"]), copy=False)
    return {"pca_projection": projection, **result.models.as_arrays(work.analyzer.channel_ids)}


def _valid_unit_periods(work: Workspace, extension) -> dict | None:
    if extension.params["method"] != "false_positives_and_negatives":
        return None
    options = {name: value for name, value in extension.params.items() if name not in ("method", "minimum_n_spikes")}
    periods = valid_unit_periods(work.spikes, work.amplitudes("amplitude_scalings"), **options)
    return {field.name: getattr(periods, field.name) for field in dataclasses.fields(periods)}


def _template_metrics(work: Workspace, extension) -> dict:
    params = extension.params
    operator = params["template_operator"]
    templates = work.average_templates if operator == "average" else np.asarray(work.data_of("templates")[operator])
    same = ("upsampling_factor", "depth_direction", "min_thresh_detect_peaks_troughs", "edge_exclusion_ms")
    result = template_metrics(
        templates,
        work.main_channel_indices,
        work.sparsity.mask,
        work.channel_locations_um,
        work.sampling_frequency_hz,
        tuple(params["metric_names"]),
        params["metric_params"],
        **{name: params[name] for name in (*same, "min_peak_trough_distance_ratio", "min_extremum_distance_samples")},
    )
    for column, reasons in result.reasons.items():
        work.note_missing([column], reasons)
    return {
        "metrics": metrics_table(extension, result.columns),
        "peaks_data": Table(work.analyzer.unit_ids, result.peaks_data),
        "main_channel_templates": result.main_channel_templates,
    }


def _quality_metrics(work: Workspace, extension) -> dict:
    return {"metrics": metrics_table(extension, quality_metrics(work, extension.params))}


# SpikeInterface's name of an extension: the workspace and the begun extension -> its data; None leaves it to
# SpikeInterface. What is neither here nor in CONSUMERS is SpikeInterface's too.
COMPUTED_BY = {
    "random_spikes": _random_spikes,
    "noise_levels": _noise_levels,
    "waveforms": _waveforms,
    "templates": _templates,
    "unit_locations": _unit_locations,
    "template_similarity": _template_similarity,
    "correlograms": _correlograms,
    "auto_correlograms": _auto_correlograms,
    "isi_histograms": _isi_histograms,
    "principal_components": _principal_components,
    "valid_unit_periods": _valid_unit_periods,
    "template_metrics": _template_metrics,
    "quality_metrics": _quality_metrics,
}
