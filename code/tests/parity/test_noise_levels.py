"""Noise levels beside SpikeInterface's, from the same random stretches."""

import numpy as np
import pytest
from reference.small_analyzer import ArrayTraces, make_recording_and_sorting, trace_sources
from spikeinterface.core import create_sorting_analyzer, get_noise_levels
from spikeinterface.core.job_tools import chunk_duration_to_chunk_size
from spikeinterface.core.time_series_tools import get_random_sample_slices

from ephys_postprocess import accelerate
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.parameters.text import duration_s
from ephys_postprocess.stages.traces import noise_levels as stage
from ephys_postprocess.stages.traces.noise_levels import compute_noise_levels, draw_random_slices

STRETCHES = {"num_chunks_per_segment": 4, "chunk_size": 3_001, "seed": 8}


@pytest.fixture(scope="module")
def recording():
    return make_recording_and_sorting()[0]


def compute(traces, method, is_scaled=True, num_threads=2):
    slices = draw_random_slices(traces.segment_lengths, 4, 3_001, 8)
    return compute_noise_levels(traces, slices, method, num_threads, is_scaled)


def compute_stock(recording, method, return_in_uV=True):
    return get_noise_levels(
        recording, return_in_uV, method, force_recompute=True, random_slices_kwargs=STRETCHES, n_jobs=1
    )


@pytest.mark.parametrize("source_name", ["raw", "get_traces"])
@pytest.mark.parametrize("method", ["mad", "std", "rms"])
@pytest.mark.parametrize("return_in_uV", [True, False])
def test_noise_levels_equal_stock(recording, tmp_path, source_name, method, return_in_uV):
    got = compute(trace_sources(recording, tmp_path, return_in_uV)[source_name], method, return_in_uV)
    if method == "rms" and not return_in_uV:  # stock squares int16 in int16
        recording = recording.astype("float64")
    expected = compute_stock(recording, method, return_in_uV)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("method", ["mad", "std", "rms"])
def test_noise_levels_of_float32_equal_stock(recording, method):
    as_float = recording.astype("float32")
    segments = [as_float.get_traces(segment_index=index) for index in range(2)]
    got = compute(ArrayTraces(segments, recording.get_channel_gains(), recording.get_channel_offsets()), method)
    np.testing.assert_array_equal(got, compute_stock(as_float, method))


def test_falling_gains_and_few_counters_at_a_time(recording, tmp_path, monkeypatch):
    recording = recording.clone()
    recording.set_channel_gains(np.where(np.arange(12) % 2, -0.195, 0.195))
    monkeypatch.setattr(stage, "MAX_COUNTERS", 5_000)
    got = compute(trace_sources(recording, tmp_path)["raw"], "mad")
    np.testing.assert_array_equal(got, compute_stock(recording, "mad"))


def test_threads_change_no_byte(recording, tmp_path):
    traces = trace_sources(recording, tmp_path)["raw"]
    np.testing.assert_array_equal(compute(traces, "mad", num_threads=4), compute(traces, "mad", num_threads=1))


def test_random_slices_equal_stock(recording):
    lengths = [recording.get_num_samples(index) for index in range(2)]
    expected = get_random_sample_slices(recording, margin_frames=5, seed=2, num_chunks_per_segment=6)
    assert draw_random_slices(lengths, 6, seed=2, margin_samples=5) == expected
    with pytest.warns(UserWarning, match="chunk_size is greater"):
        expected = get_random_sample_slices(recording, chunk_size=10**6, seed=2)
    assert draw_random_slices(lengths, 20, 10**6, 2) == expected


def test_a_segment_of_few_samples_says_nothing_of_the_noise(recording):
    lengths = [recording.get_num_samples(index) for index in range(2)]
    expected = draw_random_slices(lengths, 6, 3_000, seed=2)
    assert draw_random_slices([*lengths, 1, 299], 6, 3_000, seed=2) == expected
    assert draw_random_slices([*lengths, 300], 6, 3_000, seed=2) != expected
    assert draw_random_slices([1, 2], 2, 3_000, seed=2) == [(0, 0, 1), (0, 0, 1), (1, 0, 1), (1, 1, 2)]


@pytest.mark.parametrize("duration", ["500ms", "1s", "0.25s", 0.3])
def test_durations_equal_stock(recording, duration):
    expected = chunk_duration_to_chunk_size(duration, recording)
    assert int(duration_s(duration) * recording.sampling_frequency) == expected


def test_what_cannot_be_is_refused():
    with pytest.raises(ParameterError, match="must be one of"):
        compute_noise_levels(None, [], "iqr")
    with pytest.raises(ParameterError, match="no noise stretch fits"):
        draw_random_slices((10,), 1, 10, margin_samples=5)


def test_a_duration_that_passes_the_check_is_computed():
    """One reader checks a duration and computes with it: of two, one let "50MS" pass and the other failed."""
    asked = {"extensions": {"noise_levels": {"random_slices_kwargs": {"chunk_size": None, "chunk_duration": "50MS"}}}}
    slices = Parameters.model_validate(asked).extensions.noise_levels.random_slices_kwargs.arguments()
    recording, sorting = make_recording_and_sorting()
    analyzer = create_sorting_analyzer(sorting, recording, sparse=False)
    accelerate.compute(analyzer, {"noise_levels": {"random_slices_kwargs": slices}})
    slices["chunk_duration"] = "50ms"
    expected = get_noise_levels(recording, True, force_recompute=True, random_slices_kwargs=slices, n_jobs=1)
    found = analyzer.get_extension("noise_levels").data["noise_levels"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # a count is scaled in float32
