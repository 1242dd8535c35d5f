"""Libraries that travel with the report: unchanged, of the version that is told, with their licence in every page."""

import hashlib
import json
from pathlib import Path

import pytest
from report.made_up_data import make_report_data

import ephys_postprocess.report
from ephys_postprocess.report.render import build_report

OURS = Path(__file__).parent / "vendor"
FOLDER = Path(ephys_postprocess.report.__file__).parent / "vendor"
VENDORED = json.loads((FOLDER / "vendored.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", [FOLDER, OURS], ids=["page", "tests"])
def test_every_file_is_the_one_that_was_published(folder):
    vendored = json.loads((folder / "vendored.json").read_text(encoding="utf-8"))
    told = {name: checksum for library in vendored.values() for name, checksum in library["sha256"].items()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del found["vendored.json"]
    assert found == told


def test_the_version_is_the_one_told():
    heading = (FOLDER / "uPlot.iife.min.js").read_text(encoding="utf-8")[:100]
    assert f"(v{VENDORED['uPlot']['version']})" in heading
    heading = (OURS / "axe.min.js").read_text(encoding="utf-8")[:20]
    version = json.loads((OURS / "vendored.json").read_text(encoding="utf-8"))["axe-core"]["version"]
    assert heading.startswith(f"/*! axe v{version}")


def test_the_licence_travels_with_every_copy():
    licence = (FOLDER / "uPlot.LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("The MIT License (MIT)")
    assert licence.strip() in build_report(make_report_data())
