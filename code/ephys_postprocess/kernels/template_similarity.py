"""Distances between templates that live on few channels, at the best of several lags."""

import numpy as np

from ephys_postprocess.kernels._jit import kernel


@kernel
def template_similarity(
    packed, channels, in_mask, num_packed, num_shifts, method, support, first_unit, last_unit, distances
):
    """Fill distances[i, j] for i in first_unit:last_unit and j >= i with the smallest distance over the lags.

    Parameters
    ----------
    packed : float64 (num_units, max_num_channels + 1, num_samples)
        Each unit's channels packed left; the last row is zeros and stands for a channel the unit does not have.
    channels : int64 (num_units, max_num_channels)
        Channel of each packed row, ascending.
    in_mask : bool (num_units, max_num_channels)
        Whether the packed row belongs to the unit's sparsity.
    num_packed : int64 (num_units,)
        Packed rows of each unit.
    num_shifts : int
        Lags -num_shifts … 0 of unit j against unit i; the first and last num_shifts samples of unit i are left out.
    method : int
        0 l1, 1 l2, 2 cosine.
    support : int
        0 dense, 1 union (of units sharing a channel), 2 intersection.
    first_unit, last_unit : int
    distances : float32 (num_units, num_units)
        1 where the units have no channel in common or a norm is zero.

    References
    ----------
    `_compute_similarity_matrix_numpy` in spikeinterface.postprocessing.template_similarity; float64 throughout.
    """
    num_units, num_rows, num_samples = packed.shape
    own_rows = np.empty(2 * num_rows, dtype=np.int64)
    other_rows = np.empty(2 * num_rows, dtype=np.int64)
    for unit in range(first_unit, last_unit):
        for other in range(unit, num_units):
            num_used = shared_rows(channels, in_mask, num_packed, support, unit, other, own_rows, other_rows)
            smallest = np.inf
            for shift in range(-num_shifts, 1):
                product = 0.0
                own_norm = 0.0
                other_norm = 0.0
                for row in range(num_used):
                    for sample in range(num_shifts, num_samples - num_shifts):
                        x = packed[unit, own_rows[row], sample]
                        y = packed[other, other_rows[row], sample + shift]
                        if method == 0:
                            product += abs(x - y)
                            own_norm += abs(x)
                            other_norm += abs(y)
                        else:
                            product += x * y if method == 2 else (x - y) * (x - y)
                            own_norm += x * x
                            other_norm += y * y
                if method != 0:
                    own_norm = np.sqrt(own_norm)
                    other_norm = np.sqrt(other_norm)
                if method == 1:
                    product = np.sqrt(product)
                scale = own_norm * other_norm if method == 2 else own_norm + other_norm
                distance = product / scale if scale > 0 else np.float64(method != 2)
                smallest = min(smallest, 1 - distance if method == 2 else distance)
            distances[unit, other] = smallest


@kernel
def shared_rows(channels, in_mask, num_packed, support, unit, other, own_rows, other_rows):
    """Number of channels that count for a pair; their packed rows of both units go into the last two arguments.

    Arguments are those of `template_similarity`, but for the rows, int64 (2 * max_num_channels + 2,). A channel that
    one of the units does not have gets that unit's row of zeros.
    """
    zeros = channels.shape[1]
    num_used = 0
    has_common = support == 0
    own = 0
    theirs = 0
    while own < num_packed[unit] or theirs < num_packed[other]:
        own_channel = channels[unit, own] if own < num_packed[unit] else np.iinfo(np.int64).max
        other_channel = channels[other, theirs] if theirs < num_packed[other] else np.iinfo(np.int64).max
        takes_own = own_channel <= other_channel
        takes_theirs = other_channel <= own_channel
        num_owners = int(takes_own and in_mask[unit, own]) + int(takes_theirs and in_mask[other, theirs])
        has_common = has_common or num_owners == 2
        if num_owners >= support:  # dense 0, union 1, intersection 2
            own_rows[num_used] = own if takes_own else zeros
            other_rows[num_used] = theirs if takes_theirs else zeros
            num_used += 1
        own += takes_own
        theirs += takes_theirs
    return num_used if has_common else 0
