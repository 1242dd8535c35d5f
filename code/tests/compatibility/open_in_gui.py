"""Opens a finished result in spikeinterface-gui, in a headless browser, and shows every view of it once.

Not a pytest file: the viewer needs packages of its own. In an environment of its own:

    python -m venv gui && gui/bin/pip install "spikeinterface-gui[web]" "spikeinterface>=0.105,<0.106" "zarr<3" selenium
    apt-get install chromium chromium-driver
    gui/bin/python tests/compatibility/open_in_gui.py ../results/postprocessed_NAME.zarr screenshots/

Exit code 0: each view opened, and neither the server nor the browser's console reported an error. One screenshot a
view is left in the last folder, to be looked at.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_SECONDS = 120
SETTLE_SECONDS = 3.0  # a view draws itself well within this
BROWSER_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=1800,1100"),
)
# 0.14.0 fails on recordings within one bin of the spike rate, by default a minute.
SETTINGS = {"spikerate": {"bin_s": 2}}
# `sigui`, but its keyboard shortcuts need no React from a content delivery network: works without one, shows the same.
SERVE = """
import param
from panel.custom import JSComponent
from spikeinterface_gui import main, utils_panel

class KeyboardShortcuts(JSComponent):
    shortcuts = param.List(item_type=dict)
    _esm = "export function render() { return document.createElement('span'); }"

utils_panel.KeyboardShortcuts = KeyboardShortcuts
main.run_mainwindow_cli()
"""
# Tabs of views stand below their zone, and deep in shadow roots.
FIND_TABS = """
const found = [];
const visit = (root) => root.querySelectorAll('*').forEach((element) => {
    if (element.classList.contains('bk-tab')) found.push(element);
    if (element.shadowRoot) visit(element.shadowRoot);
});
visit(document);
"""
NAMES_OF_TABS = FIND_TABS + "return found.map((tab) => tab.textContent.trim());"
CLICK_TAB = FIND_TABS + "found.find((tab) => tab.textContent.trim() === arguments[0]).click();"
NUM_CANVASES = """
let number = 0;
const visit = (root) => root.querySelectorAll('*').forEach((element) => {
    if (element.tagName === 'CANVAS' || element.classList.contains('tabulator')) number += 1;
    if (element.shadowRoot) visit(element.shadowRoot);
});
visit(document);
return number;
"""


def main(argv: list[str]) -> int:
    """Open the result, show its views, print what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=Path, help="a finished postprocessed_NAME.zarr")
    parser.add_argument("screenshots", type=Path, help="folder for one picture a view")
    parser.add_argument("--recording", help="where the recording is when the result's own link cannot be followed")
    arguments = parser.parse_args(argv)
    arguments.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, gui_server(arguments, Path(scratch)) as (address, server_log):
        views, problems = show_views(address, arguments.screenshots, Path(scratch))
        said = server_log.read_text()
    problems += [line for line in said.splitlines() if "Error" in line or "Traceback" in line]
    print(f"{len(views)} views: {', '.join(views)}")
    for problem in problems:
        print(f"PROBLEM {problem}")
    if problems:
        print(said)
    return int(bool(problems) or not views)


@contextlib.contextmanager
def gui_server(arguments, scratch: Path):
    """The viewer in web mode: (its address, the file that takes what it says)."""
    command = [sys.executable, "-c", SERVE, arguments.result, "--mode", "web", "--curation", "--verbose"]
    command += ["--recording", arguments.recording] if arguments.recording else []
    settings = scratch / "settings.json"
    settings.write_text(json.dumps(SETTINGS))
    command += ["--settings-file", settings]
    server_log = scratch / "server.log"
    with server_log.open("w") as log:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        server = subprocess.Popen([*map(str, command)], stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            yield wait_for_address(server, server_log), server_log
        finally:
            server.terminate()
            server.wait()


def wait_for_address(server: subprocess.Popen, server_log: Path) -> str:
    """The address that the server prints (0.14.0 takes a free port, whatever --port says)."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"Launching server at (http://\S+)", server_log.read_text())
        if found:
            return found[1]
        time.sleep(0.5)
    raise SystemExit(f"spikeinterface-gui did not start:\n{server_log.read_text()}")


def show_views(address: str, screenshots: Path, scratch: Path) -> tuple[list[str], list[str]]:
    """Click every view's tab: (names of the views, problems the browser saw)."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in (*BROWSER_OPTIONS, f"--user-data-dir={scratch / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    # With the driver named, selenium downloads none and reports to nobody.
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get(address)
        views = wait_for_views(browser)
        problems = [] if views else ["no view appeared"]
        for view in views:
            browser.execute_script(CLICK_TAB, view)
            time.sleep(SETTLE_SECONDS)
            browser.save_screenshot(str(screenshots / f"{view}.png"))
            if browser.execute_script(NUM_CANVASES) == 0:
                problems.append(f"{view}: nothing is drawn")
        messages = browser.get_log("browser")
    finally:
        browser.quit()
    is_icon = "favicon.ico"  # the viewer's server has none
    problems += [
        entry["message"] for entry in messages if entry["level"] == "SEVERE" and is_icon not in entry["message"]
    ]
    return views, problems


def wait_for_views(browser) -> list[str]:
    """Names of the views once their tabs are there; each view's own tabs are pictures, not words."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        names = [name for name in browser.execute_script(NAMES_OF_TABS) if name.isascii()]
        if names:
            time.sleep(SETTLE_SECONDS)
            return [name for name in browser.execute_script(NAMES_OF_TABS) if name.isascii()]
        time.sleep(0.5)
    return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
