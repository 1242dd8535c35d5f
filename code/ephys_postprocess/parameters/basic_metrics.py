"""Quality metrics of counts, signal and refractory periods: the record of each, in the order of their columns."""

from typing import Annotated, Literal

from pydantic import model_validator

from ephys_postprocess.parameters.columns import Column, Threshold
from ephys_postprocess.parameters.computed import QualityMetric
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.types import (
    AsTuple,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    Number,
    PositiveNumber,
    check_less,
    declare,
)

_PIPELINE = "qc_thresholds of the AIND ephys pipeline 1.3.1"
_IBL = "International Brain Laboratory 2022"


class NumSpikes(QualityMetric):
    name = "num_spikes"
    phrase = "number of spikes"
    computed_by = "stages.quality.spike_train_metrics:num_spikes"
    columns = (Column("num_spikes", "", "Number of spikes in all segments.", dtype=int),)


class FiringRate(QualityMetric):
    name = "firing_rate"
    phrase = "firing rate"
    computed_by = "stages.quality.spike_train_metrics:firing_rate"
    columns = (
        Column(
            "firing_rate",
            "spikes/s",
            "Spikes divided by the recording's duration.",
            threshold=Threshold(0.1, True, "a common convention"),
        ),
    )


class PresenceRatio(QualityMetric):
    name = "presence_ratio"
    phrase = "presence ratio (bins of {bin_duration_s:g} s)"
    computed_by = "stages.quality.spike_train_metrics:presence_ratio"
    columns = (
        Column(
            "presence_ratio",
            "",
            "Share of {bin_duration_s:g} s bins in which the unit's rate exceeds {mean_fr_ratio_thresh:g} times its "
            "mean; low: the unit came or went.",
            threshold=Threshold(0.8, True, _PIPELINE, is_default_qc=True),
        ),
    )

    bin_duration_s: PositiveNumber = declare(60.0, "Length of one bin, in s.")
    mean_fr_ratio_thresh: NonNegativeNumber = declare(
        0.0, "Share of the mean firing rate that a bin must exceed to count as present."
    )

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        sentence = recording.too_short(self.bin_duration_s)
        return {} if sentence is None else {"bin_duration_s": sentence}


class Snr(QualityMetric):
    name = "snr"
    phrase = "signal-to-noise ratio"
    computed_by = "stages.quality.amplitude_metrics:snr"
    needs = ("noise_levels", "templates")
    columns = (
        Column(
            "snr",
            "",
            "Amplitude of the template on the main channel ({method}) over the noise of that channel.",
            threshold=Threshold(5.0, True, "Bombcell's default for single units"),
        ),
    )

    method: Literal["extremum", "at_index", "peak_to_peak"] = declare(
        "extremum", "How the amplitude of a template is taken."
    )


class IsiViolation(QualityMetric):
    name = "isi_violation"
    phrase = "inter-spike-interval violations (below {isi_threshold_ms:g} ms; Hill et al. 2011)"
    computed_by = "stages.quality.refractory_metrics:isi_violation"
    columns = (
        Column(
            "isi_violations_ratio",
            "",
            "Estimated rate of contaminating spikes relative to the unit's own, from intervals below "
            "{isi_threshold_ms:g} ms; can exceed 1.",
            "Hill et al. 2011",
            threshold=Threshold(0.5, False, "Siegle et al. 2021; earlier AIND pipelines"),
        ),
        Column("isi_violations_count", "", "Number of inter-spike intervals below {isi_threshold_ms:g} ms.", dtype=int),
    )

    isi_threshold_ms: PositiveNumber = declare(1.5, "Intervals shorter than this are violations, in ms.")
    min_isi_ms: NonNegativeNumber = declare(0.0, "Shortest interval the sorter can produce, in ms.")

    @model_validator(mode="after")
    def _leaves_time_for_violations(self) -> "IsiViolation":
        check_less(self, "min_isi_ms", "isi_threshold_ms")
        return self


class RpViolation(QualityMetric):
    name = "rp_violation"
    phrase = (
        "refractory-period contamination (period of {refractory_period_ms:g} ms, censored period of "
        "{censored_period_ms:g} ms; Llobet et al. 2022)"
    )
    computed_by = "stages.quality.refractory_metrics:rp_violation"
    columns = (
        Column(
            "rp_contamination",
            "",
            "Estimated share of spikes that belong to other neurons, from pairs within the refractory period "
            "({refractory_period_ms:g} ms).",
            "Llobet et al. 2022",
            threshold=Threshold(0.5, False, _PIPELINE, is_default_qc=True),
        ),
        Column(
            "rp_violations",
            "",
            "Number of spike pairs within the refractory period ({refractory_period_ms:g} ms).",
            dtype=int,
        ),
    )

    refractory_period_ms: PositiveNumber = declare(1.0, "Refractory period, in ms.")
    censored_period_ms: NonNegativeNumber = declare(0.0, "Censored period, in ms.")

    @model_validator(mode="after")
    def _leaves_time_for_violations(self) -> "RpViolation":
        check_less(self, "censored_period_ms", "refractory_period_ms")
        return self


class SlidingRpViolation(QualityMetric):
    name = "sliding_rp_violation"
    phrase = (
        "sliding refractory-period violation (periods up to {max_ref_period_ms:g} ms; International "
        "Brain Laboratory 2022)"
    )
    computed_by = "stages.quality.refractory_metrics:sliding_rp_violation"
    columns = (
        Column(
            "sliding_rp_violation",
            "",
            "Smallest contamination that can be excluded with 90 % confidence, over refractory periods from "
            "{exclude_ref_period_below_ms:g} to {max_ref_period_ms:g} ms.",
            _IBL,
        ),
    )

    min_spikes: NonNegativeInteger = declare(0, "Units with fewer spikes get NaN.")
    bin_size_ms: PositiveNumber = declare(0.25, "Bin of the autocorrelogram, in ms.")
    window_size_s: PositiveNumber = declare(1.0, "Half-width of the autocorrelogram, in s.")
    exclude_ref_period_below_ms: NonNegativeNumber = declare(0.5, "Shortest refractory period tried, in ms.")
    max_ref_period_ms: PositiveNumber = declare(10.0, "Longest refractory period tried, in ms.")
    contamination_values: Annotated[Annotated[tuple[Number, ...], AsTuple] | None, Nullable] = declare(
        None, "Contaminations tried; null means SpikeInterface's own list."
    )

    @model_validator(mode="after")
    def _has_periods_to_try(self) -> "SlidingRpViolation":
        check_less(self, "exclude_ref_period_below_ms", "max_ref_period_ms")
        return self

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        misfit = recording.bins_misfit(self.window_size_s * 1e3, self.bin_size_ms, "window_size_s")
        misfit = misfit or recording.bins_misfit(self.max_ref_period_ms, self.bin_size_ms, "max_ref_period_ms")
        return {} if misfit is None else {"bin_size_ms": misfit}
