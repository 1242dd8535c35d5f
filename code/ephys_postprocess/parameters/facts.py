"""What parameters can ask of a recording: they are checked against it before any work."""

import math
from dataclasses import dataclass

MOST_BINS = 100_000  # of one histogram; more is a slip of the unit, and would fill the memory
MOST_WINDOW_SAMPLES = 2000  # of a waveform: principal components compare each of its samples with each
MOST_GRID_PLACES = 2_000_000  # tried for one channel, over all depths


@dataclass(frozen=True)
class RecordingFacts:
    """What is known of a recording and its sorting once they are open."""

    sampling_frequency_hz: float
    segment_samples: tuple[int, ...]
    unit_ids: tuple[str, ...]
    channel_places_um: tuple[tuple[float, float], ...]  # x, y

    def samples(self, duration_ms: float) -> int:
        """A duration in whole samples, rounded as SpikeInterface does."""
        return round(duration_ms * 1e-3 * self.sampling_frequency_hz)

    def window_misfit(self, ms_before: float, ms_after: float) -> dict[str, str]:
        """Why waveforms cannot be so long, by parameter."""
        num_samples = self.samples(ms_before) + self.samples(ms_after)
        if num_samples <= MOST_WINDOW_SAMPLES:
            return {}
        longer = "ms_before" if ms_before > ms_after else "ms_after"
        return {longer: f"makes windows of {num_samples} samples; at most {MOST_WINDOW_SAMPLES} are computed."}

    def too_short(self, duration_s: float) -> str | None:
        """Why the recording cannot be cut into bins or intervals so short, or None."""
        samples = int(duration_s * self.sampling_frequency_hz)
        if samples < 1:
            return f"must be at least one sample, {1 / self.sampling_frequency_hz:.3g} s (got {duration_s:g} s)."
        if sum(self.segment_samples) // samples > MOST_BINS:
            least_s = sum(self.segment_samples) / self.sampling_frequency_hz / MOST_BINS
            return (
                f"must be at least {least_s:.3g} s for a recording so long: {MOST_BINS:,} bins (got {duration_s:g} s)."
            )
        return None

    def bins_misfit(self, width_ms: float, bin_ms: float, where: str = "window_ms") -> str | None:
        """Why a histogram of this width cannot have such bins, or None; a bin of less than a sample takes one."""
        bin_samples, width_samples = max(1, self.samples(bin_ms)), self.samples(width_ms)
        if width_samples < bin_samples:
            return f"must not be longer than {where} allows, {width_ms:g} ms (got {bin_ms:g} ms)."
        if width_samples // bin_samples > MOST_BINS:
            return f"{where} has {width_samples // bin_samples:,} of these bins; at most {MOST_BINS:,} are computed."
        return None

    def grid_misfit(self, radius_um: float, step_um: float, margin_um: float) -> dict[str, str]:
        """Why locations cannot be sought on such a grid, by parameter."""
        if not self.channel_places_um:
            return {}
        spans = [max(axis) - min(axis) + 2 * margin_um for axis in zip(*self.channel_places_um, strict=True)]
        num_places = min(math.pi * (radius_um / step_um) ** 2, math.prod(span / step_um + 1 for span in spans))
        if max(spans) / step_um > MOST_BINS or num_places > MOST_GRID_PLACES:
            return {"upsampling_um": f"is too fine for radius_um = {radius_um:g} and margin_um = {margin_um:g}."}
        lows = [min(axis) - margin_um for axis in zip(*self.channel_places_um, strict=True)]
        for place in self.channel_places_um:
            steps = [(value - low) / step_um for value, low in zip(place, lows, strict=True)]
            farthest = math.hypot(*(step_um * (step - round(step)) for step in steps))
            if farthest > radius_um:
                return {
                    "radius_um": f"no place of a grid with steps of {step_um:g} µm is so near to every channel "
                    f"(got {radius_um:g}); with {step_um:g} or more there is one."
                }
        return {}
