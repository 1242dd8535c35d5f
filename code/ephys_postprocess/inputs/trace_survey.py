"""A first look at a few stretches of the traces: what tells them from others, and what is wrong with them."""

import hashlib
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.traces import TraceSource

# Of every segment: its two ends and stretches between them, a few MB in all.
NUM_STRETCHES = 24
STRETCH_SAMPLES = 256
# A channel that stands at the end of its range for half the time does not follow a signal.
RAILED_SHARE = 0.5
# Thermal noise of an electrode alone spans more.
LEAST_SPREAD_UV = 0.5


@dataclass(frozen=True)
class TraceSurvey:
    """What the stretches say; masks are bool (num_channels,)."""

    digest: str  # sha256 (hex) of the stretches, the scaling and the lengths
    is_finite: np.ndarray
    is_constant: np.ndarray
    is_railed: np.ndarray
    spread: float  # median over the channels that change of how far apart the extremes are, in the traces' unit

    def alarms(self, channel_ids) -> list[str]:
        """One line each kind of trouble that a run can live with."""
        if self.is_constant.size and self.is_constant.all():
            return ["The traces are constant on every channel looked at: nothing was recorded, or the file is empty."]
        alarms = []
        if self.is_constant.any():
            alarms.append(f"Traces that never change: channels {_named(channel_ids, self.is_constant)}.")
        if self.is_railed.any():
            alarms.append(f"Traces at the end of their range: channels {_named(channel_ids, self.is_railed)}.")
        return alarms

    def implausible_microvolts(self) -> str | None:
        """What to say of traces in µV that no electrode gives, or None."""
        if not 0 < self.spread < LEAST_SPREAD_UV:
            return None
        return (
            f"The traces, taken for µV, span {self.spread:.2g} µV: implausibly little. Are they in volts? Then set the "
            "recording's gain_to_uV (1e6 for V, 1e3 for mV) and save it again: amplitudes, and the fits of locations "
            "and decays, go by µV."
        )

    def broken(self, channel_ids) -> str | None:
        """What no run can live with, in words, or None."""
        if self.is_finite.all():
            return None
        return f"NaN or infinite values on channels {_named(channel_ids, ~self.is_finite)}"


def survey_traces(traces: TraceSource) -> TraceSurvey:
    """Read the stretches of every segment once."""
    digest = hashlib.sha256()
    facts = (traces.num_channels, traces.segment_lengths, traces.sampling_frequency_hz, traces.dtype.str)
    digest.update(repr(facts).encode())
    digest.update(traces.exact_gains.tobytes() + traces.exact_offsets.tobytes())
    low, high = _limits(traces.dtype)
    smallest = np.full(traces.num_channels, np.inf)
    largest = np.full(traces.num_channels, -np.inf)
    num_at_end = np.zeros(traces.num_channels, dtype=np.int64)
    is_finite = np.ones(traces.num_channels, dtype=bool)
    num_samples = 0
    for segment_index, length in enumerate(traces.segment_lengths):
        for start, stop in stretches(length):
            stretch = np.ascontiguousarray(traces.read(segment_index, start, stop))
            digest.update(stretch.data)
            is_finite &= np.isfinite(stretch).all(axis=0)
            smallest = np.fmin(smallest, stretch.min(axis=0))
            largest = np.fmax(largest, stretch.max(axis=0))
            num_at_end += ((stretch <= low) | (stretch >= high)).sum(axis=0)
            num_samples += stop - start
    is_constant = is_finite & (smallest == largest)
    is_railed = ~is_constant & (num_at_end > RAILED_SHARE * num_samples)
    changes = is_finite & ~is_constant & (num_samples > 0)
    spreads = ((largest - smallest) * np.abs(traces.exact_gains))[changes]
    spread = float(np.median(spreads)) if spreads.size else 0.0
    return TraceSurvey(digest.hexdigest(), is_finite, is_constant, is_railed, spread)


def stretches(length: int) -> list[tuple[int, int]]:
    """(start, stop) of the samples of a segment that are looked at: its ends, and evenly between."""
    starts = np.unique(np.linspace(0, max(0, length - STRETCH_SAMPLES), NUM_STRETCHES).astype(np.int64))
    return [(int(start), min(int(start) + STRETCH_SAMPLES, length)) for start in starts]


def _limits(dtype: np.dtype) -> tuple[float, float]:
    if dtype.kind in "iu":
        return np.iinfo(dtype).min, np.iinfo(dtype).max
    return -np.inf, np.inf  # what else would be railed is told as not finite


def _named(channel_ids, mask: np.ndarray) -> str:
    names = [str(channel_id) for channel_id in np.asarray(channel_ids)[mask]]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
