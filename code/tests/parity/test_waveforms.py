"""Waveforms, templates and main channels beside SpikeInterface's on a small two-segment recording."""

import numpy as np
import pytest
from reference.dense_templates import compute_templates
from reference.small_analyzer import columns_of, make_recording_and_sorting, trace_sources
from spikeinterface.core import create_sorting_analyzer
from spikeinterface.core.sorting_tools import random_spikes_selection
from spikeinterface.core.template_tools import (
    estimate_main_channel_from_recording,
    get_template_peak_shift_on_main_channel,
)

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import Sparsity
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates.average_templates import average_dense_templates, average_packed_templates
from ephys_postprocess.stages.templates.templates import (
    find_main_channels,
    find_peak_shifts,
    unpack_channels,
)
from ephys_postprocess.stages.traces.waveforms import WaveformSelection, open_waveforms

OPERATORS = ["average", "std", "median", ["percentile", 20]]
CHUNK_SAMPLES = 30_000
ONE_JOB = {"n_jobs": 1, "progress_bar": False}
RANDOM_SPIKES = {"max_spikes_per_unit": 40, "seed": 3}
WINDOW = {"ms_before": 1.0, "ms_after": 1.5}


@pytest.fixture(scope="module")
def recording_and_sorting():
    return make_recording_and_sorting()


def make_analyzer(recording, sorting, **settings):
    settings = {"sparse": True, "sparsity_kwargs": {"radius_um": 60.0}, "return_in_uV": True} | settings
    analyzer = create_sorting_analyzer(sorting, recording, seed=1, job_kwargs=ONE_JOB, **settings)
    analyzer.compute("random_spikes", **RANDOM_SPIKES)
    return analyzer


def selection_of(analyzer, recording, sorting):
    channels = recording.get_num_channels()
    mask = np.ones((len(sorting.unit_ids), channels), bool) if analyzer.sparsity is None else analyzer.sparsity.mask
    rows = analyzer.get_extension("random_spikes").get_data()
    return WaveformSelection(columns_of(sorting, recording), rows, Sparsity(mask), 30, 45)


@pytest.mark.parametrize("source_name", ["raw", "get_traces"])
@pytest.mark.parametrize("settings", [{}, {"sparse": False, "sparsity_kwargs": {}}, {"return_in_uV": False}])
def test_waveforms_and_templates_equal_stock(recording_and_sorting, tmp_path, source_name, settings):
    recording, sorting = recording_and_sorting
    is_scaled = settings.get("return_in_uV", True)
    analyzer = make_analyzer(recording, sorting, **settings)
    analyzer.compute({"waveforms": WINDOW, "templates": {"operators": OPERATORS}}, **ONE_JOB)
    traces = trace_sources(recording, tmp_path, is_scaled)[source_name]
    selection = selection_of(analyzer, recording, sorting)
    with open_waveforms(traces, selection, tmp_path, CHUNK_SAMPLES, 2) as source:
        waveforms = source.gather(np.arange(selection.num_waveforms))
        templates = compute_templates(source, OPERATORS, 2, is_scaled=is_scaled)
    np.testing.assert_array_equal(waveforms, analyzer.get_extension("waveforms").get_data())
    stock = analyzer.get_extension("templates").data
    assert set(templates) == set(stock)
    for key, template in templates.items():
        assert template.dtype == stock[key].dtype
        np.testing.assert_array_equal(template, stock[key], err_msg=key)


@pytest.mark.parametrize("source_name", ["raw", "get_traces"])
def test_templates_without_waveforms_agree_with_stock(recording_and_sorting, tmp_path, source_name):
    recording, sorting = recording_and_sorting
    analyzer = make_analyzer(recording, sorting)
    analyzer.compute("templates", operators=["average"], **WINDOW, **ONE_JOB)
    traces = trace_sources(recording, tmp_path)[source_name]
    selection = selection_of(analyzer, recording, sorting)
    packed = average_packed_templates(traces, selection, CHUNK_SAMPLES, 2)
    dense = unpack_channels(packed, selection.sparsity)
    stock = analyzer.get_extension("templates").get_data()
    assert dense.dtype == stock.dtype
    # stock adds 40 spikes of up to some 100 µV in float32, ours are exact: float32's rounding
    np.testing.assert_allclose(dense, stock, rtol=0, atol=1e-4)
    main_channel_indices = analyzer.get_main_channels(outputs="index", with_dict=False)
    got = find_peak_shifts(dense, main_channel_indices, 30)
    np.testing.assert_array_equal(got, get_template_peak_shift_on_main_channel(analyzer, with_dict=False))


@pytest.mark.parametrize("source_name", ["raw", "get_traces"])
@pytest.mark.parametrize("peak_sign", ["both", "neg", "pos"])
@pytest.mark.parametrize("peak_mode", ["extremum", "at_index", "peak_to_peak"])
def test_main_channels_equal_stock(recording_and_sorting, tmp_path, source_name, peak_sign, peak_mode):
    recording, sorting = recording_and_sorting
    spikes = columns_of(sorting, recording)
    rows = select_random_spikes(spikes, max_spikes_per_unit=30, margin_samples=75, seed=5)
    traces = trace_sources(recording, tmp_path)[source_name]
    templates = average_dense_templates(traces, spikes, rows, 30, 75, CHUNK_SAMPLES, 2)
    got = find_main_channels(templates, peak_sign, peak_mode, 30)
    expected = estimate_main_channel_from_recording(
        recording, sorting, peak_sign, peak_mode, num_spikes_for_main_channel=30, seed=5, **ONE_JOB
    )
    if (peak_sign, peak_mode) == ("neg", "at_index"):  # stock takes the most positive channel here
        expected = np.argmin(templates[:, 30], axis=1)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("method", "numbers"),
    [
        ("uniform", {}),
        ("uniform", {"margin": 9}),
        ("all", {}),
        ("percentage", {"percentage": 0.3}),
        ("maximum_rate", {"maximum_rate": 2.5}),
    ],
)
def test_random_spikes_equal_stock(recording_and_sorting, method, numbers):
    recording, sorting = recording_and_sorting
    spikes, margin = columns_of(sorting, recording), numbers.get("margin")
    limits = {"method": method, "max_spikes_per_unit": 25, "seed": 11}
    got = select_random_spikes(
        spikes,
        margin_samples=margin,
        percentage=numbers.get("percentage"),
        maximum_rate_hz=numbers.get("maximum_rate"),
        **limits,
    )
    numbers = {key: value for key, value in numbers.items() if key != "margin"}
    expected = random_spikes_selection(sorting, list(spikes.segment_lengths), margin_size=margin, **limits, **numbers)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "some"}, "must be one of"),
        ({"method": "percentage", "percentage": 1.5}, "above 0 and at most 1"),
        ({"method": "maximum_rate"}, "must be a number"),
    ],
)
def test_impossible_selections_are_refused(recording_and_sorting, arguments, message):
    recording, sorting = recording_and_sorting
    with pytest.raises(ParameterError, match=message):
        select_random_spikes(columns_of(sorting, recording), **arguments)


def test_unknown_operator_is_refused():
    with pytest.raises(ParameterError, match="'mad'"):
        compute_templates(None, ["average", "mad"])
