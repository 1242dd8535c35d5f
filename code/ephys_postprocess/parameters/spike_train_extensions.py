"""Extensions made of the spike trains: the record of each."""

from typing import Annotated, Literal

from pydantic import model_validator

from ephys_postprocess.parameters.computed import Extension, ResultSize
from ephys_postprocess.parameters.types import (
    AsTuple,
    Fraction,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    Number,
    PositiveInteger,
    PositiveNumber,
    declare,
)


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


class Correlograms(_AnyCorrelograms):
    computed_by = "engine.extensions:correlograms_of"
    rows = "pair of units"
    audit = "recomputed"
    has_picture = True

    def stored_bytes(self, size: ResultSize) -> float:
        return 50 * size.num_units**2


class AutoCorrelograms(_AnyCorrelograms):
    computed_by = "engine.extensions:auto_correlograms_of"


class Acgs3d(Extension):
    window_ms: PositiveNumber = declare(50.0, "Full width, in ms.")
    bin_ms: PositiveNumber = declare(1.0, "Width of one bin, in ms.")
    num_firing_rate_quantiles: PositiveInteger = declare(10, "Number of firing-rate classes.")
    smoothing_factor: PositiveInteger = declare(250, "Smoothing of the instantaneous firing rate, in ms.")


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


class ValidUnitPeriods(Extension):
    computed_by = "engine.extensions:valid_unit_periods_of"
    leaves_large_scratch = True

    method: Literal["false_positives_and_negatives", "user_defined", "combined"] = declare(
        "false_positives_and_negatives", "How valid periods are found."
    )
    period_duration_s_absolute: NonNegativeNumber = declare(30.0, "Length of one period, in s.")
    period_target_num_spikes: NonNegativeInteger = declare(300, "Spikes a period, for period_mode 'relative'.")
    period_mode: Literal["absolute", "relative"] = declare("absolute", "Periods of equal length or of equal count.")
    relative_margin_size: NonNegativeNumber = declare(1.0, "Margin around a period, in periods.")
    fp_threshold: Fraction = declare(0.1, "Most false positives of a valid period.")
    fn_threshold: Fraction = declare(0.1, "Most false negatives of a valid period.")
    minimum_n_spikes: NonNegativeInteger = declare(100, "Fewest spikes of a valid period, its margins included.")
    minimum_valid_period_duration: NonNegativeNumber = declare(180.0, "Shortest valid period kept, in s.")
    min_num_periods_relative: PositiveInteger = declare(5, "Fewest periods, for period_mode 'relative'.")
    user_defined_periods: Annotated[
        Annotated[tuple[Annotated[tuple[Number, ...], AsTuple], ...], AsTuple] | None, Nullable
    ] = declare(None, "Rows of unit index, (segment,) start and end sample, for the methods that use them.")
    refractory_period_ms: PositiveNumber = declare(0.8, "Refractory period, in ms.")
    censored_period_ms: NonNegativeNumber = declare(0.0, "Censored period, in ms.")
    num_histogram_bins: PositiveInteger = declare(50, "Bins of the amplitude histogram.")
    histogram_smoothing_value: NonNegativeInteger = declare(3, "Smoothing of the histogram, in bins.")
    amplitudes_bins_min_ratio: PositiveInteger = declare(5, "Fewest spikes a bin on average.")

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> "ValidUnitPeriods":
        if self.method == "user_defined" and self.user_defined_periods is None:
            raise ValueError("method 'user_defined' needs user_defined_periods")
        return self

    def needed(self) -> tuple[str, ...]:
        return () if self.method == "user_defined" else ("amplitude_scalings",)
