"""Missing metric values: each reason is said once, with its units."""

import numpy as np

from ephys_postprocess.results.missing_values import UNEXPLAINED, find_missing_values

UNIT_IDS = ["a", "b", "c", "d"]


def test_columns_that_miss_the_same_units_for_the_same_reason_share_a_line():
    columns = {"left": np.array([1.0, np.nan, 3.0, np.nan]), "right": np.array([np.nan, np.nan, 0.0, np.nan])}
    why = {1: "too few spikes", 3: "too few spikes"}
    found = find_missing_values(columns, {"left": why, "right": {**why, 0: "no neighbors"}}, UNIT_IDS)
    assert [values.line() for values in found] == [
        "left, right: no value for 2 unit(s) (b, d): too few spikes",
        "right: no value for 1 unit(s) (a): no neighbors",
    ]


def test_the_record_names_every_unit():
    columns = {"odd": np.full(40, np.nan)}
    columns["odd"][0] = 1
    (found,) = find_missing_values(columns, {"odd": dict.fromkeys(range(1, 40), "why")}, [f"u{i}" for i in range(40)])
    assert found.as_dict() == {
        "columns": ["odd"],
        "unit_ids": [f"u{index}" for index in range(1, 40)],
        "is_everywhere": False,
        "reason": "why",
    }


def test_a_column_without_any_value_says_so():
    (found,) = find_missing_values(
        {"drift": np.full(4, np.nan)}, {"drift": dict.fromkeys(range(4), "too short")}, UNIT_IDS
    )
    assert found.is_everywhere
    assert found.line() == "drift: no value for any unit: too short"


def test_reasons_that_differ_in_a_number_become_a_range():
    reasons = {"cv": {0: "3 time bins, 10 needed", 2: "1 time bins, 10 needed"}}
    (found,) = find_missing_values({"cv": np.array([np.nan, 1, np.nan, 1])}, reasons, UNIT_IDS)
    assert found.reason == "1–3 time bins, 10 needed"


def test_integers_miss_nothing_and_unknown_reasons_are_admitted():
    columns = {"num_spikes": np.arange(4), "odd": np.array([0.0, 0.0, 0.0, np.nan])}
    (found,) = find_missing_values(columns, {}, UNIT_IDS)
    assert (found.columns, found.unit_ids, found.reason) == (("odd",), ("d",), UNEXPLAINED)


def test_many_units_are_counted_not_all_named():
    (found,) = find_missing_values({"x": np.append(np.full(9, np.nan), 1.0)}, {}, list(range(10)))
    assert "no value for 9 unit(s) (0, 1, 2, 3, 4, 5, …)" in found.line()
    assert len(found.unit_ids) == 9
