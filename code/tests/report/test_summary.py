"""Many recordings: one page, and one table of all their units."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from report.made_up_results import make_result, make_skipped, units

from ephys_postprocess.commands.outcomes import Outcome
from ephys_postprocess.commands.summary import summarise
from ephys_postprocess.errors import InputError
from ephys_postprocess.report.summary import NUM_BINS, RecordingRow, Summary, build_summary, yield_bars
from ephys_postprocess.results.seals import is_html_sealed

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def results(tmp_path):
    """Two results with unlike columns, one skipped recording, one whose data process was edited."""
    missing = np.array([0.95, np.nan, 0.1])
    make_result(tmp_path, "a", units(3, presence_ratio=missing, snr=np.array([4.0, 8.0, np.nan]), num_spikes=[1, 2, 3]))
    labels = ["good", "=1+1"]
    notes = [MARKUP]
    make_result(tmp_path, "b", units(2, KSLabel=labels, unit_id=["0", "1"], num_spikes=[5.0, np.nan]), notes=notes)
    make_skipped(tmp_path, "c", "Too many bad channels")
    edited = make_result(tmp_path, "d", units(1))
    edited.data_process.write_text(edited.data_process.read_text().replace("1.2.3", "1.2.4"))
    return tmp_path


def row_texts(page):
    """The text of each cell, a list for each recording."""
    rows = re.findall(r'<tr>\s*<th scope="row".*?</tr>', page, flags=re.DOTALL)
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in cells]


def test_the_page_tells_of_each_recording(results):
    failure = Outcome("e", "failed", "the raw file is cut short")
    assert summarise(results, [failure]) == 0
    page = (results / "summary.html").read_text()
    rows = row_texts(page)
    assert [row[0] for row in rows] == ["a", "b", "c", "d", "e"]
    assert [row[1].split()[0] for row in rows] == ["done", "done", "skipped", "broken", "failed"]
    # units in, duplicates, units out, pass, fail, not judged, spikes, channels, snr, drift, seconds
    assert rows[0][2:13] == ["4", "1", "3", "1", "1", "1", "300", "32", "6.0", "–", "2.0"]
    assert rows[1][2:13] == ["3", "1", "2", "2", "0", "0", "200", "32", "–", "–", "2.0"]
    assert set(rows[2][2:13]) == set(rows[4][2:13]) == {"–"}
    assert "Too many bad channels" in rows[2][1]
    assert "its seal does not fit" in rows[3][1]
    assert "cut short" in rows[4][1]
    assert 'href="postprocessing-report_a.html"' in page
    assert MARKUP not in page
    assert is_html_sealed((results / "summary.html").read_bytes())


def test_all_units_stand_in_one_table(results):
    summarise(results)
    table = pd.read_parquet(results / "units.parquet")
    assert table["recording_name"].tolist() == ["a", "a", "a", "b", "b"]
    assert table["unit_id"].tolist() == ["unit0", "unit1", "unit2", "0", "1"]
    passes = [None if pd.isna(value) else bool(value) for value in table["passes_default_qc"]]
    assert passes == [True, None, False, True, True]
    assert table["KSLabel"].tolist()[3:] == ["good", "=1+1"]
    assert table["KSLabel"].isna().tolist()[:3] == [True] * 3
    np.testing.assert_array_equal(table["num_spikes"], [1, 2, 3, 5, np.nan])
    about = json.loads(pq.read_schema(results / "units.parquet").metadata[b"recordings"])
    assert about["a"]["capsule_version"] == "1.2.3"
    assert about["a"]["parameters"] == {"recording_name": "a", "seed": 0}
    assert {"snr", "unit_id"} <= {entry["name"] for entry in about["a"]["data_dictionary"]}
    with (results / "units.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["unit_id"] for row in rows] == table["unit_id"].tolist()
    assert rows[4]["KSLabel"] == "'=1+1"
    assert rows[0]["KSLabel"] == ""


def test_the_same_results_give_the_same_bytes(results):
    names = ("summary.html", "units.parquet", "units.csv")
    summarise(results)
    before = [(results / name).read_bytes() for name in names]
    summarise(results)
    assert [(results / name).read_bytes() for name in names] == before


def test_a_broken_table_costs_only_its_recording(results):
    (results / "units_a.parquet").write_bytes(b"PAR1")
    summarise(results)
    rows = row_texts((results / "summary.html").read_text())
    assert [row[1].split()[0] for row in rows] == ["broken", "done", "skipped", "broken"]
    assert pd.read_parquet(results / "units.parquet")["recording_name"].unique().tolist() == ["b"]


def test_recordings_without_a_result_are_named(results, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    for name in ("a", "z"):
        (data / f"preprocessed_{name}").mkdir()
    summarise(results, data_folder=data)
    rows = row_texts((results / "summary.html").read_text())
    assert [(row[0], row[1].split()[0]) for row in rows][-1] == ("z", "missing")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        summarise(tmp_path)


def test_the_yield_counts_each_unit_once():
    depths = np.array([0.0, 10.0, 100.0, 100.0])
    counts = yield_bars(depths, 0.0, 100.0)
    assert len(counts) == NUM_BINS
    assert (counts[0], counts[-1], sum(counts)) == (1, 2, 4)
    assert yield_bars(np.empty(0), 0.0, 100.0) == []
    assert sum(yield_bars(np.array([5.0]), 5.0, 5.0)) == 1


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_in_a_browser(results, browser, width, theme):
    from report.browser_page import open_file, requests, script
    from report.test_browser_access import violations

    summarise(results, [Outcome("e", "failed", "cut short")])
    open_file(browser, results / "summary.html", width, theme)
    assert violations(browser) == []
    assert requests(browser) == []
    assert browser.get_log("browser") == []
    assert script(browser, "document.documentElement.scrollWidth <= window.innerWidth")
    script(browser, "document.querySelectorAll('#recordings thead button')[4].click()")
    names = script(browser, "Array.from(document.querySelectorAll('#recordings tbody th'), cell => cell.textContent)")
    assert names == ["a", "b", "c", "d", "e"]
    script(browser, "document.querySelectorAll('#recordings thead button')[4].click()")
    names = script(browser, "Array.from(document.querySelectorAll('#recordings tbody th'), cell => cell.textContent)")
    assert names == ["b", "a", "c", "d", "e"]


def test_markup_in_names_is_text():
    page = build_summary(Summary((RecordingRow(MARKUP, "failed", MARKUP),)))
    assert MARKUP not in page
