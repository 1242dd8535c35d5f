"""The time in which units are looked at, whole segments or a unit's periods, and where in it their spikes lie."""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.records import SpikeTrains, UnitPeriods


@dataclass(frozen=True)
class ObservedTime:
    """Stretches ordered by unit, segment, start; of each spike its stretch and the samples since that began."""

    unit_edges: np.ndarray  # int64 (num_units + 1,): stretches of unit u are unit_edges[u]:unit_edges[u + 1]
    segment_indices: np.ndarray  # int64 (num_stretches,)
    lengths: np.ndarray  # int64 (num_stretches,) samples
    stretches: np.ndarray  # int64 (num_spikes,)
    samples: np.ndarray  # int64 (num_spikes,)

    def bins(self, bin_samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whole bins of each stretch, counted from its start; what is left over at its end is in none.

        Parameters
        ----------
        bin_samples : int64 (num_units,)

        Returns
        -------
        bins : int64 (num_spikes,)
            Of each spike, all bins of all stretches counted on; -1 in what is left over.
        bin_edges : int64 (num_stretches + 1,)
            Bins of stretch s are bin_edges[s]:bin_edges[s + 1].
        unit_edges : int64 (num_units + 1,)
            The same of units.
        """
        bin_of_stretch = np.repeat(bin_samples, np.diff(self.unit_edges))
        num_bins = self.lengths // bin_of_stretch
        edges = np.concatenate([[0], np.cumsum(num_bins)]).astype(np.int64)
        own = self.samples // bin_of_stretch[self.stretches]
        bins = np.where(own < num_bins[self.stretches], edges[self.stretches] + own, -1)
        return bins, edges, edges[self.unit_edges]


def observed_time(spikes: SpikeTrains) -> ObservedTime:
    """The stretches of `spikes.periods`, or every segment for every unit."""
    if spikes.periods is None:
        num_segments = len(spikes.segment_lengths)
        return ObservedTime(
            np.arange(spikes.num_units + 1) * num_segments,
            np.tile(np.arange(num_segments), spikes.num_units),
            np.tile(np.asarray(spikes.segment_lengths, dtype=np.int64), spikes.num_units),
            spikes.unit_indices * num_segments + spikes.segment_indices,
            spikes.samples,
        )
    periods = spikes.periods
    stretches = _last_begun(spikes, periods)
    return ObservedTime(
        np.searchsorted(periods.unit_indices, np.arange(spikes.num_units + 1)),
        periods.segment_indices,
        periods.stop_samples - periods.start_samples,
        stretches,
        spikes.samples - periods.start_samples[stretches],
    )


def counts_in_bins(spikes: SpikeTrains, bin_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Spikes in bins of one length on each unit's own time line: its stretches end to end.

    Every bin is whole: the end of a stretch and the start of the next share one, and what is left over at the end of
    the line is in none. A spike on the very sample where the last bin ends counts in it, as in `numpy.histogram`.

    Returns
    -------
    counts : int64 (all bins of all units,)
    edges : int64 (num_units + 1,)
        Bins of unit u are counts[edges[u]:edges[u + 1]].
    """
    time = observed_time(spikes)
    num_bins = spikes.observed_samples // bin_samples
    edges = np.concatenate([[0], np.cumsum(num_bins)]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(time.lengths)])
    line = time.samples + (starts[time.stretches] - starts[time.unit_edges[spikes.unit_indices]])
    bins = line // bin_samples
    own_bins = num_bins[spikes.unit_indices]
    bins[line == own_bins * bin_samples] -= 1
    is_inside = (bins >= 0) & (bins < own_bins)
    flat = edges[spikes.unit_indices[is_inside]] + bins[is_inside]
    return np.bincount(flat, minlength=edges[-1]), edges


def is_within(spikes: SpikeTrains, periods: UnitPeriods) -> np.ndarray:
    """bool (num_spikes,): spikes in a period of their own unit; a period's end is not in it."""
    if periods.unit_indices.size == 0:
        return np.zeros(spikes.num_spikes, dtype=bool)
    period = _last_begun(spikes, periods)
    is_own = (periods.unit_indices[period] == spikes.unit_indices) & (
        periods.segment_indices[period] == spikes.segment_indices
    )
    return is_own & (spikes.samples >= periods.start_samples[period]) & (spikes.samples < periods.stop_samples[period])


def within_periods(spikes: SpikeTrains, periods: UnitPeriods) -> tuple[SpikeTrains, np.ndarray]:
    """The spikes in their unit's periods, and their rows (int64, ascending) among all."""
    rows = np.flatnonzero(is_within(spikes, periods))
    return spikes.of_rows(rows, periods=periods), rows


def _last_begun(spikes, periods):
    """int64 (num_spikes,): the last period that begins at or before each spike, by unit, segment, sample."""
    num_segments = len(spikes.segment_lengths)
    stride = max(spikes.segment_lengths, default=0) + 1
    keys = (periods.unit_indices * num_segments + periods.segment_indices) * stride + periods.start_samples
    own = (spikes.unit_indices * num_segments + spikes.segment_indices) * stride + spikes.samples
    return np.maximum(np.searchsorted(keys, own, side="right") - 1, 0)
