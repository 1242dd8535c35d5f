"""Template metrics: the record of each, in the order of their columns."""

from typing import Annotated, Literal

from ephys_postprocess.parameters.columns import AMPLITUDE_UNIT, Column
from ephys_postprocess.parameters.computed import TemplateMetric
from ephys_postprocess.parameters.types import (
    Flag,
    Fraction,
    NonNegativeNumber,
    Nullable,
    OptionalInteger,
    OptionalNumber,
    PositiveInteger,
    PositiveNumber,
    Range,
    declare,
)


class PeakToTroughDuration(TemplateMetric):
    name = "peak_to_trough_duration"
    computed_by = "stages.templates.template_metrics:peak_to_trough_duration"
    columns = (Column("peak_to_trough_duration", "s", "Time from the trough to the peak after it."),)


class HalfWidth(TemplateMetric):
    name = "half_width"
    computed_by = "stages.templates.template_metrics:half_widths"
    columns = (
        Column("trough_half_width", "s", "Width of the trough at half its depth."),
        Column("peak_half_width", "s", "Width of the peak at half its height."),
    )


class RepolarizationSlope(TemplateMetric):
    name = "repolarization_slope"
    computed_by = "stages.templates.template_metrics:repolarization_slope"
    columns = (Column("repolarization_slope", f"{AMPLITUDE_UNIT}/s", "Slope from the trough back to the baseline."),)


class RecoverySlope(TemplateMetric):
    name = "recovery_slope"
    computed_by = "stages.templates.template_metrics:recovery_slope"
    columns = (
        Column(
            "recovery_slope",
            f"{AMPLITUDE_UNIT}/s",
            "Slope in the {recovery_window_ms:g} ms after the peak that follows the trough.",
        ),
    )

    recovery_window_ms: PositiveNumber = declare(0.7, "Window after the peak in which the slope is fitted, in ms.")


class NumberOfPeaks(TemplateMetric):
    name = "number_of_peaks"
    computed_by = "stages.templates.template_metrics:number_of_peaks"
    columns = (
        Column("num_positive_peaks", "", "Number of positive peaks of the template.", dtype=int),
        Column("num_negative_peaks", "", "Number of troughs of the template.", dtype=int),
    )


class MainToNextExtremumDuration(TemplateMetric):
    name = "main_to_next_extremum_duration"
    computed_by = "stages.templates.template_metrics:main_to_next_extremum_duration"
    columns = (Column("main_to_next_extremum_duration", "s", "Time from the largest extremum to the next one."),)


class WaveformRatios(TemplateMetric):
    name = "waveform_ratios"
    computed_by = "stages.templates.template_metrics:waveform_ratios"
    columns = (
        Column("peak_before_to_trough_ratio", "", "Height of the peak before the trough over the trough's depth."),
        Column("peak_after_to_trough_ratio", "", "Height of the peak after the trough over the trough's depth."),
        Column("peak_before_to_peak_after_ratio", "", "Height of the peak before the trough over that after it."),
        Column("main_peak_to_trough_ratio", "", "Height of the larger peak over the trough's depth."),
    )


class WaveformWidths(TemplateMetric):
    name = "waveform_widths"
    computed_by = "stages.templates.template_metrics:waveform_widths"
    columns = (
        Column("trough_width", "s", "Width of the trough."),
        Column("peak_before_width", "s", "Width of the peak before the trough."),
        Column("peak_after_width", "s", "Width of the peak after the trough."),
    )


class WaveformBaselineFlatness(TemplateMetric):
    name = "waveform_baseline_flatness"
    computed_by = "stages.templates.template_metrics:waveform_baseline_flatness"
    columns = (
        Column(
            "waveform_baseline_flatness",
            "",
            "Largest value from {baseline_window_ms[0]:g} to {baseline_window_ms[1]:g} ms over the template's largest.",
        ),
    )

    baseline_window_ms: Range = declare((0.0, 0.5), "Start and end of the baseline within the template, in ms.")


class VelocityFits(TemplateMetric):
    name = "velocity_fits"
    computed_by = "stages.templates.footprint:velocity_fits"
    is_multi_channel = True
    columns = (
        Column("velocity_above", "µm/ms", "Speed at which the spike travels up from the main channel."),
        Column("velocity_below", "µm/ms", "Speed at which the spike travels down from the main channel."),
    )

    min_channels: PositiveInteger = declare(3, "Fewest channels a fit needs.")
    min_r2: Fraction = declare(0.2, "Fits with a lower r² give NaN.")
    column_range: OptionalNumber = declare(None, "Channels this close to the main channel's column, in µm; null = all.")


class ExpDecay(TemplateMetric):
    name = "exp_decay"
    computed_by = "stages.templates.footprint:exp_decay"
    is_multi_channel = True
    columns = (
        Column(
            "exp_decay",
            "1/µm",
            "Rate at which the template decays with distance from the main channel; with linear_fit in "
            "{amplitude_unit}/µm.",
        ),
    )

    peak_function: Literal["ptp", "min"] = declare("ptp", "How a channel's amplitude is taken.")
    min_r2: Fraction = declare(0.2, "Fits with a lower r² give NaN.")
    linear_fit: Flag = declare(False, "Fit a line instead of an exponential.")
    channel_tolerance: OptionalNumber = declare(None, "Width of the column used, in µm; null = all channels.")
    min_channels_for_fit: OptionalInteger = declare(None, "Fewest channels; null = by the kind of fit.")
    num_channels_for_fit: OptionalInteger = declare(None, "Nearest channels used; null = by the kind of fit.")
    normalize_decay: Flag = declare(False, "Divide the amplitudes by their maximum first.")


class Spread(TemplateMetric):
    name = "spread"
    computed_by = "stages.templates.footprint:spread"
    is_multi_channel = True
    columns = (
        Column(
            "spread",
            "µm",
            "Stretch of the probe on which the template exceeds {spread_threshold:g} times its largest value.",
        ),
    )

    spread_threshold: Fraction = declare(0.2, "Share of the largest amplitude a channel must reach.")
    spread_smooth_um: Annotated[NonNegativeNumber | None, Nullable] = declare(20.0, "Smoothing along depth, in µm.")
    column_range: OptionalNumber = declare(None, "Channels this close to the main channel's column, in µm; null = all.")
