"""Labels made on the page: kept, saved, and taken by SpikeInterface."""

import dataclasses
import json

import pytest
from report.browser_page import (
    choose,
    click,
    labels_of,
    open_file,
    press,
    saved_file,
    script,
    title_of_unit,
    type_filter,
)
from report.made_up_data import make_report_data

pytestmark = pytest.mark.browser


def saved_curation(browser, downloads):
    click(browser, "#save-curation")
    return json.loads(saved_file(downloads).read_text(encoding="utf-8"))


def test_a_curation_saved_from_the_page_is_applied_to_our_result(browser, downloads, run_capsule):
    from spikeinterface.core import load_sorting_analyzer
    from spikeinterface.curation import apply_curation

    finished = run_capsule("--example")
    assert finished.exit_code == 0, finished.text
    analyzer = load_sorting_analyzer(finished.store("example"))
    open_file(browser, finished.results / "postprocessing-report_example.html")
    click(browser, "tr[data-row='2'] th")
    press(browser, "n")
    click(browser, "tr[data-row='0'] th")
    click(browser, "#unit-labels .mua")
    click(browser, "#apply-preset")
    shown = labels_of(browser)
    curation = saved_curation(browser, downloads)

    curated = apply_curation(analyzer, curation)
    quality = dict(zip(map(str, curated.unit_ids), curated.sorting.get_property("quality"), strict=True))
    assert quality[str(analyzer.unit_ids[2])] == "noise"
    assert quality[str(analyzer.unit_ids[0])] == "mua"
    assert len(set(quality.values())) > 1
    assert quality == shown


def test_ids_that_are_numbers_stay_numbers(open_page, downloads):
    from spikeinterface.curation.curation_model import Curation

    data = make_report_data(unit_names=[str(index) for index in range(10, 22)])
    browser = open_page(dataclasses.replace(data, unit_ids_are_integers=True))
    click(browser, "#unit-labels .good")
    curation = saved_curation(browser, downloads)
    assert Curation(**curation).unit_ids == list(range(10, 22))
    assert curation["manual_labels"] == [{"unit_id": 10, "labels": {"quality": ["good"]}}]


def test_keys_label_and_labels_stay(open_page):
    browser = open_page(make_report_data())
    for key, label in (("g", "good"), ("m", "mua"), ("n", "noise"), ("s", "non_soma")):
        press(browser, key)
        assert labels_of(browser)["unit0"] == label
    click(browser, "tr[data-row='5'] th")
    press(browser, "g")
    open_page(make_report_data())
    assert labels_of(browser)["unit0"] == "non_soma"
    assert labels_of(browser)["unit5"] == "good"
    press(browser, "u")
    assert labels_of(browser)["unit0"] == ""
    open_page(make_report_data(name="another recording"))
    assert set(labels_of(browser).values()) == {""}


def test_letters_typed_elsewhere_label_nothing(open_page):
    from selenium.webdriver.common.by import By

    browser = open_page(make_report_data())
    browser.find_element(By.CSS_SELECTOR, "#filter").send_keys("gmn")
    browser.find_element(By.CSS_SELECTOR, "body").send_keys("g")
    assert set(labels_of(browser).values()) == {""}


def test_a_preset_labels_only_units_without_one(open_page):
    browser = open_page(make_report_data())
    press(browser, "n")
    click(browser, "#apply-preset")
    found = labels_of(browser)
    assert [found[f"unit{index}"] for index in range(4)] == ["noise", "mua", "noise", "good"]
    type_filter(browser, "label = good")
    assert set(labels_of(browser).values()) == {"good"}
    choose(browser, "#column-set", "sorting")
    assert title_of_unit(browser) == "Unit unit0"


def test_a_saved_curation_is_opened_again(open_page, browser, downloads, tmp_path):
    from selenium.webdriver.common.by import By

    open_page(make_report_data())
    press(browser, "m")
    click(browser, "#save-curation")
    path = saved_file(downloads)
    script(browser, "localStorage.clear()")
    open_page(make_report_data())
    assert labels_of(browser)["unit0"] == ""
    browser.find_element(By.CSS_SELECTOR, "#open-curation").send_keys(str(path))
    wait = "document.querySelector('#curation-note').textContent"
    assert "1 label taken" in until(browser, wait, "taken")
    assert labels_of(browser)["unit0"] == "mua"
    (tmp_path / "other.json").write_text("[]")
    browser.find_element(By.CSS_SELECTOR, "#open-curation").send_keys(str(tmp_path / "other.json"))
    assert "cannot be used" in until(browser, wait, "other.json")


def until(browser, expression, word):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 5).until(lambda driver: word in script(driver, expression))
    return script(browser, expression)
