"""Spike amplitudes beside SpikeInterface's."""

import numpy as np
import pytest
from reference.small_analyzer import columns_of, make_recording_and_sorting, trace_sources
from spikeinterface.core import create_sorting_analyzer
from spikeinterface.postprocessing import compute_spike_amplitudes

from ephys_postprocess.stages.templates.templates import find_peak_shifts
from ephys_postprocess.stages.traces.spike_amplitudes import SpikeAmplitudes
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

ONE_JOB = {"n_jobs": 1, "progress_bar": False}


@pytest.mark.parametrize("source_name", ["raw", "get_traces"])
@pytest.mark.parametrize("return_in_uV", [True, False])
def test_spike_amplitudes_equal_stock(tmp_path, source_name, return_in_uV):
    recording, sorting = make_recording_and_sorting()
    analyzer = create_sorting_analyzer(
        sorting, recording, sparse=False, return_in_uV=return_in_uV, seed=1, job_kwargs=ONE_JOB
    )
    analyzer.compute({"random_spikes": {"seed": 3}, "templates": {}}, **ONE_JOB)
    templates = analyzer.get_extension("templates").get_data()
    # the peak of one unit is moved by hand, so that amplitudes are read beyond both ends
    templates[0] = 0
    templates[0, 7] = -500
    expected = compute_spike_amplitudes(analyzer, **ONE_JOB)

    main_channel_indices = analyzer.get_main_channels(outputs="index", with_dict=False)
    peak_shifts = find_peak_shifts(templates, main_channel_indices, analyzer.get_extension("templates").nbefore)
    assert peak_shifts[0] < -10
    traces = trace_sources(recording, tmp_path, return_in_uV)[source_name]
    scaling = (traces.exact_gains, traces.exact_offsets) if return_in_uV else (None, None)
    consumer = SpikeAmplitudes(columns_of(sorting, recording), main_channel_indices, peak_shifts, *scaling)
    run_trace_pass(traces, columns_of(sorting, recording), [consumer], 10_000, 2)
    assert consumer.amplitudes.dtype == expected.dtype
    np.testing.assert_array_equal(consumer.amplitudes, expected)
