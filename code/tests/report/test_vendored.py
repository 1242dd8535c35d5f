"""Libraries that travel with the report: unchanged, of the version that is told, with their licence in every page."""

import hashlib
import json
from pathlib import Path

from report.made_up_data import make_report_data

import ephys_postprocess.report
from ephys_postprocess.report.render import build_report

FOLDER = Path(ephys_postprocess.report.__file__).parent / "vendor"
VENDORED = json.loads((FOLDER / "vendored.json").read_text(encoding="utf-8"))


def test_every_file_is_the_one_that_was_published():
    told = {name: checksum for library in VENDORED.values() for name, checksum in library["sha256"].items()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.iterdir()}
    del found["vendored.json"]
    assert found == told


def test_the_version_is_the_one_told():
    heading = (FOLDER / "uPlot.iife.min.js").read_text(encoding="utf-8")[:100]
    assert f"(v{VENDORED['uPlot']['version']})" in heading


def test_the_licence_travels_with_every_copy():
    licence = (FOLDER / "uPlot.LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("The MIT License (MIT)")
    assert licence.strip() in build_report(make_report_data())
