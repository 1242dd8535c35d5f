"""Which units stay: those whose spikes no other unit has."""

import logging
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.inputs.opened import Inputs
from ephys_postprocess.machine.stage_log import Stage
from ephys_postprocess.stages.spike_trains.deduplicate import Deduplication, deduplicate

logger = logging.getLogger(__name__)

# How far noise moves the peak of a rough template. Of two duplicates the better aligned one is also the larger at the
# spike, which noise disturbs less: of 177 pairs, 6 are guessed wrong instead of 10.
ROUGH_SHIFT_SAMPLES = 1


@dataclass(frozen=True)
class KeptUnits:
    """Which units stay, and what is known of those that go."""

    is_kept: np.ndarray  # bool (num_units,)
    duplicates: list[dict]  # a row each: removed_unit_id, kept_unit_id, shared_fraction
    notes: tuple[str, ...] = ()  # what a reader of the result should know

    def summary(self, seconds: float) -> str:
        """The closing line of a recording."""
        units_in, units_out = self.is_kept.size, int(self.is_kept.sum())
        return f"{units_in} units in, {len(self.duplicates)} duplicates removed, {units_out} units out, {seconds:.1f} s"


Peaks = tuple[np.ndarray, np.ndarray]  # as `template_peaks` returns them


def expected_to_stay(inputs: Inputs, peaks: Peaks | None, duplicate_threshold: float | None) -> np.ndarray | None:
    """bool (num_units,): what `remove_duplicates` will probably say, from the peaks of rough templates.

    None where these are not known, and some units look like duplicates of each other.
    """
    num_units = inputs.spikes.num_units
    if duplicate_threshold is None or num_units == 0:
        return np.ones(num_units, dtype=bool)
    if peaks is not None:
        return _deduplicate(inputs, peaks, duplicate_threshold, ROUGH_SHIFT_SAMPLES).is_kept
    alike = _deduplicate(inputs, (np.zeros(num_units, dtype=np.int64), np.zeros(num_units)), duplicate_threshold)
    return alike.is_kept if alike.is_kept.all() else None


def remove_duplicates(
    inputs: Inputs, peaks: Peaks | None, duplicate_threshold: float | None, stage: Stage
) -> KeptUnits:
    """Find the units whose spikes another unit has; every one removed is named in the log."""
    num_units = inputs.spikes.num_units
    if duplicate_threshold is None or num_units == 0:
        stage.count(units=num_units)
        return KeptUnits(np.ones(num_units, dtype=bool), [])
    found = _deduplicate(inputs, peaks, duplicate_threshold)
    duplicates = found.as_rows(inputs.loaded.sorting.unit_ids)
    for row in duplicates:
        logger.info(
            "  duplicate: unit %(removed_unit_id)s removed in favour of unit %(kept_unit_id)s, "
            "which has %(shared_fraction).1f %% of its spikes",
            {**row, "shared_fraction": 100 * row["shared_fraction"]},
        )
    stage.count(units_in=num_units, duplicates_removed=len(duplicates), units_out=int(found.is_kept.sum()))
    return KeptUnits(found.is_kept, duplicates, mixtures_told(found.mixtures, inputs.loaded.sorting.unit_ids))


def _deduplicate(inputs, peaks, duplicate_threshold, shift_tolerance_samples=0) -> Deduplication:
    inputs.spikes.let_order_go()  # another order takes its place meanwhile
    return deduplicate(
        inputs.spikes,
        *peaks,
        duplicate_threshold=duplicate_threshold,
        num_threads=inputs.num_threads,
        shift_tolerance_samples=shift_tolerance_samples,
    )


def mixtures_told(mixtures: dict[int, tuple[int, ...]], unit_ids) -> tuple[str, ...]:
    """A sentence about each unit that consists of several others."""
    return tuple(
        f"unit {unit_ids[whole]} has the spikes of units {', '.join(str(unit_ids[part]) for part in parts)}, which are "
        "no duplicates of each other: a mixture, in favour of which none of them was removed."
        for whole, parts in mixtures.items()
    )
