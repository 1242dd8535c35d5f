"""How each extension is computed from what the workspace holds; the records in `parameters/` name these functions.

Each takes the workspace and the begun extension and returns the extension's data, or None to leave it to
SpikeInterface. Those with a value for every spike return the consumer of the pass over all spikes instead.
"""

import dataclasses

import numpy as np

from ephys_postprocess.engine.functions import function_of
from ephys_postprocess.engine.quality_metrics import all_params, metrics_table
from ephys_postprocess.engine.sampling import random_spike_arguments
from ephys_postprocess.engine.sinks import rows_per_block
from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.parameters.metrics import TEMPLATE_METRICS, metric_names_of
from ephys_postprocess.records import Sparsity, Table
from ephys_postprocess.stages.locations.spike_locations import SpikeLocations, grid_prototype, prepare_spike_locations
from ephys_postprocess.stages.locations.unit_locations import locate_units
from ephys_postprocess.stages.principal_components.models import principal_components
from ephys_postprocess.stages.quality.valid_unit_periods import valid_unit_periods
from ephys_postprocess.stages.spike_trains.correlograms import PairCounter, auto_correlograms
from ephys_postprocess.stages.spike_trains.isi_histograms import isi_histograms
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates.template_metrics import template_metrics
from ephys_postprocess.stages.templates.template_similarity import template_similarity
from ephys_postprocess.stages.templates.templates import compute_packed_templates, find_peak_shifts, unpack_channels
from ephys_postprocess.stages.traces.amplitude_scalings import AmplitudeScalings, scaling_sparsity_mask
from ephys_postprocess.stages.traces.microvolts import Scaling
from ephys_postprocess.stages.traces.spike_amplitudes import SpikeAmplitudes
from ephys_postprocess.stages.traces.waveforms import for_each_block

DENSE_RADIUS_UM = 75.0  # SpikeInterface's: the channels that unit locations use where the analyzer is dense


def random_spikes(work: Workspace, extension) -> dict:
    rows = select_random_spikes(work.spikes, **random_spike_arguments(extension.params))
    return {"random_spikes_indices": rows}


def noise_levels(work: Workspace, extension) -> dict:
    params = extension.params
    levels = work.noise_levels(params.get("method", "mad"), params["random_slices_kwargs"])
    silent = work.analyzer.channel_ids[np.asarray(levels) == 0]
    if silent.size:
        work.notes.append(
            f"noise_levels: 0 on {silent.size} of {levels.size} channels ({', '.join(map(str, silent[:8]))}"
            f"{', …' if silent.size > 8 else ''}): their noise is below one count, so nothing is told in units of it."
        )
    return {"noise_levels": levels}


def waveforms(work: Workspace, extension) -> dict:
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


def templates(work: Workspace, extension) -> dict:
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


def spike_amplitudes(work: Workspace, _extension) -> SpikeAmplitudes:
    in_uV = work.analyzer.return_in_uV
    shifts = find_peak_shifts(
        work.average_templates, work.main_channel_indices, work.num_before, work.analyzer.peak_sign
    )
    return SpikeAmplitudes(
        work.spikes,
        work.main_channel_indices,
        shifts,
        work.traces.exact_gains if in_uV else None,
        work.traces.exact_offsets if in_uV else None,
        work.traces.dtype,
    )


def amplitude_scalings(work: Workspace, extension) -> AmplitudeScalings:
    options = dict(extension.params)
    given = options.pop("sparsity")
    mask = scaling_sparsity_mask(
        None if work.analyzer.sparsity is None else work.sparsity.mask,
        None if given is None else given.mask,
        *work.sparsity.mask.shape,
        options.pop("max_dense_channels"),
    )
    traces = work.traces
    return AmplitudeScalings(
        work.spikes, work.average_templates, work.num_before, mask, traces.exact_gains, traces.exact_offsets, **options
    )


def spike_locations(work: Workspace, extension) -> SpikeLocations:
    options = dict(extension.params)
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


def unit_locations(work: Workspace, extension) -> dict:
    options = {name: value for name, value in extension.params.items() if value is not None}
    unit_ids = options.pop("unit_ids", work.analyzer.unit_ids)
    sparsity = work.sparsity
    if work.analyzer.sparsity is None:
        sparsity = work.sparsity_within(options.get("radius_um", DENSE_RADIUS_UM))
    locations = locate_units(
        work.average_templates,
        sparsity,
        work.main_channel_indices,
        work.channel_locations_um,
        work.num_before,
        work.sampling_frequency_hz,
        dtype=work.templates_dtype,
        **options,
    )
    return {"unit_locations": locations[work.analyzer.sorting.ids_to_indices(unit_ids)]}


def template_similarity_of(work: Workspace, extension) -> dict:
    similarity = template_similarity(
        work.average_templates,
        work.sparsity,
        work.sampling_frequency_hz,
        **extension.params,
        num_threads=work.num_threads,
    )
    return {"similarity": similarity}


def correlograms_of(work: Workspace, extension) -> dict:
    params = extension.params
    counter = PairCounter(work.spikes, params["window_ms"], params["bin_ms"], work.num_threads)
    num_units = work.spikes.num_units
    if not num_units:
        return {"ccgs": counter.rows(0, 0), "bins": counter.bins}
    ccgs = work.sink.create_array(extension, "ccgs", counter.shape, np.dtype(np.int64))
    num_rows = rows_per_block(ccgs)
    for first_unit in range(0, num_units, num_rows * work.num_threads):  # each thread writes a block
        counts = counter.rows(first_unit, min(first_unit + num_rows * work.num_threads, num_units))

        def write(start, first_unit=first_unit, counts=counts):
            ccgs[first_unit + start : first_unit + start + num_rows] = counts[start : start + num_rows]

        map_in_threads(write, range(0, len(counts), num_rows), work.num_threads)
    return {"ccgs": ccgs, "bins": counter.bins}


def auto_correlograms_of(work: Workspace, extension) -> dict:
    params = extension.params
    acgs, bins = auto_correlograms(work.spikes, params["window_ms"], params["bin_ms"], work.num_threads)
    return {"acgs": acgs, "bins": bins}


def isi_histograms_of(work: Workspace, extension) -> dict:
    histograms, bins = isi_histograms(work.spikes, extension.params["window_ms"], extension.params["bin_ms"])
    return {"isi_histograms": histograms, "bins": bins}


def principal_components_of(work: Workspace, extension) -> dict:
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


def valid_unit_periods_of(work: Workspace, extension) -> dict:
    given = extension.user_defined_periods  # SpikeInterface keeps them beside the parameters
    if extension.params["method"] == "user_defined":
        return {"valid_unit_periods": given}
    options = {name: value for name, value in extension.params.items() if name != "method"}
    options["user_defined_periods"] = given if extension.params["method"] == "combined" else None
    scalings = work.amplitudes("amplitude_scalings")
    periods = valid_unit_periods(work.spikes, scalings, num_threads=work.num_threads, **options)
    return {field.name: getattr(periods, field.name) for field in dataclasses.fields(periods)}


def template_metrics_of(work: Workspace, extension) -> dict:
    params = extension.params
    names = metric_names_of(params)
    operator = params["template_operator"]
    templates = work.average_templates if operator == "average" else np.asarray(work.data_of("templates")[operator])
    same = ("upsampling_factor", "depth_direction", "min_thresh_detect_peaks_troughs", "edge_exclusion_ms")
    result = template_metrics(
        templates,
        work.main_channel_indices,
        work.sparsity.mask,
        work.channel_locations_um,
        work.sampling_frequency_hz,
        {
            name: (function_of(TEMPLATE_METRICS[name]), all_params("template_metrics", name, params))
            for name in names
            if not TEMPLATE_METRICS[name].is_multi_channel
        },
        {
            name: (function_of(TEMPLATE_METRICS[name]), all_params("template_metrics", name, params))
            for name in names
            if TEMPLATE_METRICS[name].is_multi_channel
        },
        **{name: params[name] for name in (*same, "min_peak_trough_distance_ratio", "min_extremum_distance_samples")},
    )
    for column, reasons in result.reasons.items():
        work.note_missing([column], reasons)
    return {
        "metrics": metrics_table(extension, result.columns),
        "peaks_data": Table(work.analyzer.unit_ids, result.peaks_data),
        "main_channel_templates": result.main_channel_templates,
    }
