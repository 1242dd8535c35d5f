"""Incremental principal components of several models side by side: scikit-learn's update, from second moments."""

import math

import numpy as np

from ephys_postprocess.kernels.principal_components import (
    NUM_FRESH_COLUMNS,
    SMALLEST_RATIO,
    block_width,
    leading_eigenpairs,
    random_block,
    signed_rows,
)

MOST_FEATURES_SQUARED = 512  # beyond it, moments are taken between rows where these are fewer (channels concatenated)


class Scratch:
    """Arrays used again and again: the page faults of fresh ones would cost more than the sums made in them."""

    def __init__(self):
        self._flat = {}

    def array(self, name, shape):
        """float64 `shape`, with whatever it held before."""
        size = math.prod(shape)
        if name not in self._flat or self._flat[name].size < size:
            self._flat[name] = np.empty(size)
        return self._flat[name][:size].reshape(shape)


class IncrementalFits:
    """Models on their way, each as scikit-learn's `IncrementalPCA` after some `partial_fit` calls.

    Attributes
    ----------
    components : float64 (num_models, num_components, num_features)
    singular_values : float64 (num_models, num_components)
    mean, var : float64 (num_models, num_features)
    noise_variance : float64 (num_models,)
    n_samples_seen : int64 (num_models,)
    """

    def __init__(self, num_models, num_components, num_features):
        self.components = np.zeros((num_models, num_components, num_features))
        self.singular_values = np.zeros((num_models, num_components))
        self.mean = np.zeros((num_models, num_features))
        self.var = np.zeros((num_models, num_features))
        self.noise_variance = np.zeros(num_models)
        self.n_samples_seen = np.zeros(num_models, dtype=np.int64)
        self._is_wide = num_features > MOST_FEATURES_SQUARED
        start = random_block(num_features, block_width(num_features, num_components))
        self._starts = np.repeat(start[None], 0 if self._is_wide else num_models, axis=0)

    def update(self, models, blocks, scratch):
        """Show several different models one block each; other models may be updated at the same time.

        Parameters
        ----------
        models : int64 (num_updates,)
        blocks : sequence of float32 (num_rows, num_features)
            At least as many rows as components each.
        scratch : Scratch

        References
        ----------
        `IncrementalPCA.partial_fit` of scikit-learn (Ross, Lim, Lin & Yang 2008) in float64, directions to about 1e-6;
        scikit-learn itself rounds each centred block, and the first block's result, to float32.
        """
        if self._is_wide:
            for model, block in zip(models, blocks, strict=True):
                self._update_wide(model, block, scratch)
            return
        num_components, num_features = self.components.shape[1:]
        moments = scratch.array("moments", (len(models), num_features, num_features))
        block_means = np.empty((len(models), num_features))
        for model, block, moment, block_mean in zip(models, blocks, moments, block_means, strict=True):
            stacked = self._stack(model, block, block_mean, scratch)
            np.matmul(stacked.T, stacked, out=moment)
        values, ends = leading_eigenpairs(moments, num_components, self._starts[models])
        components = ends[:, :, :num_components].transpose(0, 2, 1)
        self._starts[models, :, :-NUM_FRESH_COLUMNS] = ends[:, :, :-NUM_FRESH_COLUMNS]
        for index in np.flatnonzero(values[:, -1] <= SMALLEST_RATIO * values[:, 0]):
            stacked = self._stack(models[index], blocks[index], block_means[index], scratch)
            values[index], components[index] = _singular_directions(stacked, num_components)
        num_rows = np.array([len(block) for block in blocks])
        self._take(models, num_rows, block_means, values, components, moments.diagonal(axis1=1, axis2=2))

    def _update_wide(self, model, block, scratch):
        """Through the products of rows where those are fewer than features."""
        num_components, num_features = self.components.shape[1:]
        block_mean = np.empty(num_features)
        stacked = self._stack(model, block, block_mean, scratch)
        squares = np.einsum("rf,rf->f", stacked, stacked)
        is_dual = stacked.shape[0] < num_features
        moments = stacked @ stacked.T if is_dual else stacked.T @ stacked
        start = random_block(len(moments), block_width(len(moments), num_components))
        values, ends = leading_eigenpairs(moments[None], num_components, start[None])
        components = ends[0, :, :num_components].T
        if values[0, -1] <= SMALLEST_RATIO * values[0, 0]:
            values[0], components = _singular_directions(stacked, num_components)
        elif is_dual:
            components = (components @ stacked) / np.sqrt(values[0])[:, None]
        self._take(np.array([model]), np.array([len(block)]), block_mean[None], values, components[None], squares[None])

    def _stack(self, model, block, block_mean, scratch):
        """The centred block over what stands for all earlier ones: weighted components and the shift of the mean."""
        num_rows, seen = len(block), int(self.n_samples_seen[model])
        num_extra = self.singular_values.shape[1] + 1 if seen else 0
        stacked = scratch.array("stacked", (num_rows + num_extra, block.shape[1]))
        centred = stacked[:num_rows]
        centred[:] = block
        np.mean(centred, axis=0, out=block_mean)
        centred -= block_mean
        if seen:
            np.multiply(self.singular_values[model][:, None], self.components[model], out=stacked[num_rows:-1])
            np.subtract(self.mean[model], block_mean, out=stacked[-1])
            stacked[-1] *= math.sqrt(seen / (seen + num_rows) * num_rows)
        return stacked

    def _take(self, models, num_rows, block_means, squared_singular_values, components, squares):
        """Move models on by one block; `squares` are the sums of squares of each column of what was stacked."""
        num_components, num_features = self.components.shape[1:]
        seen = self.n_samples_seen[models]
        total = seen + num_rows
        kept = (self.singular_values[models][:, :, None] * self.components[models]) ** 2
        sums = seen[:, None] * self.var[models] + squares - kept.sum(axis=1)
        self.var[models] = np.maximum(sums, 0.0) / total[:, None]
        sums = seen[:, None] * self.mean[models] + num_rows[:, None] * block_means
        self.mean[models] = sums / total[:, None]
        self.singular_values[models] = np.sqrt(squared_singular_values)
        self.components[models] = signed_rows(components)
        self.n_samples_seen[models] = total
        num_stacked = num_rows + np.where(seen > 0, num_components + 1, 0)
        num_left = np.maximum(np.minimum(num_stacked, num_features) - num_components, 1)
        rest = np.maximum(squares.sum(axis=1) - squared_singular_values.sum(axis=1), 0.0)
        noise_variance = rest / np.maximum(total - 1, 1) / num_left
        has_none = (num_rows == num_components) | (num_features == num_components)  # scikit-learn's rule
        self.noise_variance[models] = np.where(has_none, 0.0, noise_variance)


def _singular_directions(stacked, num_components):
    """Without squaring, for (nearly) fewer dimensions than components."""
    _, singular_values, rows = np.linalg.svd(stacked, full_matrices=False)
    return singular_values[:num_components] ** 2, rows[:num_components]
