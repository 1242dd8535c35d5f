"""Find the units whose spikes another unit already has, and say which of each pair goes."""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.spike_coincidence import spike_coincidence
from ephys_postprocess.machine.threads import map_in_threads, split_evenly
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.spike_trains.survivors import choose_survivors

REMOVE_STRATEGIES = ("minimum_shift", "highest_amplitude", "max_spikes")


@dataclass(frozen=True)
class Deduplication:
    """Which units go, and for whose sake."""

    is_kept: np.ndarray  # bool (num_units,)
    removed_unit_indices: np.ndarray  # int64 (num_removed,) ascending
    kept_unit_indices: np.ndarray  # int64 (num_removed,): a unit that stays
    shared_fractions: np.ndarray  # float64 (num_removed,): share of the removed unit's spikes that this one has
    redundant_pairs: np.ndarray  # int64 (num_pairs, 2): higher unit index first, in ascending order
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
    peak_shifts_samples: np.ndarray | None,
    peak_amplitudes: np.ndarray | None,
    *,
    duplicate_threshold: float = 0.8,
    agreement_threshold: float = 0.2,
    delta_time: float = 0.4,
    remove_strategy: str = "minimum_shift",
    align: bool = True,
    num_threads: int = 1,
) -> Deduplication:
    """Units to remove because more than `duplicate_threshold` of their spikes are in a unit that stays.

    Parameters
    ----------
    spikes : SpikeTrains
    peak_shifts_samples : int64 (num_units,) or None
        From `template_peaks`; trains are moved back by it when `align`. None only without `align`.
    peak_amplitudes : float (num_units,) or None
        From `template_peaks`; None only for the strategy "max_spikes".
    duplicate_threshold, agreement_threshold : float
        Pairs need an agreement (matches over the union) of at least the second to be looked at.
    delta_time : float
        Largest distance of a match, ms.
    remove_strategy : "minimum_shift" | "highest_amplitude" | "max_spikes"
        Which one is kept where either could go: the one with the smaller shift (then the larger amplitude), the larger
        amplitude, or more spikes. On equality the unit with the lower index goes.
    num_threads : int

    Raises
    ------
    ParameterError
        Unknown strategy, or an input it needs is missing.

    References
    ----------
    `spikeinterface.curation.remove_redundant_units`: the same pairs are found, and the same units removed where no unit
    is in two pairs and both units of a pair have that share. See `survivors.choose_survivors` for the others.
    """
    _check(remove_strategy, align, peak_shifts_samples, peak_amplitudes)
    delta_samples = int(delta_time / 1000 * spikes.sampling_frequency_hz)
    shifts = np.asarray(peak_shifts_samples, dtype=np.int64) if align else np.zeros(spikes.num_units, dtype=np.int64)
    num_spikes = np.diff(spikes.unit_edges)
    counts = count_coincidences(spikes, shifts, delta_samples, num_threads)
    pairs = _redundant_pairs(
        _symmetric_matches(counts, num_spikes), num_spikes, agreement_threshold, duplicate_threshold
    )
    is_first_worse = _is_first_worse(pairs, remove_strategy, shifts, peak_amplitudes, num_spikes)
    shares = counts / np.maximum(num_spikes, 1)[:, np.newaxis]
    found = choose_survivors(pairs, is_first_worse, shares, duplicate_threshold, num_spikes)
    removed, kept = found.removed_unit_indices, found.kept_unit_indices
    return Deduplication(found.is_kept, removed, kept, shares[removed, kept], pairs, found.mixtures)


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
    spikes: SpikeTrains, shifts_samples: np.ndarray, delta_samples: int, num_threads: int = 1
) -> np.ndarray:
    """int64 (num_units, num_units): spikes of the row's unit matched in the column's, once the shifts are undone."""
    reach = delta_samples + 1 + 2 * int(np.abs(shifts_samples).max(initial=0))
    line = spikes.line_samples(gap_samples=reach) - shifts_samples[spikes.unit_indices]
    order = np.argsort(line, kind="stable")
    line = line[order]
    unit_indices = spikes.unit_indices[order]
    rows_by_unit = np.argsort(unit_indices, kind="stable").astype(np.int64)
    counts = np.zeros((spikes.num_units, spikes.num_units), dtype=np.int64)

    def work(piece):
        first, last = piece
        spike_coincidence(line, unit_indices, rows_by_unit, spikes.unit_edges, delta_samples, first, last, counts)

    map_in_threads(work, split_evenly(spikes.num_units, 4 * num_threads), num_threads)
    return counts


def _check(remove_strategy, align, peak_shifts_samples, peak_amplitudes):
    if remove_strategy not in REMOVE_STRATEGIES:
        raise ParameterError(f"remove_strategy: must be one of {REMOVE_STRATEGIES} (got {remove_strategy!r}).")
    if remove_strategy == "minimum_shift" and not align:
        raise ParameterError("remove_strategy: 'minimum_shift' needs align to be true.")
    if align and peak_shifts_samples is None:
        raise ParameterError("align: needs the templates' peak shifts.")
    if remove_strategy != "max_spikes" and peak_amplitudes is None:
        raise ParameterError(f"remove_strategy: {remove_strategy!r} needs the templates' amplitudes.")


def _symmetric_matches(counts, num_spikes):
    """float64: the larger of the two directions, never more than the column's unit has spikes (as SpikeInterface)."""
    return np.minimum(np.maximum(counts, counts.T), num_spikes[np.newaxis, :]).astype(np.float64)


def _redundant_pairs(matches, num_spikes, agreement_threshold, duplicate_threshold):
    unions = num_spikes[:, np.newaxis] + num_spikes[np.newaxis, :] - matches
    agreement = np.tril(matches / np.where(unions == 0, -1, unions), k=-1)
    pairs = np.argwhere(agreement >= agreement_threshold).astype(np.int64)
    matched = matches[pairs[:, 0], pairs[:, 1]]
    smaller = num_spikes[pairs].min(axis=1, initial=np.iinfo(np.int64).max)
    shared = np.divide(matched, smaller, out=np.zeros(matched.size), where=smaller > 0)
    return pairs[shared > duplicate_threshold]


def _is_first_worse(pairs, remove_strategy, shifts, amplitudes, num_spikes):
    first, second = pairs.T
    if remove_strategy == "max_spikes":
        return num_spikes[first] < num_spikes[second]
    is_weaker = amplitudes[first] < amplitudes[second]
    if remove_strategy == "highest_amplitude":
        return is_weaker
    distances = np.abs(shifts)
    is_equal = distances[first] == distances[second]
    return np.where(is_equal, is_weaker, distances[first] > distances[second])
