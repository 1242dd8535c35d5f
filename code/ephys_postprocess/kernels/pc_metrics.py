"""Kernels of the PC metrics: gather a neighborhood's features, find exact nearest neighbors, chi-square tails."""

import math

import numpy as np

from ephys_postprocess.kernels._jit import kernel

# Distances are screened this many at a time: a count of matches vectorizes where a search with a branch does not.
_SCREEN_WIDTH = 128


@kernel
def gather_features(projections, spike_rows, neighbor_of_spike, local_channels):
    """Projections of some spikes on the channels of one neighborhood, zero where a spike's unit lacks the channel.

    Parameters
    ----------
    projections : float32 (num_spikes, num_components, max_sparse_channels)
        Packed: the k-th channel is the k-th of the spike's own unit.
    spike_rows : int64 (num_rows,)
        Rows of `projections`.
    neighbor_of_spike : int64 (num_rows,)
        Row of `local_channels` that belongs to each spike's unit.
    local_channels : int64 (num_neighbors, num_channels)
        Where each channel of the neighborhood lies among the unit's packed ones; -1 where the unit lacks it.

    Returns
    -------
    float32 (num_rows, num_components * num_channels)
        Components outermost.

    References
    ----------
    SpikeInterface `ComputePrincipalComponents.get_some_projections`, then the reshape of
    `ComputeQualityMetrics._prepare_data`; equal exactly.
    """
    num_components = projections.shape[1]
    num_channels = local_channels.shape[1]
    features = np.empty((spike_rows.size, num_components * num_channels), dtype=np.float32)
    for row in range(spike_rows.size):
        own_channels = local_channels[neighbor_of_spike[row]]
        for component in range(num_components):
            packed = projections[spike_rows[row], component]
            unpacked = features[row, component * num_channels : (component + 1) * num_channels]
            for channel in range(num_channels):
                local_channel = own_channels[channel]
                unpacked[channel] = packed[local_channel] if local_channel >= 0 else np.float32(0)
    return features


@kernel
def add_picked(scatter, unit_scatter, features):
    """Add a unit's second moments to those of a neighborhood.

    Parameters
    ----------
    scatter : float64 (num_dimensions, num_dimensions)
        Added to in place.
    unit_scatter : float64 (num_features, num_features)
    features : int64 (num_dimensions,)
        Which of the unit's features each dimension is; num_features where the unit lacks it, and nothing is added.
    """
    num_features = unit_scatter.shape[0]
    for row in range(features.size):
        if features[row] < num_features:
            own = unit_scatter[features[row]]
            for column in range(features.size):
                if features[column] < num_features:
                    scatter[row, column] += own[features[column]]


@kernel
def squared_distance(features, first, second):
    """Squared Euclidean distance of two rows of float32 `features`, summed in float64, dimension by dimension."""
    first_row = features[first]
    second_row = features[second]
    total = 0.0
    for dimension in range(first_row.size):
        delta = np.float64(first_row[dimension]) - np.float64(second_row[dimension])
        total += delta * delta
    return total


@kernel
def farthest_candidates(features, rows, candidates):
    """Squared distance from some rows to the farthest of their candidates: no k-th neighbor can be farther.

    Parameters
    ----------
    features : float32 (num_rows, num_dimensions)
    rows : int64 (num_queries,)
        Rows of `features`.
    candidates : int64 (num_queries, num_neighbors)
        Different rows of `features`, never the query itself; -1 where there are not that many.

    Returns
    -------
    float64 (num_queries,)
        Infinite where a candidate is -1.
    """
    farthest = np.zeros(rows.size, dtype=np.float64)
    for query in range(rows.size):
        for position in range(candidates.shape[1]):
            candidate = candidates[query, position]
            if candidate < 0:
                farthest[query] = np.inf
                break
            distance = squared_distance(features, rows[query], candidate)
            if distance > farthest[query]:
                farthest[query] = distance
    return farthest


@kernel
def nearest_rows(approximate, rows, features, margins, bounds, num_neighbors):
    """The nearest rows of some rows, exact, from approximate distances with a known margin of error.

    Parameters
    ----------
    approximate : float32 (num_queries, num_rows)
        Squared distances, each within `margins` of the truth.
    rows : int64 (num_queries,)
        Which row of `features` each query is; a row is no neighbor of itself.
    features : float32 (num_rows, num_dimensions)
    margins : float64 (num_queries,)
    bounds : float64 (num_queries,)
        Squared distance within which at least `num_neighbors` neighbors are known to lie; infinite if unknown.
    num_neighbors : int
        At least 1.

    Returns
    -------
    int64 (num_queries, num_neighbors)
        By squared distance in float64, then by row; -1 beyond the rows there are.

    References
    ----------
    The same neighbors as scikit-learn's `NearestNeighbors`, up to ties, where those depend on the state of a heap.
    """
    nearest = np.empty((rows.size, num_neighbors), dtype=np.int64)
    distances = np.empty(num_neighbors, dtype=np.float64)
    within = np.empty(features.shape[0], dtype=np.int64)
    for query in range(rows.size):
        margin = margins[query]
        of_query = nearest[query]
        screened = approximate[query]
        num_within = _screen(screened, rows[query], bounds[query] + margin, margin, distances, of_query, within)
        limit = np.float32(distances[-1] + 2 * margin)
        distances[:] = np.inf
        of_query[:] = -1
        for row in within[:num_within]:
            if screened[row] <= limit:
                _insert_sorted(distances, of_query, squared_distance(features, rows[query], row), row)
    return nearest


@kernel
def _screen(approximate, query_row, limit, margin, distances, nearest, within):
    """Collect in `within` the rows that may be among the nearest, as far as approximate distances tell.

    `distances` and `nearest` end up with the approximately nearest; returns how many rows were collected.
    """
    distances[:] = np.inf
    screen_limit = np.float32(limit)
    num_within = 0
    for start in range(0, approximate.size, _SCREEN_WIDTH):
        screened = approximate[start : start + _SCREEN_WIDTH]
        num_passed = 0
        for offset in range(screened.size):
            num_passed += screened[offset] <= screen_limit
        if num_passed == 0:
            continue
        for offset in range(screened.size):
            row = start + offset
            if screened[offset] <= screen_limit and row != query_row:
                within[num_within] = row
                num_within += 1
                _insert_sorted(distances, nearest, np.float64(screened[offset]), row)
                screen_limit = np.float32(min(limit, distances[-1] + 2 * margin))
    return num_within


@kernel
def _insert_sorted(distances, nearest, distance, row):
    """Put a row in its place, behind equal ones; the last drops out."""
    position = distances.size - 1
    if distance >= distances[position]:
        return
    while position > 0 and distances[position - 1] > distance:
        distances[position] = distances[position - 1]
        nearest[position] = nearest[position - 1]
        position -= 1
    distances[position] = distance
    nearest[position] = row


@kernel
def chi_square_tails(values, degrees_of_freedom):
    """Probability that a chi-square variable exceeds each value.

    Parameters
    ----------
    values : float64 (num_values,)
        At least 0.
    degrees_of_freedom : int
        At least 1.

    Returns
    -------
    float64 (num_values,)

    Notes
    -----
    With x = value / 2, a = degrees / 2 and t(s) = x^s e^-x / Gamma(s + 1): the tail is the finite sum
    t(a - 1) + t(a - 2) + ... down to s >= 0, plus erfc(sqrt(x)) when the degrees are odd; what it leaves of 1 is the
    series t(a) + t(a + 1) + ... Of the two the one is taken whose terms only shrink.

    References
    ----------
    Abramowitz & Stegun 26.4.4-26.4.6; `scipy.special.chdtrc` to about 1e-12.
    """
    tails = np.empty(values.size, dtype=np.float64)
    shape = degrees_of_freedom / 2
    for index in range(values.size):
        half = values[index] / 2
        total = 0.0
        if half <= 0:
            tails[index] = 1.0
        elif half < shape:
            term = math.exp(shape * math.log(half) - half - math.lgamma(shape + 1))
            exponent = shape
            while term > 1e-18 * total:
                total += term
                exponent += 1
                term *= half / exponent
            tails[index] = 1 - total
        else:
            term = math.exp((shape - 1) * math.log(half) - half - math.lgamma(shape))
            exponent = shape - 1
            while exponent >= 0 and term > 1e-18 * total:
                total += term
                term *= exponent / half
                exponent -= 1
            tails[index] = total
            if degrees_of_freedom % 2 == 1:
                tails[index] += math.erfc(math.sqrt(half))
    return tails
