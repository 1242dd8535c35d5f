"""The extensions of a SortingAnalyzer that can be computed: parameters, bounds, defaults, and what each one needs."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from ephys_postprocess.parameters.methods import (
    SPIKE_LOCATION_METHODS,
    UNIT_LOCATION_METHODS,
    LocationOptions,
    RandomSlices,
    SpikeRetrieverOptions,
    check_method_options,
)
from ephys_postprocess.parameters.metric_extensions import QualityMetrics, SpiketrainMetrics, TemplateMetrics
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
    OptionalInteger,
    OptionalNumber,
    Percentage,
    PositiveInteger,
    PositiveNumber,
    Seed,
    declare,
)


def _operators(value: Any) -> Any:
    """Template operators: names, or ["percentile", q]."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("must be a list such as ['average', 'std']")
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value)


def _kind_of_operator(value: Any) -> str:
    return "name" if isinstance(value, str) else "percentile"


Operator = Annotated[
    Annotated[Literal["average", "std", "median", "mad"], Tag("name")]
    | Annotated[tuple[Literal["percentile"], Percentage], Tag("percentile")],
    Discriminator(_kind_of_operator),
]


class RandomSpikes(Computed):
    method: Literal["uniform", "all", "percentage", "maximum_rate"] = declare("uniform", "How spikes are chosen.")
    max_spikes_per_unit: PositiveInteger = declare(500, "Most spikes a unit.")
    margin_size: Annotated[NonNegativeInteger | None, Nullable] = declare(
        None, "Spikes this close to a segment's ends are left out, in samples; null = none."
    )
    seed: Seed = declare(0, "Seed of the choice.")
    percentage: Annotated[Fraction | None, Nullable] = declare(
        None, "Share of a unit's spikes, for method 'percentage'."
    )
    maximum_rate: OptionalNumber = declare(None, "Most spikes a second, for method 'maximum_rate'.")

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> "RandomSpikes":
        if self.method in ("percentage", "maximum_rate") and getattr(self, self.method) is None:
            raise ValueError(f"method '{self.method}' needs the parameter '{self.method}'")
        return self


class NoiseLevels(Computed):
    method: Literal["mad", "std", "rms"] = declare("mad", "How noise is measured.")
    random_slices_kwargs: RandomSlices = declare(RandomSlices(), "The stretches of traces that are measured.")


class Waveforms(Computed):
    needs = ("random_spikes",)

    ms_before: PositiveNumber = declare(3.0, "Start of the window before the spike, in ms.")
    ms_after: PositiveNumber = declare(4.0, "End of the window after the spike, in ms.")
    dtype: Annotated[Literal["float32", "float64", "int16"] | None, Nullable] = declare(
        None, "Type of the stored samples; null = float32 in µV, the recording's own otherwise."
    )


class Templates(Computed):
    needs = ("random_spikes|waveforms",)

    ms_before: PositiveNumber = declare(3.0, "As for waveforms; used only where waveforms are not computed.")
    ms_after: PositiveNumber = declare(4.0, "As for waveforms; used only where waveforms are not computed.")
    operators: Annotated[tuple[Operator, ...], BeforeValidator(_operators)] = declare(
        ("average", "std"), "What is taken over a unit's waveforms: average, std, median, mad, ['percentile', q]."
    )

    def needed(self) -> tuple[str, ...]:
        uses_waveforms = any(operator not in ("average", "std") for operator in self.operators)
        return ("waveforms",) if uses_waveforms else self.needs


class SpikeAmplitudes(Computed):
    needs = ("templates",)


class AmplitudeScalings(Computed):
    needs = ("templates",)

    sparsity: Annotated[None, Nullable] = declare(None, "Only null: the analyzer's own sparsity.")
    max_dense_channels: OptionalInteger = declare(16, "Most channels of a recording without sparsity; null = any.")
    ms_before: OptionalNumber = declare(None, "Part of the template used before the spike, in ms; null = all.")
    ms_after: OptionalNumber = declare(None, "Part of the template used after the spike, in ms; null = all.")
    handle_collisions: Flag = declare(True, "Fit spikes that overlap in time and channels together.")
    delta_collision_ms: NonNegativeNumber = declare(2.0, "Spikes closer than this may collide, in ms.")


class UnitLocations(Computed, LocationOptions):
    needs = ("templates",)

    method: Literal["monopolar_triangulation", "center_of_mass", "grid_convolution", "max_channel"] = declare(
        "monopolar_triangulation", "How a unit is located from its template."
    )

    @model_validator(mode="after")
    def _options_belong_to_method(self) -> "UnitLocations":
        check_method_options(self, self.method, UNIT_LOCATION_METHODS)
        return self

    def arguments(self) -> dict[str, Any]:
        return {"method": self.method, **LocationOptions.arguments(self)}


class SpikeLocations(Computed):
    needs = ("templates",)

    ms_before: PositiveNumber = declare(0.5, "Start of the window used, before the spike, in ms.")
    ms_after: PositiveNumber = declare(0.5, "End of the window used, after the spike, in ms.")
    spike_retriever_kwargs: SpikeRetrieverOptions = declare(
        SpikeRetrieverOptions(), "How a spike's own main channel is found."
    )
    method: Literal["center_of_mass", "monopolar_triangulation", "grid_convolution"] = declare(
        "grid_convolution", "How a spike is located."
    )
    method_kwargs: LocationOptions = declare(LocationOptions(), "Options of the method.")
    seed: Seed = declare(0, "Seed of the spikes that make grid_convolution's prototype.")

    @model_validator(mode="after")
    def _options_belong_to_method(self) -> "SpikeLocations":
        check_method_options(self.method_kwargs, self.method, SPIKE_LOCATION_METHODS)
        return self


class TemplateSimilarity(Computed):
    needs = ("templates",)

    method: Literal["cosine", "l1", "l2"] = declare("cosine", "Similarity or distance of two templates.")
    max_lag_ms: NonNegativeNumber = declare(0.0, "Largest shift tried between two templates, in ms.")
    support: Literal["union", "dense", "intersection"] = declare("union", "Channels on which two units are compared.")


class Correlograms(Computed):
    without_effect = ("method", "fast_mode")

    window_ms: PositiveNumber = declare(50.0, "Full width, in ms.")
    bin_ms: PositiveNumber = declare(1.0, "Width of one bin, in ms.")
    method: Literal["auto", "numba", "numpy"] = declare("auto", "Accepted for SpikeInterface's sake; no effect.")
    fast_mode: Literal["auto", "on", "off", "never"] = declare(
        "auto", "Accepted for SpikeInterface's sake; no effect: counts are always exact."
    )

    @model_validator(mode="after")
    def _bin_fits_window(self) -> "Correlograms":
        if self.bin_ms > self.window_ms:
            raise ValueError(f"bin_ms ({self.bin_ms:g}) must not exceed window_ms ({self.window_ms:g})")
        return self


class AutoCorrelograms(Correlograms):
    pass


class Acgs3d(Computed):
    window_ms: PositiveNumber = declare(50.0, "Full width, in ms.")
    bin_ms: PositiveNumber = declare(1.0, "Width of one bin, in ms.")
    num_firing_rate_quantiles: PositiveInteger = declare(10, "Number of firing-rate classes.")
    smoothing_factor: PositiveInteger = declare(250, "Smoothing of the instantaneous firing rate, in ms.")


class IsiHistograms(Computed):
    without_effect = ("method",)

    window_ms: PositiveNumber = declare(100.0, "Longest interval, in ms.")
    bin_ms: PositiveNumber = declare(5.0, "Width of one bin, in ms.")
    method: Literal["auto", "numba", "numpy"] = declare("auto", "Accepted for SpikeInterface's sake; no effect.")

    @model_validator(mode="after")
    def _bin_fits_window(self) -> "IsiHistograms":
        if self.bin_ms > self.window_ms:
            raise ValueError(f"bin_ms ({self.bin_ms:g}) must not exceed window_ms ({self.window_ms:g})")
        return self


class PrincipalComponents(Computed):
    needs = ("random_spikes", "waveforms")

    n_components: PositiveInteger = declare(5, "Components a channel.")
    mode: Literal["by_channel_local", "by_channel_global", "concatenated"] = declare(
        "by_channel_local", "One model a channel, one for all channels, or one of all channels side by side."
    )
    whiten: Flag = declare(True, "Scale the components to unit variance.")
    dtype: Literal["float32", "float64"] = declare("float32", "Type of the stored projections.")


class ValidUnitPeriods(Computed):
    method: Literal["false_positives_and_negatives", "user_defined", "combined"] = declare(
        "false_positives_and_negatives", "How valid periods are found."
    )
    period_duration_s_absolute: NonNegativeNumber = declare(30.0, "Length of one period, in s.")
    period_target_num_spikes: NonNegativeInteger = declare(300, "Spikes a period, for period_mode 'relative'.")
    period_mode: Literal["absolute", "relative"] = declare("absolute", "Periods of equal length or of equal count.")
    relative_margin_size: NonNegativeNumber = declare(1.0, "Margin around a period, in periods.")
    fp_threshold: Fraction = declare(0.1, "Most false positives of a valid period.")
    fn_threshold: Fraction = declare(0.1, "Most false negatives of a valid period.")
    minimum_n_spikes: NonNegativeInteger = declare(100, "Fewest spikes of a valid period.")
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


class Extensions(NamedSections):
    """What is computed, in this order. An extension whose default is None is computed only when asked for."""

    random_spikes: RandomSpikes | None = RandomSpikes()
    noise_levels: NoiseLevels | None = NoiseLevels()
    waveforms: Waveforms | None = Waveforms()
    templates: Templates | None = Templates()
    spike_amplitudes: SpikeAmplitudes | None = SpikeAmplitudes()
    amplitude_scalings: AmplitudeScalings | None = AmplitudeScalings()
    unit_locations: UnitLocations | None = UnitLocations()
    spike_locations: SpikeLocations | None = SpikeLocations()
    template_similarity: TemplateSimilarity | None = TemplateSimilarity()
    template_metrics: TemplateMetrics | None = TemplateMetrics()
    principal_components: PrincipalComponents | None = PrincipalComponents()
    correlograms: Correlograms | None = Correlograms()
    auto_correlograms: AutoCorrelograms | None = None
    acgs_3d: Acgs3d | None = None
    isi_histograms: IsiHistograms | None = IsiHistograms()
    valid_unit_periods: ValidUnitPeriods | None = ValidUnitPeriods()
    spiketrain_metrics: SpiketrainMetrics | None = None
    quality_metrics: QualityMetrics | None = QualityMetrics()


EXTENSION_NAMES = tuple(Extensions.model_fields)
DEFAULT_EXTENSIONS = Extensions().keys()
