"""Choosing what to show."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_postprocess.report.thinning import choose_rows, evenly, spread_sample

few = settings(max_examples=40, deadline=None)


@few
@given(st.integers(0, 200), st.integers(1, 50))
def test_evenly_is_ascending_unique_and_no_more_than_wanted(num_items, num_wanted):
    chosen = evenly(num_items, num_wanted)
    assert chosen.size == min(num_items, num_wanted)
    assert (np.diff(chosen) > 0).all()
    assert not chosen.size or (chosen[0] == 0 and chosen[-1] < num_items)


@few
@given(st.lists(st.integers(0, 4), max_size=300), st.integers(1, 40), st.integers(1, 12))
def test_every_unit_shows_some_of_its_own_rows(units, rows_per_block, per_unit):
    units = np.array(units, dtype=np.int64)
    chosen = choose_rows(units, 5, per_unit, rows_per_block, at_least=3)
    for unit_index, rows in enumerate(chosen):
        assert (units[rows] == unit_index).all()
        assert rows.size <= per_unit
        assert rows.size >= min(3, per_unit, (units == unit_index).sum())
        assert (np.diff(rows) > 0).all()


def test_few_blocks_are_enough_for_common_units():
    units = np.tile(np.arange(4), 1000)
    blocks = np.unique(np.concatenate(choose_rows(units, 4, 30, 100)) // 100)
    assert blocks.size == 2  # 30 rows of 4 units, half as many again to spare, 100 in a block


def test_extremes_are_kept():
    values = np.zeros(1000)
    values[333], values[777] = -9, 9
    assert {333, 777} <= set(spread_sample(values, 50).tolist())
