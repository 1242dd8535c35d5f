"""What incremental principal components do with snippets and models, besides moments and eigenvectors."""

import math

import numpy as np

from ephys_postprocess.kernels._jit import kernel

SPIKES_AT_ONCE = 16  # stay in cache while every channel is picked from them: four times faster than all at once
SAMPLES_AT_ONCE = 4  # added to a sum in one go, so that it is loaded and stored less often


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
def project_counts(counts, weights, offsets, gain, projections):
    """Project int16 snippets on each channel's components.

    Parameters
    ----------
    counts : int16 (num_channels, num_rows, at least num_spikes)
        As `counts_by_channel` fills it; num_rows, a multiple of SAMPLES_AT_ONCE, is the number of samples or a little
        more.
    weights : float64 (num_channels, num_components, num_rows)
        Components of each channel's model, zero beyond the samples there are.
    offsets : float64 (num_channels, num_components)
        What the models' means project to.
    gain : float
        µV a count.
    projections : float32 (num_spikes, num_components, num_channels)
        Filled: gain * sum over samples of count * weight, less the offset, in float64 and rounded once.
    """
    num_spikes, num_components, num_channels = projections.shape
    values = np.empty((SAMPLES_AT_ONCE, num_spikes))
    sums = np.empty((num_components, num_spikes))
    for channel in range(num_channels):
        sums[:] = 0.0
        for first in range(0, counts.shape[1], SAMPLES_AT_ONCE):
            for sample in range(SAMPLES_AT_ONCE):
                own = values[sample]
                for spike in range(num_spikes):
                    own[spike] = counts[channel, first + sample, spike]
            for component in range(num_components):
                w0, w1 = weights[channel, component, first], weights[channel, component, first + 1]
                w2, w3 = weights[channel, component, first + 2], weights[channel, component, first + 3]
                of_component, v0, v1, v2, v3 = sums[component], values[0], values[1], values[2], values[3]
                for spike in range(num_spikes):
                    added = w0 * v0[spike] + w1 * v1[spike] + w2 * v2[spike] + w3 * v3[spike]
                    of_component[spike] += added
        for component in range(num_components):
            for spike in range(num_spikes):
                projections[spike, component, channel] = gain * sums[component, spike] - offsets[channel, component]
