"""Find the units whose spikes another unit already has, and say which of each pair goes."""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.kernels.spike_coincidence import spike_coincidence
from ephys_postprocess.machine.threads import map_in_threads, split_evenly
from ephys_postprocess.records import SpikeTrains, blocks_of_spikes, rows_by_unit
from ephys_postprocess.stages.spike_trains.survivors import choose_survivors

# SpikeInterface's: how far apart spikes may be that match, and the least agreement (matches over the union) of a pair.
MATCH_WITHIN_MS, LEAST_AGREEMENT = 0.4, 0.2


@dataclass(frozen=True)
class Deduplication:
    """Which units are removed, and in which unit their spikes still are."""

    is_kept: np.ndarray  # bool (num_units,)
    removed_unit_indices: np.ndarray  # int64 (num_removed,) ascending
    kept_unit_indices: np.ndarray  # int64 (num_removed,): a unit that stays
    shared_fractions: np.ndarray  # float64 (num_removed,): share of the removed unit's spikes that this one has
    mixtures: dict[int, tuple[int, ...]]  # unit index: the distinct units that it consists of; all of them stay

    def as_rows(self, unit_ids) -> list[dict]:
        """A row for each unit removed: removed_unit_id, kept_unit_id, shared_fraction."""
        rows = zip(self.removed_unit_indices, self.kept_unit_indices, self.shared_fractions, strict=True)
        return [
            {
                "removed_unit_id": str(unit_ids[removed]),
                "kept_unit_id": str(unit_ids[kept]),
                "shared_fraction": round(float(fraction), 6),
            }
            for removed, kept, fraction in rows
        ]


def deduplicate(
    spikes: SpikeTrains,
    peak_shifts_samples: np.ndarray,
    peak_amplitudes: np.ndarray,
    *,
    duplicate_threshold: float,
    num_threads: int,
    shift_tolerance_samples: int = 0,
) -> Deduplication:
    """Units to remove because more than `duplicate_threshold` of their spikes are in a unit that stays.

    Where either of a pair could go, the one stays whose template's peak is closer to its spikes, then the one of larger
    amplitude, then the one of higher index.

    Parameters
    ----------
    spikes : SpikeTrains
    peak_shifts_samples : int64 (num_units,)
        From `template_peaks`; trains are moved back by it.
    peak_amplitudes : float (num_units,)
        From `template_peaks`.
    duplicate_threshold : float
    num_threads : int
    shift_tolerance_samples : int
        Peaks count as equally close up to this difference.

    References
    ----------
    `spikeinterface.curation.remove_redundant_units` with its default strategy: the same pairs are found,
    and the same units removed where no unit is in two pairs and both units of a pair have that share. See
    `survivors.choose_survivors` for the others.
    """
    delta_samples = int(MATCH_WITHIN_MS / 1000 * spikes.sampling_frequency_hz)  # truncated, as in SpikeInterface
    shifts = np.asarray(peak_shifts_samples, dtype=np.int64)
    num_spikes = np.diff(spikes.unit_edges)
    counts = count_coincidences(spikes, shifts, delta_samples, num_threads)
    pairs = find_redundant_pairs(counts, num_spikes, duplicate_threshold)
    shares = counts / np.maximum(num_spikes, 1)[:, np.newaxis]
    is_first_worse = _is_first_worse(pairs, shifts, peak_amplitudes, shift_tolerance_samples)
    found = choose_survivors(pairs, is_first_worse, shares, duplicate_threshold, num_spikes)
    removed, kept = found.removed_unit_indices, found.kept_unit_indices
    return Deduplication(found.is_kept, removed, kept, shares[removed, kept], found.mixtures)


def template_peaks(
    templates: np.ndarray, main_channel_indices: np.ndarray, num_before: int, peak_sign: str = "both"
) -> tuple[np.ndarray, np.ndarray]:
    """How far each template's peak is from the spike, and its largest value at the spike.

    Parameters
    ----------
    templates : float32 (num_units, num_samples, num_channels)
    main_channel_indices : int64 (num_units,)
    num_before : int
        Samples before the spike.
    peak_sign : "both" | "neg" | "pos"

    Returns
    -------
    shifts_samples : int64 (num_units,)
        Positive where the peak of the main channel comes after the spike.
    amplitudes : float32 (num_units,)
        Largest absolute value over channels at the spike's sample.

    References
    ----------
    `get_template_peak_shift_on_main_channel` and `get_template_amplitudes(peak_mode="at_index")` of SpikeInterface.
    """
    on_main = templates[np.arange(templates.shape[0]), :, main_channel_indices]
    if peak_sign == "both":
        on_main = np.abs(on_main)
    elif peak_sign == "neg":
        on_main = -on_main
    shifts_samples = on_main.argmax(axis=1).astype(np.int64) - num_before
    return shifts_samples, np.abs(templates[:, num_before, :]).max(axis=1)


def count_coincidences(
    spikes: SpikeTrains, shifts_samples: np.ndarray, delta_samples: int, num_threads: int
) -> np.ndarray:
    """int64 (num_units, num_units): spikes of the row's unit matched in the column's, once the shifts are undone."""
    reach = delta_samples + 1 + 2 * int(np.abs(shifts_samples).max(initial=0))
    line, unit_indices = _shifted_line(spikes, shifts_samples, reach)
    rows = rows_by_unit(unit_indices, spikes.unit_edges)
    counts = np.zeros((spikes.num_units, spikes.num_units), dtype=np.int64)

    def work(piece):
        first, last = piece
        spike_coincidence(line, unit_indices, rows, spikes.unit_edges, delta_samples, first, last, counts)

    map_in_threads(work, split_evenly(spikes.num_units, 4 * num_threads), num_threads)
    return counts


def _shifted_line(spikes, shifts_samples, gap_samples):
    """int64, int32 (num_spikes,): samples once the shifts are undone, ascending, and whose they are.

    Here memory is fullest before the results begin: no more than one array of either is made besides these.
    """
    line = spikes.line_samples(gap_samples)
    for some in blocks_of_spikes(line.size):
        line[some] -= shifts_samples[spikes.unit_indices[some]]
    order = np.argsort(line, kind="stable")
    unit_indices = np.empty_like(spikes.unit_indices)
    for some in blocks_of_spikes(line.size):
        unit_indices[some] = spikes.unit_indices[order[some]]
    del order
    line.sort(kind="stable")
    return line, unit_indices


def find_redundant_pairs(counts: np.ndarray, num_spikes: np.ndarray, duplicate_threshold: float) -> np.ndarray:
    """int64 (num_pairs, 2): pairs that share more than the threshold of the smaller one's spikes, higher index first.

    Parameters
    ----------
    counts : int64 (num_units, num_units)
        From `count_coincidences`.
    num_spikes : int64 (num_units,)
    duplicate_threshold : float
    """
    matches = _symmetric_matches(counts, num_spikes)
    unions = num_spikes[:, np.newaxis] + num_spikes[np.newaxis, :] - matches
    agreement = np.tril(matches / np.where(unions == 0, -1, unions), k=-1)
    pairs = np.argwhere(agreement >= LEAST_AGREEMENT).astype(np.int64)
    matched = matches[pairs[:, 0], pairs[:, 1]]
    smaller = num_spikes[pairs].min(axis=1, initial=np.iinfo(np.int64).max)
    shared = np.divide(matched, smaller, out=np.zeros(matched.size), where=smaller > 0)
    return pairs[shared > duplicate_threshold]


def _symmetric_matches(counts, num_spikes):
    """float64: the larger of the two directions, never more than the column's unit has spikes (as SpikeInterface)."""
    return np.minimum(np.maximum(counts, counts.T), num_spikes[np.newaxis, :]).astype(np.float64)


def _is_first_worse(pairs, shifts, amplitudes, shift_tolerance):
    first, second = pairs.T
    distances = np.abs(shifts)
    is_equal = np.abs(distances[first] - distances[second]) <= shift_tolerance
    return np.where(is_equal, amplitudes[first] < amplitudes[second], distances[first] > distances[second])
