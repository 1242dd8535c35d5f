"""Counts to µV for what compares channels with each other: main channels and locations."""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.traces import TraceSource

ROWS_AT_ONCE = 4096  # float64 meanwhile: a few MB


@dataclass(frozen=True)
class Scaling:
    """What a count is worth on each channel.

    Where all channels have one positive gain and no offset, counts are as good as µV: what is largest, and where, is
    the same. There they stay as they are, which saves a copy of the traces and leaves SpikeInterface's bits.
    """

    gains: np.ndarray  # float64 (num_channels,) µV a count, 1 where traces are used unscaled
    offsets: np.ndarray  # float64 (num_channels,) µV, 0 where traces are used unscaled

    @classmethod
    def of(cls, traces: TraceSource) -> "Scaling":
        """In the recording's own precision."""
        return cls(traces.exact_gains, traces.exact_offsets)

    @property
    def is_one_factor(self) -> bool:
        """Whether counts are µV but for one positive factor."""
        first = self.gains[:1]
        return bool((first > 0).all() and (self.gains == first).all() and not self.offsets.any())

    @property
    def factor_left(self) -> float:
        """What `comparable` values must be multiplied with to be µV."""
        return float(self.gains[0]) if self.is_one_factor and self.gains.size else 1.0

    def comparable(self, counts: np.ndarray) -> np.ndarray:
        """`counts`, whose last axis is all channels, as they are where `is_one_factor`; else float32 µV."""
        if self.is_one_factor:
            return counts
        in_uV = np.empty(counts.shape, dtype=np.float32)
        rows, rows_in_uV = counts.reshape(-1, counts.shape[-1]), in_uV.reshape(-1, counts.shape[-1])
        for first in range(0, len(rows), ROWS_AT_ONCE):
            some = slice(first, first + ROWS_AT_ONCE)
            rows_in_uV[some] = rows[some] * self.gains + self.offsets
        return in_uV

    def comparable_on(self, channels: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The same for values of given channels, two arrays that broadcast."""
        return counts if self.is_one_factor else counts * self.gains[channels] + self.offsets[channels]


AS_THEY_ARE = Scaling(np.ones(1), np.zeros(1))
