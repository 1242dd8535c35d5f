"""Quality metrics from principal components: the record of each, in the order of their columns."""

from typing import Literal

from ephys_postprocess.parameters.columns import Column
from ephys_postprocess.parameters.computed import QualityMetric
from ephys_postprocess.parameters.types import (
    Fraction,
    NonNegativeNumber,
    PositiveInteger,
    PositiveNumber,
    Seed,
    declare,
)


class PcMetric(QualityMetric):
    """A metric of a unit's neighborhood in the space of principal components; all of them share each neighborhood."""

    scope = "together"
    computed_by = "engine.metric_functions:pc_metrics_of_all_units"
    needs = ("principal_components",)
    is_audited = False  # it is of other units as well
    is_of_principal_components = True


class Mahalanobis(PcMetric):
    name = "mahalanobis"
    phrase = "isolation distance (Harris et al. 2001) and L-ratio (Schmitzer-Torbert 2005)"
    columns = (
        Column(
            "isolation_distance",
            "",
            "Squared Mahalanobis distance that holds as many foreign spikes as the unit has; large: isolated.",
            "Harris et al. 2001",
        ),
        Column("l_ratio", "", "Amount of foreign spikes close to the unit; small: isolated.", "Schmitzer-Torbert 2005"),
    )


class DPrime(PcMetric):
    name = "d_prime"
    phrase = "d′ (Hill et al. 2011)"
    columns = (
        Column(
            "d_prime",
            "",
            "Separation from neighbours along the best linear axis; large: isolated.",
            "Hill et al. 2011",
        ),
    )


class NearestNeighbor(PcMetric):
    name = "nearest_neighbor"
    phrase = "nearest-neighbour hit and miss rates ({n_neighbors} neighbours; Chung et al. 2017)"
    columns = (
        Column(
            "nn_hit_rate",
            "",
            "Share of the {n_neighbors:g} neighbours of each of the unit's spikes that are its own.",
            "Chung et al. 2017",
        ),
        Column(
            "nn_miss_rate",
            "",
            "Share of the {n_neighbors:g} neighbours of each foreign spike that are the unit's.",
            "Chung et al. 2017",
        ),
    )

    max_spikes: PositiveInteger = declare(10000, "Most spikes a comparison uses.")
    n_neighbors: PositiveInteger = declare(4, "Neighbours looked at for each spike.", le=1000)


class Silhouette(PcMetric):
    name = "silhouette"
    phrase = "silhouette ({method}; Hruschka et al. 2004)"
    columns = (
        Column(
            "silhouette",
            "",
            "Compactness against separation ({method}), from -1 to 1; 1: isolated.",
            "Hruschka et al. 2004",
        ),
    )

    method: Literal["simplified", "full"] = declare("simplified", "Distances to centroids, or between all spikes.")


class NnAdvanced(QualityMetric):
    name = "nn_advanced"
    phrase = "nearest-neighbour isolation and noise overlap ({n_neighbors} neighbours; Chung et al. 2017)"
    computed_by = "engine.metric_functions:nn_advanced_of_all_units"
    needs = ("principal_components", "waveforms", "templates")
    scope = "all units"
    is_audited = False  # it is of other units as well
    is_of_principal_components = True
    is_default = False  # as in SpikeInterface: it costs more than all others together
    columns = (
        Column(
            "nn_isolation",
            "",
            "Isolation from the nearest neighbouring unit, from 0 to 1, by {n_neighbors:g} neighbours.",
            "Chung et al. 2017",
        ),
        Column(
            "nn_noise_overlap",
            "",
            "Share of the unit's {n_neighbors:g} neighbours that are noise.",
            "Chung et al. 2017",
        ),
    )

    max_spikes: PositiveInteger = declare(1000, "Most spikes a unit contributes.")
    min_spikes: PositiveInteger = declare(10, "Units with fewer spikes get NaN.")
    min_fr: NonNegativeNumber = declare(0.0, "Units firing slower get NaN, in Hz.")
    n_neighbors: PositiveInteger = declare(4, "Neighbours looked at for each spike.", le=1000)
    n_components: PositiveInteger = declare(10, "Principal components used.", le=100)
    radius_um: PositiveNumber = declare(100.0, "Channels this close to the main channel are used, in µm.")
    min_spatial_overlap: Fraction = declare(0.5, "Share of channels two units must have in common to be compared.")
    seed: Seed = declare(0, "Seed of the choice of spikes.")
