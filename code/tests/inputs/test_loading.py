"""Opening recordings and sortings: every saved form, every disagreement, every refusal."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import spikeinterface.core as si
from inputs.small_data import NAME, RATE_HZ, load, make_recording, make_sorting, save
from spikeinterface.core.core_tools import check_json

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.data_folder import UpstreamSkipped
from ephys_postprocess.inputs.trace_sources import can_return_in_uV, spike_trains, trace_source

pytestmark = pytest.mark.filterwarnings("ignore:The extractor is not serializable")  # traces are made in memory


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def assert_storable(loaded):
    stored, read = loaded.recording_to_store, loaded.recording_to_read
    assert stored.check_serializability("json")
    json.dumps(check_json(stored.to_dict(recursive=True)))
    assert stored.channel_ids.tolist() == read.channel_ids.tolist()
    assert stored.get_total_samples() == read.get_total_samples()


def test_a_plain_binary_folder(data):
    saved = save(data)
    loaded = load(data)
    assert_storable(loaded)
    assert loaded.recording_name == NAME
    assert loaded.excess_spikes == {}
    assert loaded.notes == ()
    assert loaded.durations_s == (2.0,)
    assert set(loaded.input_files) == {f"preprocessed_{NAME}", f"spikesorted_{NAME}"}
    source = trace_source(loaded.recording_to_read, return_in_uV=True)
    assert source.is_raw
    scaled = source.read(0, 50, 90).astype(np.float32) * source.gains + source.offsets
    np.testing.assert_array_equal(scaled, saved.get_traces(start_frame=50, end_frame=90, return_in_uV=True))
    spikes = spike_trains(loaded.sorting, loaded.recording_to_read)
    assert spikes.samples.tolist() == [100, 200, 300]
    assert spikes.num_units == 3


def test_saved_by_an_older_version_without_annotations_and_with_probe_json(data):
    save(data)
    folder = data / f"preprocessed_{NAME}"
    (folder / "annotations.json").unlink(missing_ok=True)
    (folder / "probegroup.json").rename(folder / "probe.json")
    loaded = load(data)
    np.testing.assert_array_equal(loaded.recording_to_read.get_channel_locations()[:, 1], [0, 20, 40, 60])


def test_zarr_recording_and_zarr_sorting_whatever_the_folder_is_called(data):
    data.mkdir()
    make_recording().save(format="zarr", folder=data / "r.zarr", verbose=False)
    make_sorting().save(format="zarr", folder=data / "s.zarr")
    (data / "r.zarr").rename(data / f"preprocessed_{NAME}")
    (data / "s.zarr").rename(data / f"spikesorted_{NAME}.zarr")
    loaded = load(data)
    assert_storable(loaded)
    source = trace_source(loaded.recording_to_read, return_in_uV=True)
    assert not source.is_raw
    assert source.dtype == np.int16
    np.testing.assert_array_equal(source.read(0, 5, 9), make_recording().get_traces(start_frame=5, end_frame=9))
    assert loaded.sorting.to_spike_vector()["sample_index"].tolist() == [100, 200, 300]


def test_zarr_with_a_missing_chunk_is_not_read_as_zeros(data):
    data.mkdir()
    make_recording().save(format="zarr", folder=data / "r.zarr", verbose=False)
    make_sorting().save(folder=data / f"spikesorted_{NAME}")
    (data / "r.zarr").rename(data / f"preprocessed_{NAME}")
    next((data / f"preprocessed_{NAME}" / "traces_seg0").glob("0.*")).unlink()
    with pytest.raises(InputError, match="incomplete"):
        load(data)


@pytest.mark.parametrize("form", ["npz file", "npz inside", "zarr inside", "npz folder"])
def test_other_forms_of_sortings(data, form):
    save(data, sorting=False)
    target = data / f"spikesorted_{NAME}"
    sorting = make_sorting()
    if form == "npz file":
        si.NpzSortingExtractor.write_sorting(sorting, data / f"spikesorted_{NAME}.npz")
    elif form == "npz inside":
        target.mkdir()
        si.NpzSortingExtractor.write_sorting(sorting, target / "sorting.npz")
        (target / "spikeinterface_log.json").write_text("{}")
    elif form == "zarr inside":
        target.mkdir()
        sorting.save(format="zarr", folder=target / "sorting.zarr")
    else:
        with pytest.warns(FutureWarning):
            si.NpzFolderSorting.write_sorting(sorting, target)
    loaded = load(data)
    assert loaded.sorting.unit_ids.tolist() == ["u0", "u1", "u2"]
    assert loaded.sorting.to_spike_vector()["sample_index"].tolist() == [100, 200, 300]


@pytest.mark.parametrize(
    ("spikes", "unit_ids"),
    [((), ()), ((), ("a",)), (((5, 0, 0),), ("a",)), (((5, 1, 0),), (3, 7)), (((19999, 0, 0), (0, 1, 0)), (0, -1))],
)
def test_few_or_no_units_and_spikes(data, spikes, unit_ids):
    spikes = sorted(spikes)
    save(data, sorting=make_sorting(spikes, np.array(unit_ids, dtype=None if unit_ids else "int64")))
    loaded = load(data)
    assert loaded.sorting.unit_ids.tolist() == list(unit_ids)
    trains = spike_trains(loaded.sorting, loaded.recording_to_read)
    assert trains.num_spikes == len(spikes)
    assert trains.num_units == len(unit_ids)


def test_excess_spikes_are_removed_and_reported_by_unit(data):
    spikes = [(100, 0, 0), (200, 0, 0), (19999, 0, 0), (20000, 1, 0), (20001, 2, 0), (30000, 1, 0)]
    save(data, sorting=make_sorting(spikes))
    loaded = load(data)
    assert loaded.excess_spikes == {"u1": 2, "u2": 1}
    assert loaded.sorting.to_spike_vector()["sample_index"].tolist() == [100, 200, 19999]
    assert loaded.sorting.unit_ids.tolist() == ["u0", "u1", "u2"]
    assert loaded.sorting.get_property("KSLabel").tolist() == ["good"] * 3
    assert any("Removed 3 spikes past the end" in note for note in loaded.notes)


def test_spikes_before_the_start_are_removed_like_those_past_the_end(data):
    spikes = [(-10, 0, 0), (-9, 2, 0), (0, 1, 0), (5, 0, 0), (19999, 2, 0), (20000, 2, 0)]
    save(data, sorting=make_sorting(spikes))
    loaded = load(data)
    assert loaded.sorting.to_spike_vector()["sample_index"].tolist() == [0, 5, 19999]
    assert loaded.excess_spikes == {"u0": 1, "u2": 2}
    assert (
        "Removed 2 spikes before the start of the recording (33 % of all; unit: spikes; u0: 1, u2: 1)." in loaded.notes
    )
    assert "Removed 1 spikes past the end of the recording (17 % of all; unit: spikes; u2: 1)." in loaded.notes


@pytest.mark.parametrize("outside", [-1, 20000])
def test_a_sorting_with_more_spikes_outside_than_a_cut_recording_has_is_refused(data, outside):
    save(data, sorting=make_sorting(sorted([(outside, 0, 0), (outside, 1, 0), (outside, 2, 0), (7, 0, 0)])))
    with pytest.raises(InputError, match=r"3 of 4 spikes lie before .* or past its end\. At most 67%"):
        load(data)


def test_excess_spikes_in_several_segments_where_the_last_loses_all(data):
    spikes = [(100, 0, 0), (9000, 1, 0), (10, 1, 1), (5000, 2, 1), (900000, 0, 2)]
    save(data, make_recording((8000, 6000, 7000)), make_sorting(spikes))
    loaded = load(data)
    assert loaded.excess_spikes == {"u0": 1, "u1": 1}
    assert loaded.sorting.get_num_segments() == 3
    assert loaded.sorting.get_unit_spike_train("u0", segment_index=2).size == 0
    trains = spike_trains(loaded.sorting, loaded.recording_to_read)
    assert trains.segment_edges.tolist() == [0, 1, 3, 3]
    assert trains.segment_lengths == (8000, 6000, 7000)
    source = trace_source(loaded.recording_to_read, return_in_uV=True)
    assert source.is_raw
    np.testing.assert_array_equal(
        source.read(2, 0, 7000), make_recording((8000, 6000, 7000)).get_traces(segment_index=2)
    )


def rewrite_spikes(data, change):
    file = data / f"spikesorted_{NAME}" / "spikes.npy"
    np.save(file, change(np.load(file)))


def rewrite_sorting_info(data, **changes):
    file = data / f"spikesorted_{NAME}" / "numpysorting_info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_spikes_out_of_order_are_sorted_and_said(data):
    save(data)
    rewrite_spikes(data, lambda spikes: spikes[::-1])
    loaded = load(data)
    assert loaded.sorting.to_spike_vector()["sample_index"].tolist() == [100, 200, 300]
    assert any("sorted" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("unit_index", 3), "of a unit that is not there"),
        (("segment_index", 1), "of a segment that is not there"),
    ],
)
def test_impossible_spikes_are_refused(data, change, message):
    save(data)

    def break_one(spikes):
        spikes[change[0]][0 if change[1] < 0 else -1] = change[1]
        return spikes

    rewrite_spikes(data, break_one)
    with pytest.raises(InputError, match=message):
        load(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit_ids": ["a", "b", "a"]}, "more than once: a"),
        ({"unit_ids": [1, "1", 2]}, "more than once: 1"),
        ({"unit_ids": [1.5, 2.5, 3.5]}, "integers .* or strings"),
        ({"sampling_frequency": 30000.0}, "sampling rate"),
        ({"num_segments": 2}, "2 segments, the recording 1"),
    ],
)
def test_sortings_that_do_not_fit_are_refused(data, changes, message):
    save(data)
    rewrite_sorting_info(data, **changes)
    with pytest.raises(InputError, match=message):
        load(data)


def test_a_rate_that_differs_by_rounding_becomes_the_recordings(data):
    save(data)
    rewrite_sorting_info(data, sampling_frequency=RATE_HZ + 0.01)
    loaded = load(data)
    assert loaded.sorting.sampling_frequency == RATE_HZ
    assert any("rate" in note for note in loaded.notes)


def test_npz_with_labels_of_no_unit_is_refused(data):
    save(data, sorting=False)
    np.savez(
        data / f"spikesorted_{NAME}.npz",
        unit_ids=np.array([1, 2]),
        num_segment=[1],
        sampling_frequency=[RATE_HZ],
        spike_indexes_seg0=[5, 6],
        spike_labels_seg0=[1, 9],
    )
    with pytest.raises(InputError, match=r"units \[9\]"):
        load(data)


@pytest.mark.parametrize(
    ("dtype", "gain", "is_raw", "note"),
    [
        ("int16", 2.0, True, None),
        ("uint16", 2.0, False, None),
        ("float32", None, True, "taken for µV"),
        ("float64", 3.0, False, None),
        ("int16", None, True, "raw counts"),
        ("int32", 0.5, False, None),
    ],
)
def test_dtypes_and_missing_gains(data, dtype, gain, is_raw, note):
    save(data, make_recording(dtype=dtype, gain=gain))
    loaded = load(data)
    read = loaded.recording_to_read
    assert [note in text for text in loaded.notes] == ([True] if note else [])
    source = trace_source(read, return_in_uV=True)
    assert source.is_raw == is_raw
    is_in_uV = can_return_in_uV(read)
    assert is_in_uV == (gain is not None or dtype == "float32")
    expected = read.get_traces(start_frame=10, end_frame=60, return_in_uV=is_in_uV)
    found = source.read(0, 10, 60).astype(np.float32) * source.gains + source.offsets
    # uint16 counts and offsets cancel in float32 here exactly; float64 is rounded to the kernels' float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-4)
    unscaled = trace_source(read, return_in_uV=False)
    assert set(unscaled.gains.tolist()) == {1.0}
    assert set(unscaled.offsets.tolist()) == {0.0}


def test_missing_channel_locations_name_what_needs_them(data):
    save(data, make_recording(probe=False))
    with pytest.raises(InputError, match=r"no channel locations.*locations.*need them"):
        load(data)


def test_several_shanks_are_allowed(data):
    recording = make_recording(num_channels=8, probe=False)
    from probeinterface import ProbeGroup, generate_linear_probe

    group = ProbeGroup()
    for shank in range(2):
        probe = generate_linear_probe(num_elec=4)
        probe.move([500.0 * shank, 0])
        group.add_probe(probe)
    group.set_global_device_channel_indices(np.arange(8))
    recording.set_probegroup(group, group_mode="by_probe")
    save(data, recording)
    assert set(load(data).recording_to_read.get_channel_groups().tolist()) == {0, 1}


@pytest.mark.parametrize("num_bytes", [-3, 1])
def test_a_raw_file_cut_inside_a_sample_names_found_and_expected_bytes(data, num_bytes):
    save(data)
    raw = data / f"preprocessed_{NAME}" / "traces_cached_seg0.raw"
    content = raw.read_bytes()
    raw.write_bytes(content[:num_bytes] if num_bytes < 0 else content + b"0" * num_bytes)
    with pytest.raises(InputError, match=rf"found {160000 + num_bytes} bytes.*expected a multiple of 8"):
        load(data)


def test_a_raw_file_shorter_than_its_time_stamps(data):
    recording = make_recording()
    recording.set_times(np.arange(20000) / RATE_HZ + 7.0, segment_index=0)
    save(data, recording)
    raw = data / f"preprocessed_{NAME}" / "traces_cached_seg0.raw"
    raw.write_bytes(raw.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"found 159992 bytes.*expected 160000"):
        load(data)


def test_empty_and_missing_raw_files(data):
    save(data)
    raw = data / f"preprocessed_{NAME}" / "traces_cached_seg0.raw"
    raw.write_bytes(b"")
    with pytest.raises(InputError, match="holds no traces"):
        load(data)
    raw.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load(data)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda data: (data / f"preprocessed_{NAME}" / "binary.json").write_text("{"),
        lambda data: (data / f"preprocessed_{NAME}" / "si_folder.json").write_text("[]"),
        lambda data: (data / f"preprocessed_{NAME}" / "si_folder.json").write_text('{"class": "spikeinterface.x"}'),
        lambda data: (data / f"preprocessed_{NAME}" / "si_folder.json").write_text('{"a": 1}'),
        lambda data: (data / f"spikesorted_{NAME}" / "spikes.npy").write_bytes(b"no array"),
        lambda data: (data / f"spikesorted_{NAME}" / "spikes.npy").unlink(),
        lambda data: (data / f"spikesorted_{NAME}" / "numpysorting_info.json").unlink(),
        lambda data: shutil.rmtree(data / f"spikesorted_{NAME}"),
        lambda data: [path.unlink() for path in (data / f"spikesorted_{NAME}").glob("*.*")],
        lambda data: np.save(data / f"spikesorted_{NAME}" / "spikes.npy", np.zeros(4)),
    ],
)
def test_broken_or_missing_inputs_are_failures_and_not_skips(data, break_it):
    save(data)
    break_it(data)
    with pytest.raises(InputError):
        load(data)


def test_a_placeholder_is_a_skip(data):
    save(data, sorting=False)
    (data / f"spikesorted_{NAME}").mkdir()
    (data / f"spikesorted_{NAME}" / "error.txt").write_text("Too many bad channels")
    with pytest.raises(UpstreamSkipped, match="Too many bad channels"):
        load(data)


# Lazy chains and dumps


@pytest.fixture
def staged(data):
    """Raw data in ecephys_session, a lazy chain on it, and the binary dump, as preprocessing leaves them."""
    from spikeinterface.preprocessing import common_reference

    session = data / "ecephys_session"
    session.mkdir(parents=True)
    raw = make_recording()
    raw.save(folder=session / "raw", verbose=False)
    chain = common_reference(si.load(session / "raw"))
    saved = chain.save(folder=data / f"preprocessed_{NAME}", verbose=False)
    saved.dump_to_json(data / f"binary_{NAME}.json", relative_to=data)
    # preprocessing dumps relative to its own results/, a sibling of data/
    results = data.parent / "results"
    results.mkdir()
    chain.dump_to_json(data / f"preprocessed_{NAME}.json", relative_to=results)
    make_sorting().save(folder=data / f"spikesorted_{NAME}")
    return data


def test_the_binary_one_is_read_and_the_lazy_one_is_stored(staged):
    loaded = load(staged)
    assert_storable(loaded)
    assert type(loaded.recording_to_store).__name__ == "CommonReferenceRecording"
    assert trace_source(loaded.recording_to_read, return_in_uV=True).is_raw
    np.testing.assert_array_equal(loaded.recording_to_store.get_traces(), loaded.recording_to_read.get_traces())
    assert set(loaded.input_files) == {f"binary_{NAME}.json", f"preprocessed_{NAME}.json", f"spikesorted_{NAME}"}


def test_staged_names_stay_in_paths_when_inputs_are_links(staged, tmp_path):
    real = tmp_path / "elsewhere" / "session 17"
    real.parent.mkdir()
    (staged / "ecephys_session").rename(real)
    (staged / "ecephys_session").symlink_to(real)
    stored = load(staged).recording_to_store
    assert "ecephys_session" in json.dumps(check_json(stored.to_dict(recursive=True)))


def test_paths_are_never_taken_from_the_working_directory(staged, monkeypatch):
    monkeypatch.chdir(staged)
    (staged / f"preprocessed_{NAME}" / "traces_cached_seg0.raw").rename(staged / "traces_cached_seg0.raw")
    with pytest.raises(InputError):
        load(staged)


def test_without_raw_data_the_result_refers_to_the_binary_one_and_says_so(staged):
    shutil.rmtree(staged / "ecephys_session")
    loaded = load(staged)
    assert_storable(loaded)
    assert type(loaded.recording_to_store).__name__ == "BinaryFolderRecording"
    assert any("not here" in note for note in loaded.notes)


def test_a_lazy_chain_of_a_class_this_version_lacks_falls_back_and_says_so(staged):
    lazy = staged / f"preprocessed_{NAME}.json"
    lazy.write_text(lazy.read_text().replace("CommonReferenceRecording", "ForgottenRecording"))
    loaded = load(staged)
    assert type(loaded.recording_to_store).__name__ == "BinaryFolderRecording"
    assert any("ForgottenRecording" in note for note in loaded.notes)


def test_only_a_lazy_chain(staged):
    shutil.rmtree(staged / f"preprocessed_{NAME}")
    (staged / f"binary_{NAME}.json").unlink()
    loaded = load(staged)
    assert_storable(loaded)
    assert not trace_source(loaded.recording_to_read, return_in_uV=True).is_raw


def test_a_broken_lazy_json_is_a_failure(staged):
    (staged / f"preprocessed_{NAME}.json").write_text("{")
    with pytest.raises(InputError, match="not readable as JSON"):
        load(staged)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (
            make_recording((19000,)),
            r"samples per segment \(\[19000\] against \[20000\]; the raw files hold 160000 bytes",
        ),
        (
            make_recording().rename_channels(["a", "b", "c", "d"]),
            r"channels \(4 from a to d against 4 from AP0 to AP3\)",
        ),
        (make_recording((10000, 10000)), "samples per segment"),
    ],
)
def test_lazy_and_binary_must_agree(staged, recording, message):
    shutil.rmtree(staged / "ecephys_session" / "raw")
    recording.save(folder=staged / "ecephys_session" / "raw", verbose=False)
    with pytest.raises(InputError, match=message):
        load(staged)


def test_skip_times_forgets_the_clock_of_the_whole_chain(data):
    from spikeinterface.preprocessing import scale

    session = data / "ecephys_session"
    session.mkdir(parents=True)
    raw = make_recording()
    raw.set_times(np.arange(20000) / RATE_HZ + 4000.0, segment_index=0)
    raw.save(folder=session / "raw", verbose=False)
    chain = scale(si.load(session / "raw"), gain=1.0)
    save(data, chain)
    chain.dump_to_json(data / f"preprocessed_{NAME}.json", relative_to=data)
    assert load(data).recording_to_store.sample_index_to_time(0) == 4000.0
    (data / "job_0.json").write_text(json.dumps({"recording_name": NAME, "skip_times": True}))
    loaded = load(data)
    for recording in (loaded.recording_to_read, loaded.recording_to_store):
        assert recording.sample_index_to_time(0) == 0.0
        assert len(json.dumps(check_json(recording.to_dict(recursive=True)))) < 20000
    reopened = si.load(check_json(loaded.recording_to_store.to_dict(recursive=True)))
    assert reopened.sample_index_to_time(10) == 10 / RATE_HZ


# Refusals


class Evil:
    """Leaves a file behind when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def write_dump(data, content):
    (data / f"binary_{NAME}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("class_name", "error"),
    [
        ("os.system", "give --allow-class os.system if you mean it"),
        ("evil_module.Recording", "not among those that only read data"),
        ("spikeinterface_evil.Recording", "not among those that only read data"),
        ("spikeinterface.core.loading.load", "not among those that only read data"),
        ("spikeinterface.core.core_tools.Path", "not among those that only read data"),
        ("spikeinterface.sorters.runsorter.run_sorter", "not among those that only read data"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_classes_from_elsewhere_are_refused_at_any_depth(data, class_name, error, depth):
    save(data)
    inner = {"class": class_name, "module": "x", "version": "1", "annotations": {}, "properties": {}, "kwargs": {}}
    for wrap in (lambda d: [d], lambda d: {"key": d}):
        content = inner
        for _ in range(depth):
            content = {
                **inner,
                "class": "spikeinterface.core.binaryfolder.BinaryFolderRecording",
                "kwargs": {"a": wrap(content)},
            }
        write_dump(data, content)
        with pytest.raises(InputError, match=error):
            load(data)


def test_pickle_codecs_in_a_zarr_are_refused(data):
    import numcodecs
    import zarr

    save(data, sorting=False)
    make_sorting().save(format="zarr", folder=data / "s.zarr")
    root = zarr.open(str(data / "s.zarr"), mode="r+")
    root.create_dataset("extra", data=np.array(["a"], dtype=object), object_codec=numcodecs.Pickle())
    (data / "s.zarr").rename(data / f"spikesorted_{NAME}")
    with pytest.raises(InputError, match="pickled objects"):
        load(data)


def test_pickled_spikes_are_never_decoded(data, tmp_path):
    save(data)
    trap = tmp_path / "trap"
    np.save(data / f"spikesorted_{NAME}" / "spikes.npy", np.array([Evil(trap)], dtype=object), allow_pickle=True)
    with pytest.raises(InputError):
        load(data)
    assert not trap.exists()


def test_an_old_pickled_folder_is_not_opened(data, tmp_path):
    save(data)
    trap = tmp_path / "trap"
    folder = data / f"preprocessed_{NAME}"
    for file in ("si_folder.json", "binary.json"):
        (folder / file).unlink()
    (folder / "cached.pkl").write_bytes(pickle.dumps(Evil(trap)))
    with pytest.raises(InputError, match="not a folder that SpikeInterface saved"):
        load(data, allow_pickle=False)
    assert not trap.exists()


# What the result refers to, in the words of whoever wrote it


def change_lazy(data, change):
    lazy = data / f"preprocessed_{NAME}.json"
    description = json.loads(lazy.read_text())
    change(description)
    lazy.write_text(json.dumps(description))
    return description


@pytest.mark.parametrize(
    "change",
    [
        lambda description: description["kwargs"].update(an_argument_of_next_year=5),
        lambda description: description["kwargs"].update(reference="an_unknown_one"),
        lambda description: description["properties"].update(gain_to_uV=[1.0]),
        lambda description: description.pop("properties"),
        lambda description: description["kwargs"].pop("recording"),
    ],
    ids=["unknown argument", "refused argument", "property of another length", "no properties", "missing argument"],
)
def test_a_chain_that_cannot_be_built_gives_way_to_the_saved_folder(staged, change):
    change_lazy(staged, change)
    loaded = load(staged)
    assert_storable(loaded)
    assert type(loaded.recording_to_store).__name__ == "BinaryFolderRecording"
    assert loaded.words_to_store is None
    told = [note for note in loaded.notes if "refers to the preprocessed traces, not to the raw data" in note]
    assert len(told) == 1
    assert "cannot build it" in told[0]


def test_a_chain_that_lost_its_probe_gives_way_to_the_saved_folder(staged):
    raw = staged / "ecephys_session" / "raw"
    (raw / "probegroup.json").unlink()

    def forget(description):
        description.pop("probegroup")
        description["kwargs"]["recording"].pop("probegroup")

    change_lazy(staged, forget)
    loaded = load(staged)
    assert type(loaded.recording_to_store).__name__ == "BinaryFolderRecording"
    assert any("has lost its channel locations" in note for note in loaded.notes)


def test_an_unbuildable_chain_is_an_error_where_it_is_all_there_is(staged):
    shutil.rmtree(staged / f"preprocessed_{NAME}")
    (staged / f"binary_{NAME}.json").unlink()
    change_lazy(staged, lambda description: description["kwargs"].update(an_argument_of_next_year=5))
    with pytest.raises(InputError, match="an_argument_of_next_year"):
        load(staged)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"text"', "null"])
def test_a_lazy_file_that_is_no_description_stays_an_error(staged, content):
    (staged / f"preprocessed_{NAME}.json").write_text(content)
    with pytest.raises(InputError, match=f"preprocessed_{NAME}.json"):
        load(staged)


def test_the_chain_is_kept_in_its_own_words(staged):

    def of_another_version(description):
        description |= {"version": "0.103.2", "a key of its own": {"x": 1}}
        del description["kwargs"]["operator"]  # the version that runs here would write it again

    given = change_lazy(staged, of_another_version)
    words = load(staged).words_to_store
    assert words["kwargs"]["recording"]["kwargs"].pop("folder_path") == str(staged / "ecephys_session" / "raw")
    given["kwargs"]["recording"]["kwargs"].pop("folder_path")
    assert {**words, "relative_paths": True} == {**given, "relative_paths": True}


def test_a_job_that_skips_times_does_not_bring_the_clock_back_with_the_words(staged):
    (staged / "job_0.json").write_text(json.dumps({"recording_name": NAME, "skip_times": True}))
    assert load(staged).words_to_store is None


# Main channels that the sorter chose


@pytest.mark.parametrize(
    ("ids", "expected", "note"),
    [
        (["AP3", "AP0", "AP3"], [3, 0, 3], "the sorter's own"),
        (["AP3", "AP9", "AP3"], None, "estimated from the traces: .* for 1 of 3 units (such as AP9)"),
        ([3, 0, 3], None, "estimated .* 3 of 3 units"),
        ([["AP3"], ["AP0"], ["AP3"]], None, "estimated .* 3 of 3 units"),
    ],
)
def test_main_channels_of_the_sorter(data, ids, expected, note):
    sorting = make_sorting()
    sorting.set_property("main_channel_id", np.array(ids))
    save(data, sorting=sorting)
    loaded = load(data)
    found = loaded.main_channel_indices
    assert (found if found is None else found.tolist()) == expected
    assert any(re.search(note.replace("(", r"\(").replace(")", r"\)"), text) for text in loaded.notes)


def test_without_the_property_nothing_is_said_of_main_channels(data):
    save(data)
    loaded = load(data)
    assert loaded.main_channel_indices is None
    assert not any("main_channel" in note for note in loaded.notes)


# Raw files with one channel after the other


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint16"])
def test_a_raw_file_of_one_channel_after_the_other_is_read_as_it_lies(data, dtype):
    recording = make_recording((3000, 2000), dtype=dtype)
    save(data, recording, make_sorting(num_segments=2))
    folder = data / f"preprocessed_{NAME}"
    for segment_index in range(2):
        traces = recording.get_traces(segment_index=segment_index)
        (folder / f"traces_cached_seg{segment_index}.raw").write_bytes(b"head" + traces.T.tobytes())
    description = json.loads((folder / "binary.json").read_text())
    description["kwargs"] |= {"time_axis": 1, "file_offset": 4}
    (folder / "binary.json").write_text(json.dumps(description))
    loaded = load(data)
    source = trace_source(loaded.recording_to_read, return_in_uV=False)
    for segment_index, (start, stop) in [(0, (0, 3000)), (0, (1234, 1300)), (1, (1999, 2000)), (1, (7, 8))]:
        expected = recording.get_traces(segment_index=segment_index, start_frame=start, end_frame=stop)
        np.testing.assert_array_equal(source.read(segment_index, start, stop), expected)
    assert any("one channel after the other" in note for note in loaded.notes)


def test_such_a_file_below_a_chain_is_read_as_it_lies(staged):
    from spikeinterface.preprocessing import common_reference

    raw = staged / "ecephys_session" / "raw"
    traces = make_recording().get_traces()
    (raw / "traces_cached_seg0.raw").write_bytes(traces.T.tobytes())
    description = json.loads((raw / "binary.json").read_text())
    description["kwargs"]["time_axis"] = 1
    (raw / "binary.json").write_text(json.dumps(description))
    shutil.rmtree(staged / f"preprocessed_{NAME}")
    (staged / f"binary_{NAME}.json").unlink()
    expected = common_reference(make_recording()).get_traces(start_frame=500, end_frame=700)
    found = load(staged).recording_to_read.get_traces(start_frame=500, end_frame=700)
    np.testing.assert_array_equal(found, expected)
