"""What incremental principal components do with snippets and models, besides moments and eigenvectors."""

import math

import numpy as np

from ephys_postprocess.kernels._jit import kernel
from ephys_postprocess.kernels._octet_loops import OCTET, sum_products
from ephys_postprocess.kernels.count_products import add_row_products
from ephys_postprocess.kernels.solvers.leading_eigenpairs import (
    SMALLEST_RATIO,
    is_large_enough,
    iterate_to_eigenpairs,
)

SPIKES_AT_ONCE = 16  # stay in cache while every channel is picked from them: four times faster than all at once


def spikes_by_channel(waveforms, by_channel):
    """Fill the waveforms with the channel axis first, each channel's snippets contiguous.

    Parameters
    ----------
    waveforms : float32 (num_spikes, num_samples, at least num_channels)
        Snippets in µV; channels beyond num_channels are padding.
    by_channel : float32 (num_channels, num_spikes, num_samples)
        Filled.
    """
    num_channels = by_channel.shape[0]
    for first in range(0, len(waveforms), SPIKES_AT_ONCE):
        last = first + SPIKES_AT_ONCE
        by_channel[:, first:last] = waveforms[first:last, :, :num_channels].transpose(2, 0, 1)


@kernel
def absorb_block(
    num_seen, num_rows, block_mean, eigenvalues, directions, squares, mean, var, singular_values, components
):
    """Move one model on by one block of snippets.

    Parameters
    ----------
    num_seen, num_rows : int
        Snippets the model has seen before, and those of the block.
    block_mean : float64 (num_features,)
    eigenvalues : float64 (num_components,)
        Squared singular values of what was stacked: the centered block, what stands for earlier blocks, and the shift
        of the mean.
    directions : float64 (num_components, num_features)
        The right singular vectors, of either sign.
    squares : float64 (num_features,)
        Sums of squares of each column of what was stacked.
    mean, var : float64 (num_features,)
        Of the model; updated.
    singular_values : float64 (num_components,)
        Updated.
    components : float64 (num_components, num_features)
        Updated; the entry of largest magnitude (the first one, should two be equal) of each row is positive.

    References
    ----------
    `IncrementalPCA.partial_fit`, `_incremental_mean_and_var` and `svd_flip(u_based_decision=False)` of scikit-learn.
    """
    total = num_seen + num_rows
    for feature in range(mean.size):
        kept = 0.0
        for component in range(singular_values.size):
            kept += (singular_values[component] * components[component, feature]) ** 2
        var[feature] = max(num_seen * var[feature] + squares[feature] - kept, 0.0) / total
        mean[feature] = (num_seen * mean[feature] + num_rows * block_mean[feature]) / total
    for component in range(singular_values.size):
        singular_values[component] = math.sqrt(eigenvalues[component])
        largest = 0
        for feature in range(mean.size):
            if abs(directions[component, feature]) > abs(directions[component, largest]):
                largest = feature
        sign = -1.0 if directions[component, largest] < 0 else 1.0
        for feature in range(mean.size):
            components[component, feature] = sign * directions[component, feature]


@kernel
def absorb_moments(
    num_seen, num_rows, block_mean, moments, start, values, ends, squares, mean, var, singular_values, components
):
    """Move one model on by one block of snippets, known by its second moments, where iterating finds the components.

    All in one call, so that threads do not wait for the interpreter between its steps, which take some ten
    microseconds each.

    Parameters
    ----------
    num_seen, num_rows, block_mean, mean, var, singular_values, components
        As in `absorb_block`.
    moments : float64 (num_features, num_features)
        Of the centered block, right from the diagonal upwards; filled up, and added to what stands for earlier blocks.
    start : float64 (num_features, width)
        As in `leading_eigenpairs`.
    values : float64 (width,)
    ends : float64 (num_features, width)
        Filled with the eigenvalues and eigenvectors of `moments`.
    squares : float64 (num_features,)
        Filled with the diagonal of `moments`.

    Returns
    -------
    bool
        False where other means must find the components: then the model is what it was.
    """
    add_row_products(rows_of_earlier(num_seen, num_rows, block_mean, mean, singular_values, components), moments)
    for feature in range(mean.size):
        squares[feature] = moments[feature, feature]
    num_components = singular_values.size
    if not is_large_enough(*start.shape):
        return False
    if not iterate_to_eigenpairs(moments, num_components, start, values, ends):
        return False
    if values[num_components - 1] <= SMALLEST_RATIO * values[0]:
        return False
    directions = np.empty_like(components)
    for component in range(num_components):
        for feature in range(mean.size):
            directions[component, feature] = ends[feature, component]
    absorb_block(num_seen, num_rows, block_mean, values, directions, squares, mean, var, singular_values, components)
    return True


@kernel
def rows_of_earlier(num_seen, num_rows, block_mean, mean, singular_values, components):
    """What stands for all earlier blocks beside a centered one: weighted components and the shift of the mean.

    Parameters as in `absorb_block`; the model is the one before the block.

    Returns
    -------
    float64 (num_components + 1, num_features), or (0, num_features) for a model that saw none
    """
    num_components, num_features = components.shape
    if num_seen == 0:
        return np.empty((0, num_features))
    rows = np.empty((num_components + 1, num_features))
    share = math.sqrt(num_seen / (num_seen + num_rows) * num_rows)
    for feature in range(num_features):
        for component in range(num_components):
            rows[component, feature] = singular_values[component] * components[component, feature]
        rows[num_components, feature] = (mean[feature] - block_mean[feature]) * share
    return rows


@kernel
def project_counts(windows, num_samples, octet_starts, octet_weights, places, offsets, gain, projections):
    """Project int16 snippets on each channel's components.

    Parameters
    ----------
    windows : int16 (num_spikes * num_samples, at least OCTET channels)
        A snippet's samples one after the other.
    num_samples : int
        Of a snippet.
    octet_starts : int64 (num_octets,)
        Octets that hold the snippets' channels; see `octets.OctetCover`.
    octet_weights : float64 (num_octets, num_components, num_samples, OCTET)
        Components of each channel's model; zero on channels of an octet that are not looked at.
    places : int64 (num_channels,)
        Where each channel is in the octets.
    offsets : float64 (num_channels, num_components)
        What the models' means project to.
    gain : float
        µV a count.
    projections : float32 (num_spikes, num_components, num_channels)
        Filled: gain * sum over samples of count * weight, less the offset, in float64 and rounded once.
    """
    num_spikes, num_components, num_channels = projections.shape
    sums = np.empty((octet_starts.size, num_components, OCTET))
    for spike in range(num_spikes):
        sums[:] = 0.0
        for octet in range(octet_starts.size):
            for component in range(num_components):
                weights, own = octet_weights[octet, component], sums[octet, component]
                sum_products(windows, spike * num_samples, num_samples, octet_starts[octet], weights, own)
        for channel in range(num_channels):
            octet, position = divmod(places[channel], OCTET)
            for component in range(num_components):
                scaled = gain * sums[octet, component, position]
                projections[spike, component, channel] = scaled - offsets[channel, component]
