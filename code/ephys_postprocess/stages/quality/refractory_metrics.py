"""Quality metrics of spikes that follow each other too closely for one neuron.

Every metric returns its columns, {name: array (num_units,)}, and {unit index: why a value is missing}. Names and values
are those of SpikeInterface 0.105; `spikes.periods` are its `periods`.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from ephys_postprocess.kernels.pc_metrics import chi_square_tails
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.formulas import (
    correlogram_bins,
    num_partners,
    reasons_where,
    refractory_contamination,
    samples_to_reach,
    unit_positions,
)

CONFIDENCE = 0.9  # of the sliding refractory period
NEWTON_STEPS = 5  # each doubles the digits; the start has two


def isi_violation(spikes: SpikeTrains, isi_threshold_ms: float, min_isi_ms: float):
    """isi_violations_ratio: float64; isi_violations_count: int64, -1 without spikes.

    Parameters
    ----------
    spikes : SpikeTrains
    isi_threshold_ms : float
        Intervals below it are violations.
    min_isi_ms : float
        Shortest interval the sorter lets through.

    References
    ----------
    Hill et al. 2011; `compute_isi_violations` of SpikeInterface, exactly but for intervals of just the threshold: it
    subtracts times in s, whose rounding lets some of these pass and others not, by where in the recording they lie.
    """
    counts = np.diff(spikes.unit_edges)
    threshold_s, min_isi_s = isi_threshold_ms / 1000, min_isi_ms / 1000
    order = spikes.order_by_unit
    units, segments = spikes.unit_indices[order], spikes.segment_indices[order]
    is_near = np.diff(spikes.samples[order]) < samples_to_reach(isi_threshold_ms, spikes.sampling_frequency_hz)
    is_violation = (units[1:] == units[:-1]) & (segments[1:] == segments[:-1]) & is_near
    violations = np.bincount(units[1:][is_violation], minlength=spikes.num_units)
    duration_s = spikes.observed_samples / spikes.sampling_frequency_hz
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = violations / (2 * counts * (threshold_s - min_isi_s)) / (counts / duration_s)
    columns = {
        "isi_violations_ratio": np.where(counts == 0, np.nan, ratios),
        "isi_violations_count": np.where(counts == 0, -1, violations),
    }
    return columns, reasons_where(counts == 0, "no spikes")


def rp_violation(spikes: SpikeTrains, refractory_period_ms: float, censored_period_ms: float):
    """rp_contamination: float64; rp_violations: int64 pairs of spikes within the period, -1 without spikes.

    References
    ----------
    Llobet et al. 2022; `compute_refrac_period_violations` of SpikeInterface, exactly.
    """
    counts = np.diff(spikes.unit_edges)
    frequency = spikes.sampling_frequency_hz
    censored, refractory = round(censored_period_ms * frequency * 1e-3), round(refractory_period_ms * frequency * 1e-3)
    partners = num_partners(_positions(spikes, refractory), refractory)
    violations = np.bincount(
        np.repeat(np.arange(spikes.num_units), counts), weights=partners, minlength=spikes.num_units
    ).astype(np.int64)  # sums of integers below 2**53: exact
    contamination = refractory_contamination(violations, counts, spikes.observed_samples, censored, refractory)
    columns = {"rp_contamination": contamination, "rp_violations": np.where(counts == 0, -1, violations)}
    return columns, {**reasons_where(counts == 0, "no spikes"), **reasons_where(counts == 1, "a single spike")}


def sliding_rp_violation(
    spikes: SpikeTrains,
    min_spikes: int,
    bin_size_ms: float,
    window_size_s: float,
    exclude_ref_period_below_ms: float,
    max_ref_period_ms: float,
    contamination_values: Sequence[float] | None,
):
    """sliding_rp_violation: float64, the least contamination excluded with 90 % confidence at some refractory period.

    Parameters
    ----------
    spikes : SpikeTrains
    min_spikes : int
        Units need more spikes than this.
    bin_size_ms, window_size_s : float
        Of the autocorrelogram; the window only bounds the refractory periods.
    exclude_ref_period_below_ms, max_ref_period_ms : float
        Refractory periods tried.
    contamination_values : float (num_values,) or None
        Tried in this order; None for 0.5 … 35 %.

    References
    ----------
    IBL 2022; `compute_sliding_rp_violations` of SpikeInterface. Its test 1 - poisson.cdf(observed, expected) > 0.9 is
    turned into expected > the mean at which the distribution reaches 0.1, which needs one quantile a count.
    """
    if contamination_values is None:
        contamination_values = np.arange(0.5, 35.5, 0.5) / 100
    contamination_values = np.asarray(contamination_values, dtype=np.float64)
    periods_s, is_tested, bin_samples = _refractory_periods(
        spikes.sampling_frequency_hz, bin_size_ms, window_size_s, exclude_ref_period_below_ms, max_ref_period_ms
    )
    counts = np.diff(spikes.unit_edges)
    observed, rows = np.unique(_observed_violations(spikes, periods_s.size, bin_samples), return_inverse=True)
    limits = _means_with_tail(observed, 1 - CONFIDENCE)[rows.reshape(counts.size, periods_s.size)]
    with np.errstate(invalid="ignore"):  # a unit that was not looked at has too few spikes
        firing_rates = counts / (spikes.observed_samples / spikes.sampling_frequency_hz)
    values = np.full(counts.size, np.nan)
    for unit_index in np.flatnonzero(counts > min_spikes):
        expected = _expected_violations(counts[unit_index], firing_rates[unit_index], periods_s, contamination_values)
        is_excluded = (expected > limits[unit_index])[:, is_tested].any(axis=1)
        if is_excluded.any():
            values[unit_index] = contamination_values[is_excluded.argmax()]
    reasons = reasons_where(np.isnan(values), "no contamination tried could be excluded with 90 % confidence")
    return {"sliding_rp_violation": values}, reasons | reasons_where(counts <= min_spikes, "too few spikes")


def _means_with_tail(counts, share):
    """float64 (n,): the Poisson mean at which each count or less has probability `share`, below one half.

    The probability is a chi-square tail; Newton's method from the approximation of Wilson & Hilferty 1931. (The same
    as `pdtri` of scipy.special, which costs 0.2 s to import.)
    """
    means = np.empty(counts.size)
    deviate = NormalDist().inv_cdf(1 - share)
    for index, count in enumerate(counts.tolist()):
        spread = 1 / (9 * (count + 1))
        mean = (count + 1) * (1 - spread + deviate * math.sqrt(spread)) ** 3
        for _ in range(NEWTON_STEPS):
            tail = chi_square_tails(np.array([2 * mean]), 2 * count + 2)[0]
            density = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
            mean += (tail - share) / density
        means[index] = mean
    return means


def _refractory_periods(frequency, bin_size_ms, window_size_s, exclude_below_ms, max_ms):
    """float64 upper edges in s, bool whether a period is tested, and the bin in samples."""
    edges_ms, _, bin_samples = correlogram_bins(frequency, 2 * window_size_s * 1000, bin_size_ms)
    edges_s = edges_ms[edges_ms.size // 2 :] / 1000
    # in samples: seconds round to one side or the other where a period or a bin's centre is just at its bound
    num_periods = int(np.floor(np.round(max_ms * frequency * 1e-3 / bin_samples, 6)))
    edges_s = edges_s[: num_periods + 1]
    centers = (np.arange(edges_s.size - 1) + 0.5) * bin_samples
    return edges_s[1:], centers > np.round(exclude_below_ms * frequency * 1e-3, 6), bin_samples


def _observed_violations(spikes, num_periods, bin_samples):
    """int64 (num_units, num_periods): pairs of spikes closer than each period; equal times count both ways."""
    reach = num_periods * bin_samples
    positions = _positions(spikes, reach)
    units = np.repeat(np.arange(spikes.num_units), np.diff(spikes.unit_edges))
    counts = np.zeros(spikes.num_units * num_periods, dtype=np.int64)
    earlier = np.arange(positions.size)
    for step in range(1, positions.size):
        earlier = earlier[: np.searchsorted(earlier, positions.size - step)]
        lags = positions[earlier + step] - positions[earlier]
        is_near = lags < reach
        earlier, lags = earlier[is_near], lags[is_near]
        if earlier.size == 0:
            break
        flat = units[earlier] * num_periods + lags // bin_samples
        counts += np.bincount(flat, weights=1 + (lags == 0), minlength=counts.size).astype(np.int64)
    return counts.reshape(spikes.num_units, num_periods).cumsum(axis=1)


def _expected_violations(num_spikes, firing_rate, periods_s, contamination):
    """float64 (num_values, num_periods): Llobet et al. 2022, contaminating spikes against all and among themselves."""
    contaminating = num_spikes * contamination[:, np.newaxis]
    own = num_spikes * (1 - contamination[:, np.newaxis])
    duration_s = num_spikes / firing_rate
    return 2 * periods_s / duration_s * contaminating * (own + (contaminating - 1) / 2)


def _positions(spikes, gap_samples):
    line = spikes.line_samples(gap_samples + 1)[spikes.order_by_unit]
    return unit_positions(line, spikes.num_units, spikes.unit_edges, gap_samples)
