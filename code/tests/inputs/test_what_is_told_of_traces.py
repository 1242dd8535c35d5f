"""What a run says of traces that are not what its numbers suppose: not filtered, or not in µV."""

import numpy as np
import pytest
from reference.small_analyzer import ArrayTraces

from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.trace_survey import survey_traces

from .test_loading import make_recording, save

pytestmark = pytest.mark.filterwarnings("ignore:The extractor is not serializable")  # traces are made in memory


@pytest.mark.parametrize("is_filtered", [True, False])
def test_traces_that_are_not_filtered_are_told(tmp_path, is_filtered):
    recording = make_recording()
    recording.annotate(is_filtered=is_filtered)
    save(tmp_path, recording)
    loaded = load_recording_and_sorting(find_recordings(tmp_path).recordings[0])
    assert any("not filtered" in note for note in loaded.notes) == (not is_filtered)


@pytest.mark.parametrize(("noise_uV", "is_told"), [(5.0, False), (5e-6, True), (0.0, False)])
def test_volts_taken_for_microvolts_are_told(noise_uV, is_told):
    traces = np.random.default_rng(0).normal(0, 1, (3000, 4)) * noise_uV
    said = survey_traces(ArrayTraces([traces.astype(np.float32)])).implausible_microvolts()
    assert (said is not None) == is_told
    assert not is_told or "Are they in volts?" in said


def test_a_gain_counts():
    counts = np.random.default_rng(0).integers(-30, 30, (3000, 4)).astype(np.int16)
    assert survey_traces(ArrayTraces([counts], gains=np.full(4, 0.2))).implausible_microvolts() is None
    assert survey_traces(ArrayTraces([counts], gains=np.full(4, 2e-7))).implausible_microvolts() is not None
