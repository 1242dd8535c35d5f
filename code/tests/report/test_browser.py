"""The page in headless Chromium: opens, sorts, filters, is clicked, keeps to itself.

Run with `./code/run_tests -m browser`; needs Debian's chromium and chromium-driver (or EPHYS_TEST_CHROMIUM and
EPHYS_TEST_CHROMEDRIVER). Fails, not skips, where there is none.
"""

import dataclasses
import functools
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from report.browser_page import (
    PICTURES,
    choose,
    click,
    count_text,
    filter_problem,
    is_painted,
    open_file,
    press,
    requests,
    script,
    settle,
    title_of_unit,
    type_filter,
    units_shown,
)
from report.made_up_data import MARKUP, make_large_report_data, make_report_data

from ephys_postprocess.report.render import write_report

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_opens_without_request_complaint_or_sideways_scrolling(open_page, width, theme):
    browser = open_page(make_report_data(), width, theme)
    assert all(is_painted(browser, canvas) for canvas in PICTURES)
    assert requests(browser) == []
    assert browser.get_log("browser") == []
    assert script(browser, "performance.getEntriesByType('resource').length") == 0
    assert script(browser, "document.documentElement.scrollWidth <= window.innerWidth")


def test_theme_follows_the_system(open_page):
    backgrounds = {
        theme: script(open_page(make_report_data(), theme=theme), "getComputedStyle(document.body).backgroundColor")
        for theme in ("light", "dark")
    }
    assert backgrounds["light"] != backgrounds["dark"]


def test_sorting_puts_missing_values_last_both_ways(open_page):
    browser = open_page(make_report_data())
    click(browser, "button[data-column=snr]")
    assert units_shown(browser)[0] == "unit11"
    assert units_shown(browser)[-1] == "unit3"
    click(browser, "button[data-column=snr]")
    assert units_shown(browser)[0] == "unit0"
    assert units_shown(browser)[-1] == "unit3"
    click(browser, "button[data-column=unit_id]")
    assert units_shown(browser) == [f"unit{index}" for index in range(12)]


def test_filtering(open_page):
    browser = open_page(make_report_data())
    type_filter(browser, "snr > 5 and snr<=8")
    assert units_shown(browser) == ["unit6", "unit7", "unit8"]
    type_filter(browser, "UNIT1")
    assert units_shown(browser) == ["unit1", "unit10", "unit11"]
    type_filter(browser, "sn > 5")
    assert filter_problem(browser) == "Did not understand “sn > 5”: no column is called sn. Did you mean snr?"
    assert units_shown(browser) == ["unit1", "unit10", "unit11"]  # as before
    type_filter(browser, "")
    assert filter_problem(browser) == ""
    choose(browser, "#verdict", "pass")
    assert count_text(browser) == "6 of 12 units"
    assert units_shown(browser) == [f"unit{index}" for index in (0, 2, 4, 6, 8, 10)]


def test_clicking_a_row_shows_its_unit(open_page):
    browser = open_page(make_report_data())
    click(browser, "tr[data-row='4'] td")
    assert title_of_unit(browser) == "Unit unit4"
    assert script(browser, "document.querySelectorAll('#neighbours canvas').length") == 5
    click(browser, "#neighbours a")
    assert title_of_unit(browser) != "Unit unit4"


def test_keys_move_through_what_is_shown(open_page):
    from selenium.webdriver.common.keys import Keys

    browser = open_page(make_report_data())
    press(browser, Keys.ARROW_DOWN)
    press(browser, Keys.ARROW_DOWN)
    assert title_of_unit(browser) == "Unit unit2"
    press(browser, Keys.ARROW_UP)
    assert title_of_unit(browser) == "Unit unit1"
    type_filter(browser, "snr > 8")
    press(browser, Keys.ARROW_DOWN)
    assert title_of_unit(browser) == "Unit unit9"
    assert browser.get_log("browser") == []


def test_headers_explain_themselves(open_page):
    browser = open_page(make_report_data())
    script(browser, "document.querySelector('button[data-column=snr]').focus()")
    tip = script(browser, "(t => t.hidden ? '' : t.textContent)(document.querySelector('#tooltip'))")
    assert "noise" in tip
    assert "> 5" in tip


def test_markup_in_names_is_text(open_page):
    names = [MARKUP] * 12
    browser = open_page(make_report_data(name=MARKUP, unit_names=names))
    for unit in range(12):
        click(browser, f"tr[data-row='{unit}'] td")
    assert script(browser, "document.querySelector('h1').textContent") == MARKUP
    assert title_of_unit(browser) == f"Unit {MARKUP}"
    assert script(browser, "document.querySelectorAll('script').length") == 2
    assert browser.get_log("browser") == []


def thread_seconds(browser):
    """What the page's own thread has worked so far, whatever else the machine does meanwhile."""
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {entry["name"]: entry["value"] for entry in metrics}["TaskDuration"]


def test_500_units_are_ready_within_2_s(open_page, browser):
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    before = thread_seconds(browser)
    open_page(make_large_report_data())
    opened = thread_seconds(browser)
    assert 0 < opened - before < 2
    click(browser, "button[data-column=snr]")
    assert units_shown(browser)[0] == "unit499"
    for _ in range(4):
        click(browser, "#next")
        settle(browser)
    assert thread_seconds(browser) - opened < 1
    assert len(units_shown(browser)) < 100  # only rows near the visible part are in the page
    browser.execute_cdp_cmd("Performance.disable", {})


def test_every_row_is_there_in_print(open_page):
    browser = open_page(make_report_data(num_units=200))
    script(browser, "window.dispatchEvent(new Event('beforeprint'))")
    assert len(units_shown(browser)) == 200
    script(browser, "window.dispatchEvent(new Event('afterprint'))")
    assert len(units_shown(browser)) < 100


def test_works_from_a_server_too(browser, tmp_path):
    write_report(make_report_data(), tmp_path / "report.html")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.get(f"http://127.0.0.1:{server.server_port}/report.html")
        assert script(browser, "document.documentElement.dataset.ready") == "yes"
    finally:
        server.shutdown()
    assert asked == ["/report.html"]


OTHER_REPORTS = [path for path in os.environ.get("EPHYS_TEST_REPORTS", "").split(os.pathsep) if path]


@pytest.mark.parametrize("report", ["example", *OTHER_REPORTS])
def test_a_real_report(browser, run_capsule, report):
    """The example's, and those that EPHYS_TEST_REPORTS names (separated by colons), such as of a real recording."""
    if report == "example":
        finished = run_capsule("--example")
        assert finished.exit_code == 0, finished.text
        report = finished.results / "postprocessing-report_example.html"
    use_report(browser, Path(report))


def use_report(browser, path):
    """What a scientist does: open, sort, filter, click, walk through the units; nothing may complain or leave."""
    from selenium.webdriver.common.keys import Keys

    for width, theme in ((1400, "light"), (390, "dark")):
        open_file(browser, path, width, theme)
        assert all(is_painted(browser, canvas) for canvas in PICTURES)
        click(browser, "button[data-column=num_spikes]")
        largest_first = units_shown(browser)
        click(browser, "button[data-column=num_spikes]")
        assert units_shown(browser)[0] != largest_first[0]
        type_filter(browser, "num_spikes > 100")
        assert 0 < len(units_shown(browser)) <= len(largest_first)
        click(browser, "tr[data-row] td")
        before = title_of_unit(browser)
        press(browser, Keys.ARROW_DOWN)
        assert title_of_unit(browser) != before
        assert requests(browser) == []
        assert browser.get_log("browser") == []


def _without(data, name):
    if name == "metrics":
        return dataclasses.replace(data, metrics={}, presets=(), missing=())
    if name in ("amplitudes", "depths_um"):
        return dataclasses.replace(data, spikes=dataclasses.replace(data.spikes, **{name: None}))
    return dataclasses.replace(data, **{name: None})


PARTS = (
    *("locations_um", "templates", "waveforms", "correlograms", "similarity", "noise_levels"),
    *("metrics", "amplitudes", "depths_um"),
)


TOLD = {
    "amplitudes": "spike_amplitudes were",
    "correlograms": "correlograms were",
    "depths_um": "spike_locations were",
    "noise_levels": "noise_levels were",
}


@pytest.mark.parametrize("names", [*((name,) for name in PARTS), PARTS], ids=[*PARTS, "all"])
def test_a_page_without_some_extension_says_so_and_works(open_page, names):
    data = make_report_data()
    for name in names:
        data = _without(data, name)
    browser = open_page(data)
    click(browser, "tr[data-row='4'] th")
    type_filter(browser, "unit1")
    assert title_of_unit(browser) == "Unit unit4"
    assert browser.get_log("browser") == []
    said = script(browser, "document.body.innerText")
    for name, text in TOLD.items():
        assert (f"{text} not computed" in said) == (name in names)


def test_values_that_are_missing_or_all_alike(open_page):
    data = make_report_data()
    nan = np.full_like
    spikes = dataclasses.replace(
        data.spikes,
        amplitudes=nan(data.spikes.amplitudes, np.nan),
        depths_um=nan(data.spikes.depths_um, 500.0),
    )
    data = dataclasses.replace(
        data,
        spikes=spikes,
        noise_levels=nan(data.noise_levels, np.nan),
        similarity=nan(data.similarity, np.nan),
        locations_um=nan(data.locations_um, np.nan),
        metrics={name: nan(values, np.nan) for name, values in data.metrics.items()},
    )
    browser = open_page(data)
    click(browser, "tr[data-row='4'] th")
    assert title_of_unit(browser) == "Unit unit4"
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("num_units", [1, 2])
def test_few_units(open_page, num_units):
    browser = open_page(make_report_data(num_units=num_units, num_spikes=num_units))
    click(browser, "#next")
    assert browser.get_log("browser") == []
