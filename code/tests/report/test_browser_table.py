"""The table of units: filters as people write them, column sets, csv, addresses of units."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from report.browser_page import (
    choose,
    click,
    count_text,
    filter_problem,
    open_file,
    saved_file,
    script,
    title_of_unit,
    type_filter,
    units_shown,
)
from report.made_up_data import make_report_data

pytestmark = pytest.mark.browser

# In the made-up report unit u has snr u, but unit 3 none; rp_contamination is 0 for even and 1, failing, for odd units.
FILTERS = {
    "snr > 8 or snr < 2": [0, 1, 9, 10, 11],
    "not snr > 8": [0, 1, 2, 4, 5, 6, 7, 8],
    "snr is missing": [3],
    "snr is not missing and snr < 2": [0, 1],
    "2 < snr <= 5": [4, 5],
    "5 > snr": [0, 1, 2, 4],
    "snr in 4..6": [4, 5, 6],
    "snr between 4 and 6": [4, 5, 6],
    "(snr = 1 or snr = 2) and rp_contamination < 0.5": [2],
    "snr=1 or snr=2 and rp_contamination < 0.5": [1, 2],
    "SNR >= 1e1": [10, 11],
    "snr != 5 and snr > 3": [4, 6, 7, 8, 9, 10, 11],
    "passes and snr > 5": [6, 8, 10],
    "fails rp_contamination and not fails snr": [3, 7, 9, 11],
    "label = good": [],
    "unlabelled and unit11": [11],
    "by_rules = noise": [2, 5, 8, 11],
    "verdict = fail and snr < 6": [1, 5],
    "main_channel_id != nothing and unit_id = unit4": [4],
    '"unit1"': [1, 10, 11],
    "unit10 or unit2": [2, 10],
    "Amplitude > 10": [11],
    "snr > 10, rp_contamination > 0": [11],
    "": list(range(12)),
}


def test_filters(open_page):
    browser = open_page(make_report_data())
    found = {}
    for text in FILTERS:
        type_filter(browser, text)
        assert filter_problem(browser) == ""
        found[text] = [int(name.removeprefix("unit")) for name in units_shown(browser)]
    assert found == FILTERS


NOT_UNDERSTOOD = {
    "sn > 5": "“sn > 5”: no column is called sn. Did you mean snr?",
    "snr >": "“snr >”: a value is missing at the end.",
    "snr > five": "“snr > five”: snr is compared with numbers.",
    "snr": "“snr”: a comparison belongs after snr.",
    "snr is good": "“snr is good”: “snr is missing” or “is not missing” is what can be asked.",
    "snr > 5 and": "the end of “snr > 5 and”.",
    "(snr > 5": "the end of “(snr > 5”: a closing bracket is missing.",
    "snr > 5)": "“)”.",
    "snr in 5": "“snr in 5”: “snr in 5..10” is how ranges are written.",
    "snr > 5 ms": "“snr > 5 ms”: snr is without a unit.",
    "nothing like it": "“nothing like it”: neither a comparison nor part of a name.",
}


def test_what_is_not_understood_is_said_and_hides_nothing(open_page):
    browser = open_page(make_report_data())
    found = {}
    for text in NOT_UNDERSTOOD:
        type_filter(browser, text)
        found[text] = filter_problem(browser).removeprefix("Did not understand ")
        assert count_text(browser) == "12 of 12 units"
    assert found == NOT_UNDERSTOOD


def test_names_of_any_kind_are_found(open_page):
    names = ["a and b", "x > 5", "(7)", "not", "Ünit é", *(f"u{index}" for index in range(7))]
    browser = open_page(make_report_data(unit_names=names))
    for name in names[:5]:
        type_filter(browser, name)
        assert units_shown(browser) == [name]


def test_column_sets_begin_with_the_unit(open_page):
    browser = open_page(make_report_data())
    heads = "[...document.querySelectorAll('#table-box thead button')].map(b => b.dataset.column)"
    main = script(browser, heads)
    assert main[:7] == ["unit_id", "label", "verdict", "main_channel_id", "y_um", "firing_rate", "snr"]
    sets = script(browser, "[...document.querySelectorAll('#column-set option')].map(o => o.value)")
    assert sets == ["main", "quality", "judged", "sorting", "all"]  # the made-up result has no template metrics
    choose(browser, "#column-set", "sorting")
    assert script(browser, heads) == ["unit_id", "label", "by_rules", "Amplitude"]
    choose(browser, "#column-set", "all")
    assert set(main) < set(script(browser, heads))


def test_csv_of_the_rows_and_columns_shown(open_page, downloads):
    data = make_report_data(unit_names=["=evil()", 'quo"te', "com,ma", *(f"u{index}" for index in range(9))])
    durations = np.full(12, 0.1 + 0.2)
    data = dataclasses.replace(data, metrics=data.metrics | {"peak_to_trough_duration": durations})
    browser = open_page(data)
    type_filter(browser, "snr < 3 or snr is missing")
    click(browser, "button[data-column=snr]")
    click(browser, "#save-csv")
    path = saved_file(downloads)
    assert path.name == "units_shown_made_up.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [row["unit_id"] for row in rows] == ["com,ma", 'quo"te', "'=evil()", "u0"]
    assert [row["snr"] for row in rows] == ["2", "1", "0", ""]
    # In the unit and to the last digit of the result, though the page shows ms.
    assert {float(row["peak_to_trough_duration"]) for row in rows} == {0.1 + 0.2}


def test_addresses_of_units(open_page, browser, tmp_path):
    names = ["54", "a b/ü", *(f"u{index}" for index in range(10))]
    open_page(make_report_data(unit_names=names))
    assert title_of_unit(browser) == "Unit 54"
    click(browser, "tr[data-row='1'] th")
    assert script(browser, "decodeURIComponent(location.hash)") == "#unit=a b/ü"
    address = script(browser, "location.href")
    browser.get("about:blank")
    browser.get(address)
    assert title_of_unit(browser) == "Unit a b/ü"
    script(browser, "location.hash = '#unit=u3'")
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert title_of_unit(browser) == "Unit u3"
    script(browser, "location.hash = '#unit=nobody'")
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert title_of_unit(browser) == "Unit u3"
    open_file(browser, tmp_path / "report.html")
    assert title_of_unit(browser) == "Unit 54"


def test_navigation_stays_in_sight(open_page):
    browser = open_page(make_report_data())
    click(browser, ".bar a[href='#methods']")
    box = "document.querySelector('.bar').getBoundingClientRect()"
    assert 0 <= script(browser, f"{box}.top") < 2
    click(browser, "#bar-next")
    assert title_of_unit(browser) == "Unit unit1"
    click(browser, "#bar-unit")
    top = script(browser, "document.querySelector('#unit-title').getBoundingClientRect().top")
    assert script(browser, f"{box}.bottom") <= top + 1 < 300
    assert script(browser, "document.activeElement.id") == "unit"
