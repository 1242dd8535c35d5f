"""Zarr stores that would run code, fill memory or read as zeros: refused by what their metadata says."""

import bz2
import json
import lzma
import shutil
import struct
import zlib

import numcodecs
import numpy as np
import pytest
import spikeinterface.core as si
import zarr
from faults.broken_inputs import make_good, make_recording, make_sorting, preprocessed, spikesorted

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs import bounded_codecs, zarr_metadata
from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.loading import load_recording_and_sorting
from ephys_postprocess.inputs.zarr_metadata import check_zarr


@pytest.fixture
def data(tmp_path):
    """data/ whose recording and sorting are zarr stores, the spikes in three chunks."""
    data = tmp_path / "data"
    make_good(data)
    for folder, saved in ((preprocessed(data), make_recording()), (spikesorted(data), make_sorting())):
        shutil.rmtree(folder)
        options = {"chunk_size": 4000, "n_jobs": 1, "verbose": False} if isinstance(saved, si.BaseRecording) else {}
        saved.save(format="zarr", folder=data / "made.zarr", **options)
        zarr.consolidate_metadata(str(data / "made.zarr"))
        (data / "made.zarr").rename(folder)
    group = zarr.open(str(spikesorted(data)), mode="a")["spikes"]
    for name in ("sample_index", "unit_index"):
        values = group[name][:]
        del group[name]
        group.create_dataset(name, data=values, chunks=100)
    zarr.consolidate_metadata(str(spikesorted(data)))
    return data


def load(data):
    return load_recording_and_sorting(find_recordings(data).recordings[0])


def change(folder, array, where=("own", "consolidated"), **parts):
    """Change an array's metadata in its own file, in the consolidated one, or in both."""
    if "own" in where:
        own = folder / array / ".zarray"
        own.write_text(json.dumps(json.loads(own.read_text()) | parts))
    if "consolidated" in where:
        consolidated = json.loads((folder / ".zmetadata").read_text())
        consolidated["metadata"][f"{array}/.zarray"] |= parts
        (folder / ".zmetadata").write_text(json.dumps(consolidated))


def test_the_good_stores_are_opened(data):
    loaded = load(data)
    assert loaded.recording_to_read.get_num_samples() == 12_000
    assert len(loaded.sorting.to_spike_vector()) == 300
    np.testing.assert_array_equal(loaded.recording_to_read.get_traces(), make_recording().get_traces())


@pytest.mark.parametrize("folder_of", [preprocessed, spikesorted])
def test_any_chunk_that_is_missing_is_told(data, folder_of, tmp_path):
    chunks = [path for path in folder_of(data).rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len(chunks) >= 7
    for chunk in chunks:
        chunk.rename(tmp_path / "away")
        if chunk.parent.parent.name == "properties" and not chunk.parent.name.endswith("_to_uV"):
            assert any("incomplete: 0 chunks found" in note for note in load(data).notes)
        else:
            with pytest.raises(InputError, match=r"incomplete: .* chunks found"):
                load(data)
        (tmp_path / "away").rename(chunk)
    load(data)


def test_a_file_that_is_no_chunk_does_not_stand_for_one(data):
    chunk = spikesorted(data) / "spikes" / "sample_index" / "1"
    for name in ("7", "1x", "0.1", ".1"):
        shutil.copy(chunk, chunk.with_name(name))
    load(data)
    chunk.unlink()
    with pytest.raises(InputError, match="incomplete: 2 chunks found, expected 3"):
        load(data)


@pytest.mark.parametrize("where", ["own", "consolidated"])
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"filters": [{"id": "pickle", "protocol": 5}]}, "pickled objects"),
        ({"compressor": {"id": "pickle"}}, "pickled objects"),
        ({"compressor": {"id": "secret"}}, "'secret' is not among those"),
        ({"compressor": {"id": ["blosc"]}}, "codec without an id"),
        ({"compressor": [1]}, "codec without an id"),
        ({"filters": {"id": "delta"}}, "no list"),
        ({"filters": [{"id": "astype", "encode_dtype": "<i8", "decode_dtype": "<U99999999"}]}, "no number"),
        ({"filters": [{"id": "delta", "dtype": "O"}]}, "no number"),
        ({"filters": [{"id": "categorize", "labels": [], "dtype": "<U99999999", "astype": "u1"}]}, "no number"),
        ({"shape": [10**12], "chunks": [10**12]}, r"chunks of .* take 8000\.0 GB each"),
        ({"shape": [10**12], "chunks": [10**7]}, "more than can be read"),
        ({"shape": [10**40], "chunks": [1]}, "more than can be read"),
        ({"shape": [-1]}, "no list of whole numbers"),
        ({"shape": ["300"]}, "no list of whole numbers"),
        ({"shape": 300}, "no list of whole numbers"),
        ({"chunks": [0]}, "no list of whole numbers"),
        ({"chunks": [1.5]}, "no list of whole numbers"),
        ({"chunks": [100, 1]}, "differ in length"),
        ({"dtype": "<U999999999"}, "take .* each|cannot be read"),
        ({"dtype": "(999999,999)i8"}, "take .* each|cannot be read"),
        ({"dtype": "nonsense"}, "dtype cannot be read"),
        ({"dtype": [["a"]]}, "dtype cannot be read"),
        ({"dtype": "|O"}, "Python objects without a codec"),
        ({"dtype": [["a", "|O"]]}, "Python objects without a codec"),
    ],
)
def test_metadata_is_judged_wherever_it_stands(data, where, parts, message):
    change(spikesorted(data), "spikes/sample_index", (where,), **parts)
    with pytest.raises(InputError, match=message):
        load(data)


def test_text_that_hides_pickle_is_parsed(data):
    own = spikesorted(data) / "spikes" / "sample_index" / ".zarray"
    text = own.read_text().replace('"filters": null', '"filters": [{"\\u0069d": "\\u0070ickle"}]')
    assert '"id": "pickle"' not in text
    own.write_text(text)
    with pytest.raises(InputError, match="pickled objects"):
        load(data)


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"", b"[]", b"{", b'{"metadata": 3}', b"[" * 10**5])
def test_consolidated_metadata_of_no_use(data, content):
    (preprocessed(data) / ".zmetadata").write_bytes(content)
    with pytest.raises(InputError, match=r"\.zmetadata"):
        load(data)


@pytest.mark.parametrize("key", ["../x/.zarray", "/x/.zarray", "a/../../x/.zarray"])
def test_names_that_lead_out_of_the_store(data, key):
    path = preprocessed(data) / ".zmetadata"
    content = json.loads(path.read_text())
    content["metadata"][key] = content["metadata"]["traces_seg0/.zarray"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="impossible entry"):
        load(data)


def test_more_segments_than_anyone_has(data):
    for name in (".zattrs", ".zmetadata"):
        path = spikesorted(data) / name
        path.write_text(path.read_text().replace('"num_segments": 1', '"num_segments": 1000000000000'))
    with pytest.raises(InputError, match="num_segments"):
        load(data)


# ---- codecs ----------------------------------------------------------------------------------------------------------


def packed_zeros(codec_id: str, num_bytes: int) -> bytes:
    zeros = bytes(num_bytes)
    return {
        "zlib": lambda: zlib.compress(zeros),
        "gzip": lambda: numcodecs.GZip(1).encode(zeros),
        "bz2": lambda: bz2.compress(zeros),
        "lzma": lambda: lzma.compress(zeros),
        "blosc": lambda: numcodecs.Blosc("zstd", 1).encode(zeros),
        "zstd": lambda: numcodecs.Zstd(1).encode(zeros),
        "lz4": lambda: numcodecs.LZ4(1).encode(zeros),
    }[codec_id]()


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(bounded_codecs, "MAX_CHUNK_BYTES", 10_000)
    bounded_codecs.use_bounded_codecs()


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("codec_id", ["blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"])
def test_a_chunk_unpacks_to_the_limit_and_no_further(codec_id):
    codec = numcodecs.get_codec({"id": codec_id})
    assert bytes(codec.decode(packed_zeros(codec_id, 10_000))) == bytes(10_000)
    for num_bytes in (10_001, 10**7):
        with pytest.raises((ValueError, RuntimeError)):
            codec.decode(packed_zeros(codec_id, num_bytes))


@pytest.mark.parametrize("codec_id", ["bz2", "gzip", "lzma", "zlib"])
def test_broken_streams_are_told_as_such(codec_id):
    bounded_codecs.use_bounded_codecs()
    codec, packed = numcodecs.get_codec({"id": codec_id}), packed_zeros(codec_id, 5000)
    for broken in (packed[:-3], b"garbage" * 9, packed[: len(packed) // 2]):
        with pytest.raises((ValueError, OSError)):
            codec.decode(broken)


@pytest.mark.usefixtures("small_limit")
def test_streams_one_after_the_other_are_one():
    codec = numcodecs.get_codec({"id": "gzip"})
    assert bytes(codec.decode(packed_zeros("gzip", 4000) * 2)) == bytes(8000)
    with pytest.raises(ValueError, match="more than 10000 bytes"):
        codec.decode(packed_zeros("gzip", 4000) * 3)


def test_texts_and_json_hold_what_they_announce():
    bounded_codecs.use_bounded_codecs()
    words = np.array(["a", "bc", ""], dtype=object)
    for codec_id in ("json2", "vlen-utf8"):
        codec = numcodecs.get_codec({"id": codec_id})
        assert codec.decode(codec.encode(words)).tolist() == words.tolist()
    with pytest.raises(ValueError, match="more texts"):
        numcodecs.get_codec({"id": "vlen-utf8"}).decode(struct.pack("<I", 2**32 - 1) + bytes(20))
    with pytest.raises(ValueError, match="shape"):
        numcodecs.get_codec({"id": "json2"}).decode(b'[1, "|O", [1000000000000]]')
    with pytest.raises(ValueError, match="shape"):
        numcodecs.get_codec({"id": "json2"}).decode(b"[]")


def test_a_chunk_that_holds_more_than_its_array_says_fails_that_recording_alone(data, monkeypatch):
    monkeypatch.setattr(bounded_codecs, "MAX_CHUNK_BYTES", 10**6)
    array = preprocessed(data) / "traces_seg0"
    change(preprocessed(data), "traces_seg0", compressor={"id": "zlib", "level": 1})
    for chunk in array.glob("[0-9]*"):
        chunk.write_bytes(packed_zeros("zlib", 10**7))
    loaded = load(data)
    with pytest.raises(ValueError, match="unpacks to more than 1000000 bytes"):
        loaded.recording_to_read.get_traces(start_frame=0, end_frame=10)


def test_what_is_read_in_parts_may_be_larger_than_memory(data, monkeypatch):
    monkeypatch.setattr(zarr_metadata, "available_memory_bytes", lambda: 10)
    monkeypatch.setattr(zarr_metadata, "_MANY_BYTES", 1000)
    check_zarr(preprocessed(data))
    with pytest.raises(InputError, match="more than can be read"):
        check_zarr(spikesorted(data))


@pytest.mark.parametrize("name", ["01.0", "1/0", "1.00"])
def test_a_chunk_under_another_name_than_zarrs_is_missing(data, name):
    """zarr would not find it, and read zeros."""
    folder = preprocessed(data) / "traces_seg0"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "1.0").rename(folder / name)
    with pytest.raises(InputError, match="incomplete: 2 chunks found, expected 3"):
        load(data)


def test_chunks_are_named_as_the_separator_says(data):
    change(preprocessed(data), "traces_seg0", dimension_separator="/")
    with pytest.raises(InputError, match="incomplete: 0 chunks found, expected 3"):
        load(data)
    for chunk in list((preprocessed(data) / "traces_seg0").glob("[0-9]*")):
        nested = chunk.parent / chunk.name.replace(".", "/")
        content = chunk.read_bytes()
        chunk.unlink()
        nested.parent.mkdir()
        nested.write_bytes(content)
    np.testing.assert_array_equal(load(data).recording_to_read.get_traces(), make_recording().get_traces())
    change(preprocessed(data), "traces_seg0", dimension_separator="")
    with pytest.raises(InputError, match=r"neither '\.' nor '/'"):
        load(data)


@pytest.mark.parametrize("target", ["/nowhere/at/all", "."])
def test_a_link_to_no_file_is_no_chunk(data, target):
    chunk = spikesorted(data) / "spikes" / "sample_index" / "1"
    chunk.unlink()
    chunk.symlink_to(target)
    with pytest.raises(InputError, match="incomplete: 2 chunks found, expected 3"):
        load(data)


def test_a_chunk_file_of_a_terabyte_is_not_read(data):
    (preprocessed(data) / "traces_seg0" / "1.0").open("r+b").truncate(10**12)
    with pytest.raises(InputError, match=r"the file of its chunk 1\.0 has 1000\.0 GB"):
        load(data)


@pytest.mark.parametrize("where", ["own", "consolidated"])
@pytest.mark.parametrize("parts", [{"dtype": "<u2"}, {"dtype": ">i2"}, {"shape": [4000, 4]}, {"order": "F"}])
def test_metadata_that_disagree_are_refused(data, where, parts):
    """Which of the two is right nobody can tell; zarr would take the consolidated one."""
    change(preprocessed(data), "traces_seg0", where, **parts)
    with pytest.raises(InputError, match=r"says something else of array 'traces_seg0' than its \.zarray"):
        load(data)


def test_so_are_rates_that_disagree(data):
    attributes = json.loads((preprocessed(data) / ".zattrs").read_text())
    (preprocessed(data) / ".zattrs").write_text(json.dumps(attributes | {"sampling_frequency": 20_000.0}))
    with pytest.raises(InputError, match=r"sampling_frequency is not what \.zattrs says"):
        load(data)


def test_a_chunk_that_holds_less_than_its_array_says_is_not_filled_up(data):
    """The rest would be whatever the memory held before."""
    change(preprocessed(data), "traces_seg0", chunks=[12_000, 4])
    loaded = load(data)
    with pytest.raises(ValueError, match="unpacks to 32000 bytes where its array's chunks have 96000"):
        loaded.recording_to_read.get_traces()


@pytest.mark.parametrize(
    "codec",
    [
        {"id": "packbits"},
        {"id": "astype", "encode_dtype": "|i1", "decode_dtype": "<f8"},
        {"id": "delta", "dtype": "<i8", "astype": "|i1"},
        {"id": "fixedscaleoffset", "scale": 1, "offset": 0, "dtype": "<f8", "astype": "|u1"},
        {"id": "quantize", "digits": 1, "dtype": "<f8", "astype": "<f2"},
    ],
)
def test_filters_in_a_row_do_not_fill_memory(data, codec, monkeypatch):
    """Each makes four or eight bytes of one; the limit is lowered, so that this test takes little itself."""
    monkeypatch.setattr(bounded_codecs, "MAX_CHUNK_BYTES", 2**20)
    folder, array = spikesorted(data), "spikes/sample_index"
    change(folder, array, shape=[100], compressor={"id": "zlib", "level": 1}, filters=[codec] * 8)
    (folder / array / "0").write_bytes(zlib.compress(bytes(1000)))
    with pytest.raises(InputError, match=r"a chunk that unpacks to \d+ bytes; at most 1048576 are read"):
        load(data)


def test_labels_do_not_fill_memory(data, monkeypatch):
    monkeypatch.setattr(bounded_codecs, "MAX_CHUNK_BYTES", 2**20)
    codec = {"id": "categorize", "labels": ["a"], "dtype": "<U1000", "astype": "|u1"}
    change(spikesorted(data), "unit_ids", compressor={"id": "zlib", "level": 1}, filters=[codec], dtype="|O")
    (spikesorted(data) / "unit_ids" / "0").write_bytes(zlib.compress(bytes(1000)))
    with pytest.raises(InputError, match="unpacks to 4000000 bytes; at most 1048576"):
        load(data)


@pytest.mark.parametrize("slices", [[[0, 10**9]], [[-5, 300]], [[0, 5]], [[100, 300]]])
def test_segment_slices_hold_every_spike_once(data, slices):
    zarr.open(str(spikesorted(data)), mode="r+")["spikes/segment_slices"][:] = np.array(slices)
    with pytest.raises(InputError, match="are not one after the other all of its 300 spikes"):
        load(data)
