"""Naive twin of stages/template_similarity.py: pair by pair, lag by lag, on dense templates."""

import numpy as np


def template_similarity(
    templates,
    sparsity,
    sampling_frequency_hz,
    method="cosine",
    max_lag_ms=0.0,
    support="union",
    num_threads=1,  # noqa: ARG001 (the stage's signature)
):
    num_shifts = int(max_lag_ms * sampling_frequency_hz / 1000)
    num_units, num_samples, _ = templates.shape
    similarity = np.zeros((num_units, num_units), dtype=np.float32)
    for i in range(num_units):
        for j in range(i, num_units):
            both, either = sparsity.mask[i] & sparsity.mask[j], sparsity.mask[i] | sparsity.mask[j]
            channels = {"dense": np.ones_like(both), "union": either, "intersection": both}[support]
            if support != "dense" and not both.any():
                continue
            x = templates[i, num_shifts : num_samples - num_shifts][:, channels].astype(float)
            distances = []
            for shift in range(-num_shifts, 1):
                y = templates[j, num_shifts + shift : num_samples - num_shifts + shift][:, channels].astype(float)
                distances.append(_distance(x, y, method))
            similarity[i, j] = similarity[j, i] = 1 - np.float32(min(distances))
    return similarity


def _distance(x, y, method):
    order = 1 if method == "l1" else 2
    norms = [np.linalg.norm(array.ravel(), order) for array in (x, y, x - y)]
    if method == "cosine":
        return 1 - (x * y).sum() / (norms[0] * norms[1]) if norms[0] * norms[1] > 0 else 1.0
    return norms[2] / (norms[0] + norms[1]) if norms[0] + norms[1] > 0 else 1.0
