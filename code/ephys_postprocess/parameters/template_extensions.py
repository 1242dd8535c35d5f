"""Extensions made of the traces around selected spikes: the record of each."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from ephys_postprocess.parameters.computed import Extension, ResultSize
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.methods import RandomSlices
from ephys_postprocess.parameters.types import (
    Flag,
    NonNegativeInteger,
    NonNegativeNumber,
    Nullable,
    OptionalNumber,
    Percentage,
    PositiveInteger,
    Seed,
    Share,
    WindowMs,
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


class RandomSpikes(Extension):
    computed_by = "engine.extensions:random_spikes"
    rows = "random spike"
    audit = "given"

    method: Literal["uniform", "all", "percentage", "maximum_rate"] = declare("uniform", "How spikes are chosen.")
    max_spikes_per_unit: PositiveInteger = declare(500, "Most spikes per unit.")
    margin_size: Annotated[NonNegativeInteger | None, Nullable] = declare(
        None, "Spikes this close to a segment's ends are left out, in samples; null = none."
    )
    seed: Seed = declare(0, "Seed of the choice.")
    percentage: Annotated[Share | None, Nullable] = declare(None, "Share of a unit's spikes, for method 'percentage'.")
    maximum_rate: OptionalNumber = declare(None, "Most spikes per second, for method 'maximum_rate'.")

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> "RandomSpikes":
        if self.method in ("percentage", "maximum_rate") and getattr(self, self.method) is None:
            raise ValueError(f"method '{self.method}' needs the parameter '{self.method}'")
        return self


class NoiseLevels(Extension):
    computed_by = "engine.extensions:noise_levels"
    rows = "channel"
    audit = "recomputed"
    has_picture = True

    method: Literal["mad", "std", "rms"] = declare("mad", "How noise is measured.")
    random_slices_kwargs: RandomSlices = declare(RandomSlices(), "The stretches of traces that are measured.")


class Waveforms(Extension):
    needs = ("random_spikes",)
    computed_by = "engine.extensions:waveforms"
    rows = "random spike"
    audit = "recomputed"
    has_picture = True

    ms_before: WindowMs = declare(3.0, "Start of the window before the spike, in ms.")
    ms_after: WindowMs = declare(4.0, "End of the window after the spike, in ms.")
    dtype: Annotated[Literal["float32", "float64", "int16"] | None, Nullable] = declare(
        None, "Type of the stored samples; null = float32 in µV, the recording's own otherwise."
    )

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        return recording.window_misfit(self.ms_before, self.ms_after)

    def stored_bytes(self, size: ResultSize) -> float:
        return 4 * size.compressed_share * size.waveform_channels * size.waveform_samples


class Templates(Extension):
    needs = ("random_spikes|waveforms",)
    computed_by = "engine.extensions:templates"
    audit = "recomputed"
    has_picture = True

    ms_before: WindowMs = declare(3.0, "As for waveforms; used only where waveforms are not computed.")
    ms_after: WindowMs = declare(4.0, "As for waveforms; used only where waveforms are not computed.")
    operators: Annotated[tuple[Operator, ...], BeforeValidator(_operators)] = declare(
        ("average", "std"), "What is taken over a unit's waveforms: average, std, median, mad, ['percentile', q]."
    )

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        return recording.window_misfit(self.ms_before, self.ms_after)

    def needed(self) -> tuple[str, ...]:
        uses_waveforms = any(operator not in ("average", "std") for operator in self.operators)
        return ("waveforms",) if uses_waveforms else self.needs

    def stored_bytes(self, size: ResultSize) -> float:
        return 2 * 8 * size.unit_channels * size.waveform_samples


class PrincipalComponents(Extension):
    needs = ("random_spikes", "waveforms")
    computed_by = "engine.extensions:principal_components_of"
    rows = "random spike"
    leaves_large_scratch = True

    n_components: PositiveInteger = declare(5, "Components a channel.", le=100)
    mode: Literal["by_channel_local", "by_channel_global", "concatenated"] = declare(
        "by_channel_local", "One model per channel, one for all channels, or one of all channels side by side."
    )
    whiten: Flag = declare(True, "Scale the components to unit variance.")
    dtype: Literal["float32", "float64"] = declare("float32", "Type of the stored projections.")

    def stored_bytes(self, size: ResultSize) -> float:
        return 4 * size.waveform_channels * self.n_components


class TemplateSimilarity(Extension):
    needs = ("templates",)
    computed_by = "engine.extensions:template_similarity_of"
    rows = "pair of units"
    audit = "recomputed"
    has_picture = True

    method: Literal["cosine", "l1", "l2"] = declare("cosine", "Similarity or distance of two templates.")
    max_lag_ms: NonNegativeNumber = declare(0.0, "Largest shift tried between two templates, in ms.")
    support: Literal["union", "dense", "intersection"] = declare("union", "Channels on which two units are compared.")

    def stored_bytes(self, size: ResultSize) -> float:
        return 4 * size.num_units**2
