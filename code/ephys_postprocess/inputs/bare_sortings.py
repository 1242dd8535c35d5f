"""A sorting apart from its spikes, so that these are in memory once: as SpikeTrains."""

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.basesorting import minimum_spike_dtype

from ephys_postprocess.inputs.sortings import add_segments
from ephys_postprocess.records import SpikeTrains, blocks_of_spikes


def without_spikes(sorting: si.BaseSorting) -> si.NumpySorting:
    """Units, properties and segments of a sorting alone."""
    bare = si.NumpySorting(np.zeros(0, dtype=minimum_spike_dtype), sorting.sampling_frequency, sorting.unit_ids)
    add_segments(bare, sorting.get_num_segments())
    sorting.copy_metadata(bare)
    return bare


def with_spikes(sorting: si.BaseSorting, spikes: SpikeTrains, is_kept: np.ndarray) -> si.NumpySorting:
    """A sorting's units and properties with the spikes of the units kept, which are all that it has.

    Parameters
    ----------
    sorting : BaseSorting
        Without spikes: see `without_spikes`.
    spikes : SpikeTrains
        Of all units, kept or not.
    is_kept : bool (num_units,)
    """
    num_kept = int(np.diff(spikes.unit_edges)[is_kept].sum())
    vector, new_indices, end = np.zeros(num_kept, dtype=minimum_spike_dtype), np.cumsum(is_kept) - 1, 0
    for rows in blocks_of_spikes(spikes.num_spikes):
        is_wanted = is_kept[spikes.unit_indices[rows]]
        some = vector[end : end + np.count_nonzero(is_wanted)]
        some["sample_index"] = spikes.samples[rows][is_wanted]
        some["unit_index"] = new_indices[spikes.unit_indices[rows][is_wanted]]
        some["segment_index"] = spikes.segment_indices[rows][is_wanted]
        end += some.size
    filled = si.NumpySorting(vector, sorting.sampling_frequency, sorting.unit_ids)
    add_segments(filled, len(spikes.segment_lengths))
    sorting.copy_metadata(filled)
    return filled
