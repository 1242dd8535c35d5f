"""Motion correction on request: both folder layouts, several segments, clocks, pickles, never twice."""

import json
import pickle

import numpy as np
import pytest
import spikeinterface.core as si
from spikeinterface.core.core_tools import SIJsonEncoder, check_json
from spikeinterface.core.motion import Motion
from spikeinterface.preprocessing import astype
from spikeinterface.sortingcomponents.motion import interpolate_motion

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import RecordingInput, find_recordings
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.motion import DEFAULT_INTERPOLATION, interpolation_arguments, is_motion_corrected
from ephys_postprocess.inputs.trace_sources import trace_source

pytestmark = [
    pytest.mark.filterwarnings("ignore:The extractor is not serializable"),  # traces are made in memory
]
NAME = "block0_a_recording1"
RATE_HZ = 1000.0
BIN_CENTERS_S = np.arange(8) * 0.5013 + 0.2507  # bin edges never fall on a sample: no rounding decides
DEPTHS_UM = np.array([20.0, 60.0])


def make_recording(lengths):
    rng = np.random.default_rng(0)
    traces = [rng.normal(0, 50, size=(length, 6)).astype("int16") for length in lengths]
    recording = si.NumpyRecording(traces, RATE_HZ)
    recording.set_channel_gains(2.0)
    recording.set_channel_offsets(0.0)
    recording.set_dummy_probe_from_locations(np.c_[np.zeros(6), 20.0 * np.arange(6)])
    return recording


def make_motion():
    displacement = np.linspace(-12, 12, 16).reshape(8, 2)
    return Motion([displacement], [BIN_CENTERS_S], DEPTHS_UM)


def save(folder, lengths=(4000,), t_start=None):
    recording = make_recording(lengths)
    if t_start is not None:
        for segment_index in range(len(lengths)):
            recording.shift_times(t_start, segment_index=segment_index)
    saved = recording.save(folder=folder / f"preprocessed_{NAME}", verbose=False)
    segments = range(len(lengths))
    spikes = np.array(
        [(100, 0, segment) for segment in segments],
        dtype=[("sample_index", "int64"), ("unit_index", "int64"), ("segment_index", "int64")],
    )
    si.NumpySorting(spikes, RATE_HZ, ["u"]).save(folder=folder / f"spikesorted_{NAME}")
    return saved


def save_motion(folder, motion=None, layout="new", **parameters):
    target = folder / f"motion_{NAME}"
    target.mkdir()
    (target / "parameters.json").write_text(json.dumps(parameters))
    motion = make_motion() if motion is None else motion
    if layout == "new":
        motion.save(target / "motion")
    else:
        np.save(target / "motion.npy", motion.displacement[0])
        np.save(target / "temporal_bins.npy", motion.temporal_bins_s[0])
        if layout != "old rigid":
            np.save(target / "spatial_bins.npy", motion.spatial_bins_um)


def load(folder, **options):
    return load_recording_and_sorting(
        find_recordings(folder).recordings[0], **{"use_motion_corrected": True, **options}
    )


def corrected(recording, motion, **arguments):
    return interpolate_motion(astype(recording, "float32"), motion=motion, **(arguments or DEFAULT_INTERPOLATION))


def traces_of(recording, segment_index=0):
    return recording.get_traces(segment_index=segment_index)


def assert_storable(loaded):
    json.dumps(check_json(loaded.recording_to_store.to_dict(recursive=True)))
    assert loaded.recording_to_store.check_serializability("json")
    assert loaded.recording_to_store.channel_ids.tolist() == loaded.recording_to_read.channel_ids.tolist()
    assert not is_motion_corrected(loaded.recording_to_store)


@pytest.mark.parametrize("layout", ["new", "old"])
def test_both_layouts_equal_stock_interpolation(tmp_path, layout):
    saved = save(tmp_path)
    save_motion(tmp_path, layout=layout)
    loaded = load(tmp_path)
    assert_storable(loaded)
    assert loaded.is_motion_corrected
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read), traces_of(corrected(saved, make_motion())))
    source = trace_source(loaded.recording_to_read, return_in_uV=True)
    assert not source.is_raw
    assert source.dtype == np.float32
    assert set(source.gains.tolist()) == {2.0}
    np.testing.assert_array_equal(source.read(0, 700, 900), traces_of(loaded.recording_to_read)[700:900])
    assert any("uncorrected recording" in note for note in loaded.notes)
    assert f"motion_{NAME}" in loaded.input_files


def test_old_rigid_motion_without_spatial_bins(tmp_path):
    saved = save(tmp_path)
    rigid = Motion([make_motion().displacement[0][:, :1]], [BIN_CENTERS_S], np.zeros(1))
    save_motion(tmp_path, rigid, layout="old rigid")
    np.testing.assert_array_equal(traces_of(load(tmp_path).recording_to_read), traces_of(corrected(saved, rigid)))


def test_not_asked_for_it_is_not_applied(tmp_path):
    saved = save(tmp_path)
    save_motion(tmp_path)
    loaded = load(tmp_path, use_motion_corrected=False)
    assert not loaded.is_motion_corrected
    assert trace_source(loaded.recording_to_read, return_in_uV=True).is_raw
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read), traces_of(saved))


@pytest.mark.parametrize("lengths", [(4000,), (1700, 2300), (700, 1800, 1500)])
def test_segments_equal_the_pieces_of_the_corrected_concatenation(tmp_path, lengths):
    saved = save(tmp_path, lengths)
    save_motion(tmp_path)
    loaded = load(tmp_path)
    assert_storable(loaded)
    whole = traces_of(corrected(si.concatenate_recordings([saved]), make_motion()))
    pieces = np.split(whole, np.cumsum(lengths)[:-1])
    for segment_index, piece in enumerate(pieces):
        np.testing.assert_array_equal(traces_of(loaded.recording_to_read, segment_index), piece)
        source = trace_source(loaded.recording_to_read, return_in_uV=True)
        np.testing.assert_array_equal(source.read(segment_index, 300, 650), piece[300:650])


def test_segments_with_clocks_of_their_own(tmp_path):
    saved = save(tmp_path, (1700, 2300), t_start=1000.0)
    save_motion(tmp_path)
    whole = traces_of(corrected(si.concatenate_recordings([saved]), make_motion()))
    loaded = load(tmp_path)
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read, 0), whole[:1700])
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read, 1), whole[1700:])


def test_motion_of_as_many_segments_is_used_as_it_is(tmp_path):
    saved = save(tmp_path, (2000, 2000))
    one = make_motion()
    motion = Motion([one.displacement[0], -one.displacement[0]], [BIN_CENTERS_S] * 2, DEPTHS_UM)
    save_motion(tmp_path, motion)
    loaded, expected = load(tmp_path), corrected(saved, motion)
    for segment_index in range(2):
        np.testing.assert_array_equal(
            traces_of(loaded.recording_to_read, segment_index), traces_of(expected, segment_index)
        )


@pytest.mark.parametrize("motion_clock_s", [0.0, 4000.0])
def test_a_recorded_clock_and_an_estimate_on_either_clock(tmp_path, motion_clock_s):
    save(tmp_path, t_start=4000.0)
    one = make_motion()
    save_motion(tmp_path, Motion(one.displacement, [BIN_CENTERS_S + motion_clock_s], DEPTHS_UM))
    expected = traces_of(corrected(make_recording((4000,)), one))
    np.testing.assert_array_equal(traces_of(load(tmp_path).recording_to_read), expected)


def test_an_estimate_for_other_segments_is_refused(tmp_path):
    save(tmp_path, (1000, 1500, 1500))
    one = make_motion()
    save_motion(tmp_path, Motion(one.displacement * 2, one.temporal_bins_s * 2, DEPTHS_UM))
    with pytest.raises(InputError, match="an estimate for 2 segments, the recording has 3"):
        load(tmp_path)


def test_missing_failed_and_broken_motion_folders(tmp_path):
    save(tmp_path)
    with pytest.raises(InputError, match=f"motion_{NAME}.*is missing.*--use-motion-corrected"):
        load(tmp_path)
    folder = tmp_path / f"motion_{NAME}"
    folder.mkdir()
    (folder / "parameters.json").write_text("{}")
    with pytest.raises(InputError, match="holds no estimate"):
        load(tmp_path)
    make_motion().save(folder / "motion")
    (folder / "motion" / "displacement_seg0.npy").unlink()
    with pytest.raises(InputError, match="incomplete"):
        load(tmp_path)
    np.save(folder / "motion" / "displacement_seg0.npy", np.zeros((3, 7)))
    with pytest.raises(InputError, match="cannot be opened"):
        load(tmp_path)


def test_how_to_interpolate_is_what_was_saved_then_the_preset_then_ours(tmp_path):
    saved = save(tmp_path)
    save_motion(tmp_path, preset="dredge_fast")
    loaded = load(tmp_path)
    assert any("preset dredge_fast" in note for note in loaded.notes)
    arguments = {"border_mode": "force_zeros", "spatial_interpolation_method": "nearest"}
    file = tmp_path / f"motion_{NAME}" / "parameters.json"
    file.write_text(json.dumps({"preset": "dredge_fast", "interpolate_motion_kwargs": arguments}))
    expected = traces_of(corrected(saved, make_motion(), **arguments))
    np.testing.assert_array_equal(traces_of(load(tmp_path).recording_to_read), expected)


def test_channels_that_interpolation_removes_leave_the_stored_recording_too(tmp_path):
    save(tmp_path)
    save_motion(tmp_path, interpolate_motion_kwargs={"border_mode": "remove_channels"})
    loaded = load(tmp_path)
    assert 0 < loaded.recording_to_read.get_num_channels() < 6
    assert_storable(loaded)
    assert any("removed" in note for note in loaded.notes)


@pytest.fixture
def applied(tmp_path):
    """What preprocessing leaves when it applied motion correction: the corrected recording as a pickle."""
    saved = save(tmp_path)
    save_motion(tmp_path)
    recording = corrected(saved, make_motion(), border_mode="remove_channels")
    recording.dump(tmp_path / f"binary_{NAME}.pkl", relative_to=tmp_path)
    record = {"code": {"parameters": {"motion_correction": {"apply": True, "interpolate_motion_kwargs": {}}}}}
    (tmp_path / f"data_process_preprocessing_{NAME}.json").write_text(json.dumps(record))
    return tmp_path, traces_of(recording)


def test_a_pickled_corrected_recording_is_an_error_without_consent(applied):
    folder, _ = applied
    with pytest.raises(InputError, match=r"applied motion correction.*--allow-pickle.*--use-motion-corrected"):
        load(folder, use_motion_corrected=False)


@pytest.mark.parametrize("use_motion_corrected", [False, True])
def test_a_pickled_corrected_recording_opens_with_consent_and_is_not_corrected_twice(applied, use_motion_corrected):
    folder, expected = applied
    loaded = load(folder, allow_pickle=True, use_motion_corrected=use_motion_corrected)
    assert loaded.is_motion_corrected
    assert_storable(loaded)
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read), expected)
    assert any("not applied a second time" in note for note in loaded.notes) == use_motion_corrected


def test_without_consent_the_correction_that_preprocessing_applied_is_rebuilt(applied):
    folder, expected = applied
    loaded = load(folder)
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read), expected)
    assert_storable(loaded)
    assert any("was not opened" in note for note in loaded.notes)


def test_no_pickle_is_decoded_without_consent(applied, monkeypatch):
    folder, _ = applied
    monkeypatch.setattr(pickle, "load", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("decoded"))
    load(folder)


@pytest.mark.parametrize("era", ["0.100", "0.101"])
def test_corrected_recordings_that_old_versions_dumped_as_json(tmp_path, era):
    saved = save(tmp_path)
    save_motion(tmp_path)
    recording = corrected(saved, make_motion())
    content = json.loads(json.dumps(recording.to_dict(include_annotations=True, recursive=True), cls=SIJsonEncoder))
    if era == "0.100":
        content["class"] = "spikeinterface.sortingcomponents.motion_interpolation.InterpolateMotionRecording"
        content["kwargs"]["motion"] = make_motion().displacement[0].tolist()
        content["kwargs"] |= {
            "temporal_bins": BIN_CENTERS_S.tolist(),
            "spatial_bins": DEPTHS_UM.tolist(),
            "direction": 1,
        }
        del content["kwargs"]["interpolation_time_bin_centers_s"]
    (tmp_path / f"binary_{NAME}.json").write_text(json.dumps(content))
    loaded = load(tmp_path)
    assert_storable(loaded)
    np.testing.assert_array_equal(traces_of(loaded.recording_to_read), traces_of(recording))
    assert any("not applied a second time" in note for note in loaded.notes)


@pytest.mark.parametrize("value", ["abc", [1], 1.5, True])
@pytest.mark.parametrize("place", ["parameters", "motion_correction", "interpolate_motion_kwargs", "saved", "preset"])
def test_settings_of_another_type_are_told(tmp_path, place, value):
    item = RecordingInput("x", tmp_path, tmp_path, tmp_path)
    item.motion.mkdir()
    kwargs = {"apply": True, "interpolate_motion_kwargs": value if place == "interpolate_motion_kwargs" else {}}
    parameters = {"motion_correction": value if place == "motion_correction" else kwargs}
    saved = {"saved": {"interpolate_motion_kwargs": value}, "preset": {"preset": value}}.get(place)
    if saved is None:
        record = {"code": {"parameters": value if place == "parameters" else parameters}}
        item.preprocessing_record.write_text(json.dumps(record))
    else:
        (item.motion / "parameters.json").write_text(json.dumps(saved))
    if (place, value) == ("preset", "abc"):
        assert interpolation_arguments(item)[1] == "the capsule's default"  # no preset that this version knows
        return
    with pytest.raises(InputError, match=r"must be an object|must be a name"):
        interpolation_arguments(item)
