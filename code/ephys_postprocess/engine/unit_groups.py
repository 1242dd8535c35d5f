"""A workspace seen through some of its units, so that what a metric makes of every spike is small at any length."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces.trace_deviations import TraceDeviations
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

SPIKES_AT_ONCE = 2**17


class SharedValues:
    """What metrics of all groups need: read from the store or the traces once, and gone with this object."""

    def __init__(self, work: Workspace):
        self.work = work
        self._values = {}

    def amplitudes(self, preferred: str) -> np.ndarray:
        """float (num_spikes,): see `Workspace.amplitudes`."""
        return self._once(preferred, lambda: self.work.amplitudes(preferred))

    def positions_um(self, direction: str) -> np.ndarray:
        """float32 (num_spikes,): the spike locations along "x", "y" or "z"."""
        locations = self.work.data_of("spike_locations")["spike_locations"]
        return self._once(direction, lambda: np.ascontiguousarray(locations[direction]))

    @cached_property
    def trace_deviations(self) -> np.ndarray:
        """float64 (num_channels,): standard deviations of the whole traces; NaN where there are no traces."""
        work = self.work
        if work.trace_deviations is None and work.traces is not None:
            watcher = TraceDeviations(work.traces)
            run_trace_pass(work.traces, work.spikes, [], work.chunk_samples, work.num_threads, watcher=watcher)
            work.trace_deviations = watcher.deviations()
        return np.full(work.sparsity.mask.shape[1], np.nan) if work.traces is None else work.trace_deviations

    def _once(self, name, read):
        if name not in self._values:
            self._values[name] = read()
        return self._values[name]


class UnitGroup:
    """Consecutive units: what metrics ask of a workspace, with unit 0 being the group's first."""

    def __init__(self, shared: SharedValues, first_unit: int, last_unit: int):
        work = shared.work
        self._shared = shared
        self.first_unit = first_unit
        self.rows = work.spikes.rows_of_units(first_unit, last_unit)
        self.spikes: SpikeTrains = work.spikes.of_units(first_unit, last_unit)
        self.average_templates = work.average_templates[first_unit:last_unit]
        self.main_channel_indices = work.main_channel_indices[first_unit:last_unit]
        self.nbefore = work.nbefore
        self.peak_sign = work.analyzer.peak_sign

    @property
    def noise_levels(self) -> np.ndarray:
        """float (num_channels,): those of the extension."""
        return np.asarray(self._shared.work.data_of("noise_levels")["noise_levels"])

    @property
    def trace_deviations(self) -> np.ndarray:
        """float64 (num_channels,): standard deviations of the whole traces."""
        return self._shared.trace_deviations

    def amplitudes(self, preferred: str) -> np.ndarray:
        """float (num_spikes of the group,)"""
        return self._shared.amplitudes(preferred)[self.rows]

    def positions_um(self, direction: str) -> np.ndarray:
        """float32 (num_spikes of the group,)"""
        return self._shared.positions_um(direction)[self.rows]


def groups_of_units(work: Workspace) -> Iterator[UnitGroup]:
    """All units in their order, group by group; one empty group where there are none."""
    shared = SharedValues(work)
    for first_unit, last_unit in work.spikes.groups_of_units(SPIKES_AT_ONCE) or [(0, 0)]:
        yield UnitGroup(shared, first_unit, last_unit)
