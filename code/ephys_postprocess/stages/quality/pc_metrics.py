"""Quality metrics from principal components, one neighborhood of units at a time."""

from collections.abc import Collection, Mapping

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.quality.pc_nearest import KnownNeighbors, nearest_neighbor_rates, neighbors_within_units
from ephys_postprocess.stages.quality.pc_neighborhoods import Neighborhood, PcSpikes, neighborhood_of
from ephys_postprocess.stages.quality.pc_scatter import scatter_of
from ephys_postprocess.stages.quality.pc_separation import (
    d_prime,
    full_silhouette,
    mahalanobis_metrics,
    simplified_silhouette,
)

PC_METRIC_COLUMNS = {
    "mahalanobis": ("isolation_distance", "l_ratio"),
    "d_prime": ("d_prime",),
    "nearest_neighbor": ("nn_hit_rate", "nn_miss_rate"),
    "silhouette": ("silhouette",),
}

# A unit's outcome: for each column its value, and for some columns why it is NaN.
_Outcome = tuple[dict[str, float], dict[str, str]]


def pc_metrics(
    projections: np.ndarray,
    spike_unit_indices: np.ndarray,
    mask: np.ndarray,
    main_channel_indices: np.ndarray,
    parameters: Mapping[str, Mapping[str, object]],
    num_threads: int,
) -> tuple[dict[str, np.ndarray], dict[str, dict[int, str]]]:
    """Quality metrics of every unit from the principal components of its and its neighbors' spikes.

    Parameters
    ----------
    projections : float32 (num_spikes, num_components, max_sparse_channels) or (num_spikes, num_components)
        Of the random spikes in time order, packed on each unit's channels (modes by_channel_*), or without channels
        (mode concatenated).
    spike_unit_indices : int (num_spikes,)
    mask : bool (num_units, num_channels)
        The units' sparse channels; all True when not sparse.
    main_channel_indices : int (num_units,)
        Channel index of each unit's largest peak.
    parameters : mapping
        For each metric asked for, out of PC_METRIC_COLUMNS, its parameters.
    num_threads : int
        Changes no value.

    Returns
    -------
    columns : dict of float64 (num_units,)
    reasons : dict of dict
        For each column with a NaN: unit index to why.

    Raises
    ------
    ParameterError
        For a parameter that a metric cannot use.

    Notes
    -----
    Memory: a block of the neighborhood a thread, and at most `max_spikes` spikes' features.

    References
    ----------
    SpikeInterface 0.105.3 `metrics/quality/pca_metrics.py`.
    """
    _check_parameters(parameters)
    spikes = _pc_spikes(projections, spike_unit_indices, mask, main_channel_indices)
    within_units = None
    if "nearest_neighbor" in parameters:
        within_units = _neighbors_within_units(spikes, num_threads=num_threads, **parameters["nearest_neighbor"])

    def work(target: int) -> _Outcome:
        return _metrics_of_unit(neighborhood_of(spikes, target), parameters, within_units)

    outcomes = map_in_threads(work, range(spikes.num_units), num_threads)
    column_names = [column for name in parameters for column in PC_METRIC_COLUMNS[name]]
    columns = {name: np.array([values[name] for values, _ in outcomes], dtype=np.float64) for name in column_names}
    reasons = {
        name: {unit: why[name] for unit, (_, why) in enumerate(outcomes) if name in why} for name in column_names
    }
    return columns, {name: why for name, why in reasons.items() if why}


def _check_parameters(parameters: Mapping) -> None:
    for key, value in parameters.get("nearest_neighbor", {}).items():
        if value < 1:
            raise ParameterError(f"nearest_neighbor.{key}: must be at least 1 (got {value}).")
    method = parameters.get("silhouette", {}).get("method", "simplified")
    if method not in ("simplified", "full"):
        raise ParameterError(f"silhouette.method: must be 'simplified' or 'full' (got {method!r}).")


def _pc_spikes(projections, spike_unit_indices, mask, main_channel_indices) -> PcSpikes:
    """The record of all projected spikes, with what threads share already made."""
    is_by_channel = projections.ndim == 3
    packed = np.ascontiguousarray(projections if is_by_channel else projections[:, :, None], dtype=np.float32)
    spikes = PcSpikes(
        packed,
        np.asarray(spike_unit_indices, dtype=np.int64),
        Sparsity(np.asarray(mask, dtype=bool)),
        np.asarray(main_channel_indices, dtype=np.int64),
        is_by_channel,
    )
    # So that no two threads make them at once.
    _ = spikes.packed_means, spikes.rows_by_unit, spikes.sizes, spikes.unit_scatters
    return spikes


def _neighbors_within_units(spikes: PcSpikes, max_spikes: int, n_neighbors: int, num_threads: int) -> KnownNeighbors:
    num_spikes = spikes.num_spikes_of_unit
    # A unit with more spikes than max_spikes lies in thinned neighborhoods only, which do not look here.
    units = np.flatnonzero((num_spikes > 0) & (num_spikes <= max_spikes))
    return neighbors_within_units(spikes, units, n_neighbors, num_threads)


def _metrics_of_unit(
    neighborhood: Neighborhood, parameters: dict[str, dict], within_units: KnownNeighbors | None
) -> _Outcome:
    """Every metric asked for, of the neighborhood's target."""
    columns = [column for name in parameters for column in PC_METRIC_COLUMNS[name]]
    why = _why_nothing_can_be_said(neighborhood)
    if why:
        return dict.fromkeys(columns, np.nan), dict.fromkeys(columns, why)
    values, reasons = {}, {}
    if "mahalanobis" in parameters or "d_prime" in parameters:
        _add(values, reasons, _separation(neighborhood))
    if "nearest_neighbor" in parameters:
        _add(values, reasons, _nearest_neighbor(neighborhood, within_units, **parameters["nearest_neighbor"]))
    if "silhouette" in parameters:
        _add(values, reasons, _silhouette(neighborhood, **parameters["silhouette"]))
    return {name: values[name] for name in columns}, {name: reasons[name] for name in columns if name in reasons}


def _add(values: dict[str, float], reasons: dict[str, str], outcome: _Outcome) -> None:
    values.update(outcome[0])
    reasons.update(outcome[1])


def _why_nothing_can_be_said(neighborhood: Neighborhood) -> str | None:
    spikes, target = neighborhood.spikes, neighborhood.target
    if spikes.num_spikes_of_unit[target] == 0:
        return "no spikes with principal components"
    if not neighborhood.has_target:
        return "the unit's main channel is not among its sparse channels"
    if not np.isfinite(spikes.packed_means[neighborhood.units]).all():
        return "projections of the unit or its neighbors are not finite"
    return None


def _nan(columns: Collection[str], why: str) -> _Outcome:
    return dict.fromkeys(columns, np.nan), dict.fromkeys(columns, why)


def _separation(neighborhood: Neighborhood) -> _Outcome:
    """isolation_distance, l_ratio and d_prime."""
    names = ("isolation_distance", "l_ratio", "d_prime")
    num_target, num_others = neighborhood.target_rows.size, neighborhood.other_rows.size
    if num_others == 0:
        return _nan(names, "no other units in the neighborhood")
    scatter = scatter_of(neighborhood)
    values, reasons = _mahalanobis(scatter.squared_distances, num_target, num_others, neighborhood.num_dimensions)
    if num_target + num_others < 3:
        _add(values, reasons, _nan(["d_prime"], "fewer than 3 spikes in the neighborhood"))
        return values, reasons
    mean_difference = neighborhood.target_mean - neighborhood.other_mean
    values["d_prime"] = d_prime(scatter, num_target, num_others, mean_difference)
    if np.isnan(values["d_prime"]):
        reasons["d_prime"] = "no spread, or no separation, along the discriminant"
    return values, reasons


def _mahalanobis(
    squared_distances: np.ndarray | None, num_target: int, num_others: int, num_dimensions: int
) -> _Outcome:
    names = PC_METRIC_COLUMNS["mahalanobis"]
    if min(num_target, num_others) < 2:
        return _nan(names, "fewer than 2 spikes in the unit or its neighborhood")
    if num_target <= num_dimensions:
        return _nan(names, f"singular covariance: {num_target} spikes in {num_dimensions} dimensions")
    if squared_distances is None:
        return _nan(names, "singular covariance: some features are constant or depend on others")
    return dict(zip(names, mahalanobis_metrics(squared_distances, num_target, num_dimensions), strict=True)), {}


def _nearest_neighbor(
    neighborhood: Neighborhood, within_units: KnownNeighbors | None, max_spikes: int, n_neighbors: int
) -> _Outcome:
    names = PC_METRIC_COLUMNS["nearest_neighbor"]
    num_spikes = neighborhood.target_rows.size + neighborhood.other_rows.size
    if neighborhood.other_rows.size == 0:
        return dict(zip(names, (1.0, 0.0), strict=True)), {}  # the best possible, as the reference has it
    if min(num_spikes, max_spikes) <= n_neighbors:
        return _nan(names, f"{min(num_spikes, max_spikes)} spikes cannot have {n_neighbors} neighbors each")
    rates = nearest_neighbor_rates(neighborhood, max_spikes, n_neighbors, within_units)
    values = dict(zip(names, rates, strict=True))
    why = f"thinning the neighborhood to {max_spikes} spikes leaves none to look at"
    return values, {name: why for name, value in values.items() if np.isnan(value)}


def _silhouette(neighborhood: Neighborhood, method: str) -> _Outcome:
    if neighborhood.other_rows.size == 0:
        return _nan(["silhouette"], "no other units in the neighborhood")
    score = simplified_silhouette if method == "simplified" else full_silhouette
    return {"silhouette": score(neighborhood)}, {}
