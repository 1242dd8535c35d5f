"""How far a unit's cloud of spikes in PC space stands from the others: Mahalanobis, d-prime, silhouette."""

import numpy as np

from ephys_postprocess.kernels.pc_metrics import chi_square_tails
from ephys_postprocess.stages.quality.pc_neighborhoods import Neighborhood
from ephys_postprocess.stages.quality.pc_scatter import Scatter

# scikit-learn's LinearDiscriminantAnalysis drops singular values of the scaled data below its `tol`.
_DISCRIMINANT_TOLERANCE = 1e-4


def mahalanobis_metrics(squared_distances: np.ndarray, num_target: int, num_dimensions: int) -> tuple[float, float]:
    """Isolation distance and L-ratio from the other spikes' squared Mahalanobis distances, float64 (num_others,).

    Distances that are neither among the `num_target` smallest nor have a tail may be left out.
    At least 2 target and 2 other spikes are needed.

    References
    ----------
    Schmitzer-Torbert et al. 2005; SpikeInterface `mahalanobis_metrics`.
    """
    rank = min(num_target, squared_distances.size) - 1
    isolation_distance = np.partition(squared_distances, rank)[rank]
    # 1 - (1 - tail): the reference subtracts the distribution function from 1, so tails below 1e-16 count as 0.
    tails = 1 - (1 - chi_square_tails(squared_distances, num_dimensions))
    return float(isolation_distance), float(tails.sum() / num_target)


def d_prime(scatter: Scatter, num_target: int, num_others: int, mean_difference: np.ndarray) -> float:
    """Distance of the two clouds along Fisher's discriminant, in pooled standard deviations.

    Parameters
    ----------
    scatter : Scatter
    num_target, num_others : int
        Numbers of spikes, together at least 3.
    mean_difference : float64 (num_dimensions,)
        Target's mean less the others'.

    Returns
    -------
    float
        NaN when the clouds coincide or have no extent along the discriminant.

    References
    ----------
    Hill et al. 2011; SpikeInterface `d_prime_metric`, which takes the direction from scikit-learn's
    LinearDiscriminantAnalysis (solver "svd"). Here the same direction is solved from second moments. The sign is
    positive, where scikit-learn's depends on the signs LAPACK gives singular vectors.
    """
    pooled = (scatter.target + scatter.others) / (num_target + num_others)
    scales = np.sqrt(np.diag(pooled))
    scales = np.where(scales > 0, scales, 1.0)
    eigenvalues, eigenvectors = np.linalg.eigh(pooled / np.outer(scales, scales))
    kept = eigenvalues > _DISCRIMINANT_TOLERANCE**2
    basis = eigenvectors[:, kept]
    direction = basis @ ((mean_difference / scales) @ basis / eigenvalues[kept]) / scales
    variance = direction @ scatter.target @ direction / num_target + direction @ scatter.others @ direction / num_others
    if variance <= 0:
        return np.nan
    return float(abs(direction @ mean_difference) / np.sqrt(variance / 2))


def simplified_silhouette(neighborhood: Neighborhood) -> float:
    """Mean silhouette of the target's spikes, with distances to centroids instead of to all spikes.

    The other cluster is the one whose centroid is nearest on average.

    References
    ----------
    Hruschka et al. 2004; SpikeInterface `simplified_silhouette_score`.
    """
    centroids = neighborhood.unit_means(neighborhood.other_units) - neighborhood.target_mean
    total_distances = np.zeros(centroids.shape[0])
    for block in neighborhood.target_deviations(neighborhood.target_mean):
        total_distances += _distances(block, centroids).sum(axis=0)
    nearest = centroids[[np.argmin(total_distances)]]
    total = 0.0
    for block in neighborhood.target_deviations(neighborhood.target_mean):
        own = np.sqrt(np.einsum("ij,ij->i", block, block))
        total += _silhouettes(own, _distances(block, nearest)[:, 0]).sum()
    return float(total / neighborhood.target_rows.size)


def full_silhouette(neighborhood: Neighborhood) -> float:
    """Mean silhouette of the target's spikes among all spikes of the neighborhood.

    References
    ----------
    Rousseeuw 1987; the target's mean of scikit-learn's `silhouette_samples`. (SpikeInterface 0.105.3's method "full"
    subtracts distance matrices of different shapes and fails.)
    """
    num_target = neighborhood.target_rows.size
    if num_target == 1:
        return 0.0
    total = 0.0
    for block in neighborhood.target_deviations(neighborhood.target_mean):
        own = _mean_distances(neighborhood, block, neighborhood.target) * num_target / (num_target - 1)
        nearest = np.full(block.shape[0], np.inf)
        for unit in neighborhood.other_units:
            np.minimum(nearest, _mean_distances(neighborhood, block, unit), out=nearest)
        total += _silhouettes(own, nearest).sum()
    return float(total / num_target)


def _mean_distances(neighborhood: Neighborhood, block: np.ndarray, unit: int) -> np.ndarray:
    """float64 (num_rows,): mean distance from deviations from the target's mean to all spikes of one unit."""
    rows = neighborhood.spikes.rows_by_unit[unit]
    totals = np.zeros(block.shape[0])
    for other_block in neighborhood.deviation_blocks(rows, neighborhood.target_mean):
        totals += _distances(block, other_block).sum(axis=1)
    return totals / rows.size


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float64 (num_first, num_second): Euclidean distances between rows."""
    first_norms = np.einsum("ij,ij->i", first, first)
    second_norms = np.einsum("ij,ij->i", second, second)
    squared = first_norms[:, None] + second_norms - 2 * (first @ second.T)
    # What is left of equal rows is rounding, whose square root would count as a distance of about 1e-7.
    squared[squared <= 1e-13 * (first_norms[:, None] + second_norms)] = 0
    return np.sqrt(squared)


def _silhouettes(own: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """(nearest - own) / max, and 0 where both are 0."""
    largest = np.maximum(own, nearest)
    return np.divide(nearest - own, largest, out=np.zeros_like(own), where=largest > 0)
