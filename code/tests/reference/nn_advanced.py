"""Naive joint isolation with scikit-learn's decomposition and neighbors."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors


def leading_projections(snippets, num_components):
    return PCA(num_components, svd_solver="full").fit_transform(snippets)


def joint_isolation(first, second, num_components, num_neighbors):
    both = np.concatenate([first, second])
    if min(both.shape) < num_components:
        return np.nan
    labels = np.repeat([0, 1], [len(first), len(second)])
    neighbors = NearestNeighbors(n_neighbors=min(num_neighbors, len(both) - 1)).fit(
        leading_projections(both, num_components)
    )
    return np.mean(labels[neighbors.kneighbors(return_distance=False)] == labels[:, None])
