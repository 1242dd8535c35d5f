"""Our records into a SortingAnalyzer, and its tables out of it."""

import numpy as np
from spikeinterface.core import ChannelSparsity, NumpySorting, SortingAnalyzer

from ephys_postprocess.engine.sampling import PEAK_MODE, PEAK_SIGN, SampledTemplates


def keep_units(sorting, sampled: SampledTemplates, is_kept: np.ndarray):
    """The sorting, sparsity (None: dense) and main channels of the units kept; the sorting has no spikes yet."""
    unit_ids = sorting.unit_ids[is_kept]
    kept = NumpySorting.from_sorting(sorting.select_units(unit_ids), with_metadata=True, copy_spike_vector=True)
    _make_properties_storable(kept)
    sparsity = None
    if not sampled.is_dense:
        sparsity = ChannelSparsity(sampled.sparsity.mask[is_kept], unit_ids, sampled.sparsity.channel_ids)
    return kept, sparsity, sampled.main_channel_indices[is_kept]


def make_analyzer(recording, sorting, sparsity: ChannelSparsity | None, main_channel_indices, *, return_in_uV: bool):
    """A SortingAnalyzer in memory; its extensions' data may live elsewhere."""
    return SortingAnalyzer.create(
        sorting,
        recording,
        main_channel_indices=main_channel_indices,
        format="memory",
        sparsity=sparsity,
        return_in_uV=return_in_uV,
        peak_sign=PEAK_SIGN,
        peak_mode=PEAK_MODE,
    )


def _make_properties_storable(sorting: NumpySorting) -> None:
    """Texts held as Python objects become plain arrays: a zarr store cannot keep objects without pickling them."""
    for key in sorting.get_property_keys():
        values = sorting.get_property(key)
        if values.dtype == object and all(isinstance(value, str) for value in values):
            sorting.set_property(key, values.astype(str))
