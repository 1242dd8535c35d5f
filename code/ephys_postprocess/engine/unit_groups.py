"""A workspace seen through some of its units, so that what a metric makes of every spike is small at any length."""

import threading
from collections.abc import Callable
from functools import partial

import numpy as np

from ephys_postprocess.engine.workspace import Workspace
from ephys_postprocess.records import Sparsity, SpikeTrains, UnitPeriods
from ephys_postprocess.results.stored_extensions import read_field
from ephys_postprocess.stages.quality.observed_time import within_periods
from ephys_postprocess.stages.traces.trace_deviations import TraceDeviations
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

SPIKES_AT_ONCE = 2**17


class SharedValues:
    """What metrics of all groups need: read from the store or the traces once, and gone with this object.

    Safe from any thread.
    """

    def __init__(self, work: Workspace, periods: UnitPeriods | None = None):
        self.work = work
        self.spikes, self.rows = work.spikes, None  # rows among all spikes; None: all of them
        if periods is not None:
            self.spikes, self.rows = within_periods(work.spikes, periods)
        self._values: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def amplitudes(self, preferred: str) -> np.ndarray:
        """float (num_spikes,): see `Workspace.amplitudes`."""
        return self._once(preferred, lambda: self.work.amplitudes(preferred))

    def positions_um(self, direction: str) -> np.ndarray:
        """float32 (num_spikes,): the spike locations along "x", "y" or "z"."""
        locations = self.work.data_of("spike_locations")["spike_locations"]
        return self._once(direction, lambda: read_field(locations, direction))

    @property
    def trace_deviations(self) -> np.ndarray:
        """float64 (num_channels,): standard deviations of the whole traces; NaN where there are no traces."""
        return self._once("trace_deviations", self._find_trace_deviations)

    def _find_trace_deviations(self):
        work = self.work
        if work.trace_deviations is None and work.traces is not None:
            watcher = TraceDeviations(work.traces)
            run_trace_pass(work.traces, work.spikes, [], work.chunk_samples, work.num_threads, watcher=watcher)
            work.trace_deviations = watcher.deviations()
        return np.full(work.sparsity.mask.shape[1], np.nan) if work.traces is None else work.trace_deviations

    def _once(self, name: str, read: Callable[[], np.ndarray]) -> np.ndarray:
        with self._lock:
            if name not in self._values:
                self._values[name] = read()
            return self._values[name]


class _ByName:
    """A mapping whose values are read when they are asked for."""

    def __init__(self, read: Callable[[str], np.ndarray]):
        self._read = read

    def __getitem__(self, name: str) -> np.ndarray:
        return self._read(name)


class UnitGroup:
    """Consecutive units: what a metric may name as an argument, with unit 0 being the group's first."""

    def __init__(self, shared: SharedValues, first_unit: int, last_unit: int):
        self._shared = shared
        self._work = shared.work
        self._units = slice(first_unit, last_unit)
        self.first_unit = first_unit
        self.spikes: SpikeTrains = shared.spikes.of_units(first_unit, last_unit)
        rows = shared.spikes.rows_of_units(first_unit, last_unit)
        self._rows = rows if shared.rows is None else shared.rows[rows]

    @property
    def average_templates(self) -> np.ndarray:
        """float (num_units, num_samples, num_channels), dense."""
        return self._work.average_templates[self._units]

    @property
    def main_channel_indices(self) -> np.ndarray:
        """int64 (num_units,)"""
        return self._work.main_channel_indices[self._units]

    @property
    def num_before(self) -> int:
        """Samples of a template before the spike."""
        return self._work.num_before

    @property
    def peak_sign(self) -> str:
        """The analyzer's: "neg", "pos" or "both"."""
        return self._work.analyzer.peak_sign

    @property
    def num_spikes_in_traces(self) -> np.ndarray:
        """int64 (num_units,): also those outside valid periods."""
        return np.diff(self._work.spikes.unit_edges)[self._units]

    @property
    def sparsity(self) -> Sparsity:
        """The channels of each unit of the group."""
        return Sparsity(self._work.sparsity.mask[self._units])

    @property
    def channel_locations_um(self) -> np.ndarray:
        """float64 (num_channels, 2)"""
        return self._work.channel_locations_um

    @property
    def noise_levels(self) -> np.ndarray:
        """float (num_channels,): those of the extension."""
        return np.asarray(self._work.data_of("noise_levels")["noise_levels"])

    @property
    def trace_deviations(self) -> np.ndarray:
        """float64 (num_channels,): standard deviations of the whole traces."""
        return self._shared.trace_deviations

    @property
    def spike_amplitudes(self) -> np.ndarray:
        """float (num_spikes of the group,); amplitude scalings where only these were computed."""
        return self.amplitudes["spike_amplitudes"]

    @property
    def amplitude_scalings(self) -> np.ndarray:
        """float (num_spikes of the group,); spike amplitudes where only these were computed."""
        return self.amplitudes["amplitude_scalings"]

    @property
    def amplitudes(self) -> _ByName:
        """Extension: float (num_spikes of the group,)"""
        return _ByName(lambda extension: self._shared.amplitudes(extension)[self._rows])

    @property
    def spike_locations(self) -> _ByName:
        """ "x", "y", "z": float32 (num_spikes of the group,), µm"""
        return _ByName(lambda direction: self._shared.positions_um(direction)[self._rows])


def groups_of_units(work: Workspace, periods: UnitPeriods | None = None) -> list[Callable[[], UnitGroup]]:
    """What makes each group of all units in their order, within `periods` if given; an empty one where there are none.

    As many groups are in memory as threads have made and not let go.
    """
    shared = SharedValues(work, periods)
    _ = shared.spikes.order_by_unit  # once, rather than in each thread
    return [partial(UnitGroup, shared, *group) for group in shared.spikes.groups_of_units(SPIKES_AT_ONCE) or [(0, 0)]]
