"""Quality metrics and template metrics: parameters, bounds, defaults, result columns and needed extensions."""

from typing import Annotated, ClassVar, Literal

from ephys_postprocess.parameters.types import (
    AsTuple,
    Computed,
    Flag,
    Fraction,
    NamedSections,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    Number,
    Percentage,
    PositiveInteger,
    PositiveNumber,
    Seed,
    declare,
)

Percentiles = Annotated[tuple[Percentage, Percentage], AsTuple]


class Metric(Computed):
    """One metric: its parameters, the columns it fills and the extensions it needs."""

    columns: ClassVar[tuple[str, ...]] = ()


class NumSpikes(Metric):
    columns = ("num_spikes",)


class FiringRate(Metric):
    columns = ("firing_rate",)


class PresenceRatio(Metric):
    columns = ("presence_ratio",)

    bin_duration_s: PositiveNumber = declare(60.0, "Length of one bin, in s.")
    mean_fr_ratio_thresh: NonNegativeNumber = declare(
        0.0, "Share of the mean firing rate that a bin must exceed to count as present."
    )


class Snr(Metric):
    columns = ("snr",)
    needs = ("noise_levels", "templates")

    method: Literal["extremum", "at_index", "peak_to_peak"] = declare(
        "extremum", "How the amplitude of a template is taken."
    )


class IsiViolation(Metric):
    columns = ("isi_violations_ratio", "isi_violations_count")

    isi_threshold_ms: PositiveNumber = declare(1.5, "Intervals shorter than this are violations, in ms.")
    min_isi_ms: NonNegativeNumber = declare(0.0, "Shortest interval the sorter can produce, in ms.")


class RpViolation(Metric):
    columns = ("rp_contamination", "rp_violations")

    refractory_period_ms: PositiveNumber = declare(1.0, "Refractory period, in ms.")
    censored_period_ms: NonNegativeNumber = declare(0.0, "Censored period, in ms.")


class SlidingRpViolation(Metric):
    columns = ("sliding_rp_violation",)

    min_spikes: NonNegativeInteger = declare(0, "Units with fewer spikes get NaN.")
    bin_size_ms: PositiveNumber = declare(0.25, "Bin of the autocorrelogram, in ms.")
    window_size_s: PositiveNumber = declare(1.0, "Half-width of the autocorrelogram, in s.")
    exclude_ref_period_below_ms: NonNegativeNumber = declare(0.5, "Shortest refractory period tried, in ms.")
    max_ref_period_ms: PositiveNumber = declare(10.0, "Longest refractory period tried, in ms.")
    contamination_values: Annotated[Annotated[tuple[Number, ...], AsTuple] | None, Nullable] = declare(
        None, "Contaminations tried; null means SpikeInterface's own list."
    )


class Synchrony(Metric):
    columns = ("sync_spike_2", "sync_spike_4", "sync_spike_8")


class FiringRange(Metric):
    columns = ("firing_range",)

    bin_size_s: PositiveNumber = declare(5.0, "Length of one bin, in s.")
    percentiles: Percentiles = declare((5.0, 95.0), "Percentiles of the binned rates whose distance is taken.")


class AmplitudeCv(Metric):
    columns = ("amplitude_cv_median", "amplitude_cv_range")
    needs = ("spike_amplitudes|amplitude_scalings",)

    average_num_spikes_per_bin: PositiveInteger = declare(50, "Spikes an average bin holds.")
    percentiles: Percentiles = declare((5.0, 95.0), "Percentiles whose distance is the range.")
    min_num_bins: PositiveInteger = declare(10, "Units with fewer bins get NaN.")
    amplitude_extension: Literal["spike_amplitudes", "amplitude_scalings"] = declare(
        "spike_amplitudes", "The extension amplitudes are taken from."
    )

    def needed(self) -> tuple[str, ...]:
        return (self.amplitude_extension,)


class AmplitudeCutoff(Metric):
    columns = ("amplitude_cutoff",)
    needs = ("amplitude_scalings|spike_amplitudes",)

    num_histogram_bins: PositiveInteger = declare(100, "Bins of the amplitude histogram.")
    histogram_smoothing_value: NonNegativeNumber = declare(3.0, "Gaussian smoothing of the histogram, in bins.")
    amplitudes_bins_min_ratio: PositiveNumber = declare(5.0, "Fewest spikes a bin on average; else NaN.")


class NoiseCutoff(Metric):
    columns = ("noise_cutoff", "noise_ratio")
    needs = ("spike_amplitudes|amplitude_scalings",)

    high_quantile: Fraction = declare(0.25, "Upper share of the amplitudes used as reference.")
    low_quantile: Fraction = declare(0.1, "Lower share of the amplitudes that is tested.")
    n_bins: PositiveInteger = declare(100, "Bins of the amplitude histogram.")


class AmplitudeMedian(Metric):
    columns = ("amplitude_median",)
    needs = ("spike_amplitudes",)


class Drift(Metric):
    columns = ("drift_ptp", "drift_std", "drift_mad")
    needs = ("spike_locations",)

    interval_s: PositiveNumber = declare(60.0, "Length of one interval, in s.")
    min_spikes_per_interval: PositiveInteger = declare(100, "Intervals with fewer spikes are left out.")
    direction: Literal["x", "y", "z"] = declare("y", "Axis along which drift is measured.")
    min_fraction_valid_intervals: Fraction = declare(0.5, "Fewest valid intervals, as a share; else NaN.")
    min_num_bins: PositiveInteger = declare(2, "Fewest intervals; else NaN.")


class SdRatio(Metric):
    columns = ("sd_ratio",)
    needs = ("templates", "spike_amplitudes")

    censored_period_ms: NonNegativeNumber = declare(4.0, "Spikes this close to the one before are left out, in ms.")
    correct_for_drift: Flag = declare(True, "Take slow changes of amplitude out first.")
    correct_for_template_itself: Flag = declare(True, "Take the template's own variance out of the noise.")


class Mahalanobis(Metric):
    columns = ("isolation_distance", "l_ratio")
    needs = ("principal_components",)


class DPrime(Metric):
    columns = ("d_prime",)
    needs = ("principal_components",)


class NearestNeighbor(Metric):
    columns = ("nn_hit_rate", "nn_miss_rate")
    needs = ("principal_components",)

    max_spikes: PositiveInteger = declare(10000, "Most spikes a comparison uses.")
    n_neighbors: PositiveInteger = declare(4, "Neighbours looked at for each spike.")


class Silhouette(Metric):
    columns = ("silhouette",)
    needs = ("principal_components",)

    method: Literal["simplified", "full"] = declare("simplified", "Distances to centroids, or between all spikes.")


class NnAdvanced(Metric):
    columns = ("nn_isolation", "nn_noise_overlap")
    needs = ("principal_components", "waveforms", "templates")

    max_spikes: PositiveInteger = declare(1000, "Most spikes a unit contributes.")
    min_spikes: PositiveInteger = declare(10, "Units with fewer spikes get NaN.")
    min_fr: NonNegativeNumber = declare(0.0, "Units firing slower get NaN, in Hz.")
    n_neighbors: PositiveInteger = declare(4, "Neighbours looked at for each spike.")
    n_components: PositiveInteger = declare(10, "Principal components used.")
    radius_um: PositiveNumber = declare(100.0, "Channels this close to the main channel are used, in µm.")
    min_spatial_overlap: Fraction = declare(0.5, "Share of channels two units must have in common to be compared.")
    seed: Seed = declare(0, "Seed of the choice of spikes.")


class QualityMetricParams(NamedSections):
    """The parameters of every quality metric, each checked against that metric's own signature."""

    num_spikes: NumSpikes = NumSpikes()
    firing_rate: FiringRate = FiringRate()
    presence_ratio: PresenceRatio = PresenceRatio()
    snr: Snr = Snr()
    isi_violation: IsiViolation = IsiViolation()
    rp_violation: RpViolation = RpViolation()
    sliding_rp_violation: SlidingRpViolation = SlidingRpViolation()
    amplitude_cutoff: AmplitudeCutoff = AmplitudeCutoff()
    amplitude_median: AmplitudeMedian = AmplitudeMedian()
    amplitude_cv: AmplitudeCv = AmplitudeCv()
    noise_cutoff: NoiseCutoff = NoiseCutoff()
    synchrony: Synchrony = Synchrony()
    firing_range: FiringRange = FiringRange()
    drift: Drift = Drift()
    sd_ratio: SdRatio = SdRatio()
    mahalanobis: Mahalanobis = Mahalanobis()
    d_prime: DPrime = DPrime()
    nearest_neighbor: NearestNeighbor = NearestNeighbor()
    silhouette: Silhouette = Silhouette()
    nn_advanced: NnAdvanced = NnAdvanced()


PC_METRICS = ("mahalanobis", "d_prime", "nearest_neighbor", "silhouette", "nn_advanced")
ALL_QUALITY_METRICS = tuple(QualityMetricParams.model_fields)
# nn_advanced is left out, as in SpikeInterface: it costs more than all others together.
DEFAULT_QUALITY_METRICS = tuple(name for name in ALL_QUALITY_METRICS if name != "nn_advanced")
METRIC_COLUMNS = {name: field.annotation.columns for name, field in QualityMetricParams.model_fields.items()}
