"""Fewer points for the eye: deterministic choices that keep what a reader would notice."""

import numpy as np


def evenly(num_items: int, num_wanted: int) -> np.ndarray:
    """int64: at most `num_wanted` positions of 0 … num_items - 1, evenly spread, ascending."""
    if num_items <= num_wanted:
        return np.arange(num_items)
    return (np.arange(num_wanted) * num_items) // num_wanted


def choose_rows(
    unit_of_row: np.ndarray, num_units: int, per_unit: int, rows_per_block: int, at_least: int = 8
) -> list[np.ndarray]:
    """Rows to show for each unit, from as few stored blocks as give nearly all units `per_unit` of them.

    Parameters
    ----------
    unit_of_row : int64 (num_rows,)
    num_units : int
    per_unit : int
        Most rows for a unit.
    rows_per_block : int
        Reading one row costs reading its block.
    at_least : int
        Units that the chosen blocks leave with fewer get this many from anywhere, if they have them.

    Returns
    -------
    list of int64
        For each unit, ascending.
    """
    num_blocks = -(-unit_of_row.size // rows_per_block)
    num_wanted = -(-3 * per_unit * num_units // (2 * rows_per_block))
    is_chosen = np.zeros(max(1, num_blocks), dtype=bool)
    is_chosen[evenly(num_blocks, max(1, num_wanted))] = True
    order = np.argsort(unit_of_row, kind="stable")
    edges = np.searchsorted(unit_of_row[order], np.arange(num_units + 1))
    chosen = []
    for unit_index in range(num_units):
        own = order[edges[unit_index] : edges[unit_index + 1]]
        near = own[is_chosen[own // rows_per_block]]
        if near.size < at_least:
            near = own[evenly(own.size, at_least)]
        chosen.append(near[evenly(near.size, per_unit)])
    return chosen


def spread_sample(values: np.ndarray, num_wanted: int) -> np.ndarray:
    """int64: positions of at most `num_wanted` values, evenly spread, with the smallest and the largest among them."""
    chosen = evenly(values.size, num_wanted)
    if chosen.size == values.size:
        return chosen
    return np.unique(np.concatenate([chosen, [np.argmin(values), np.argmax(values)]]))
