"""How many bytes a recording's result, its scratch file and its pairs of units take, before anything is computed."""

import math

import numpy as np
from spikeinterface.core.core_tools import ms_to_samples

from ephys_postprocess.engine.sampling import SampledTemplates
from ephys_postprocess.inputs.opened import Inputs
from ephys_postprocess.machine.space import Need
from ephys_postprocess.parameters.computed import ResultSize
from ephys_postprocess.parameters.extensions import Extensions
from ephys_postprocess.stages.traces.amplitude_scalings import pair_products_bytes

# What zstd leaves of waveforms, measured on real probes and rounded up: scaled integers have few values.
COMPRESSED_SHARE_OF_INTEGERS, COMPRESSED_SHARE_OF_FLOATS = 0.35, 0.9
# Metadata, tables, the recording's description: a store without a spike.
FIXED_BYTES = 1_500_000


def estimate_need(
    num_spikes: int,
    num_sampled_by_unit: np.ndarray,
    num_channels_by_unit: np.ndarray,
    num_channels: int,
    waveform_samples: int,
    extensions: Extensions,
    trace_dtype: np.dtype,
    sampling_frequency_hz: float,
) -> Need:
    """Space for one recording's result and for its scratch file.

    Parameters
    ----------
    num_spikes : int
        Of all units.
    num_sampled_by_unit, num_channels_by_unit : int64 (num_units,)
        Spikes of `random_spikes`, and channels of the sparsity.
    num_channels : int
    waveform_samples : int
        Of one waveform.
    extensions : Extensions
        What will be computed; each record says what it takes.
    trace_dtype : dtype
        int16 or float32.
    sampling_frequency_hz : float
    """
    num_units = num_channels_by_unit.size
    size = ResultSize(
        num_units=num_units,
        num_spikes=num_spikes,
        unit_channels=int(num_channels_by_unit.sum()),
        waveform_channels=int(num_sampled_by_unit @ num_channels_by_unit),
        waveform_samples=waveform_samples,
        sample_ms=1e3 / sampling_frequency_hz,
        compressed_share=COMPRESSED_SHARE_OF_FLOATS if trace_dtype.kind == "f" else COMPRESSED_SHARE_OF_INTEGERS,
    )
    arrays = sum(getattr(extensions, name).stored_bytes(size) for name in extensions)
    # Times grow slowly and units repeat: a spike of the sorting itself packs into a few bytes.
    results = arrays + 6 * num_spikes + 100 * num_channels + 1000 * num_units + FIXED_BYTES
    windows = int(num_sampled_by_unit.sum()) * waveform_samples * int(num_channels_by_unit.max(initial=0))
    return Need(math.ceil(results), windows * trace_dtype.itemsize)


def space_needed(inputs: Inputs, sampled: SampledTemplates, is_kept: np.ndarray | None, extensions: Extensions) -> Need:
    """What the result of the units kept (None: of all) will take, in the results and in the scratch folder."""
    is_kept = np.ones(inputs.spikes.num_units, dtype=bool) if is_kept is None else is_kept
    counts = np.diff(inputs.spikes.unit_edges)[is_kept]
    most = 0 if extensions.random_spikes is None else extensions.random_spikes.max_spikes_per_unit
    return estimate_need(
        int(counts.sum()),
        np.minimum(counts, most),
        sampled.sparsity.mask[is_kept].sum(axis=1),
        inputs.traces.num_channels,
        _waveform_samples(inputs, extensions),
        extensions,
        inputs.traces.dtype,
        inputs.traces.sampling_frequency_hz,
    )


def memory_needed(inputs: Inputs, sampled: SampledTemplates, is_kept: np.ndarray | None, extensions: Extensions) -> int:
    """Bytes of memory that units and pairs of them take at least: average templates, and products of templates."""
    mask = sampled.sparsity.mask[slice(None) if is_kept is None else is_kept]
    num_samples, scalings = _waveform_samples(inputs, extensions), extensions.amplitude_scalings
    templates = 0 if extensions.templates is None else 4 * mask.size * num_samples
    if scalings is None or not scalings.handle_collisions:
        return templates
    delta_samples = int(scalings.delta_collision_ms / 1000 * inputs.traces.sampling_frequency_hz)
    edges_ms = (scalings.ms_before, scalings.ms_after)
    if None not in edges_ms:
        num_samples = ms_to_samples(sum(edges_ms), inputs.traces.sampling_frequency_hz)
    return templates + pair_products_bytes(mask, num_samples, delta_samples)


def _waveform_samples(inputs, extensions):
    window = extensions.waveforms or extensions.templates
    window_ms = 0.0 if window is None else window.ms_before + window.ms_after
    return ms_to_samples(window_ms, inputs.traces.sampling_frequency_hz)
