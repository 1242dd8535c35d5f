"""What descriptions may name: classes of the allow-list, files in the given folders; anything else is not opened."""

import json
import os

import numpy as np
import pytest
import spikeinterface.core as si
from faults.broken_inputs import NAME, make_good, make_sorting, preprocessed, save_sorting, spikesorted, write_lazy

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.allowed_classes import ALLOWED_CLASSES, check_class
from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.descriptions import descriptions_in
from ephys_postprocess.inputs.hdf5_files import check_hdf5
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.refusals import ClassNotAllowedError, NotAttachedError

PHY = "spikeinterface.extractors.phykilosortextractors.PhySortingExtractor"
FOLDER_CLASS = "spikeinterface.core.binaryfolder.BinaryFolderRecording"
# Classes of SpikeInterface that are not opened by themselves. A new one must be judged, and added here or to the table.
REFUSED = {
    *("AgreementSortingExtractor", "BasePhyKilosortSortingExtractor", "KiloSortSortingExtractor"),  # phy: params.py
    *("PhySortingExtractor", "KlustaSortingExtractor"),  # run code of the folder
    *("SinapsResearchPlatformH5RecordingExtractor", "SinapsResearchPlatformRecordingExtractor"),  # evaluate text
    *("MaxwellRecordingExtractor", "Plexon2RecordingExtractor", "Plexon2SortingExtractor"),  # download libraries
    *("IblRecordingExtractor", "IblSortingExtractor"),  # read over the network
    *("SharedMemoryRecording", "SharedMemorySorting"),  # remove what other programs share
    "DeepInterpolatedRecording",  # loads a model, which can hold code
    *("SHYBRIDRecordingExtractor", "SHYBRIDSortingExtractor"),  # through packages that are rarely there
    *("CedRecordingExtractor", "MEArecRecordingExtractor", "MEArecSortingExtractor", "NixRecordingExtractor"),
    *("ALFSortingExtractor", "CellExplorerSortingExtractor", "CombinatoSortingExtractor", "HDSortSortingExtractor"),
    *("HerdingspikesSortingExtractor", "MClustSortingExtractor", "SpykingCircusSortingExtractor"),  # sorters' own forms
    *("TridesclousSortingExtractor", "WaveClusSortingExtractor", "XClustSortingExtractor", "YassSortingExtractor"),
    *("InjectTemplatesRecording", "MockRecording", "SortingGenerator", "TransformSorting"),  # make data up
    *("InjectDriftingTemplatesRecording", "NoiseGeneratorRecording"),
    *("OldToNewRecording", "OldToNewSorting"),  # wrap objects of a library that is gone
    *("BasePreprocessor", "NeoBaseRecordingExtractor", "NeoBaseSortingExtractor"),  # read nothing themselves
}


@pytest.fixture
def data(tmp_path):
    make_good(tmp_path / "data")
    return tmp_path / "data"


def load(data, **options):
    return load_recording_and_sorting(find_recordings(data).recordings[0], **options)


def described(name, kwargs=None, **more):
    common = {"module": "x", "version": "1", "annotations": {}, "properties": {}}
    return {"class": name, "kwargs": {} if kwargs is None else kwargs, **common, **more}


def write_binary_dump(data, **parts):
    write_lazy(data, parts.pop("kwargs", None), prefix="binary", **parts)


# ---- classes ---------------------------------------------------------------------------------------------------------


def test_every_class_of_spikeinterface_is_judged():
    import spikeinterface.full
    import spikeinterface.sortingcomponents.motion.motion_interpolation  # noqa: F401 - which `full` leaves out

    def below(cls):
        for one in cls.__subclasses__():
            yield one
            yield from below(one)

    ours = (*below(si.BaseRecording), *below(si.BaseSorting))
    of_spikeinterface = [one for one in ours if one.__module__.startswith("spikeinterface.")]
    names = {f"{one.__module__}.{one.__qualname__}" for one in of_spikeinterface}
    assert {name.rpartition(".")[2] for name in names - ALLOWED_CLASSES} == REFUSED
    assert ALLOWED_CLASSES - names == set()


@pytest.mark.parametrize("name", sorted(ALLOWED_CLASSES)[::7])
def test_a_class_of_the_table_is_good(name):
    check_class(name, "here")


@pytest.mark.parametrize(
    "name", [3, None, ["a.B"], {"class": "a.B"}, "", "B", "a..B", "a.B\0", "a.B()", "spikeinterface.\ud800.B", "a.b c"]
)
def test_what_is_no_name_of_a_class(name):
    with pytest.raises(InputError, match=r"no name of a class|not among those"):
        check_class(name, "here")


@pytest.mark.parametrize("name", ["subprocess.Popen", "spikeinterface.core.core_tools.check_json", "os.system"])
def test_asked_for_or_not_it_must_be_a_recording_or_a_sorting(name):
    with pytest.raises(ClassNotAllowedError, match=f"give --allow-class {name} if you mean it"):
        check_class(name, "here")
    with pytest.raises(InputError, match="neither a recording nor a sorting"):
        check_class(name, "here", (name,))


def test_a_class_is_asked_for_by_its_full_name_or_by_that_of_spikeinterface():
    check_class(PHY, "here", (PHY,))
    check_class(PHY, "here", ("PhySortingExtractor",))
    with pytest.raises(ClassNotAllowedError):
        check_class("elsewhere.PhySortingExtractor", "here", ("PhySortingExtractor",))


def test_a_class_that_moved_is_good_where_it_leads_to_the_table():
    check_class("spikeinterface.preprocessing.preprocessing_classes.CommonReferenceRecording", "here")
    with pytest.raises(NotAttachedError, match="lacks"):
        check_class("spikeinterface.nowhere.CommonReferenceRecording", "here")


def test_another_name_for_a_refused_class_does_not_help(monkeypatch):
    import spikeinterface.core.core_tools as module
    from spikeinterface.core.numpyextractors import SharedMemoryRecording

    monkeypatch.setattr(module, "NumpyRecording", SharedMemoryRecording, raising=False)
    with pytest.raises(ClassNotAllowedError):
        check_class("spikeinterface.core.core_tools.NumpyRecording", "here")


def places_to_hide(evil):
    """Every kind of place in a description where another could stand."""
    good = {"folder_path": f"preprocessed_{NAME}"}
    argument = described(FOLDER_CLASS, good, annotations=evil)
    return {
        "beside an empty kwargs": {"kwargs": {**good, "extra": {"kwargs": {}, "x": evil}}},
        "beside a description's kwargs": {"kwargs": good, "more": evil},
        "in a list of lists": {"kwargs": {**good, "extra": [[{"a": [evil]}]]}},
        "in a dictionary of dictionaries": {"kwargs": {**good, "extra": {"a": {"b": {"c": evil}}}}},
        "in annotations": {"annotations": {"a": [evil]}},
        "in properties": {"properties": {"a": {"b": evil}}},
        "in a class": {"class": evil},
        "in the annotations of an argument": {"kwargs": {**good, "extra": argument}},
        "with nothing but class": {"kwargs": {**good, "extra": {"class": evil["class"]}}},
        "with class of another shape": {"kwargs": {**good, "extra": {"class": [evil["class"]], "kwargs": {}}}},
        "in an unknown part": {"something": evil},
        "under the name of its own class": {"kwargs": {**good, "class": evil["class"]}},
    }


@pytest.mark.parametrize("place", places_to_hide(described("a.B")))
@pytest.mark.parametrize("prefix", ["binary", "preprocessed"])
def test_a_description_hidden_anywhere_is_found(data, tmp_path, place, prefix):
    trap = tmp_path / "trap"
    evil = described("subprocess.Popen", {"args": ["touch", str(trap)]})
    write_lazy(data, prefix=prefix, **places_to_hide(evil)[place])
    try:
        notes = load(data).notes
    except InputError as error:
        notes = (str(error),)
    assert any("subprocess.Popen" in note or "no name of a class" in note for note in notes), notes
    assert not trap.exists()


def test_annotations_may_speak_of_classes():
    assert list(descriptions_in(described(FOLDER_CLASS, annotations={"cell": {"class": "pyramidal"}})))[1:] == []


def write_phy_folder(data, trap):
    folder = spikesorted(data)
    spikes = make_sorting().to_spike_vector()
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    np.save(folder / "spike_times.npy", spikes["sample_index"])
    np.save(folder / "spike_clusters.npy", spikes["unit_index"])
    (folder / "params.py").write_text(f"sample_rate = 10000.0\nopen({str(trap)!r}, 'w').write('ran')\n")
    (folder / "si_folder.json").write_text(json.dumps(described(PHY, {"folder_path": "."}, relative_paths=True)))


def test_code_of_the_folder_runs_only_for_who_asks(data, tmp_path):
    trap = tmp_path / "trap"
    write_phy_folder(data, trap)
    with pytest.raises(InputError, match=f"give --allow-class {PHY}"):
        load(data)
    assert not trap.exists()
    assert load(data, allow_classes=(PHY,)).sorting.get_num_units() == 3
    assert trap.exists()


def test_only_the_command_line_can_ask(tmp_path):
    from ephys_postprocess.cli.arguments import parse_arguments

    assert parse_arguments(["--allow-class", "a.B", "--allow-class", "c.D"]).execution.allow_classes == ("a.B", "c.D")
    file = tmp_path / "params.json"
    file.write_text(json.dumps({"allow_class": ["a.B"], "allow_classes": ["a.B"]}))
    with pytest.raises(Exception, match="allow_class"):
        parse_arguments(["--params-file", str(file)])


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(data):
    """A complete recording and a sorting beside the data folder."""
    folder = data.parent / "outside"
    make_good(folder)
    si.NpzSortingExtractor.write_sorting(make_sorting(), folder / "sorting.npz")
    return folder


def test_npz_json_names_a_file_of_its_folder_alone(data, outside):
    for path in spikesorted(data).rglob("*.*"):
        path.unlink()
    name = "spikeinterface.core.npzsortingextractor.NpzSortingExtractor"
    where = os.path.relpath(outside / "sorting.npz", spikesorted(data))
    for path in (where, str(outside / "sorting.npz")):
        content = described(name, {"file_path": path}, relative_paths=True)
        (spikesorted(data) / "npz.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="outside"):
            load(data)


def test_arguments_of_any_name_stay_inside(data, outside):
    from spikeinterface.extractors.mdaextractors import MdaRecordingExtractor

    recording = si.load(preprocessed(data))
    for folder in (outside / "mda", data / "m"):
        MdaRecordingExtractor.write_recording(recording, folder, n_jobs=1, progress_bar=False)
    name = "spikeinterface.extractors.mdaextractors.MdaRecordingExtractor"
    write_binary_dump(data, **{"class": name, "kwargs": {"folder_path": "m"}})
    assert load(data).recording_to_read.get_num_channels() == 4
    for argument, file in (("raw_fname", "raw.mda"), ("params_fname", "params.json"), ("geom_fname", "geom.csv")):
        for path in (str(outside / "mda" / file), f"../../outside/mda/{file}"):
            write_binary_dump(data, **{"class": name, "kwargs": {"folder_path": "m", argument: path}})
            with pytest.raises(InputError, match="outside"):
                load(data)


def test_a_link_does_not_help_to_climb_out(data, outside):
    """The user's link is fine; going up from where it leads is not."""
    (data / "link").symlink_to(outside / f"preprocessed_{NAME}")
    write_binary_dump(data, kwargs={"folder_path": "link"})
    assert load(data).recording_to_read.get_num_channels() == 4
    name = "spikeinterface.extractors.mdaextractors.MdaRecordingExtractor"
    write_binary_dump(data, **{"class": name, "kwargs": {"folder_path": "link", "raw_fname": "../sorting.npz"}})
    with pytest.raises(InputError, match="outside"):
        load(data)


@pytest.mark.parametrize("argument", ["storage_options", "stream_mode", "stream_cache_path"])
def test_nothing_is_read_over_the_network(data, argument):
    name = "spikeinterface.core.zarrextractors.ZarrRecordingExtractor"
    write_binary_dump(data, **{"class": name, "kwargs": {"folder_path": f"preprocessed_{NAME}", argument: "x"}})
    with pytest.raises(InputError, match="over the network"):
        load(data)


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "\ud800", "", ".", "/", "~root", "//", "a/" * 3000])
def test_odd_paths_are_told(data, path):
    write_binary_dump(data, kwargs={"folder_path": path})
    with pytest.raises(InputError):
        load(data)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_a_file_named_by_a_description_is_looked_through(data, suffix):
    file = data / f"spikes{suffix}"
    if suffix == ".npz":
        np.savez(file, unit_ids=np.arange(3))
        file.write_bytes(file.read_bytes().replace(b"(3,), ", b"(3e9)", 1))
    else:
        file.write_bytes(b"\x93NUMPY\x01\x00\xff")
    name = "spikeinterface.core.npzsortingextractor.NpzSortingExtractor"
    (spikesorted(data) / "si_folder.json").write_text(json.dumps(described(name, {"file_path": "s" + suffix})))
    file.rename(spikesorted(data) / ("s" + suffix))
    with pytest.raises(InputError, match="cannot be"):
        load(data)


def test_npz_that_unpacks_to_more_than_memory_holds(data, monkeypatch):
    import ephys_postprocess.inputs.npy_files as module

    monkeypatch.setattr(module, "available_memory_bytes", lambda: 10**6)
    save_sorting(data, make_sorting())
    for path in spikesorted(data).rglob("*.*"):
        path.unlink()
    np.savez_compressed(spikesorted(data) / "sorting.npz", unit_ids=np.zeros(10**6))
    with pytest.raises(InputError, match=r"unpacks to 8\.0 MB, and 1\.0 MB of memory are free"):
        load(data)


def test_hdf5_files_hold_what_they_show(tmp_path):
    h5py = pytest.importorskip("h5py", reason="without it, nothing here opens an HDF5 file")
    for name, spoil in {
        "link": lambda file: file.__setitem__("a/b", h5py.ExternalLink("/etc/other.h5", "/x")),
        "external": lambda file: file.create_dataset("a/b", (4,), "i1", external=[("/etc/hostname", 0, 4)]),
        "virtual": lambda file: file.create_virtual_dataset("a/b", virtual_layout(h5py)),
    }.items():
        path = tmp_path / f"{name}.nwb"
        with h5py.File(path, "w") as file:
            file["good/traces"] = np.zeros(5)
            file["good/again"] = h5py.SoftLink("/good")
            file["good/circle"] = file["/"]
        check_hdf5(path)
        with h5py.File(path, "a") as file:
            spoil(file)
        with pytest.raises(InputError, match="/a/b lies in another file"):
            check_hdf5(path)


def virtual_layout(h5py):
    layout = h5py.VirtualLayout((4,), "i1")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    return layout


def test_other_files_are_no_hdf5(data):
    check_hdf5(preprocessed(data) / "traces_cached_seg0.raw")
