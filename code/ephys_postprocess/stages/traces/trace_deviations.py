"""The standard deviation of every channel over the whole recording, gathered while the traces are read anyway."""

import threading

import numpy as np

from ephys_postprocess.kernels.trace_moments import add_moments
from ephys_postprocess.traces import TraceSource


class TraceDeviations:
    """Watches a pass over the traces (`trace_pass.TraceWatcher`); what comes out does not depend on threads."""

    def __init__(self, traces: TraceSource):
        self._gains = np.abs(traces.exact_gains)
        self._shifts = traces.read(0, 0, 1)[0].astype(np.float64)
        self._num_samples = sum(traces.segment_lengths)
        self._sums, self._squares = np.zeros((2, traces.num_channels))
        self._waiting = {}  # chunk number: its moments, until those before it are added: float sums keep one order
        self._next = 0
        self._lock = threading.Lock()

    def watch(self, traces: np.ndarray, chunk_number: int) -> None:
        """Take in a chunk (num_samples, num_channels)."""
        moments = np.zeros((2, traces.shape[1]))
        add_moments(traces, self._shifts, *moments)
        with self._lock:
            self._waiting[chunk_number] = moments
            while self._next in self._waiting:
                sums, squares = self._waiting.pop(self._next)
                self._sums += sums
                self._squares += squares
                self._next += 1

    def deviations(self) -> np.ndarray:
        """float64 (num_channels,): in µV, or in counts where the gains stand for unscaled traces."""
        means = self._sums / self._num_samples
        return self._gains * np.sqrt(np.maximum(self._squares / self._num_samples - means**2, 0.0))
