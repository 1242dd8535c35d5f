"""Extensions made of the spike trains: the record of each."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from ephys_postprocess.parameters.computed import Extension, ResultSize
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.types import (
    AsTuple,
    Fraction,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    NumberOfBins,
    PositiveInteger,
    PositiveNumber,
    check_less,
    declare,
)


def _as_misfit(name: str, sentence: str | None) -> dict[str, str]:
    return {} if sentence is None else {name: sentence}


def _period(value: Any) -> Any:
    """[unit, (segment,) start, end] with None for a segment that is not given."""
    if not isinstance(value, list | tuple) or len(value) not in (3, 4):
        raise ValueError("must be [unit id, start sample, end sample] or [unit id, segment, start sample, end sample]")
    unit, *places = value
    is_whole = all(isinstance(number, int) or (isinstance(number, float) and number.is_integer()) for number in places)
    if not is_whole or any(isinstance(number, bool) for number in places) or min(places) < 0:
        raise ValueError("must have whole numbers, 0 or more, for segment, start and end sample")
    if isinstance(unit, float) and unit.is_integer():
        unit = int(unit)
    segment, start, end = map(lambda number: None if number is None else int(number), [None, *places][-3:])
    return unit, segment, start, end


# Unit id, segment (None: the only one), first sample, one past the last.
UnitPeriod = Annotated[tuple[int | str, int | None, int, int], BeforeValidator(_period)]


class _AnyCorrelograms(Extension):
    without_effect = ("method", "fast_mode")

    window_ms: PositiveNumber = declare(50.0, "Full width, in ms.")
    bin_ms: PositiveNumber = declare(1.0, "Width of one bin, in ms.")
    method: Literal["auto", "numba", "numpy"] = declare("auto", "Accepted for SpikeInterface's sake; no effect.")
    fast_mode: Literal["auto", "on", "off", "never"] = declare(
        "auto", "Accepted for SpikeInterface's sake; no effect: counts are always exact."
    )

    @model_validator(mode="after")
    def _bin_fits_window(self) -> "_AnyCorrelograms":
        if self.bin_ms > self.window_ms:
            raise ValueError(f"bin_ms ({self.bin_ms:g}) must not exceed window_ms ({self.window_ms:g})")
        return self

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        return _as_misfit("bin_ms", recording.bins_misfit(self.window_ms / 2, self.bin_ms, "half of window_ms"))


class Correlograms(_AnyCorrelograms):
    computed_by = "engine.extensions:correlograms_of"
    rows = "pair of units"
    audit = "recomputed"
    has_picture = True

    def stored_bytes(self, size: ResultSize) -> float:
        num_bins = self.window_ms / max(self.bin_ms, size.sample_ms)  # none is shorter than a sample
        return num_bins * size.num_units**2  # few counts need more than a byte


class AutoCorrelograms(_AnyCorrelograms):
    computed_by = "engine.extensions:auto_correlograms_of"


class Acgs3d(Extension):
    window_ms: PositiveNumber = declare(50.0, "Full width, in ms.")
    bin_ms: PositiveNumber = declare(1.0, "Width of one bin, in ms.")
    num_firing_rate_quantiles: PositiveInteger = declare(10, "Number of firing-rate classes.", le=1000)
    smoothing_factor: PositiveInteger = declare(250, "Smoothing of the instantaneous firing rate, in ms.", le=10_000)

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        return _as_misfit("bin_ms", recording.bins_misfit(self.window_ms / 2, self.bin_ms, "half of window_ms"))


class IsiHistograms(Extension):
    computed_by = "engine.extensions:isi_histograms_of"
    audit = "recomputed"
    without_effect = ("method",)

    window_ms: PositiveNumber = declare(100.0, "Longest interval, in ms.")
    bin_ms: PositiveNumber = declare(5.0, "Width of one bin, in ms.")
    method: Literal["auto", "numba", "numpy"] = declare("auto", "Accepted for SpikeInterface's sake; no effect.")

    @model_validator(mode="after")
    def _bin_fits_window(self) -> "IsiHistograms":
        if self.bin_ms > self.window_ms:
            raise ValueError(f"bin_ms ({self.bin_ms:g}) must not exceed window_ms ({self.window_ms:g})")
        return self

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        return _as_misfit("bin_ms", recording.bins_misfit(self.window_ms, self.bin_ms))


class ValidUnitPeriods(Extension):
    computed_by = "engine.extensions:valid_unit_periods_of"
    leaves_large_scratch = True

    method: Literal["false_positives_and_negatives", "user_defined", "combined"] = declare(
        "false_positives_and_negatives", "How valid periods are found."
    )
    period_duration_s_absolute: PositiveNumber = declare(30.0, "Length of one period, in s.", ge=0.1)
    period_target_num_spikes: PositiveInteger = declare(300, "Spikes a period, for period_mode 'relative'.")
    period_mode: Literal["absolute", "relative"] = declare("absolute", "Periods of equal length or of equal count.")
    relative_margin_size: NonNegativeNumber = declare(1.0, "Margin around a period, in periods.")
    fp_threshold: Fraction = declare(0.1, "Most false positives of a valid period.")
    fn_threshold: Fraction = declare(0.1, "Most false negatives of a valid period.")
    minimum_n_spikes: NonNegativeInteger = declare(100, "Fewest spikes of a valid period, its margins included.")
    minimum_valid_period_duration: NonNegativeNumber = declare(180.0, "Shortest valid period kept, in s.")
    min_num_periods_relative: PositiveInteger = declare(5, "Fewest periods, for period_mode 'relative'.", le=1000)
    user_defined_periods: Annotated[Annotated[tuple[UnitPeriod, ...], AsTuple] | None, Nullable] = declare(
        None, "Rows of unit id, (segment,) start and end sample, for the methods 'user_defined' and 'combined'."
    )
    refractory_period_ms: PositiveNumber = declare(0.8, "Refractory period, in ms.")
    censored_period_ms: NonNegativeNumber = declare(0.0, "Censored period, in ms.")
    num_histogram_bins: NumberOfBins = declare(50, "Bins of the amplitude histogram.")
    histogram_smoothing_value: NonNegativeInteger = declare(3, "Smoothing of the histogram, in bins.", le=1000)
    amplitudes_bins_min_ratio: PositiveInteger = declare(5, "Fewest spikes per bin on average.")

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> "ValidUnitPeriods":
        if self.method == "user_defined" and self.user_defined_periods is None:
            raise ValueError("method 'user_defined' needs user_defined_periods")
        check_less(self, "censored_period_ms", "refractory_period_ms")
        return self

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        for row in self.user_defined_periods or ():
            if sentence := self._period_misfit(row, recording):
                shown = [part for part in row if part is not None]
                return {"user_defined_periods": f"{sentence} (got {shown}; rows are unit id, (segment,) start, end)."}
        return {}

    def _period_misfit(self, row: tuple, recording: RecordingFacts) -> str | None:
        unit, segment, start, end = row
        lengths = recording.segment_samples
        if str(unit) not in recording.unit_ids:
            return f"the sorting has no unit {unit}"
        if segment is None and len(lengths) > 1:
            return f"the recording has {len(lengths)} segments, so each row must name one"
        if (segment or 0) >= len(lengths):
            return f"the recording has {len(lengths)} segment(s), counted from 0"
        if not start < end <= lengths[segment or 0]:
            return f"start and end must be in order and within the segment's {lengths[segment or 0]} samples"
        if end - start < int(self.minimum_valid_period_duration * recording.sampling_frequency_hz):
            return f"a period must last for minimum_valid_period_duration, {self.minimum_valid_period_duration:g} s"
        return None

    def needed(self) -> tuple[str, ...]:
        return () if self.method == "user_defined" else ("amplitude_scalings",)
