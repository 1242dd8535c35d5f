"""Incremental principal components of several models side by side: scikit-learn's update, from second moments."""

import numpy as np

from ephys_postprocess.kernels.principal_components import absorb_block, absorb_moments, rows_of_earlier
from ephys_postprocess.kernels.solvers.leading_eigenpairs import (
    NUM_FRESH_COLUMNS,
    SMALLEST_RATIO,
    block_width,
    leading_eigenpairs,
    random_block,
)

MOST_FEATURES_SQUARED = 512  # beyond it, moments are taken between rows where these are fewer (channels concatenated)


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

    def update(self, model, block, scratch):
        """Show one model one block; threads may show others theirs at the same time.

        Parameters
        ----------
        model : int
        block : FloatBlock or CountBlock
            At least as many rows as components.
        scratch : Scratch

        References
        ----------
        `IncrementalPCA.partial_fit` of scikit-learn (Ross, Lim, Lin & Yang 2008) in float64, directions to about 1e-6;
        scikit-learn itself rounds each centered block, and the first block's result, to float32.
        """
        if self._is_wide:
            self._update_wide(model, block)
            return
        num_components, num_features = self.components.shape[1:]
        moments, block_mean = block.centered_moments(scratch)
        start = self._starts[model]
        squares, ends = scratch.array("squares", (num_features,)), scratch.array("ends", start.shape)
        values = scratch.array("values", (start.shape[1],))
        shown = (int(self.n_samples_seen[model]), block.num_rows, block_mean)
        if not absorb_moments(*shown, moments, start, values, ends, squares, *self._model(model)):
            values, ends = leading_eigenpairs(moments, num_components, start)
            directions = np.ascontiguousarray(ends[:, :num_components].T)
            if values[-1] <= SMALLEST_RATIO * values[0]:
                values, directions = _singular_directions(self._stack(model, block, block_mean), num_components)
            absorb_block(*shown, values, directions, squares, *self._model(model))
        start[:, :-NUM_FRESH_COLUMNS] = ends[:, :-NUM_FRESH_COLUMNS]
        self._count(model, block.num_rows, values[:num_components], squares)

    def _update_wide(self, model, block):
        """Through the products of rows where those are fewer than features."""
        num_components, num_features = self.components.shape[1:]
        block_mean = block.rows().mean(axis=0)
        stacked = self._stack(model, block, block_mean)
        squares = np.einsum("rf,rf->f", stacked, stacked)
        is_dual = stacked.shape[0] < num_features
        moments = stacked @ stacked.T if is_dual else stacked.T @ stacked
        start = random_block(len(moments), block_width(len(moments), num_components))
        values, ends = leading_eigenpairs(moments, num_components, start)
        directions = ends[:, :num_components].T
        if values[-1] <= SMALLEST_RATIO * values[0]:
            values, directions = _singular_directions(stacked, num_components)
        elif is_dual:
            directions = (directions @ stacked) / np.sqrt(values)[:, None]
        shown = (int(self.n_samples_seen[model]), block.num_rows, block_mean)
        absorb_block(*shown, values, np.ascontiguousarray(directions), squares, *self._model(model))
        self._count(model, block.num_rows, values, squares)

    def _model(self, model):
        return self.mean[model], self.var[model], self.singular_values[model], self.components[model]

    def _stack(self, model, block, block_mean):
        shown = (int(self.n_samples_seen[model]), block.num_rows, block_mean)
        state = self.mean[model], self.singular_values[model], self.components[model]
        return np.concatenate([block.rows() - block_mean, rows_of_earlier(*shown, *state)])

    def _count(self, model, num_rows, squared_singular_values, squares):
        """Note that a model has absorbed one block, and how much noise its components leave."""
        num_components, num_features = self.components.shape[1:]
        seen = int(self.n_samples_seen[model])
        self.n_samples_seen[model] = seen + num_rows
        num_stacked = num_rows + (num_components + 1 if seen else 0)
        num_left = max(min(num_stacked, num_features) - num_components, 1)
        rest = max(squares.sum() - squared_singular_values.sum(), 0.0)
        has_none = num_components in (num_rows, num_features)  # scikit-learn's rule
        self.noise_variance[model] = 0.0 if has_none else rest / max(seen + num_rows - 1, 1) / num_left


def _singular_directions(stacked, num_components):
    """Without squaring, for (nearly) fewer dimensions than components."""
    _, singular_values, rows = np.linalg.svd(stacked, full_matrices=False)
    return singular_values[:num_components] ** 2, rows[:num_components]
