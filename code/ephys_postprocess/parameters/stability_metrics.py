"""Quality metrics of what a unit loses or changes over time, and of coincidences: the record of each."""

from typing import Literal

from ephys_postprocess.parameters.columns import AMPLITUDE_UNIT, Column, Threshold
from ephys_postprocess.parameters.computed import QualityMetric
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.types import (
    Flag,
    Fraction,
    NonNegativeNumber,
    NumberOfBins,
    Percentiles,
    PositiveInteger,
    PositiveNumber,
    declare,
)

_PIPELINE = "qc_thresholds of the AIND ephys pipeline 1.3.1"
_IBL = "International Brain Laboratory 2022"


class AmplitudeCutoff(QualityMetric):
    name = "amplitude_cutoff"
    phrase = (
        "amplitude cutoff (histogram of {num_histogram_bins} bins, smoothed over "
        "{histogram_smoothing_value:g}; Hill et al. 2011)"
    )
    computed_by = "stages.quality.amplitude_metrics:amplitude_cutoff"
    needs = ("amplitude_scalings|spike_amplitudes",)
    columns = (
        Column(
            "amplitude_cutoff",
            "",
            "Estimated share of spikes lost below the detection threshold, at most 0.5.",
            "Hill et al. 2011",
            threshold=Threshold(0.1, False, _PIPELINE, is_default_qc=True),
        ),
    )

    num_histogram_bins: NumberOfBins = declare(100, "Bins of the amplitude histogram.")
    histogram_smoothing_value: NonNegativeNumber = declare(
        3.0, "Gaussian smoothing of the histogram, in bins.", le=1000
    )
    amplitudes_bins_min_ratio: PositiveNumber = declare(5.0, "Fewest spikes per bin on average; else NaN.")


class AmplitudeMedian(QualityMetric):
    name = "amplitude_median"
    phrase = "median amplitude"
    computed_by = "stages.quality.amplitude_metrics:amplitude_median"
    needs = ("spike_amplitudes",)
    columns = (Column("amplitude_median", AMPLITUDE_UNIT, "Median amplitude of the spikes, negative for troughs."),)


class AmplitudeCv(QualityMetric):
    name = "amplitude_cv"
    phrase = "variation of amplitudes (about {average_num_spikes_per_bin:g} spikes per bin)"
    computed_by = "stages.quality.amplitude_metrics:amplitude_cv"
    needs = ("spike_amplitudes|amplitude_scalings",)
    columns = (
        Column(
            "amplitude_cv_median",
            "",
            "Median over time bins (of {average_num_spikes_per_bin:g} spikes on average) of the amplitudes' "
            "coefficient of variation.",
        ),
        Column(
            "amplitude_cv_range",
            "",
            "Spread over the same bins ({percentiles[0]:g}th to {percentiles[1]:g}th percentile) of the amplitudes' "
            "coefficient of variation.",
        ),
    )

    average_num_spikes_per_bin: PositiveInteger = declare(50, "Spikes an average bin holds.")
    percentiles: Percentiles = declare((5.0, 95.0), "Percentiles whose distance is the range.")
    min_num_bins: PositiveInteger = declare(10, "Units with fewer bins get NaN.")
    amplitude_extension: Literal["spike_amplitudes", "amplitude_scalings"] = declare(
        "spike_amplitudes", "The extension amplitudes are taken from."
    )

    def needed(self) -> tuple[str, ...]:
        return (self.amplitude_extension,)


class NoiseCutoff(QualityMetric):
    name = "noise_cutoff"
    phrase = "noise cutoff ({n_bins} bins; International Brain Laboratory 2022)"
    computed_by = "stages.quality.amplitude_metrics:noise_cutoff"
    needs = ("spike_amplitudes|amplitude_scalings",)
    columns = (
        Column(
            "noise_cutoff",
            "SD",
            "How far the count of the smallest amplitudes lies above that of the largest: large where spikes are cut "
            "off by the threshold.",
            _IBL,
        ),
        Column("noise_ratio", "", "Count of the smallest amplitudes over the largest count of any amplitude."),
    )

    high_quantile: Fraction = declare(0.25, "Upper share of the amplitudes used as reference.")
    low_quantile: Fraction = declare(0.1, "Lower share of the amplitudes that is tested.")
    n_bins: NumberOfBins = declare(100, "Bins of the amplitude histogram.")


class Synchrony(QualityMetric):
    name = "synchrony"
    phrase = "synchrony"
    computed_by = "stages.quality.spike_train_metrics:synchrony"
    scope = "all units"
    is_audited = False  # it is of all units
    columns = (
        Column("sync_spike_2", "", "Share of spikes that coincide, on the sample, with at least 1 of another unit."),
        Column("sync_spike_4", "", "Share of spikes that coincide, on the sample, with at least 3 others."),
        Column("sync_spike_8", "", "Share of spikes that coincide, on the sample, with at least 7 others."),
    )


class FiringRange(QualityMetric):
    name = "firing_range"
    phrase = "firing range (bins of {bin_size_s:g} s)"
    computed_by = "stages.quality.spike_train_metrics:firing_range"
    columns = (
        Column(
            "firing_range",
            "spikes/s",
            "{percentiles[0]:g}th to {percentiles[1]:g}th percentile of the firing rate in {bin_size_s:g} s bins.",
        ),
    )

    bin_size_s: PositiveNumber = declare(5.0, "Length of one bin, in s.")
    percentiles: Percentiles = declare((5.0, 95.0), "Percentiles of the binned rates whose distance is taken.")

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        sentence = recording.too_short(self.bin_size_s)
        return {} if sentence is None else {"bin_size_s": sentence}


class Drift(QualityMetric):
    name = "drift"
    phrase = "drift along {direction} (intervals of {interval_s:g} s with at least {min_spikes_per_interval} spikes)"
    computed_by = "stages.quality.drift_metrics:drift"
    needs = ("spike_locations",)
    columns = (
        Column(
            "drift_ptp",
            "µm",
            "Largest minus smallest median position of the spikes along {direction} over {interval_s:g} s intervals.",
        ),
        Column(
            "drift_std",
            "µm",
            "Standard deviation of the spikes' median position along {direction} over {interval_s:g} s intervals.",
        ),
        Column(
            "drift_mad",
            "µm",
            "Median absolute deviation of the spikes' median position along {direction} over {interval_s:g} s "
            "intervals.",
        ),
    )

    interval_s: PositiveNumber = declare(60.0, "Length of one interval, in s.")
    min_spikes_per_interval: PositiveInteger = declare(100, "Intervals with fewer spikes are left out.")
    direction: Literal["x", "y", "z"] = declare("y", "Axis along which drift is measured.")
    min_fraction_valid_intervals: Fraction = declare(0.5, "Fewest valid intervals, as a share; else NaN.")
    min_num_bins: PositiveInteger = declare(2, "Fewest intervals; else NaN.")

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        sentence = recording.too_short(self.interval_s)
        return {} if sentence is None else {"interval_s": sentence}


class SdRatio(QualityMetric):
    name = "sd_ratio"
    phrase = "ratio of the standard deviations of amplitudes and noise (Pouzat et al. 2004)"
    computed_by = "stages.quality.sd_ratio:sd_ratio"
    uses_trace_deviations = True
    needs = ("templates", "spike_amplitudes")
    is_audited = False  # stock SpikeInterface draws without a seed
    columns = (
        Column(
            "sd_ratio",
            "",
            "Standard deviation of the spikes' amplitudes over that of the noise; near 1 for one neuron.",
            "Pouzat et al. 2004",
        ),
    )

    censored_period_ms: NonNegativeNumber = declare(4.0, "Spikes this close to the one before are left out, in ms.")
    correct_for_drift: Flag = declare(True, "Take slow changes of amplitude out first.")
    correct_for_template_itself: Flag = declare(True, "Take the template's own variance out of the noise.")
