"""Extensions of every spike's amplitude and place, and of every unit's place: the record of each."""

from typing import Annotated, Any, Literal

from pydantic import model_validator

from ephys_postprocess.parameters.columns import Column
from ephys_postprocess.parameters.computed import Extension, ResultSize
from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.methods import (
    SPIKE_LOCATION_METHODS,
    UNIT_LOCATION_METHODS,
    LocationOptions,
    SpikeRetrieverOptions,
    check_method_options,
)
from ephys_postprocess.parameters.types import (
    Flag,
    NonNegativeNumber,
    Nullable,
    OptionalInteger,
    OptionalWindowMs,
    Seed,
    WindowMs,
    declare,
)


class SpikeAmplitudes(Extension):
    needs = ("templates",)
    computed_by = "engine.extensions:spike_amplitudes"
    arrays_per_spike = ("amplitudes",)
    rows = "spike"
    audit = "recomputed"
    has_picture = True
    leaves_large_scratch = True

    def stored_bytes(self, size: ResultSize) -> float:
        return 4 * size.num_spikes


class AmplitudeScalings(Extension):
    needs = ("templates",)
    computed_by = "engine.extensions:amplitude_scalings"
    arrays_per_spike = ("amplitude_scalings", "collision_mask")
    rows = "spike"
    audit = "given"
    leaves_large_scratch = True

    sparsity: Annotated[None, Nullable] = declare(None, "Only null: the analyzer's own sparsity.")
    max_dense_channels: OptionalInteger = declare(16, "Most channels of a recording without sparsity; null = any.")
    ms_before: OptionalWindowMs = declare(None, "Part of the template used before the spike, in ms; null = all.")
    ms_after: OptionalWindowMs = declare(None, "Part of the template used after the spike, in ms; null = all.")
    handle_collisions: Flag = declare(True, "Fit spikes that overlap in time and channels together.")
    delta_collision_ms: NonNegativeNumber = declare(2.0, "Spikes closer than this may collide, in ms.", le=100)

    def stored_bytes(self, size: ResultSize) -> float:
        return 9 * size.num_spikes


class SpikeLocations(Extension):
    needs = ("templates",)
    computed_by = "engine.extensions:spike_locations"
    arrays_per_spike = ("spike_locations",)
    rows = "spike"
    audit = "recomputed"
    has_picture = True
    leaves_large_scratch = True

    ms_before: WindowMs = declare(0.5, "Start of the window used, before the spike, in ms.")
    ms_after: WindowMs = declare(0.5, "End of the window used, after the spike, in ms.")
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

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        if self.method != "grid_convolution":
            return {}
        found = self.method_kwargs.grid_misfits(recording)
        return {f"method_kwargs.{name}": sentence for name, sentence in found.items()}

    def stored_bytes(self, size: ResultSize) -> float:
        return 16 * size.num_spikes


class UnitLocations(Extension, LocationOptions):
    needs = ("templates",)
    computed_by = "engine.extensions:unit_locations"
    audit = "recomputed"
    has_picture = True
    columns = (
        Column("x_um", "µm", "Estimated position of the unit across the probe ({method})."),
        Column("y_um", "µm", "Estimated position of the unit along the probe ({method})."),
        Column("z_um", "µm", "Estimated distance of the unit from the probe's plane ({method})."),
    )

    method: Literal["monopolar_triangulation", "center_of_mass", "grid_convolution", "max_channel"] = declare(
        "monopolar_triangulation", "How a unit is located from its template."
    )

    @model_validator(mode="after")
    def _options_belong_to_method(self) -> "UnitLocations":
        check_method_options(self, self.method, UNIT_LOCATION_METHODS)
        return self

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:
        return self.grid_misfits(recording) if self.method == "grid_convolution" else {}

    def arguments(self) -> dict[str, Any]:
        return {"method": self.method, **LocationOptions.arguments(self)}
