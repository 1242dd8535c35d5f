"""Seals: a file that carries the checksum of its own bytes."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephys_postprocess.errors import ResultError
from ephys_postprocess.results.files import ResultFiles, shown
from ephys_postprocess.results.seals import is_html_sealed, is_json_sealed, seal_html, seal_json

DOCUMENT = json.dumps({"a": [1, "text"], "integrity": {"seal_sha256": ""}, "é": None}, indent=3, ensure_ascii=False)


@given(st.data())
def test_any_flipped_bit_breaks_the_seal(data):
    for seal, is_sealed, text in ((seal_json, is_json_sealed, DOCUMENT), (seal_html, is_html_sealed, "<p>é</p>")):
        content = bytearray(seal(text).encode())
        assert is_sealed(bytes(content))
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= 1 << data.draw(st.integers(0, 7))
        assert not is_sealed(bytes(content))


def test_a_sealed_document_says_the_same():
    sealed = json.loads(seal_json(DOCUMENT))
    sealed["integrity"]["seal_sha256"] = ""
    assert sealed == json.loads(DOCUMENT)


def test_cut_short_or_added_to_is_not_sealed():
    for seal, is_sealed, text in ((seal_json, is_json_sealed, DOCUMENT), (seal_html, is_html_sealed, "<p></p>")):
        content = seal(text).encode()
        assert not is_sealed(content[:-1])
        assert not is_sealed(content + b" ")
        assert not is_sealed(text.encode())


@pytest.mark.parametrize("text", ["{}", '{"seal_sha256": "", "b": {"seal_sha256": ""}}'])
def test_only_one_place_can_be_sealed(text):
    with pytest.raises(ValueError, match="one empty seal"):
        seal_json(text)


def test_names_that_are_no_text_are_shown_as_escapes():
    assert shown(os.fsdecode(b"p\xff\xfe")) == r"p\xff\xfe"
    assert shown("é\ud800") == r"é\ud800"


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "units_r.csv").mkdir()
    with pytest.raises(ResultError, match=r"units_r\.csv: a folder stands where a file is to be written"):
        ResultFiles(tmp_path, "r").check_names([])
    with pytest.raises(ResultError, match="260 bytes, and file systems allow 255"):
        ResultFiles(tmp_path, "s").check_names(["x" * (260 - len("postprocessing_s_"))])
    ResultFiles(tmp_path, "s").check_names(["subject.json"])
    ResultFiles(tmp_path, "s").analyzer.write_text("mine")
    with pytest.raises(ResultError, match=r"postprocessed_s\.zarr: a file stands where a folder is to be"):
        ResultFiles(tmp_path, "s").check_names([])


def test_results_that_are_a_link_to_nothing_are_said_to_be_no_folder(tmp_path):
    (tmp_path / "r").symlink_to(tmp_path / "gone")
    with (
        pytest.raises(ResultError, match=r"Cannot write results in .*: it is no folder"),
        ResultFiles(tmp_path / "r", "s").held(),
    ):
        pass


def test_a_file_under_the_name_of_what_is_ready_costs_nothing(tmp_path):
    files = ResultFiles(tmp_path, "s")
    files.ready.write_text("")
    with files.held():
        files.write_placeholder("why")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["postprocessed_s.zarr"]
