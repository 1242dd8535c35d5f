"""Template similarity against its reference."""

import numpy as np
import pytest
from reference import declared
from reference import template_similarity as reference

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.templates.template_similarity import template_similarity

DECLARED = declared.of_extension("template_similarity")


def make_templates(seed, num_units=7, num_channels=6, is_zero_outside=True):
    rng = np.random.default_rng(seed)
    mask = rng.random((num_units, num_channels)) < 0.4
    templates = rng.standard_normal((num_units, 12, num_channels)).astype(np.float32)
    if is_zero_outside:
        templates *= mask[:, np.newaxis]
    templates[-1] = 0
    return templates, Sparsity(mask)


@pytest.mark.parametrize("method", ["cosine", "l1", "l2"])
@pytest.mark.parametrize("support", ["union", "intersection", "dense"])
@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("is_zero_outside", [True, False])
def test_template_similarity_equals_reference(method, support, lag, is_zero_outside):
    for seed in range(3):
        templates, sparsity = make_templates(seed, is_zero_outside=is_zero_outside)
        arguments = templates, sparsity, 1000.0, method, lag, support
        ours = template_similarity(*arguments)
        # one float32 rounding of a distance near 1; both sum in float64
        np.testing.assert_allclose(ours, reference.template_similarity(*arguments), atol=2e-7)
        np.testing.assert_array_equal(ours, ours.T)
        np.testing.assert_array_equal(ours, template_similarity(*arguments, num_threads=4))


def test_by_hand():
    templates = np.zeros((3, 2, 2), dtype=np.float32)
    templates[0, :, 0] = 3, 0
    templates[1, :, 0] = 3, 4
    templates[2, :, 1] = 1, 1
    sparsity = Sparsity(np.array([[True, False], [True, False], [False, True]]))
    cosine = template_similarity(templates, sparsity, 1000.0, **DECLARED)
    np.testing.assert_allclose(cosine, [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]], atol=1e-7)
    l1 = template_similarity(templates, sparsity, 1000.0, **DECLARED | {"method": "l1"})
    np.testing.assert_allclose(l1, [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]], atol=1e-7)


def test_units_may_be_permuted():
    templates, sparsity = make_templates(5)
    order = np.random.default_rng(0).permutation(7)
    whole = template_similarity(templates, sparsity, 1000.0, **DECLARED)
    permuted = template_similarity(templates[order], Sparsity(sparsity.mask[order]), 1000.0, **DECLARED)
    np.testing.assert_allclose(permuted, whole[np.ix_(order, order)], atol=2e-7)  # BLAS may order its sums otherwise


def test_bad_parameters_are_refused():
    templates, sparsity = make_templates(0)
    for wrong in ({"method": "l3"}, {"support": "all"}, {"max_lag_ms": 6}):
        with pytest.raises(ParameterError):
            template_similarity(templates, sparsity, 1000.0, **DECLARED | wrong)
