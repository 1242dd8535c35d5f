"""Quality metrics of how often and how steadily a unit fires.

Every metric returns its columns, {name: array (num_units,)}, and {unit index: why a value is missing}. Names and values
are those of SpikeInterface 0.105; `spikes.periods` are its `periods`.
"""

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import SpikeTrains, blocks_of_spikes
from ephys_postprocess.stages.quality.formulas import reasons_where
from ephys_postprocess.stages.quality.observed_time import counts_in_bins

SYNCHRONY_SIZES = (2, 4, 8)


def num_spikes(spikes: SpikeTrains):
    """num_spikes: int64 count over all segments."""
    return {"num_spikes": np.diff(spikes.unit_edges)}, {}


def firing_rate(spikes: SpikeTrains):
    """firing_rate: float64 Hz over all segments; NaN without spikes."""
    counts = np.diff(spikes.unit_edges)
    return {"firing_rate": np.where(counts == 0, np.nan, _rates_hz(spikes))}, reasons_where(counts == 0, "no spikes")


def presence_ratio(spikes: SpikeTrains, bin_duration_s: float, mean_fr_ratio_thresh: float):
    """presence_ratio: float64 share of bins in which the unit fires more than the threshold.

    Parameters
    ----------
    spikes : SpikeTrains
    bin_duration_s : float
    mean_fr_ratio_thresh : float
        A bin counts when it has more spikes than this share of the unit's mean.

    Raises
    ------
    ParameterError
        Negative threshold.

    References
    ----------
    `compute_presence_ratios` of SpikeInterface, exactly for one segment. Of several, SpikeInterface counts what is left
    over at the end of each as a bin like any other; here all bins are whole (`observed_time.counts_in_bins`). NaN where
    a unit has no spikes or was looked at for less than a bin.
    """
    if mean_fr_ratio_thresh < 0:
        raise ParameterError(f"presence_ratio.mean_fr_ratio_thresh: must not be negative (got {mean_fr_ratio_thresh}).")
    counts, edges = counts_in_bins(spikes, int(bin_duration_s * spikes.sampling_frequency_hz))
    num_bins = np.diff(edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        thresholds = np.floor(_rates_hz(spikes) * bin_duration_s * float(mean_fr_ratio_thresh))
        is_present = counts > np.repeat(thresholds, num_bins)
        ratios = np.diff(np.concatenate([[0], np.cumsum(is_present)])[edges]) / num_bins
    return _where_measurable(spikes, "presence_ratio", ratios, num_bins, bin_duration_s)


def firing_range(spikes: SpikeTrains, bin_size_s: float, percentiles: tuple[float, float]):
    """firing_range: float64 Hz between two percentiles of the rates in bins.

    References
    ----------
    `compute_firing_ranges` of SpikeInterface, exactly for one segment; of several as in `presence_ratio`. NaN where a
    unit has no spikes or was looked at for less than a bin.
    """
    counts, edges = counts_in_bins(spikes, int(bin_size_s * spikes.sampling_frequency_hz))
    num_bins = np.diff(edges)
    ranges = np.full(spikes.num_units, np.nan)
    for number in np.unique(num_bins[num_bins > 0]):  # one number, but for periods
        units = np.flatnonzero(num_bins == number)
        rates = counts[edges[units][:, np.newaxis] + np.arange(number)] / bin_size_s
        low, high = np.percentile(rates, percentiles, axis=1)
        ranges[units] = high - low
    return _where_measurable(spikes, "firing_range", ranges, num_bins, bin_size_s)


def synchrony(spikes: SpikeTrains):
    """sync_spike_2, _4, _8: float64 share of a unit's spikes at a sample that holds that many spikes or more.

    References
    ----------
    `compute_synchrony_metrics` of SpikeInterface, exactly: spikes of the same unit count towards the size, a unit
    counts once per sample, and a unit without spikes gets -1.
    """
    counts = np.diff(spikes.unit_edges)
    in_sync = np.zeros((len(SYNCHRONY_SIZES), spikes.num_units), dtype=np.int64)
    for first, last in _whole_moments(spikes):
        in_sync += _spikes_in_sync(spikes, slice(first, last))
    shares = np.where(counts == 0, -1.0, in_sync / np.maximum(counts, 1))
    return {f"sync_spike_{size}": own for size, own in zip(SYNCHRONY_SIZES, shares, strict=True)}, {}


def _whole_moments(spikes):
    """(first, last + 1) of blocks of rows, none of which ends between spikes of one sample."""
    first = 0
    for block in blocks_of_spikes(spikes.num_spikes):
        last_row = block.stop - 1
        _, last = spikes.rows_between(spikes.segment_indices[last_row], 0, spikes.samples[last_row] + 1)
        yield first, last
        first = last


def _spikes_in_sync(spikes, rows):
    """int64 (num_sizes, num_units): how often each unit fires at a moment of so many spikes or more."""
    is_new = np.ones(rows.stop - rows.start, dtype=bool)
    is_new[1:] = (np.diff(spikes.samples[rows]) != 0) | (np.diff(spikes.segment_indices[rows]) != 0)
    moments = np.cumsum(is_new) - 1
    sizes = np.bincount(moments)
    # one row per unit and moment, moments of a single spike left out
    is_shared = sizes[moments] > 1
    keys = np.unique(moments[is_shared] * max(spikes.num_units, 1) + spikes.unit_indices[rows][is_shared])
    shared_moments, units = np.divmod(keys, max(spikes.num_units, 1))
    found = [units[sizes[shared_moments] >= size] for size in SYNCHRONY_SIZES]
    return np.array([np.bincount(own, minlength=spikes.num_units) for own in found])


def _rates_hz(spikes):
    """float64 (num_units,): NaN for a unit that was not looked at."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.diff(spikes.unit_edges) / (spikes.observed_samples / spikes.sampling_frequency_hz)


def _where_measurable(spikes, column, values, num_bins, bin_s):
    is_silent = np.diff(spikes.unit_edges) == 0
    what = "the recording is" if spikes.periods is None else "its valid periods are"
    reasons = reasons_where(num_bins == 0, f"{what} shorter than one bin of {bin_s:g} s")
    return {column: np.where(is_silent, np.nan, values)}, reasons | reasons_where(is_silent, "no spikes")
