"""The page for every reader: axe-core finds nothing, with keys alone, at every width and theme."""

import json
from pathlib import Path

import pytest
from report.browser_page import choose, click, press, script, settle, type_filter
from report.made_up_data import make_report_data

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
# Rules of WCAG 2.2 at level AA and best practices; target-size (24 px) is off unless asked for.
OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}


def violations(browser) -> list[str]:
    """What axe-core finds on the page as it is now."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run(document, arguments[0]).then(arguments[1])", OPTIONS)
    return [
        json.dumps([entry["id"], *((node["html"][:200], node["failureSummary"]) for node in entry["nodes"][:5])])
        for entry in found["violations"]
    ]


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page, width, theme):
    browser = open_page(make_report_data(), width, theme)
    assert violations(browser) == []
    for selector in (".duplicates summary", "#filter-help summary", "#all-metrics summary"):
        click(browser, selector)
    press(browser, "g")
    choose(browser, "#column-set", "all")
    type_filter(browser, "snr >")
    assert violations(browser) == []


def test_axe_sees_what_is_wrong(open_page):
    browser = open_page(make_report_data())
    script(browser, "document.querySelector('#filter').removeAttribute('aria-label')")
    script(browser, "document.querySelector('#filter').removeAttribute('placeholder')")
    script(browser, "document.querySelector('#next').style.cssText = 'min-height: 0; height: 9px; color: #eee'")
    found = " ".join(violations(browser))
    assert "label" in found
    assert "color-contrast" in found


def test_arrow_keys_stay_where_they_belong(open_page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser = open_page(make_report_data())
    browser.find_element(By.CSS_SELECTOR, "body").send_keys(Keys.ARROW_DOWN)
    browser.find_element(By.CSS_SELECTOR, ".bar a").send_keys(Keys.ARROW_DOWN)
    assert script(browser, "document.querySelector('#unit-title').textContent") == "Unit unit0"
    browser.find_element(By.CSS_SELECTOR, "#next").send_keys(Keys.ARROW_DOWN)
    assert script(browser, "document.querySelector('#unit-title').textContent") == "Unit unit1"
    announced = script(browser, "document.querySelector('#announcement').textContent")
    assert announced == "Unit unit1, 2 of 12 shown"


def test_the_keyboards_place_is_kept(open_page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser = open_page(make_report_data())
    browser.find_element(By.CSS_SELECTOR, "#unit-labels .mua").send_keys(Keys.ENTER)
    assert script(browser, "document.activeElement.className") == "label-button mua"
    assert script(browser, "document.activeElement.getAttribute('aria-pressed')") == "true"
    browser.find_element(By.CSS_SELECTOR, "#neighbours a").send_keys(Keys.ENTER)
    browser.execute_async_script("setTimeout(arguments[0], 50)")
    assert script(browser, "document.activeElement.id") == "unit"
    pressed = "document.querySelector('#unit-labels .mua').getAttribute('aria-pressed')"
    assert script(browser, pressed) == "false"
    title = script(browser, "document.querySelector('#unit-title').textContent")
    label = script(browser, "document.querySelector('#rate').getAttribute('aria-label')")
    assert label == f"Firing rate over time, {title.replace('Unit', 'unit', 1)}"


def test_a_step_leaves_the_raster_as_it_is(open_page):
    browser = open_page(make_report_data())
    script(browser, "window.before = document.querySelector('#raster canvas')")
    script(browser, "document.querySelector('#raster').chart.hooks.draw.push(() => { window.redrawn = true; })")
    press(browser, "\ue015")
    settle(browser)
    assert script(browser, "window.before === document.querySelector('#raster canvas') && !window.redrawn")
