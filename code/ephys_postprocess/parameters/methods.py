"""Options that depend on a chosen method: sparsity, noise slices, and the ways of locating units and spikes."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, model_validator

from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.text import duration_s
from ephys_postprocess.parameters.types import (
    AsTuple,
    Flag,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    Number,
    OptionalWindowMs,
    Options,
    Percentage,
    PositiveInteger,
    PositiveNumber,
    Section,
    Seed,
    declare,
)

PeakSign = Literal["neg", "pos", "both"]


def _duration(value: object) -> object:
    duration_s(value)
    return value if isinstance(value, str) else float(value)


Numbers = Annotated[tuple[Number, ...], AsTuple]
Duration = Annotated[float | str, BeforeValidator(_duration)]


class Sparsity(Options):
    """Which channels belong to which unit."""

    method: Literal["radius", "best_channels", "closest_channels", "snr", "amplitude", "by_property"] = declare(
        "radius", "How a unit's channels are chosen."
    )
    radius_um: PositiveNumber = declare(100.0, "For 'radius': distance from the main channel, in µm.")
    num_channels: Annotated[PositiveInteger | None, Nullable] = declare(
        None, "For 'best_channels' and 'closest_channels': how many."
    )
    threshold: Annotated[PositiveNumber | None, Nullable] = declare(
        None, "For 'snr' and 'amplitude': least amplitude, in noise levels or µV."
    )
    amplitude_mode: Annotated[Literal["extremum", "peak_to_peak"] | None, Nullable] = declare(
        None, "For 'snr', 'amplitude' and 'best_channels': how the amplitude is taken."
    )
    peak_sign: Annotated[PeakSign | None, Nullable] = declare(None, "Sign of the peak; null = both.")
    by_property: Annotated[str | None, Nullable] = declare(None, "For 'by_property': name of the property.")
    num_spikes_for_sparsity: Annotated[PositiveInteger | None, Nullable] = declare(
        None, "Spikes a unit in the templates made for this; null = 100."
    )
    ms_before: OptionalWindowMs = declare(None, "Window of those templates; null = 1.0 ms.")
    ms_after: OptionalWindowMs = declare(None, "Window of those templates; null = 2.5 ms.")

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> "Sparsity":
        if self.method == "by_property" and self.by_property is None:
            raise ValueError("method 'by_property' needs the parameter 'by_property'")
        return self


class RandomSlices(Options):
    """Randomly placed stretches of traces."""

    num_chunks_per_segment: PositiveInteger = declare(20, "Stretches a segment.", le=10_000)
    chunk_size: Annotated[PositiveInteger | None, Nullable] = declare(
        10000, "Length of a stretch, in samples; null = chunk_duration."
    )
    chunk_duration: Annotated[Duration | None, Nullable] = declare(
        None, "Length of a stretch where chunk_size is null, such as '500ms'; null = 500 ms."
    )
    method: Literal["full_random"] = declare("full_random", "How stretches are placed.")
    margin_frames: NonNegativeInteger = declare(0, "Distance kept from a segment's ends, in samples.")
    seed: Seed = declare(0, "Seed of the placing.")

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        longest = max(recording.segment_samples, default=0)  # very short ones are left out
        found = {}
        if longest - 2 * self.margin_frames < 1:
            found["margin_frames"] = f"leaves nothing of segments of {longest} samples (got {self.margin_frames})."
        is_by_duration = self.chunk_size is None and self.chunk_duration is not None
        if is_by_duration and int(duration_s(self.chunk_duration) * recording.sampling_frequency_hz) < 1:
            found["chunk_duration"] = f"must be at least one sample (got {self.chunk_duration})."
        return found


class ConvolutionWeights(Options):
    """How grid convolution weighs channels."""

    mode: Literal["exponential_3d", "gaussian_2d"] | None = declare(None, "Shape of the weights.")
    sigma_3d: PositiveNumber | None = declare(None, "Decay for 'exponential_3d'.")
    sparsity_threshold: NonNegativeNumber | None = declare(None, "Weights below this become 0.")
    z_list_um: Numbers | None = declare(None, "Depths tried by 'exponential_3d', in µm.")
    sigma_list_um: Numbers | None = declare(None, "Widths tried by 'gaussian_2d', in µm.")


GRID_DEFAULTS = {"radius_um": 40.0, "upsampling_um": 5.0, "margin_um": 50.0}  # SpikeInterface's


class LocationOptions(Options):
    """Options of the localization methods; null = the method's own default."""

    radius_um: PositiveNumber | None = declare(None, "Channels this close to the main channel are used, in µm.")
    feature: Literal["ptp", "mean", "energy", "peak_voltage"] | None = declare(None, "What is taken of a channel.")
    max_distance_um: PositiveNumber | None = declare(None, "Farthest location from the probe, in µm.")
    optimizer: Literal["least_square", "minimize_with_log_penality"] | None = declare(None, "How the model is fitted.")
    enforce_decrease: Flag | None = declare(None, "Make amplitudes fall with distance first.")
    return_alpha: Flag | None = declare(None, "Also give the fitted source strength.")
    peak_sign: PeakSign | None = declare(None, "Sign of the peak.")
    invert_prototype_waveform: Flag | None = declare(None, "Make the prototype negative.")
    upsampling_um: PositiveNumber | None = declare(None, "Step of the grid, in µm.")
    sigma_ms: PositiveNumber | None = declare(None, "Width of the artificial prototype, in ms.")
    margin_um: NonNegativeNumber | None = declare(None, "How far the grid exceeds the probe, in µm.")
    percentile: Percentage | None = declare(None, "Share of the best products used, in percent.")
    weight_method: ConvolutionWeights | None = declare(None, "How channels are weighed.")
    n_peaks: PositiveInteger | None = declare(None, "Spikes in the prototype.")

    def grid_misfits(self, recording: RecordingFacts) -> dict[str, str]:
        """Of grid_convolution: parameters whose grid has no place near a channel, or too many."""
        given = {name: getattr(self, name) for name in GRID_DEFAULTS}
        asked = GRID_DEFAULTS | {name: value for name, value in given.items() if value is not None}
        return recording.grid_misfit(asked["radius_um"], asked["upsampling_um"], asked["margin_um"])


class SpikeRetrieverOptions(Options):
    """How each spike's own main channel is found."""

    channel_from_template: Flag | None = declare(None, "Use the unit's main channel for all its spikes (the default).")
    radius_um: PositiveNumber | None = declare(None, "Otherwise search this far from it, in µm.")
    peak_sign: PeakSign | None = declare(None, "Sign of the peak searched for.")


_GRID = {"radius_um", "upsampling_um", "sigma_ms", "margin_um", "percentile", "weight_method"}
_MONOPOLAR = {"radius_um", "max_distance_um", "optimizer", "enforce_decrease", "feature"}
UNIT_LOCATION_METHODS = {
    "monopolar_triangulation": _MONOPOLAR | {"return_alpha"},
    "center_of_mass": {"radius_um", "feature", "peak_sign"},
    "grid_convolution": _GRID | {"invert_prototype_waveform"},
    "max_channel": set(),
}
SPIKE_LOCATION_METHODS = {
    "monopolar_triangulation": _MONOPOLAR,
    "center_of_mass": {"radius_um", "feature"},
    "grid_convolution": _GRID | {"peak_sign", "n_peaks"},
}


def check_method_options(options: Section, method: str, methods: dict[str, set[str]]) -> None:
    """Refuse options that the chosen method does not have."""
    given = {name for name in LocationOptions.model_fields if getattr(options, name) is not None}
    foreign = sorted(given - methods[method])
    if foreign:
        known = ", ".join(sorted(methods[method])) or "none"
        raise ValueError(f"method '{method}' has no option {', '.join(foreign)} (it has: {known})")
    if method == "monopolar_triangulation" and options.feature == "mean":
        raise ValueError("method 'monopolar_triangulation' takes the features ptp, energy and peak_voltage, not 'mean'")
