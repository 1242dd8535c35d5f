"""How far a template spreads along the probe, by hand and where nothing is to be measured."""

import numpy as np
import pytest

from ephys_postprocess.stages.templates.footprint import spread

LOCATIONS_UM = np.c_[np.zeros(4), [0.0, 20.0, 40.0, 60.0]]
TEMPLATE = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 10.0, 6.0, 1.0]])


@pytest.mark.parametrize(("threshold", "expected"), [(0.05, 60.0), (0.5, 20.0), (0.7, 0.0), (1.0, np.nan)])
def test_channels_beyond_the_threshold(threshold, expected):
    options = {"spread_threshold": threshold, "spread_smooth_um": None, "column_range": None}
    np.testing.assert_equal(spread(TEMPLATE, LOCATIONS_UM, 30_000.0, 1, **options), {"spread": expected})
