"""Naive PC metrics: dense arrays, scipy and scikit-learn, one line a definition where that is possible."""

import numpy as np
import scipy.spatial.distance
import scipy.special
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import silhouette_samples


def gather_features(projections, spike_rows, neighbor_of_spike, local_channels):
    padded = np.concatenate([projections, np.zeros((*projections.shape[:2], 1), dtype=np.float32)], axis=2)
    features = [padded[row][:, local_channels[unit]] for row, unit in zip(spike_rows, neighbor_of_spike, strict=True)]
    return np.array(features, dtype=np.float32).reshape(spike_rows.size, projections.shape[1] * local_channels.shape[1])


def add_picked(scatter, unit_scatter, features):
    padded = np.pad(unit_scatter, (0, 1))
    scatter += padded[features[:, None], features]


def squared_distance(features, first, second):
    return np.sum((features[first].astype(np.float64) - features[second]) ** 2)


def farthest_candidates(features, rows, candidates):
    farthest = [
        max(squared_distance(features, row, other) if other >= 0 else np.inf for other in of_row)
        for row, of_row in zip(rows, candidates, strict=True)
    ]
    return np.array(farthest, dtype=np.float64)


def nearest_rows(approximate, rows, features, margins, bounds, num_neighbors):  # noqa: ARG001 - needs no help
    nearest = np.full((rows.size, num_neighbors), -1, dtype=np.int64)
    for query, row in enumerate(rows):
        distances = np.array([squared_distance(features, row, other) for other in range(len(features))])
        order = [other for other in np.argsort(distances, kind="stable") if other != row][:num_neighbors]
        nearest[query, : len(order)] = order
    return nearest


def chi_square_tails(values, degrees_of_freedom):
    return scipy.special.chdtrc(degrees_of_freedom, values)


def pc_metrics(projections, spike_unit_indices, mask, main_channel_indices, max_spikes=10000, n_neighbors=5):
    """Dictionary of columns, as stages.pc_metrics makes them (silhouette in both ways), for every unit."""
    dense = np.zeros((*projections.shape[:2], mask.shape[1]), dtype=np.float64)
    for spike, unit in enumerate(spike_unit_indices):
        dense[spike][:, mask[unit]] = projections[spike][:, : mask[unit].sum()]
    rows = [
        metrics_of_unit(dense, spike_unit_indices, mask, main_channel_indices, unit, max_spikes, n_neighbors)
        for unit in range(len(mask))
    ]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def metrics_of_unit(dense, spike_unit_indices, mask, main_channel_indices, unit, max_spikes, n_neighbors):
    nearby = np.flatnonzero(mask[unit, main_channel_indices])
    is_near = np.isin(spike_unit_indices, nearby)
    features = dense[is_near][:, :, mask[unit]].reshape(is_near.sum(), dense.shape[1] * mask[unit].sum())
    labels = spike_unit_indices[is_near]
    isolation_distance, l_ratio = mahalanobis_metrics(features, labels, unit)
    hit_rate, miss_rate = nearest_neighbor_rates(features, labels, unit, max_spikes, n_neighbors)
    return {
        "isolation_distance": isolation_distance,
        "l_ratio": l_ratio,
        "d_prime": d_prime(features, labels, unit),
        "nn_hit_rate": hit_rate,
        "nn_miss_rate": miss_rate,
        "silhouette": simplified_silhouette(features, labels, unit),
        "silhouette_full": full_silhouette(features, labels, unit),
    }


def is_alone(labels, unit):
    return np.all(labels == unit) or not np.any(labels == unit)


def mahalanobis_metrics(features, labels, unit):
    own, others = features[labels == unit], features[labels != unit]
    if min(len(own), len(others)) < 2 or len(own) <= features.shape[1]:
        return np.nan, np.nan
    covariance = np.cov(own.T).reshape(features.shape[1], features.shape[1])
    if np.linalg.matrix_rank(covariance) < features.shape[1]:
        return np.nan, np.nan
    deviations = others - own.mean(axis=0)
    squared = np.sort(np.einsum("ij,jk,ik->i", deviations, np.linalg.inv(covariance), deviations))
    tails = scipy.special.chdtrc(features.shape[1], squared)
    return squared[min(len(own), len(others)) - 1], tails.sum() / len(own)


def d_prime(features, labels, unit):
    if is_alone(labels, unit) or len(labels) < 3:
        return np.nan
    own = labels == unit
    line = LinearDiscriminantAnalysis(n_components=1).fit_transform(features, own)[:, 0]
    spread = np.sqrt((line[own].var() + line[~own].var()) / 2)
    return abs(line[own].mean() - line[~own].mean()) / spread


def nearest_neighbor_rates(features, labels, unit, max_spikes, n_neighbors):
    if not np.any(labels == unit):
        return np.nan, np.nan
    if is_alone(labels, unit):
        return 1.0, 0.0
    ordered = np.concatenate([features[labels == unit], features[labels != unit]])
    num_own = np.sum(labels == unit)
    if len(ordered) > max_spikes:
        ratio = max_spikes / len(ordered)
        ordered = ordered[np.arange(0, len(ordered) - 1, 1 / ratio).astype(int)]
        num_own = int(num_own * ratio)
    if len(ordered) <= n_neighbors:
        return np.nan, np.nan
    rows = np.arange(len(ordered))
    is_own = nearest_rows(None, rows, ordered, None, None, n_neighbors) < num_own
    return tuple(part.mean() if part.size else np.nan for part in (is_own[:num_own], is_own[num_own:]))


def simplified_silhouette(features, labels, unit):
    if is_alone(labels, unit):
        return np.nan
    own = features[labels == unit]
    to_centroid = {
        label: scipy.spatial.distance.cdist(own, features[labels == label].mean(axis=0, keepdims=True))[:, 0]
        for label in np.unique(labels)
    }
    own_distances = to_centroid.pop(unit)
    nearest = min(to_centroid.values(), key=np.mean)
    return np.mean((nearest - own_distances) / np.maximum(nearest, own_distances))


def full_silhouette(features, labels, unit):
    if is_alone(labels, unit) or len(np.unique(labels)) == len(labels):
        return np.nan
    return silhouette_samples(features, labels)[labels == unit].mean()
