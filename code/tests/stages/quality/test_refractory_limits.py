import numpy as np
import pytest
from scipy.special import pdtri

from ephys_postprocess.stages.quality.refractory_metrics import _means_with_tail


@pytest.mark.parametrize("share", [0.1, 0.01, 0.4])
def test_means_are_scipys_quantiles(share):
    counts = np.concatenate([np.arange(60), [100, 999, 10_000, 123_456]])
    np.testing.assert_allclose(_means_with_tail(counts, share), pdtri(counts, share), rtol=1e-10)


def test_no_count_at_all_by_hand():
    np.testing.assert_allclose(_means_with_tail(np.array([0]), 0.1), -np.log(0.1), rtol=1e-13)
    assert _means_with_tail(np.zeros(0, dtype=np.int64), 0.1).shape == (0,)
