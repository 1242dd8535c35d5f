"""The standard deviation of every channel over the whole recording, gathered while the traces are read anyway."""

import numpy as np

from ephys_postprocess.kernels.trace_moments import add_count_moments, add_moments
from ephys_postprocess.stages.traces.reading import InTurn
from ephys_postprocess.traces import TraceSource


class TraceDeviations:
    """Watches a pass over the traces (`trace_pass.TraceWatcher`); what comes out does not depend on threads."""

    def __init__(self, traces: TraceSource):
        self._gains = np.abs(traces.exact_gains)
        self._are_counts = traces.dtype == np.int16
        self._shifts = traces.read(0, 0, 1)[0].astype(np.float64)
        self._num_samples = sum(traces.segment_lengths)
        self._moments = self._no_moments()
        self._in_turn = InTurn(self._add)  # sums of floats keep one order

    def watch(self, traces: np.ndarray, number: int) -> None:
        """Take in stretch `number`, (num_samples, num_channels)."""
        moments = self._no_moments()
        if self._are_counts:
            add_count_moments(traces, *moments)
        else:
            add_moments(traces, self._shifts, *moments)
        self._in_turn.give(number, moments)

    def deviations(self) -> np.ndarray:
        """float64 (num_channels,): in µV, or in counts where the gains stand for unscaled traces."""
        # Python's integers: the difference of two large numbers is what counts.
        sums, squares = self._moments.astype(object)
        variances = (self._num_samples * squares - sums**2) / self._num_samples**2
        return self._gains * np.sqrt(np.maximum(variances.astype(np.float64), 0.0))

    def _add(self, moments):
        self._moments += moments

    def _no_moments(self):
        return np.zeros((2, self._shifts.size), np.int64 if self._are_counts else np.float64)
