"""Principal components the obvious way: singular value decompositions of stacked blocks, one spike at a time."""

import numpy as np


def spikes_by_channel(waveforms, by_channel):
    for channel in range(by_channel.shape[0]):
        for spike in range(waveforms.shape[0]):
            by_channel[channel, spike] = waveforms[spike, :, channel]


def signed_rows(directions):
    turned = directions.copy()
    for model in turned:
        for row in model:
            if row[np.argmax(np.abs(row))] < 0:
                row *= -1
    return turned


def fit_models(blocks, num_components):
    """The incremental fit of one model on float64 blocks: a dictionary named as scikit-learn's attributes."""
    model = {"n_samples_seen": 0}
    for block in blocks:
        _show(model, np.asarray(block, dtype=np.float64), num_components)
    return model


def _show(model, block, num_components):
    num_rows, num_features = block.shape
    seen = model["n_samples_seen"]
    everything = np.concatenate([model["rows"], block]) if seen else block
    block_mean = block.mean(axis=0)
    stacked = block - block_mean
    if seen:
        correction = np.sqrt(seen / len(everything) * num_rows) * (model["mean"] - block_mean)
        weighted = model["singular_values"][:, None] * model["components"]
        stacked = np.concatenate([weighted, stacked, correction[None]])
    _, singular_values, rows = np.linalg.svd(stacked, full_matrices=False)
    variances = singular_values**2 / (len(everything) - 1)
    model["rows"] = everything
    model["n_samples_seen"] = len(everything)
    model["mean"], model["var"] = everything.mean(axis=0), everything.var(axis=0)
    model["components"] = signed_rows(rows[None, :num_components])[0]
    model["singular_values"] = singular_values[:num_components]
    model["explained_variance"] = variances[:num_components]
    model["explained_variance_ratio"] = singular_values[:num_components] ** 2 / (model["var"].sum() * len(everything))
    has_none = num_components in (num_rows, num_features)
    model["noise_variance"] = 0.0 if has_none else variances[num_components:].mean()


def project_waveforms(snippets, model, whiten):
    projections = (snippets.astype(np.float64) - model["mean"]) @ model["components"].T
    return projections / np.sqrt(model["explained_variance"]) if whiten else projections


def absorb_block(
    num_seen, num_rows, block_mean, eigenvalues, directions, squares, mean, var, singular_values, components
):
    kept = ((singular_values[:, None] * components) ** 2).sum(axis=0)
    var[:] = np.maximum(num_seen * var + squares - kept, 0.0) / (num_seen + num_rows)
    mean[:] = (num_seen * mean + num_rows * block_mean) / (num_seen + num_rows)
    singular_values[:] = np.sqrt(eigenvalues)
    components[:] = signed_rows(directions[None])[0]


def rows_of_earlier(num_seen, num_rows, block_mean, mean, singular_values, components):
    correction = np.sqrt(num_seen / (num_seen + num_rows) * num_rows) * (mean - block_mean)
    rows = np.concatenate([singular_values[:, None] * components, correction[None]])
    return rows if num_seen else rows[:0]


def absorb_moments(num_seen, num_rows, block_mean, centered, squares, mean, var, singular_values, components):
    earlier = rows_of_earlier(num_seen, num_rows, block_mean, mean, singular_values, components)
    stacked = np.concatenate([centered, earlier])
    squares[:] = (stacked**2).sum(axis=0)
    _, values, rows = np.linalg.svd(stacked, full_matrices=False)
    shown = values[: len(singular_values)] ** 2, rows[: len(singular_values)], squares
    absorb_block(num_seen, num_rows, block_mean, *shown, mean, var, singular_values, components)


def project_counts(snippets, weights, offsets, gain, projections):
    for spike in range(projections.shape[0]):
        for channel in range(projections.shape[2]):
            snippet = gain * snippets[spike, :, channel].astype(np.float64)
            projections[spike, :, channel] = weights[channel] @ snippet - offsets[channel]
