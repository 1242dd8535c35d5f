"""What a result was made from: every file behind a description counts, by size, time and contents."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.fingerprints import (
    SMALL_BYTES,
    fingerprint_files,
    fingerprint_inputs,
    names_of_files_behind,
)
from ephys_postprocess.records import SpikeTrains


@pytest.fixture
def data(tmp_path):
    """A data folder with a folder, a small file and a large one."""
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "small.npy").write_bytes(b"small")
    (tmp_path / "large.raw").write_bytes(bytes(2 * SMALL_BYTES))
    return tmp_path


def overwrite(path, position, content):
    """Change a file's bytes, and leave its size and times as they were."""
    before = path.stat()
    with path.open("r+b") as handle:
        handle.seek(position)
        handle.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_may_not_be_read_is_told(data, monkeypatch):
    def refuse(self, *_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(InputError, match=r"small\.npy: cannot be read \(Permission denied\)"):
        fingerprint_files(data, ["folder"])


@pytest.mark.parametrize(
    ("name", "position"), [("folder/deep/small.npy", 2), ("large.raw", 5), ("large.raw", 2 * SMALL_BYTES - 5)]
)
def test_contents_count_where_size_and_time_are_the_same(data, name, position):
    before = fingerprint_files(data, ["folder", "large.raw"])
    assert fingerprint_files(data, ["large.raw", "folder"]) == before
    overwrite(data / name, position, b"!")
    after = fingerprint_files(data, ["folder", "large.raw"])
    assert after[0] != before[0]
    assert after[1:] == before[1:] == (2, 2 * SMALL_BYTES + 5)


def test_a_new_time_counts(data):
    before = fingerprint_files(data, ["large.raw"])
    os.utime(data / "large.raw", ns=(1, 1))
    assert fingerprint_files(data, ["large.raw"]) != before


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_spikes_count_by_their_numbers_whatever_holds_them(data, dtype):
    """A result made when units were held as int64 is still one of these inputs."""
    columns = np.array([[5, 9], [1, 0], [0, 0]])
    spikes = SpikeTrains(columns[0], columns[1].astype(dtype), columns[2], 2, (10,), 30_000.0)
    found = fingerprint_inputs(data, ["folder"], "traces", spikes, ["a", "b"], {})
    assert found.spikes == hashlib.sha256(b"'a'\n'b'" + columns.astype("<i8").tobytes()).hexdigest()


def test_files_behind_a_chain_are_named(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "raw"
    data.mkdir()
    elsewhere.mkdir()
    np.zeros((1000, 4), dtype="int16").tofile(elsewhere / "x.raw")
    raw = si.read_binary(str(elsewhere / "x.raw"), 30_000.0, "int16", 4)
    chain = raw.frame_slice(0, 500).select_channels(raw.channel_ids[:2])
    assert names_of_files_behind(chain.to_dict(recursive=True), data) == ["../raw/x.raw"]
    assert fingerprint_files(data, ["../raw/x.raw"])[1:] == (1, 8000)


def test_what_is_no_local_file_is_passed_over(tmp_path):
    described = {"kwargs": {"file_path": "s3://bucket/x", "stream_path": "/nowhere/at/all", "paths": [None, 5, "x\0y"]}}
    assert names_of_files_behind(described, tmp_path) == []
