"""Sortings and traces as people have them: Kilosort folders by their data alone, raw files, what becomes of both."""

import json
import os
import struct
from dataclasses import replace

import numpy as np
import pytest
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.given_pairs import folder_of_jobs, prepared
from ephys_postprocess.inputs.kilosort_folder import find_kilosort_folder, read_kilosort_folder, read_params
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.raw_traces import open_traces_of, raw_file_of
from ephys_postprocess.machine.given import GivenPair

RATE_HZ = 30_000.0
SAMPLES, CLUSTERS = [90, 100, 40, 7000], [5, 2, 5, 9]


def write_kilosort(folder, raw="../raw/traces.bin", more=""):
    folder.mkdir(parents=True)
    np.save(folder / "spike_times.npy", np.array(SAMPLES, dtype="uint64")[:, None])
    np.save(folder / "spike_clusters.npy", np.array(CLUSTERS, dtype="int32"))
    np.save(folder / "channel_positions.npy", np.c_[np.zeros(4), 20.0 * np.arange(4)])
    np.save(folder / "channel_map.npy", np.arange(4))
    (folder / "params.py").write_text(
        f"dat_path = {raw!r}\nn_channels_dat = 4\ndtype = 'int16'\noffset = 0\nsample_rate = {RATE_HZ}\n{more}"
    )
    (folder / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n2\tgood\n5\tmua\n9\tgood\n")
    (folder / "cluster_ContamPct.tsv").write_text("cluster_id\tContamPct\n2\t1.5\n9\t100\n")
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n5\tnoise\n")
    return folder


def write_raw(folder, name="traces.bin"):
    folder.mkdir(parents=True, exist_ok=True)
    traces = np.random.default_rng(0).normal(100, 50, (9000, 4)).astype("int16")
    traces.tofile(folder / name)
    return traces


@pytest.fixture
def kilosort(tmp_path):
    return write_kilosort(tmp_path / "kilosort4")


def test_a_kilosort_folder_is_read_with_its_tables(kilosort):
    sorting = read_kilosort_folder(kilosort)
    assert sorting.unit_ids.tolist() == [2, 5, 9]
    assert sorting.sampling_frequency == RATE_HZ
    assert [sorting.get_unit_spike_train(unit, segment_index=0).tolist() for unit in (2, 5, 9)] == [
        [100],
        [40, 90],
        [7000],
    ]
    assert sorting.get_property("KSLabel").tolist() == ["good", "mua", "good"]
    assert sorting.get_property("group").tolist() == ["", "noise", ""]
    np.testing.assert_array_equal(sorting.get_property("ContamPct"), [1.5, np.nan, 100])


def test_it_has_the_spikes_that_spikeinterface_reads(kilosort):
    from spikeinterface.extractors import read_kilosort

    for name in ("ContamPct", "group"):  # SpikeInterface drops units that a table does not name
        (kilosort / f"cluster_{name}.tsv").unlink()
    expected = read_kilosort(kilosort)
    found = read_kilosort_folder(kilosort)
    assert found.unit_ids.tolist() == expected.unit_ids.tolist()
    for unit in found.unit_ids:
        # SpikeInterface leaves them in the file's order
        np.testing.assert_array_equal(found.get_unit_spike_train(unit), np.sort(expected.get_unit_spike_train(unit)))


def test_params_py_is_never_run(tmp_path):
    trap = tmp_path / "trap"
    more = (
        f"open({str(trap)!r}, 'w')\nimport os\nn = os.getpid()\nx = [open({str(trap)!r}, 'w')]\nhp_filtered = False\n"
    )
    folder = write_kilosort(tmp_path / "k", more=more)
    assert read_params(folder) == {
        "dat_path": "../raw/traces.bin",
        "n_channels_dat": 4,
        "dtype": "int16",
        "offset": 0,
        "sample_rate": RATE_HZ,
        "hp_filtered": False,
    }
    read_kilosort_folder(folder)
    assert not trap.exists()


@pytest.mark.parametrize(
    "written", ["'a.bin'", "['a.bin']", "[PosixPath('a.bin')]", "WindowsPath('a.bin')", "r'a.bin'"]
)
def test_every_way_in_which_the_raw_file_is_named(tmp_path, written):
    (tmp_path / "params.py").write_text(f"dat_path = {written}\n")
    assert read_params(tmp_path) == {"dat_path": "a.bin"}


@pytest.mark.parametrize("inside", ["", "sorter_output", "kilosort4"])
def test_the_folder_is_found_where_sorters_put_it(tmp_path, inside):
    write_kilosort(tmp_path / "run" / inside) if inside else write_kilosort(tmp_path / "run")
    assert find_kilosort_folder(tmp_path / "run") == tmp_path / "run" / inside


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("spike_clusters.npy", np.arange(3), "has 3 spikes, spike_times.npy 4"),
        ("spike_times.npy", np.array([1.5, 2, 3, 4]), "must hold whole numbers"),
        ("spike_times.npy", np.array(["a"] * 4), "must hold whole numbers"),
        ("spike_clusters.npy", np.array([None] * 4), "holds Python objects"),
    ],
)
def test_broken_kilosort_folders_are_refused(kilosort, name, values, message):
    np.save(kilosort / name, values, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        read_kilosort_folder(kilosort)


@pytest.mark.parametrize(
    "text", ["", "sample_rate = 'fast'", "sample_rate = f()", "sample_rate = (", "sample_rate = True"]
)
def test_a_missing_rate_is_refused(kilosort, text):
    (kilosort / "params.py").write_text(text)
    with pytest.raises(InputError, match="does not say sample_rate"):
        read_kilosort_folder(kilosort)


def test_the_raw_file_is_taken_only_from_in_or_beside_the_folder(tmp_path):
    write_raw(tmp_path / "a" / "raw")
    write_raw(tmp_path / "far")
    assert raw_file_of(write_kilosort(tmp_path / "a" / "ks")) == tmp_path / "a" / "raw" / "traces.bin"
    assert raw_file_of(write_kilosort(tmp_path / "b" / "c" / "ks", raw=str(tmp_path / "far" / "traces.bin"))) is None
    assert raw_file_of(write_kilosort(tmp_path / "a" / "ks2", raw="nowhere.bin")) is None


def load(pair, scratch):
    """The loaded recording, with traces as an array, and what was left in scratch."""
    with folder_of_jobs((pair,), scratch) as folder:
        (item,) = find_recordings(folder).recordings
        with prepared(item, pair, Consent(), num_threads=1) as ready:
            loaded = load_recording_and_sorting(ready)
            traces = [
                np.array(recording.get_traces()) for recording in (loaded.recording_to_read, loaded.recording_to_store)
            ]
    return loaded, traces


@pytest.fixture
def pair(tmp_path):
    return GivenPair("mouse1", write_kilosort(tmp_path / "ks"), None)


def test_raw_traces_are_filtered_in_scratch_and_the_result_refers_to_the_raw_file(tmp_path, pair):
    from spikeinterface.preprocessing import common_reference, highpass_filter

    raw = write_raw(tmp_path / "raw")
    loaded, (read, stored) = load(pair, tmp_path / "scratch")
    expected = common_reference(highpass_filter(si.NumpyRecording([raw], RATE_HZ), freq_min=300.0)).get_traces()
    # filtered in pieces of a second with margins of 5 ms, rounded to counts
    np.testing.assert_allclose(read, expected, atol=1)
    np.testing.assert_allclose(stored, expected, atol=1)
    assert "traces.bin" in json.dumps(loaded.words_to_store)
    assert loaded.recording_to_read.get_channel_locations()[:, 1].tolist() == [0, 20, 40, 60]
    assert any(
        note.startswith("The traces are not filtered: high-pass 300 Hz and common median") for note in loaded.notes
    )
    assert list((tmp_path / "scratch").iterdir()) == []


def test_raw_traces_are_left_as_they_are_on_request(tmp_path, pair):
    raw = write_raw(tmp_path / "raw")
    _, (read, stored) = load(replace(pair, is_filtered_here=False), tmp_path / "scratch")
    np.testing.assert_array_equal(read, raw)
    np.testing.assert_array_equal(stored, raw)


def test_a_raw_file_that_phy_calls_filtered_is_not_filtered_again(tmp_path):
    raw = write_raw(tmp_path / "raw")
    folder = write_kilosort(tmp_path / "phy", more="hp_filtered = True\n")
    loaded, (read, stored) = load(GivenPair("mouse1", folder, None), tmp_path / "scratch")
    np.testing.assert_array_equal(read, raw)
    np.testing.assert_array_equal(stored, raw)
    assert not any("not filtered" in note for note in loaded.notes)


def test_saved_and_filtered_traces_are_taken_as_they_are(tmp_path, pair):
    raw = write_raw(tmp_path / "raw")
    recording = si.NumpyRecording([raw], RATE_HZ)
    recording.set_dummy_probe_from_locations(np.c_[np.zeros(4), 30.0 * np.arange(4)])
    recording.annotate(is_filtered=True)
    recording.save(folder=tmp_path / "saved", verbose=False)
    loaded, (read, _) = load(replace(pair, traces=tmp_path / "saved"), tmp_path / "scratch")
    np.testing.assert_array_equal(read, raw)
    assert loaded.recording_to_read.get_channel_locations()[:, 1].tolist() == [0, 30, 60, 90]


def test_a_probe_file_says_where_contacts_are(tmp_path, pair):
    from probeinterface import generate_linear_probe, write_probeinterface

    write_raw(tmp_path / "raw")
    probe = generate_linear_probe(num_elec=4, ypitch=50.0)
    probe.set_device_channel_indices(np.arange(4))
    write_probeinterface(tmp_path / "probe.json", probe)
    loaded, _ = load(replace(pair, probe=tmp_path / "probe.json"), tmp_path / "scratch")
    assert np.diff(loaded.recording_to_read.get_channel_locations()[:, 1]).tolist() == [50.0] * 3


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda pair: replace(pair, traces=pair.sorting / "nothing"), "no such file or folder"),
        (lambda pair: replace(pair, traces=pair.sorting), "no traces that are known"),
        (lambda pair: replace(pair, sorting=pair.sorting / "nothing"), "no such file or folder"),
        (lambda pair: pair, "names no raw file in or beside"),
    ],
    ids=["no such traces", "not traces", "no such sorting", "no raw file"],
)
def test_what_is_not_there_is_said(tmp_path, pair, break_it, message):
    with pytest.raises(InputError, match=message):
        load(break_it(pair), tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("ks/params.py", "x.ap.meta"), "a Kilosort or phy folder (ks), SpikeGLX traces"),
        (("a/b/structure.oebin",), "Open Ephys traces (b)"),
        (("m.nwb",), "NWB"),
    ],
)
def test_raw_data_in_the_data_folder_is_named_with_the_command(tmp_path, files, said):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(InputError) as error:
        find_recordings(tmp_path)
    assert said in str(error.value)
    assert "./code/run --sorting " in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cluster_id\tgroup\n2\t" + b"x" * 200_000, "field larger than field limit"),
        (None, "neither a file nor a folder, but a pipe"),
        (2**40, "1099511627776 bytes; at most 67108864 are read"),
    ],
)
def test_tables_that_cannot_be_read_are_told(kilosort, content, message):
    table = kilosort / "cluster_group.tsv"
    if content is None:
        table.unlink()
        os.mkfifo(table)
    elif isinstance(content, int):
        os.truncate(table, content)
    else:
        table.write_bytes(content)
    with pytest.raises(InputError, match=f"cluster_group.tsv: cannot be read as a table of units .*{message}"):
        read_kilosort_folder(kilosort)


@pytest.mark.parametrize("unit_id", ["--5", "5" * 5000, "5.0", "", "five"])
def test_rows_of_no_unit_are_passed_over(kilosort, unit_id):
    (kilosort / "cluster_group.tsv").write_text(f"cluster_id\tgroup\n{unit_id}\tgood\n5\tnoise\n")
    assert read_kilosort_folder(kilosort).get_property("group").tolist() == ["", "noise", ""]


def test_units_that_no_whole_number_can_name(kilosort):
    np.save(kilosort / "spike_clusters.npy", np.full(4, 1e300))
    with pytest.raises(InputError, match="must hold whole numbers up to 9007199254740992"):
        read_kilosort_folder(kilosort)


def test_params_are_read_in_the_encoding_that_they_name_and_never_waited_for(kilosort):
    (kilosort / "params.py").write_bytes(
        "# -*- coding: latin1 -*-\ndat_path = 'é'\nsample_rate = 5.0\n".encode("latin1")
    )
    assert read_params(kilosort) == {"dat_path": "é", "sample_rate": 5.0}
    os.truncate(kilosort / "params.py", 10**12)
    assert read_params(kilosort) == {}
    (kilosort / "params.py").unlink()
    os.mkfifo(kilosort / "params.py")
    assert read_params(kilosort) == {}


def test_a_header_of_terabytes_is_no_want_of_memory(kilosort, tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2), }".ljust(117) + b"\n"
    (kilosort / "channel_positions.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header)
    write_raw(tmp_path / "raw")
    pair = GivenPair(name="it", sorting=kilosort, traces=tmp_path / "raw" / "traces.bin")
    with pytest.raises(InputError, match=r"channel_positions\.npy: cannot be read .*16000000000000 bytes"):
        open_traces_of(pair, kilosort, Consent(), print)
