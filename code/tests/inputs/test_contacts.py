"""Contacts at one place are told; a probe that stretches in depth is seen from the side."""

import numpy as np
import pytest
from inputs.small_data import NAME, load, make_recording, make_sorting, save
from probeinterface import Probe, ProbeGroup

from ephys_postprocess.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:The extractor is not serializable")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def probe_at(places):
    places = np.asarray(places, dtype=float)
    ndim = places.shape[1]
    probe = Probe(ndim=ndim)
    axes = np.repeat(np.eye(2, ndim)[None], len(places), axis=0)
    probe.set_contacts(places, shapes="circle", shape_params={"radius": 5}, plane_axes=axes)
    probe.set_device_channel_indices(np.arange(len(places)))
    return probe


def on_probe(places, num_channels=4):
    recording = make_recording(num_channels=num_channels, probe=False)
    recording.set_probe(probe_at(places))
    return recording


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([[0, 0, 0], [0, 0, 20], [0, 0, 40], [0, 0, 60]], [[0, 0], [0, 20], [0, 40], [0, 60]]),
        ([[0, 0, 0], [9, 0, 20], [0, 0, 40], [9, 0, 20.5]], [[0, 0], [9, 20], [0, 40], [9, 20.5]]),
        ([[0, 1, 0], [0, 2, 0], [0, 1, 3], [0, 2, 3]], [[0, 1], [0, 2], [3, 1], [3, 2]]),
    ],
    ids=["along z", "x and z", "z and y"],
)
def test_contacts_that_differ_in_depth_alone_are_seen_from_the_side(data, places, expected):
    save(data, on_probe(places))
    loaded = load(data)
    for recording in (loaded.recording_to_read, loaded.recording_to_store):
        np.testing.assert_array_equal(recording.get_channel_locations(), expected)
    assert sum("differ in z" in note for note in loaded.notes) == 1
    assert not any("same location" in note for note in loaded.notes)


def test_contacts_that_differ_in_x_and_y_keep_their_places(data):
    save(data, on_probe([[0, 0, 5], [0, 20, 5], [0, 40, 6], [0, 60, 6]]))
    loaded = load(data)
    np.testing.assert_array_equal(loaded.recording_to_read.get_channel_locations()[:, 1], [0, 20, 40, 60])
    assert not any("differ in z" in note for note in loaded.notes)


def test_two_probes_at_one_place_are_told(data):
    recording = make_recording(num_channels=6, probe=False)
    group = ProbeGroup()
    for number in range(2):
        probe = probe_at([[0, 0], [0, 20], [0, 40]])
        probe.set_device_channel_indices(np.arange(3) + 3 * number)
        group.add_probe(probe)
    recording.set_probegroup(group, group_mode="by_probe", check_overlap=False)
    save(data, recording, make_sorting())
    (told,) = [note for note in load(data).notes if "at the same location" in note]
    assert told.startswith("6 channels are at the same location as another one (such as AP0, AP3)")
    assert "probe.move" in told


def test_a_tetrode_on_one_spot_is_told_what_to_do(data):
    recording = make_recording(probe=False)
    recording.set_property("location", np.zeros((4, 2)))
    save(data, recording)
    with pytest.raises(InputError, match=r"contacts at one place.*unique.*corners of a square"):
        load(data)


def test_places_that_differ_in_depth_alone_are_told_what_to_do_and_it_helps(data):
    places = np.c_[np.zeros(4), np.zeros(4), [0.0, 20.0, 40.0, 60.0]]
    recording = make_recording(probe=False)
    recording.set_property("location", places)
    save(data / "as it is", recording)
    with pytest.raises(InputError, match=r"contacts at one place.*axes='xz' where places differ in depth alone"):
        load(data / "as it is")
    recording = make_recording(probe=False)
    recording.set_dummy_probe_from_locations(places, axes="xz")
    save(data / "as told", recording)
    np.testing.assert_array_equal(load(data / "as told").recording_to_read.get_channel_locations(), places[:, [0, 2]])


def test_usual_contacts_are_not_mentioned(data):
    save(data)
    assert not any("location" in note for note in load(data).notes)
    assert (data / f"preprocessed_{NAME}").is_dir()
