"""Groups of units that lie near each other in PC space."""

import numpy as np
import pytest

from ephys_postprocess.stages.quality import pc_nearest, pc_unit_groups
from ephys_postprocess.stages.quality.pc_unit_groups import groups_of_near_units


def test_units_that_lie_near_each_other_stay_together(monkeypatch):
    monkeypatch.setattr(pc_unit_groups, "MOST_TOGETHER", 4)
    units = np.array([7, 3, 9, 5, 7, 3, 9, 5])
    places = {7: [0.0, 90.0], 3: [1.0, 0.0], 9: [0.0, 91.0], 5: [1.0, 3.0]}
    features = np.array([places[unit] for unit in units], dtype=np.float32)
    groups = groups_of_near_units(features, units)
    assert sorted(group.tolist() for group in groups) == [[0, 2, 4, 6], [1, 3, 5, 7]]


@pytest.mark.parametrize("most", [1, 10, 1000])
def test_every_row_is_in_one_group_and_no_unit_in_two(monkeypatch, most):
    monkeypatch.setattr(pc_unit_groups, "MOST_TOGETHER", most)
    generator = np.random.default_rng(most)
    units = generator.integers(0, 12, 70)
    features = generator.normal(size=(70, 5)).astype(np.float32)
    groups = groups_of_near_units(features, units)
    assert sorted(np.concatenate(groups)) == list(range(70))
    assert sum(np.unique(units[group]).size for group in groups) == np.unique(units).size
    assert all(group.size <= most or np.unique(units[group]).size == 1 for group in groups)
    assert all((np.diff(group) > 0).all() for group in groups)


def test_no_rows_are_no_groups():
    assert groups_of_near_units(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64)) == []


def test_neighbors_known_within_groups_do_not_change_which_are_nearest(monkeypatch):
    generator = np.random.default_rng(1)
    units = np.sort(generator.integers(0, 20, 600))
    features = (generator.normal(size=(20, 6))[units] + generator.normal(size=(600, 6))).astype(np.float32)
    num_target = np.count_nonzero(units == 0)
    distances = np.linalg.norm(features[:, np.newaxis].astype(np.float64) - features, axis=2)
    np.fill_diagonal(distances, np.inf)
    is_target = np.argsort(distances, axis=1, kind="stable")[:, :4] < num_target
    expected = np.count_nonzero(is_target[:num_target]), np.count_nonzero(is_target[num_target:])
    for most in (1, 64, 1000):
        monkeypatch.setattr(pc_unit_groups, "MOST_TOGETHER", most)
        known = pc_nearest._neighbors_within_sample(features, units, num_target, 4)
        assert pc_nearest.count_target_neighbors(features, num_target, 4, known) == expected
