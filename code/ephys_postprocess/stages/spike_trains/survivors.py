"""Which units of a set of duplicates stay, so that whatever goes is still there in a unit that stays."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Survivors:
    """Which units stay, and where the spikes of each of the others are."""

    is_kept: np.ndarray  # bool (num_units,)
    removed_unit_indices: np.ndarray  # int64 (num_removed,) ascending
    kept_unit_indices: np.ndarray  # int64 (num_removed,): the unit that stays and has most of its spikes
    mixtures: dict[int, tuple[int, ...]]  # unit index: the distinct units that it consists of; all of them stay


def choose_survivors(
    pairs: np.ndarray,
    is_first_worse: np.ndarray,
    shares: np.ndarray,
    duplicate_threshold: float,
    num_spikes: np.ndarray,
) -> Survivors:
    """Remove a unit only where more than `duplicate_threshold` of its own spikes are in one unit that stays.

    In a pair where each unit has that share in the other, the worse one goes. Where only one unit has it, that unit is
    a part of the other one and goes, whichever is worse: the rest of the larger unit's spikes would be lost. A unit
    with two parts that are no duplicates of each other is a mixture; its parts stay, because it can't stand for either.

    Parameters
    ----------
    pairs : int64 (num_pairs, 2)
        Redundant pairs of units.
    is_first_worse : bool (num_pairs,)
        Which unit of each pair goes where either could.
    shares : float64 (num_units, num_units)
        Share of the row's spikes that the column's unit has.
    duplicate_threshold : float
    num_spikes : int64 (num_units,)

    Notes
    -----
    Removals follow the arrows from a unit to those that it may go in favour of, ends first: a unit goes where one of
    these stays, and stays where all of them go. Arrows can form a circle (one unit is better, the next one larger);
    its largest unit stays.
    """
    losers, winners, mixtures = _arrows(pairs, is_first_worse, shares > duplicate_threshold)
    is_kept = _follow(losers, winners, num_spikes)
    stands = ~is_kept[losers] & is_kept[winners]
    losers, winners = losers[stands], winners[stands]
    order = np.lexsort((winners, -shares[losers, winners], losers))
    removed, first_rows = np.unique(losers[order], return_index=True)
    return Survivors(is_kept, removed, winners[order][first_rows], mixtures)


def _arrows(pairs, is_first_worse, has_enough):
    """(losers, winners, mixtures): each loser has enough of its spikes in its winner."""
    first, second = pairs.T
    is_first_part, is_second_part = has_enough[first, second], has_enough[second, first]
    is_mutual = is_first_part & is_second_part
    is_first_loser = np.where(is_mutual, is_first_worse, is_first_part)
    losers, winners = np.where(is_first_loser, first, second), np.where(is_first_loser, second, first)
    is_arrow = is_first_part | is_second_part
    mixtures = _mixtures(losers[is_arrow & ~is_mutual], winners[is_arrow & ~is_mutual], pairs)
    is_arrow &= is_mutual | ~np.isin(winners, list(mixtures))
    return losers[is_arrow], winners[is_arrow], mixtures


def _mixtures(parts, wholes, pairs):
    """{whole: its parts} of each whole with two parts that are no pair."""
    are_pair = {tuple(sorted(pair)) for pair in pairs.tolist()}
    mixtures = {}
    for whole in np.unique(wholes).tolist():
        own = sorted(parts[wholes == whole].tolist())
        if any((one, other) not in are_pair for place, one in enumerate(own) for other in own[place + 1 :]):
            mixtures[whole] = tuple(own)
    return mixtures


def _follow(losers, winners, num_spikes):
    """bool (num_units,): who stays."""
    is_open = np.zeros(num_spikes.size, dtype=bool)
    is_open[losers] = True
    is_kept = ~is_open
    while is_open.any():
        goes = _with_any(losers, is_kept[winners], is_open)
        waits = _with_any(losers, is_open[winners], is_open)
        stays = is_open & ~goes & ~waits
        if not goes.any() and not stays.any():
            stays = np.arange(num_spikes.size) == np.where(is_open, num_spikes, -1).argmax()
        is_kept |= stays
        is_open &= ~(goes | stays)
    return is_kept


def _with_any(losers, is_true_of_winner, is_open):
    found = np.zeros(is_open.size, dtype=bool)
    found[losers[is_true_of_winner]] = True
    return found & is_open
