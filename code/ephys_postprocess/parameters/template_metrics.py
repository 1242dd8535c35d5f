"""Template metrics and spike-train metrics: parameters, bounds, defaults and result columns."""

from typing import Annotated, Literal

from ephys_postprocess.parameters.quality_metrics import FiringRate, Metric, NumSpikes
from ephys_postprocess.parameters.types import (
    Flag,
    Fraction,
    NamedSections,
    NonNegativeNumber,
    Nullable,
    OptionalInteger,
    OptionalNumber,
    PositiveInteger,
    PositiveNumber,
    Range,
    declare,
)


class PeakToTroughDuration(Metric):
    columns = ("peak_to_trough_duration",)


class HalfWidth(Metric):
    columns = ("trough_half_width", "peak_half_width")


class RepolarizationSlope(Metric):
    columns = ("repolarization_slope",)


class RecoverySlope(Metric):
    columns = ("recovery_slope",)

    recovery_window_ms: PositiveNumber = declare(0.7, "Window after the peak in which the slope is fitted, in ms.")


class NumberOfPeaks(Metric):
    columns = ("num_positive_peaks", "num_negative_peaks")


class MainToNextExtremumDuration(Metric):
    columns = ("main_to_next_extremum_duration",)


class WaveformRatios(Metric):
    columns = (
        "peak_before_to_trough_ratio",
        "peak_after_to_trough_ratio",
        "peak_before_to_peak_after_ratio",
        "main_peak_to_trough_ratio",
    )


class WaveformWidths(Metric):
    columns = ("trough_width", "peak_before_width", "peak_after_width")


class WaveformBaselineFlatness(Metric):
    columns = ("waveform_baseline_flatness",)

    baseline_window_ms: Range = declare((0.0, 0.5), "Start and end of the baseline within the template, in ms.")


class VelocityFits(Metric):
    columns = ("velocity_above", "velocity_below")

    min_channels: PositiveInteger = declare(3, "Fewest channels a fit needs.")
    min_r2: Fraction = declare(0.2, "Fits with a lower r² give NaN.")
    column_range: OptionalNumber = declare(None, "Channels this close to the main channel's column, in µm; null = all.")


class ExpDecay(Metric):
    columns = ("exp_decay",)

    peak_function: Literal["ptp", "min"] = declare("ptp", "How a channel's amplitude is taken.")
    min_r2: Fraction = declare(0.2, "Fits with a lower r² give NaN.")
    linear_fit: Flag = declare(False, "Fit a line instead of an exponential.")
    channel_tolerance: OptionalNumber = declare(None, "Width of the column used, in µm; null = all channels.")
    min_channels_for_fit: OptionalInteger = declare(None, "Fewest channels; null = by the kind of fit.")
    num_channels_for_fit: OptionalInteger = declare(None, "Nearest channels used; null = by the kind of fit.")
    normalize_decay: Flag = declare(False, "Divide the amplitudes by their maximum first.")


class Spread(Metric):
    columns = ("spread",)

    spread_threshold: Fraction = declare(0.2, "Share of the largest amplitude a channel must reach.")
    spread_smooth_um: Annotated[NonNegativeNumber | None, Nullable] = declare(20.0, "Smoothing along depth, in µm.")
    column_range: OptionalNumber = declare(None, "Channels this close to the main channel's column, in µm; null = all.")


class TemplateMetricParams(NamedSections):
    """The parameters of every template metric."""

    peak_to_trough_duration: PeakToTroughDuration = PeakToTroughDuration()
    half_width: HalfWidth = HalfWidth()
    repolarization_slope: RepolarizationSlope = RepolarizationSlope()
    recovery_slope: RecoverySlope = RecoverySlope()
    number_of_peaks: NumberOfPeaks = NumberOfPeaks()
    main_to_next_extremum_duration: MainToNextExtremumDuration = MainToNextExtremumDuration()
    waveform_ratios: WaveformRatios = WaveformRatios()
    waveform_widths: WaveformWidths = WaveformWidths()
    waveform_baseline_flatness: WaveformBaselineFlatness = WaveformBaselineFlatness()
    velocity_fits: VelocityFits = VelocityFits()
    exp_decay: ExpDecay = ExpDecay()
    spread: Spread = Spread()


MULTI_CHANNEL_TEMPLATE_METRICS = ("velocity_fits", "exp_decay", "spread")
ALL_TEMPLATE_METRICS = tuple(TemplateMetricParams.model_fields)


class SpiketrainMetricParams(NamedSections):
    """The parameters of the spike-train metrics: they have none."""

    num_spikes: NumSpikes = NumSpikes()
    firing_rate: FiringRate = FiringRate()


ALL_SPIKETRAIN_METRICS = tuple(SpiketrainMetricParams.model_fields)
