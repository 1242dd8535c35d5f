"""Finding recordings: names, jobs, test mode, placeholders, the session folder."""

import json
import re

import pytest

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import find_recordings, reason_skipped_upstream

NAMES = (
    "block0_probeA_recording1",
    "exp 1_Record Node 101#Neuropix-PXI-100.ProbeA_recording1_group10",
    "s__a.b..c.zarr.x",
)


def make_preprocessed(folder, *names):
    for name in names:
        (folder / f"preprocessed_{name}").mkdir(parents=True)


def write_job(folder, file_name, **content):
    (folder / file_name).write_text(json.dumps(content))


def names_of(found):
    return [recording.recording_name for recording in found.recordings]


def test_without_jobs_every_preprocessed_folder_is_a_recording_whatever_its_name(tmp_path):
    make_preprocessed(tmp_path, *NAMES)
    (tmp_path / "not_preprocessed_at_all").mkdir()
    (tmp_path / "preprocessedviz_x.json").write_text("{}")
    found = find_recordings(tmp_path)
    assert names_of(found) == sorted(NAMES)
    assert not found.is_test_mode
    assert all(recording.saved_traces.is_dir() for recording in found.recordings)


def test_dumps_without_a_folder_and_zarr_folders_are_recordings_too(tmp_path):
    (tmp_path / "preprocessed_a.b.json").write_text("{}")
    (tmp_path / "binary_c.json").write_text("{}")
    (tmp_path / "binary_d.pkl").write_bytes(b"")
    (tmp_path / "preprocessed_e.zarr").mkdir()
    (tmp_path / "preprocessed_e.zarr" / ".zgroup").write_text("{}")
    found = find_recordings(tmp_path)
    assert names_of(found) == ["a.b", "c", "d", "e"]
    assert found.recordings[0].lazy_json.name == "preprocessed_a.b.json"
    assert found.recordings[2].binary_pickle.name == "binary_d.pkl"
    assert found.recordings[3].saved_traces.name == "preprocessed_e.zarr"


def test_a_dangling_link_is_found_so_that_it_can_fail(tmp_path):
    (tmp_path / "preprocessed_x").symlink_to(tmp_path / "gone")
    assert names_of(find_recordings(tmp_path)) == ["x"]


def test_one_job_selects_only_its_recording_and_carries_skip_times(tmp_path):
    make_preprocessed(tmp_path, "a_group1", "a_group10", "b")
    write_job(tmp_path, "job_0.json", recording_name="a_group1", skip_times=True)
    found = find_recordings(tmp_path)
    assert names_of(found) == ["a_group1"]
    assert found.recordings[0].skip_times
    assert found.recordings[0].job_file.name == "job_0.json"


def test_several_jobs_and_jobs_whose_inputs_are_not_there(tmp_path):
    write_job(tmp_path, "job_1.json", recording_name="b", skip_times="false")
    write_job(tmp_path, "my job.json", recording_name="a")
    found = find_recordings(tmp_path)
    assert names_of(found) == ["a", "b"]
    assert not any(recording.skip_times for recording in found.recordings)


def test_a_json_with_job_in_its_name_but_no_recording_is_ignored_with_a_warning(tmp_path):
    make_preprocessed(tmp_path, "myjob_1")
    (tmp_path / "preprocessed_myjob_1.json").write_text("{}")
    found = find_recordings(tmp_path)
    assert names_of(found) == ["myjob_1"]
    assert "preprocessed_myjob_1.json" in found.warnings[0]


def test_an_unreadable_job_is_an_error(tmp_path):
    make_preprocessed(tmp_path, "a")
    (tmp_path / "job_0.json").write_text("{")
    with pytest.raises(InputError, match=r"job_0\.json"):
        find_recordings(tmp_path)


def test_test_mode_takes_inputs_from_its_folders_and_jobs_from_data(tmp_path):
    make_preprocessed(tmp_path / "preprocessing_pipeline_output_test", "a", "b")
    write_job(tmp_path, "job_0.json", recording_name="b")
    found = find_recordings(tmp_path)
    assert found.is_test_mode
    assert names_of(found) == ["b"]
    recording = found.recordings[0]
    assert recording.saved_traces == tmp_path / "preprocessing_pipeline_output_test" / "preprocessed_b"
    assert recording.sorting_folder == tmp_path / "spikesorting_pipeline_output_test"


def test_recording_option_restricts_and_an_unknown_name_lists_what_is_there(tmp_path):
    make_preprocessed(tmp_path, "a", "b", "c")
    assert names_of(find_recordings(tmp_path, ("c", "a"))) == ["a", "c"]
    with pytest.raises(InputError, match=r"'d'.*'a', 'b', 'c'"):
        find_recordings(tmp_path, ("a", "d"))


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "", "a\\b", 3, None])
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    write_job(tmp_path, "job_0.json", recording_name=name)
    with pytest.raises(InputError, match="cannot be a recording name"):
        find_recordings(tmp_path)


def test_an_empty_or_missing_data_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="nothing to postprocess"):
        find_recordings(tmp_path)
    with pytest.raises(InputError, match="not a readable folder"):
        find_recordings(tmp_path / "gone")


def test_session_metadata_comes_from_the_one_session_folder(tmp_path):
    make_preprocessed(tmp_path, "ecephys_1__a")
    session = tmp_path / "Ecephys_123"
    session.mkdir()
    for name in ("subject.json", "data_description.json", "rig.json", "subject.txt"):
        (session / name).write_text("{}")
    (tmp_path / "behavior.json").write_text("{}")
    found = find_recordings(tmp_path)
    assert found.session_folder == session
    assert [path.name for path in found.metadata_files] == ["data_description.json", "subject.json"]


def test_two_sessions_give_none_and_a_warning_unless_one_has_the_staged_name(tmp_path):
    make_preprocessed(tmp_path, "a")
    (tmp_path / "ecephys_1").mkdir()
    (tmp_path / "behavior_1").mkdir()
    found = find_recordings(tmp_path)
    assert found.session_folder is None
    assert "2 folders could be the session" in found.warnings[0]
    (tmp_path / "ecephys_session").mkdir()
    assert find_recordings(tmp_path).session_folder.name == "ecephys_session"


@pytest.mark.parametrize(
    ("folder", "files", "expected"),
    [
        ("preprocessed_a", {"error.txt": "Too short"}, "preprocessing skipped.*Too short"),
        ("spikesorted_a", {"error.txt": "Too many bad channels"}, "spike sorting skipped.*Too many bad channels"),
        ("spikesorted_a", {"spikeinterface_log.json": "{}"}, "spike sorting failed"),
        ("spikesorted_a", {"spikeinterface_log.json": "{}", ".nfs1": ""}, "spike sorting failed"),
        ("spikesorted_a", {}, None),
        ("spikesorted_a", {"spikeinterface_log.json": "{}", "spikes.npy": ""}, None),
        ("preprocessed_a", {"error.txt": "x", "binary.json": "{}"}, None),
    ],
)
def test_placeholders_are_told_by_their_contents(tmp_path, folder, files, expected):
    make_preprocessed(tmp_path, "a")
    (tmp_path / folder).mkdir(exist_ok=True)
    for name, text in files.items():
        (tmp_path / folder / name).write_text(text)
    reason = reason_skipped_upstream(find_recordings(tmp_path).recordings[0])
    if expected is None:
        assert reason is None
    else:
        assert re.search(expected, reason)
