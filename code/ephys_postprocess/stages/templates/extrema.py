"""The main trough of a waveform and the peaks before and after it."""

import numpy as np

FILTER_REACH = 10  # samples on either side of a point that its upsampled value depends on
SAMPLES_AT_ONCE = 30  # upsampled together: few enough to leave out most zeros, enough for a product worth its call
EXTREMA = ("trough", "peak_before", "peak_after")


def upsampling_matrix(num_samples, factor):
    """float64 (num_samples * factor, num_samples): what it multiplies comes out with `factor` times the samples.

    References
    ----------
    `scipy.signal.resample_poly(up=factor)`: low-pass filter of 20 * factor + 1 taps, Kaiser window of beta 5.
    """
    if factor <= 1:
        return np.eye(num_samples)
    reach = FILTER_REACH * factor
    offsets = np.arange(-reach, reach + 1)
    taps = np.sinc(offsets / factor) * np.kaiser(2 * reach + 1, 5.0)
    taps *= factor / taps.sum()
    lags = np.arange(num_samples * factor)[:, np.newaxis] - factor * np.arange(num_samples)[np.newaxis, :]
    return np.where(np.abs(lags) <= reach, taps[np.clip(lags + reach, 0, 2 * reach)], 0.0)


def upsample(matrix, values):
    """matrix @ values for a matrix of `upsampling_matrix`, without the products that are zero all the same.

    Parameters
    ----------
    matrix : float64 (num_samples * factor, num_samples)
    values : float64 (num_samples, num_columns)

    Returns
    -------
    float64 (num_samples * factor, num_columns)
    """
    num_samples = values.shape[0]
    factor = matrix.shape[0] // max(1, num_samples)
    upsampled = np.empty((matrix.shape[0], values.shape[1]))
    for first in range(0, num_samples, SAMPLES_AT_ONCE):
        last = min(first + SAMPLES_AT_ONCE, num_samples)
        rows = slice(first * factor, last * factor)
        near = slice(max(0, first - FILTER_REACH), last + FILTER_REACH)
        np.matmul(matrix[rows, near], values[near], out=upsampled[rows])
    return upsampled


def find_peaks(values, min_prominence):
    """Positions, prominences, widths at half prominence, and both ends of the widths, of the peaks of a 1-D array.

    References
    ----------
    `scipy.signal.find_peaks(prominence=…, width=0)`: flat tops count at their middle, ends of the array never.
    """
    steps = np.flatnonzero(np.diff(values) != 0)
    starts, ends = np.concatenate([[0], steps + 1]), np.concatenate([steps, [values.size - 1]])
    heights = values[starts]
    is_top = np.zeros(starts.size, dtype=bool)
    is_top[1:-1] = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
    positions = (starts[is_top] + ends[is_top]) // 2
    # No prominence is more than this. A peak that is left out stops none of the others, since these are higher.
    positions = positions[values[positions] - values.min(initial=np.inf) >= min_prominence]
    prominences = _prominences(values, positions)
    is_prominent = prominences >= min_prominence
    positions, prominences = positions[is_prominent], prominences[is_prominent]
    levels = values[positions] - prominences * 0.5
    sides = [_ends_at(values, position, level) for position, level in zip(positions, levels, strict=True)]
    lefts, rights = np.array(sides, dtype=np.float64).reshape(-1, 2).T
    return positions, prominences, rights - lefts, lefts, rights


def _prominences(values, positions):
    """Height of each peak over the higher of the two lowest points before a higher peak, or an end, is met."""
    if positions.size == 0:
        return np.zeros(0)
    heights = values[positions].tolist()
    valleys = np.minimum.reduceat(values, np.concatenate([[0], positions])).tolist()
    lowest_left = _lowest_before_higher(heights, valleys[:-1])
    lowest_right = _lowest_before_higher(heights[::-1], valleys[:0:-1])[::-1]
    return np.array(heights) - np.maximum(lowest_left, lowest_right)


def _lowest_before_higher(heights, valleys):
    """For each peak the least of the valleys before it, back to the last peak that is higher."""
    lowest = []
    open_peaks = []  # ever lower: peaks that may still stop a later one
    for peak, height in enumerate(heights):
        least = valleys[peak]
        while open_peaks and heights[open_peaks[-1]] <= height:
            least = min(least, lowest[open_peaks.pop()])
        lowest.append(least)
        open_peaks.append(peak)
    return lowest


def _ends_at(values, position, level):
    """Where the waveform crosses `level` on either side of a peak, between samples."""
    left = np.flatnonzero(values[: position + 1] <= level)[-1]
    right = position + np.flatnonzero(values[position:] <= level)[0]
    left_end, right_end = float(left), float(right)
    if values[left] < level:
        left_end += (level - values[left]) / (values[left + 1] - values[left])
    if values[right] < level:
        right_end -= (level - values[right]) / (values[right - 1] - values[right])
    return left_end, right_end


def half_width(values, position):
    """(first, last) sample around a positive peak above half of its height, or (-1, -1)."""
    crossings = np.flatnonzero(np.diff(values >= 0.5 * values[position]))
    before, after = crossings[crossings < position], crossings[crossings >= position]
    return (int(before[-1]), int(after[0])) if before.size and after.size else (-1, -1)


def find_extrema(values, min_share, edge_samples, min_distance_ratio, min_distance_samples):
    """{extremum_property: value}, properties: index, width, width_left, width_right, half_width_left, …_right, count.

    Parameters
    ----------
    values : float64 (num_samples,)
    min_share : float
        Least prominence, as a share of the largest absolute value.
    edge_samples : int
        Not searched at either end.
    min_distance_ratio : float
        Least distance of a peak from the trough, as a share of the trough's half width.
    min_distance_samples : int
        The same in samples.

    References
    ----------
    `get_trough_and_peak_idx` of SpikeInterface 0.105, with its conventions: index -1 where the stretch to search is
    empty (so that its "value" is the last sample's), width_left and _right counted from the start of that stretch.
    """
    min_prominence = min_share * np.abs(values).max()
    right_edge = values.size - edge_samples
    extrema = _main_peak("trough", -values, min_prominence, edge_samples, right_edge)
    trough = extrema["trough_index"]
    left, right = half_width(-values, trough)
    distance = min_distance_samples
    if left >= 0:
        distance = max(distance, int(min_distance_ratio * (right - left)))
    extrema |= _main_peak("peak_before", values, min_prominence, edge_samples, trough - distance)
    extrema |= _main_peak("peak_after", values, min_prominence, trough + distance, right_edge)
    for name in EXTREMA:
        sides = half_width(-values if name == "trough" else values, extrema[f"{name}_index"])
        extrema[f"{name}_half_width_left"], extrema[f"{name}_half_width_right"] = sides
    return extrema


def _main_peak(name, values, min_prominence, start, stop):
    """The most prominent peak, at half the prominence if need be, else the largest value."""
    index, width, left, right, count = -1, np.nan, -1, -1, 0
    if stop > start > 0:
        stretch = values[start:stop]
        positions, prominences, widths, lefts, rights = find_peaks(stretch, min_prominence)
        count = positions.size
        if count == 0:
            positions, prominences, widths, lefts, rights = find_peaks(stretch, 0.5 * min_prominence)
        if positions.size:
            best = prominences.argmax()
            index, width = start + int(positions[best]), widths[best]
            left, right = int(np.round(lefts[best])), int(np.round(rights[best]))
        else:
            index = start + int(stretch.argmax())
    values_of = {"index": index, "width": width, "width_left": left, "width_right": right, "count": count}
    return {f"{name}_{key}": value for key, value in values_of.items()}
