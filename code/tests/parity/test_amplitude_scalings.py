"""Amplitude scalings beside SpikeInterface's."""

import numpy as np
import pytest
from reference.small_analyzer import columns_of, make_recording_and_sorting, trace_sources
from spikeinterface.core import NumpySorting, create_sorting_analyzer

from ephys_postprocess.stages.traces.amplitude_scalings import AmplitudeScalings, scaling_sparsity_mask
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

ONE_JOB = {"n_jobs": 1, "progress_bar": False}


@pytest.fixture(scope="module")
def recording_and_sorting():
    """Crowded spikes at every end of two segments; two pairs of units fire together, one of them the same spikes."""
    recording, sorting = make_recording_and_sorting(durations_s=(3.0, 2.0))
    spikes = sorting.to_spike_vector()
    copies = spikes[spikes["unit_index"] == 1]
    copies["unit_index"] = len(sorting.unit_ids)
    followers = spikes[spikes["unit_index"] == 2]
    followers["unit_index"] = 3
    followers["sample_index"] = np.maximum(followers["sample_index"] - np.arange(followers.size) % 70, 0)
    spikes = np.concatenate([spikes, copies, followers])
    spikes = spikes[np.lexsort((spikes["unit_index"], spikes["sample_index"], spikes["segment_index"]))]
    return recording, NumpySorting(spikes, sorting.sampling_frequency, [*sorting.unit_ids, "copy"])


def compute_both(recording, sorting, folder, sparse=True, return_in_uV=True, chunk_samples=30_000, **parameters):
    """Stock's scalings and mask, then ours."""
    analyzer = create_sorting_analyzer(
        sorting,
        recording,
        sparse=sparse,
        sparsity_kwargs={"radius_um": 60},
        return_in_uV=return_in_uV,
        seed=1,
        job_kwargs=ONE_JOB,
    )
    analyzer.compute({"random_spikes": {"seed": 3}, "templates": {}}, **ONE_JOB)
    analyzer.compute({"amplitude_scalings": parameters}, **ONE_JOB)
    stock = analyzer.get_extension("amplitude_scalings").data

    templates = analyzer.get_extension("templates")
    given = parameters.pop("sparsity", None)
    mask = scaling_sparsity_mask(
        analyzer.sparsity.mask if sparse else None,
        None if given is None else given.mask,
        len(sorting.unit_ids),
        recording.get_num_channels(),
    )
    traces = trace_sources(recording, folder, return_in_uV)["raw"]
    columns = columns_of(sorting, recording)
    scaling = (traces.exact_gains, traces.exact_offsets)
    ours = AmplitudeScalings(columns, templates.get_templates(), templates.nbefore, mask, *scaling, **parameters)
    run_trace_pass(traces, columns, [ours], chunk_samples, 2)
    assert ours.amplitude_scalings.dtype == stock["amplitude_scalings"].dtype
    assert ours.collision_mask.dtype == stock["collision_mask"].dtype
    np.testing.assert_array_equal(ours.collision_mask, stock["collision_mask"])
    return stock["amplitude_scalings"], ours.amplitude_scalings, stock["collision_mask"]


def assert_same(stock, ours):
    # float64 fits that differ by rounding, stored as float32.
    np.testing.assert_allclose(ours, stock, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"handle_collisions": False},
        {"delta_collision_ms": 0.7},
        {"delta_collision_ms": 0},
        {"delta_collision_ms": 6.0},
        {"ms_before": 0.5, "ms_after": 1.2},
    ],
    ids=str,
)
@pytest.mark.parametrize("sparse", [True, False])
def test_amplitude_scalings_equal_stock(recording_and_sorting, tmp_path, sparse, parameters):
    stock, ours, collides = compute_both(*recording_and_sorting, tmp_path, sparse, **parameters)
    assert collides.any() == parameters.get("handle_collisions", True)
    assert_same(stock, ours)


@pytest.mark.parametrize("chunk_samples", [3_000, 10_000_000])
def test_chunks_change_nothing(recording_and_sorting, tmp_path, chunk_samples):
    assert_same(*compute_both(*recording_and_sorting, tmp_path, chunk_samples=chunk_samples)[:2])


def test_sparsity_given_to_a_dense_analyzer(recording_and_sorting, tmp_path):
    from spikeinterface.core import ChannelSparsity

    recording, sorting = recording_and_sorting
    mask = np.random.default_rng(0).random((len(sorting.unit_ids), recording.get_num_channels())) < 0.4
    mask[:, 0] = True
    given = ChannelSparsity(mask, sorting.unit_ids, recording.channel_ids)
    assert_same(*compute_both(recording, sorting, tmp_path, sparse=False, sparsity=given)[:2])


@pytest.mark.parametrize("return_in_uV", [True, False])
def test_float_traces(recording_and_sorting, tmp_path, return_in_uV):
    recording, sorting = recording_and_sorting
    recording = recording.astype("float32")
    stock, ours, _ = compute_both(recording, sorting, tmp_path, return_in_uV=return_in_uV)
    # Unscaled, stock keeps the columns of a joint fit in float32.
    np.testing.assert_allclose(ours, stock, rtol=2e-6, atol=1e-6)


def test_unscaled_integers_are_fitted_with_the_templates_as_they_are(recording_and_sorting, tmp_path):
    recording, sorting = recording_and_sorting
    truncated, ours, collides = compute_both(recording, sorting, tmp_path, return_in_uV=False)
    as_float, _, _ = compute_both(recording.astype("float32"), sorting, tmp_path, return_in_uV=False)
    assert_same(truncated[~collides], ours[~collides])
    # Stock writes the templates of a joint fit into an array of the traces' dtype, which cuts off their fractions.
    assert np.abs(truncated - ours)[collides].max() > 1e-3
    np.testing.assert_allclose(ours, as_float, rtol=2e-6, atol=1e-6)
