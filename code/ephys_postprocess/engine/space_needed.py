"""How many bytes a recording's result and its scratch file take, before anything is computed."""

import math

import numpy as np

from ephys_postprocess.engine.sampling import SampledTemplates
from ephys_postprocess.inputs.opened import Inputs
from ephys_postprocess.machine.space import Need

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
    extensions: dict[str, dict],
    trace_dtype: np.dtype,
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
    extensions : dict
        Name: arguments, of what will be computed.
    trace_dtype : dtype
        int16 or float32.
    """
    num_units = num_channels_by_unit.size
    spike_channels = int(num_sampled_by_unit @ num_channels_by_unit)
    width = int(num_channels_by_unit.max(initial=0))
    components = (extensions.get("principal_components") or {}).get("n_components", 0)
    share = COMPRESSED_SHARE_OF_FLOATS if trace_dtype.kind == "f" else COMPRESSED_SHARE_OF_INTEGERS
    bytes_by_extension = {
        "waveforms": int(4 * share * spike_channels * waveform_samples),
        "principal_components": 4 * spike_channels * components,
        "templates": 2 * 8 * int(num_channels_by_unit.sum()) * waveform_samples,
        "spike_amplitudes": 4 * num_spikes,
        "amplitude_scalings": 9 * num_spikes,
        "spike_locations": 16 * num_spikes,
        "template_similarity": 4 * num_units**2,
        "correlograms": num_units**2 * 50,
    }
    arrays = sum(size for name, size in bytes_by_extension.items() if name in extensions)
    # Times grow slowly and units repeat: a spike of the sorting itself packs into a few bytes.
    results = arrays + 6 * num_spikes + 100 * num_channels + 1000 * num_units + FIXED_BYTES
    windows = int(num_sampled_by_unit.sum()) * waveform_samples * width
    return Need(math.ceil(results), windows * trace_dtype.itemsize)


def space_needed(inputs: Inputs, sampled: SampledTemplates, is_kept: np.ndarray, extensions: dict[str, dict]) -> Need:
    """What the result of the units kept will take, in the results and in the scratch folder."""
    windows = extensions.get("waveforms") or extensions.get("templates") or {"ms_before": 0, "ms_after": 0}
    counts = np.bincount(inputs.spikes.unit_indices, minlength=inputs.spikes.num_units)[is_kept]
    most = (extensions.get("random_spikes") or {}).get("max_spikes_per_unit") or 0
    return estimate_need(
        int(counts.sum()),
        np.minimum(counts, most),
        sampled.sparsity.mask[is_kept].sum(axis=1),
        inputs.traces.num_channels,
        int((windows["ms_before"] + windows["ms_after"]) * inputs.traces.sampling_frequency_hz / 1000),
        extensions,
        inputs.traces.dtype,
    )
