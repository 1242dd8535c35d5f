"""Second moments of the clouds in a neighborhood, put together from those of its units.

A unit lies in the neighborhoods of many others: looked at spike by spike, time would grow with the number of pairs of
units. So the products of a unit's spikes are summed once, on all its channels, and each neighborhood picks its own.
"""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.kernels.pc_metrics import add_picked
from ephys_postprocess.stages.quality.pc_distances import distances_that_count
from ephys_postprocess.stages.quality.pc_neighborhoods import BLOCK_ROWS, Neighborhood, PcSpikes

# A feature that the ones before it explain to all but this share of its variance adds nothing: projections are
# float32, whose rounding (6e-8, squared 4e-15) leaves about that much of an exact dependence.
_SINGULAR_SHARE = 1e-12

# Units' moments that may be kept, or as much as the projections take where that is more.
KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Scatter:
    """Second moments of target and other spikes, and how far the others lie from the target."""

    target: np.ndarray  # float64 (num_dimensions, num_dimensions): sum of products of deviations from the target's mean
    others: np.ndarray  # the same of all other spikes about their common mean
    # float64: squared Mahalanobis distances of those other spikes that count; None: the target's cloud is flat
    squared_distances: np.ndarray | None


def scatter_of(neighborhood: Neighborhood) -> Scatter:
    """What Mahalanobis metrics and d-prime need."""
    target = scatter_of_target(neighborhood)
    whitening = whitening_of(target, neighborhood.target_rows.size)
    distances = None if whitening is None else distances_that_count(neighborhood, whitening)
    return Scatter(target, scatter_of_others(neighborhood), distances)


def scatter_of_target(neighborhood: Neighborhood) -> np.ndarray:
    """float64 (num_dimensions, num_dimensions): of the target's spikes about their mean."""
    scatter = np.zeros(2 * (neighborhood.num_dimensions,))
    _add_units(neighborhood, np.array([neighborhood.target]), scatter)
    return scatter


def scatter_of_others(neighborhood: Neighborhood) -> np.ndarray:
    """float64 (num_dimensions, num_dimensions): of all other spikes about their common mean."""
    units = neighborhood.other_units
    deviations = neighborhood.unit_means(units) - neighborhood.other_mean
    scatter = (deviations.T * neighborhood.spikes.num_spikes_of_unit[units]) @ deviations
    _add_units(neighborhood, units, scatter)
    return scatter


def _add_units(neighborhood, units, scatter):
    for unit, features in zip(units, _packed_features(neighborhood, units), strict=True):
        add_picked(scatter, _kept_scatter(neighborhood.spikes, int(unit)), features)


def _packed_features(neighborhood: Neighborhood, units: np.ndarray) -> np.ndarray:
    """int64 (num_units, num_dimensions): where each dimension lies among a unit's packed features; last: nowhere.

    Packed feature: component * max_sparse_channels + channel.
    """
    num_components, width = neighborhood.spikes.projections.shape[1:]
    local = neighborhood.local_channels[np.searchsorted(neighborhood.units, units)][:, np.newaxis, :]
    features = np.arange(num_components)[:, np.newaxis] * width + local
    return np.where(local >= 0, features, num_components * width).reshape(units.size, neighborhood.num_dimensions)


def _kept_scatter(spikes: PcSpikes, unit: int) -> np.ndarray:
    """`unit_scatter`, made once a unit as long as there is room for it: dense ones would take gigabytes."""
    kept = spikes.unit_scatters
    if unit in kept:
        return kept[unit]
    scatter = unit_scatter(spikes, unit)  # two threads may make it at once, and make the same
    if (len(kept) + 1) * scatter.nbytes <= max(KEPT_BYTES, spikes.projections.nbytes):
        kept[unit] = scatter
    return scatter


def unit_scatter(spikes: PcSpikes, unit: int) -> np.ndarray:
    """float64 (num_features, num_features): sum of products of a unit's deviations from its mean, packed.

    Feature component * max_sparse_channels + channel.
    """
    rows, mean = spikes.rows_by_unit[unit], spikes.packed_means[unit, :, :-1].ravel()
    scatter = np.zeros((mean.size, mean.size))
    for start in range(0, rows.size, BLOCK_ROWS):
        block = spikes.projections[rows[start : start + BLOCK_ROWS]]
        deviations = block.reshape(len(block), -1) - mean
        scatter += deviations.T @ deviations
    return scatter


def whitening_of(scatter: np.ndarray, num_spikes: int) -> np.ndarray | None:
    """W with |x @ W|^2 the squared Mahalanobis distance of a deviation x, or None for a singular covariance.

    Parameters
    ----------
    scatter : float64 (num_dimensions, num_dimensions)
        Sum of products of deviations from the mean of `num_spikes` spikes.
    """
    variances = np.diag(scatter) / max(1, num_spikes - 1)
    if num_spikes <= scatter.shape[0] or variances.min(initial=np.inf) <= 0:
        return None
    scales = np.sqrt(variances)
    correlation = scatter / (num_spikes - 1) / np.outer(scales, scales)
    try:
        lower = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        return None
    if np.diag(lower).min(initial=np.inf) ** 2 <= _SINGULAR_SHARE:
        return None
    return np.linalg.inv(lower).T / scales[:, None]
