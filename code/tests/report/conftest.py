"""Browser tests run only when asked for by their marker, and then fail where there is no browser."""

import os
import shutil

import pytest
from report.browser_page import open_file


def pytest_collection_modifyitems(config, items):
    if "browser" in config.getoption("markexpr", ""):
        return
    left_out = [item for item in items if item.get_closest_marker("browser")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=1400,900"),
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    chromium = os.environ.get("EPHYS_TEST_CHROMIUM") or shutil.which("chromium")
    driver = os.environ.get("EPHYS_TEST_CHROMEDRIVER") or shutil.which("chromedriver")
    assert chromium, "no chromium: apt-get install chromium chromium-driver"
    assert driver, "no chromedriver: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture
def open_page(browser, tmp_path):
    from ephys_postprocess.report.render import write_report

    def open_page(data, width=1400, theme="light"):
        path = tmp_path / "report.html"
        write_report(data, path)
        return open_file(browser, path, width, theme)

    yield open_page
    browser.execute_script("localStorage.clear()")


@pytest.fixture
def downloads(browser, tmp_path):
    """The folder into which the browser saves what a page gives."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    return folder
