"""Properties of channels and units: text saved as Python objects is read, nothing is run, nothing costs a recording."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spikeinterface.core as si
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inputs.small_data import NAME, load, make_sorting, save

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.plain_pickles import NotPlainError, read_plain_objects
from ephys_postprocess.inputs.property_files import UnreadablePropertyError, read_property_file

pytestmark = pytest.mark.filterwarnings("ignore:The extractor is not serializable")
NUMPY_SCALARS = [np.float32(2.5), np.int64(3), np.bool_(True), np.str_("ü🧠")]


class Trap:
    """Leaves a file behind when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


class TrapInState(Trap):
    """The same, from the state of an object rather than from its making."""

    def __reduce__(self):
        return (dict, (), None, None, iter([(Trap(self.path), 1)]))


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def trap(tmp_path):
    return tmp_path / "trap"


def saved(tmp_path, values, dtype=object):
    file = tmp_path / "p.npy"
    np.save(file, np.array(values, dtype=dtype), allow_pickle=True)
    return file


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["good", "mua"], np.array(["good", "mua"])),
        (["good", None, np.nan, "ü🧠"], np.array(["good", "", "", "ü🧠"])),
        ([None, None], np.array(["", ""])),
        ([1, 2], np.array([1, 2])),
        ([1, None, 2.5], np.array([1, np.nan, 2.5])),
        ([2**70, 1], np.array([2.0**70, 1.0])),
        ([True, False], np.array([True, False])),
        ([True, None], np.array(["True", ""])),
        (["a", 1, 2.5], np.array(["a", "1", "2.5"])),
        ([["a", "b"], ["c", None]], np.array([["a", "b"], ["c", ""]])),
        (NUMPY_SCALARS, np.array(["2.5", "3", "True", "ü🧠"])),
        ([1, pd.NA, 3], np.array([1, np.nan, 3])),  # nullable columns of pandas
        ([pd.NA, "mua"], np.array(["", "mua"])),
        ([], np.array([], dtype=str)),
    ],
)
def test_plain_objects_become_texts_numbers_or_booleans(tmp_path, values, expected):
    found = read_plain_objects(saved(tmp_path, values))
    assert found.dtype.kind == expected.dtype.kind
    np.testing.assert_array_equal(found, expected)


def test_columns_in_memory_order_of_fortran_are_not_turned(tmp_path):
    file = tmp_path / "p.npy"
    np.save(file, np.asfortranarray(np.array([["a", "b", "c"], ["d", "e", "f"]], dtype=object)), allow_pickle=True)
    assert read_plain_objects(file).tolist() == [["a", "b", "c"], ["d", "e", "f"]]


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(object, hnp.array_shapes(max_dims=2, max_side=4), elements=st.text(max_size=5)))
def test_any_texts_come_back(tmp_path_factory, values):
    # numpy cuts trailing NUL characters off texts
    file = saved(tmp_path_factory.mktemp("p"), values)
    assert read_plain_objects(file).tolist() == np.array(values, dtype=str).tolist()


def test_texts_saved_by_an_older_numpy_are_read(tmp_path):
    """numpy 1 names its modules `numpy.core`, numpy 2 `numpy._core`."""
    file = saved(tmp_path, ["good", "mua"])
    file.write_bytes(file.read_bytes().replace(b"\x16numpy._core.multiarray", b"\x15numpy.core.multiarray"))
    assert b"numpy.core.multiarray" in file.read_bytes()
    file.write_bytes(_with_frame_length(file.read_bytes(), -1))
    assert read_plain_objects(file).tolist() == ["good", "mua"]


def _with_frame_length(content: bytes, change: int) -> bytes:
    at = content.index(b"\x80\x04\x95") + 3
    length = int.from_bytes(content[at : at + 8], "little") + change
    return content[:at] + length.to_bytes(8, "little") + content[at + 8 :]


@pytest.mark.parametrize(
    "value", [{"a": 1}, [1], (1,), b"bytes", 1j, {1}, Path("x"), np.zeros(2), np.datetime64("now")]
)
def test_other_objects_are_named_and_not_made(tmp_path, value):
    values = np.empty(2, dtype=object)
    values[0], values[1] = value, "text"
    file = tmp_path / "p.npy"
    np.save(file, values, allow_pickle=True)
    with pytest.raises(NotPlainError, match="it holds"):
        read_plain_objects(file)
    with pytest.raises(UnreadablePropertyError, match="--allow-pickle"):
        read_property_file(file, allow_pickle=False)


@pytest.mark.parametrize("kind", [Trap, TrapInState])
def test_no_code_runs(tmp_path, trap, kind):
    file = saved(tmp_path, [kind(trap), "a"])
    with pytest.raises(NotPlainError):
        read_plain_objects(file)
    file.write_bytes(file.read_bytes()[: file.read_bytes().index(b"\x80\x04")] + pickle.dumps(kind(trap)))
    with pytest.raises(NotPlainError):
        read_plain_objects(file)
    assert not trap.exists()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400))
def test_no_bytes_make_anything_but_an_array_or_a_refusal(tmp_path_factory, content, position):
    """Bytes of a true file replaced at random: every outcome is one of the two."""
    file = saved(tmp_path_factory.mktemp("p"), ["good", None, 2.5])
    true = file.read_bytes()
    file.write_bytes(true[:position] + content + true[position + len(content) :])
    try:
        found = read_property_file(file, allow_pickle=False)
    except UnreadablePropertyError:
        return
    assert found.dtype.kind in "biufcUSVmM"


def write(folder, name, values):
    np.save(folder / "properties" / f"{name}.npy", np.asarray(values), allow_pickle=True)


def test_kilosort_labels_saved_with_pandas_3_reach_the_sorting(data):
    save(data)
    write(data / f"spikesorted_{NAME}", "KSLabel", np.array(["good", "mua", "good"], dtype=object))
    loaded = load(data)
    labels = loaded.sorting.get_property("KSLabel")
    assert labels.tolist() == ["good", "mua", "good"]
    assert labels.dtype.kind == "U"
    assert not any("left out" in note for note in loaded.notes)


CORRUPT = {
    "random bytes": b"\x00\x01\x02",
    "empty": b"",
    "cut in the header": b"\x93NUMPY\x01\x00",
    "a pickle without header": pickle.dumps([1, 2]),
    "a zip": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("folder", ["preprocessed", "spikesorted"])
@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_property_is_left_out_and_told_once(data, folder, content):
    save(data)
    (data / f"{folder}_{NAME}" / "properties" / "extra.npy").write_bytes(content)
    loaded = load(data)
    (note,) = [note for note in loaded.notes if f"{folder}_{NAME}/properties/extra.npy was left out" in note]
    assert "--allow-pickle" not in note
    for one in (loaded.recording_to_read, loaded.sorting):
        assert "extra" not in one.get_property_keys()
    # The result holds the sorting itself, and only a link to the recording, which is of no use to SpikeInterface.
    assert ("SpikeInterface opens no recording with it" in note) == (folder == "preprocessed")


@pytest.mark.parametrize("values", [[1, 2], b"\x00\x05\x16\x07"], ids=["of another length", "a companion file"])
def test_what_spikeinterface_does_not_open_is_told(data, values):
    save(data)
    if isinstance(values, bytes):
        (data / f"preprocessed_{NAME}" / "properties" / "._group.npy").write_bytes(values)
    else:
        write(data / f"preprocessed_{NAME}", "extra", values)
    assert any("SpikeInterface opens no recording with it" in note for note in load(data).notes)
    with pytest.raises(Exception, match=r"size|pickle"):
        si.load(data / f"preprocessed_{NAME}")


@pytest.mark.parametrize("values", [["good"], "good", [["good"] * 3]])
def test_a_property_of_another_length_is_left_out(data, values):
    save(data)
    write(data / f"spikesorted_{NAME}", "KSLabel", values)
    loaded = load(data)
    assert "KSLabel" not in loaded.sorting.get_property_keys()
    assert any("KSLabel.npy was left out: it has 1 entries for 3" in note for note in loaded.notes)


def test_objects_are_left_out_unless_the_user_trusts_them(data, trap):
    save(data)
    write(data / f"spikesorted_{NAME}", "extra", np.array([Trap(trap), "a", "b"], dtype=object))
    loaded = load(data)
    assert "extra" not in loaded.sorting.get_property_keys()
    assert any("extra.npy was left out" in note and "--allow-pickle" in note for note in loaded.notes)
    assert not trap.exists()
    load(data, allow_pickle=True)
    assert trap.exists()


def test_a_folder_inside_a_chain_is_read_as_carefully(data, trap):
    from spikeinterface.preprocessing import scale

    raw = save(data, sorting=False)
    write(data / f"preprocessed_{NAME}", "extra", np.array([Trap(trap)] * 4, dtype=object))
    make_sorting().save(folder=data / f"spikesorted_{NAME}")
    scale(raw, gain=1.0, dtype="int16").dump_to_json(data / f"preprocessed_{NAME}.json", relative_to=data)
    loaded = load(data)
    assert sum("extra.npy was left out" in note for note in loaded.notes) == 1
    assert not trap.exists()


def test_a_gain_that_its_folder_says_twice_is_taken_from_the_other_place(data):
    save(data)
    write(data / f"preprocessed_{NAME}", "gain_to_uV", [1.0])
    loaded = load(data)
    assert loaded.recording_to_read.get_channel_gains().tolist() == [2.0] * 4
    assert any("gain_to_uV.npy was left out" in note for note in loaded.notes)


def test_a_gain_that_is_lost_is_no_matter_of_a_note(data):
    save(data)
    folder = data / f"preprocessed_{NAME}"
    description = json.loads((folder / "binary.json").read_text())
    description["kwargs"] |= {"gain_to_uV": None, "offset_to_uV": None}
    (folder / "binary.json").write_text(json.dumps(description))
    (folder / "properties" / "gain_to_uV.npy").write_bytes(b"\x00")
    with pytest.raises(InputError, match=r"gain_to_uV\.npy.*Amplitudes depend on it"):
        load(data)


def test_properties_of_a_zarr_sorting(data):
    import numcodecs
    import zarr

    save(data, sorting=False)
    make_sorting().save(format="zarr", folder=data / f"spikesorted_{NAME}.zarr")
    properties = zarr.open(str(data / f"spikesorted_{NAME}.zarr"), mode="r+")["properties"]
    properties.create_dataset("pickled", data=np.array(["a"] * 3, dtype=object), object_codec=numcodecs.Pickle())
    properties.create_dataset("short", data=np.arange(2))
    properties.create_dataset("broken", data=np.arange(3))
    (data / f"spikesorted_{NAME}.zarr" / "properties" / "broken" / "0").write_bytes(b"no chunk")
    loaded = load(data)
    assert loaded.sorting.get_property("KSLabel").tolist() == ["good"] * 3
    assert set(loaded.sorting.get_property_keys()) == {"KSLabel"}
    for name in ("pickled", "short", "broken"):
        assert any(f"property {name} of a zarr store was left out" in note for note in loaded.notes)


def test_spikeinterface_reads_as_ever_afterwards(data):
    """What stands in for its readers of properties is there only while inputs are opened."""
    from spikeinterface.core import binaryfolder, core_tools, sortingfolder, zarrextractors

    save(data)
    load(data)
    for module in (binaryfolder, sortingfolder):
        assert module.load_properties_from_folder is core_tools.load_properties_from_folder
    assert "set_property" not in vars(zarrextractors.ZarrSortingExtractor)
