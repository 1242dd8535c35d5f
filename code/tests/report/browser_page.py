"""A page in headless Chromium, driven as a reader would."""

import json
import time

PICTURES = (
    *("probe", "raster", "raster-marks", "similarity", "noise", "scatter", "template", "waveforms", "autocorrelogram"),
    *("isi", "location", "amplitude", "rate", "cross"),
)


def open_file(browser, path, width=1400, theme="light"):
    browser.get_log("browser")
    browser.get_log("performance")
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [feature]})
    browser.get("about:blank")
    browser.get(path.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    return browser


def script(browser, text, *arguments):
    return browser.execute_script(f"return {text}", *arguments)


def click(browser, selector):
    script(browser, "document.querySelector(arguments[0]).click()", selector)


def type_filter(browser, text):
    script(browser, "document.getElementById('filter').value = arguments[0]", text)
    script(browser, "document.getElementById('filter').dispatchEvent(new Event('input'))")


def choose(browser, selector, value):
    script(
        browser,
        "((select, value) => { select.value = value; select.dispatchEvent(new Event('change')); })"
        "(document.querySelector(arguments[0]), arguments[1])",
        selector,
        value,
    )


def filter_problem(browser):
    return script(browser, "document.querySelector('#filter-problem').textContent")


def units_shown(browser):
    return script(browser, "[...document.querySelectorAll('tr[data-row] th')].map(c => c.textContent)")


def count_text(browser):
    return script(browser, "document.querySelector('#count').textContent")


def title_of_unit(browser):
    return script(browser, "document.querySelector('#unit-title').textContent")


def press(browser, key):
    from selenium.webdriver.common.by import By

    browser.find_element(By.CSS_SELECTOR, "#table-box").send_keys(key)


def requests(browser):
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith(("data:", "file:///", "chrome://"))]


def is_painted(browser, picture_id):
    """Whether anything but one colour is on a canvas, or on that of a chart."""
    return script(
        browser,
        "(box => { const canvas = box.tagName === 'CANVAS' ? box : box.querySelector('canvas');"
        "const p = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.buffer); return p.some(value => value !== p[0]); })(document.getElementById(arguments[0]))",
        picture_id,
    )


def settle(browser):
    """Wait until what was asked for is drawn."""
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")


def labels_of(browser):
    """The label column of the rows shown, by unit."""
    rows = "[...document.querySelectorAll('tr[data-row]')].map(r => [r.cells[0].textContent, r.cells[1].textContent])"
    return dict(script(browser, rows))


def saved_file(folder, seconds=10):
    """What the page saves into the folder: waits until the browser has put it there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [path for path in folder.iterdir() if path.suffix in (".json", ".csv") and path.stat().st_size]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("the page saved nothing")
