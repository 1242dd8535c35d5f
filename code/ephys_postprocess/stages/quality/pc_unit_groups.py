"""Groups of units that lie near each other in PC space, so that a spike's neighbors are looked for where they are."""

import numpy as np

# Spikes of a group: enough that the nearest of them are hardly farther than the nearest of all, and few beside those.
MOST_TOGETHER = 512


def groups_of_near_units(features: np.ndarray, unit_of_row: np.ndarray) -> list[np.ndarray]:
    """Rows by group: units are halved across the axis along which their means spread most, until groups are small.

    Parameters
    ----------
    features : float32 (num_rows, num_dimensions)
        Finite.
    unit_of_row : int (num_rows,)

    Returns
    -------
    list of int64 arrays
        Each row once, ascending within a group. A group has at most MOST_TOGETHER rows, or one unit.
    """
    order = np.argsort(unit_of_row, kind="stable")
    firsts = np.flatnonzero(np.diff(unit_of_row[order], prepend=-np.inf))
    sizes = np.diff(firsts, append=order.size)
    if not order.size:
        return []
    means = np.add.reduceat(features[order], firsts, axis=0, dtype=np.float64) / sizes[:, np.newaxis]
    rows = np.split(order, firsts[1:])
    groups, undivided = [], [np.arange(firsts.size)]
    while undivided:
        units = undivided.pop()
        if units.size == 1 or sizes[units].sum() <= MOST_TOGETHER:
            groups.append(np.sort(np.concatenate([rows[unit] for unit in units])))
            continue
        axis = np.argmax(np.ptp(means[units], axis=0))
        along = units[np.argsort(means[units, axis], kind="stable")]
        undivided += [along[: along.size // 2], along[along.size // 2 :]]
    return groups
