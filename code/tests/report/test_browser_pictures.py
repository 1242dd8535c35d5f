"""Pictures that mislead nobody: what is drawn stays within its frame, is seen, and is named beside it."""

import dataclasses

import numpy as np
import pytest
from report.browser_page import choose, click, is_painted, script, settle, title_of_unit, type_filter, units_shown
from report.made_up_data import make_report_data

from ephys_postprocess.report.contents import Probe, Templates

pytestmark = pytest.mark.browser


def overlap(first, second, margin=0.0):
    return (
        first[0] < second[2] - margin
        and second[0] < first[2] - margin
        and first[1] < second[3] - margin
        and second[1] < first[3] - margin
    )


def neuropixels(num_units=12, num_rows=16):
    """Two staggered columns and SpikeGLX's names; the first unit is largest on the probe's last row."""
    data = make_report_data(num_units, num_channels=2 * num_rows)
    ids = tuple(f"imec0.ap#AP{351 + index}" for index in range(2 * num_rows))
    rows = np.arange(2 * num_rows)
    locations = np.stack([rows % 2 * 32.0 + rows // 2 % 2 * 16.0, rows // 2 * 20.0], axis=1)
    main = data.main_channel_indices.copy()
    main[0] = 0
    channels = np.clip(main[:, None] + np.arange(-9, 9), 0, 2 * num_rows - 1)
    channels[:, 9] = main
    channels[0] = np.arange(18)
    shape = -np.exp(-(((np.arange(90) - 30) / 6) ** 2))
    sizes = np.full(channels.shape, 30.0)
    sizes[channels == main[:, None]] = 400.0
    templates = Templates(channels, (shape * sizes[:, :, None]).astype(np.float32), 30)
    return dataclasses.replace(data, probe=Probe(ids, locations), main_channel_indices=main, templates=templates)


@pytest.mark.parametrize("width", [1400, 800, 390])
@pytest.mark.parametrize("compared", ["", "3"])
def test_curves_stay_in_the_frame_and_names_beside_them(open_page, width, compared):
    browser = open_page(neuropixels(), width)
    choose(browser, "#other", compared)
    layout = script(browser, "document.querySelector('#template').layout")
    left, top, right, bottom = layout["frame"]
    for curve in layout["curves"]:
        box = curve["box"]
        assert left <= box[0] <= box[2] <= right + 0.5
        assert top - 0.1 <= box[1] <= box[3] <= bottom + 0.1
    names = layout["names"]
    assert names
    assert not [name for name in names if any(overlap(name["box"], curve["box"]) for curve in layout["curves"])]
    boxes = [name["box"] for name in names]
    assert not [1 for i, box in enumerate(boxes) for other in boxes[:i] if overlap(box, other)]
    assert {name["text"].removeprefix("AP") for name in names} <= {str(number) for number in range(351, 383)}


def test_units_off_the_probe_are_held_at_the_border(open_page):
    data = make_report_data()
    locations = data.locations_um.copy()
    locations[0], locations[1], locations[2] = (5000, 100), (10, -9000), (np.nan, np.nan)
    browser = open_page(dataclasses.replace(data, locations_um=locations))
    sides = dict(script(browser, "[...document.querySelector('#probe').places].map(([unit, p]) => [unit, p.side])"))
    assert sides[0] == "right"
    assert sides[1] == "down"
    assert 2 not in sides
    assert {sides[unit] for unit in range(3, 12)} == {""}
    inside = (
        "[...document.querySelector('#probe').places.values()].every(p => p.x > 0 && p.y > 0"
        " && p.x < document.querySelector('#probe').clientWidth && p.y < document.querySelector('#probe').clientHeight)"
    )
    assert script(browser, inside)
    note = script(browser, "document.querySelector('#probe-note').textContent")
    assert note == "2 units beyond the frame: triangles at its border; 1 unit without a location"


TICKS = "[...document.querySelectorAll(arguments[0])].map(box => box.chart.axes[1]._splits)"


def test_counts_have_whole_ticks(open_page):
    browser = open_page(make_report_data(num_units=3, num_spikes=40))
    for selector in (".histogram .chart", "#autocorrelogram", "#isi", "#neighbours .chart"):
        for ticks in script(browser, TICKS, selector):
            assert all(tick == int(tick) for tick in ticks), selector


HEIGHT_OF_COLOUR = """((selector, name) => {
  const canvas = document.querySelector(selector).querySelector('canvas');
  const wanted = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const rgb = [1, 3, 5].map(i => parseInt(wanted.slice(i, i + 2), 16));
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const rows = [];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++)
    if (rgb.every((value, i) => data[4 * (y * width + x) + i] === value)) { rows.push(y); break; }
  return rows.length ? rows[rows.length - 1] - rows[0] + 1 : 0;
})(...arguments)"""


def test_two_failing_units_in_203_are_seen(open_page):
    data = make_report_data(num_units=203)
    contamination = np.zeros(203)
    contamination[[7, 9]] = 0.9
    browser = open_page(dataclasses.replace(data, metrics=data.metrics | {"rp_contamination": contamination}))
    card = "[...document.querySelectorAll('.histogram')].find(c => c.textContent.startsWith('rp_contamination'))"
    script(browser, f"{card}.id = 'judged'")
    assert script(browser, HEIGHT_OF_COLOUR, "#judged", "--second") >= 3
    text = script(browser, "document.querySelector('#judged p:last-child').textContent")
    assert text == "201 pass < 0.5, 2 fail"


def test_missing_values_are_told_apart_and_explained(open_page):
    browser = open_page(make_report_data())
    cell = "document.querySelector(\"tr[data-row='3'] td.absent\")"
    assert script(browser, f"{cell}.textContent") == "–"
    assert script(browser, f"{cell}.dataset.explanation") == "no noise to compare with"
    click(browser, "tr[data-row='3'] th")
    click(browser, "#all-metrics summary")
    found = script(browser, "[...document.querySelectorAll('#metric-list dd')].map(d => d.textContent)")
    assert "–no noise to compare with" in found


def test_durations_read_as_people_say_them(open_page):
    data = make_report_data()
    durations = np.full(12, 0.000513)
    durations[1] = np.nan
    data = dataclasses.replace(data, metrics=data.metrics | {"peak_to_trough_duration": durations})
    browser = open_page(data)
    click(browser, "#all-metrics summary")
    last = "[...document.querySelectorAll('#metric-list dd')].at(-1).textContent"
    script(browser, "document.querySelector('#all-metrics').open")
    click(browser, "tr[data-row='2'] th")
    assert script(browser, last) == "0.513 ms"
    click(browser, "tr[data-row='1'] th")
    assert script(browser, last) == "–"
    type_filter(browser, "peak_to_trough_duration in 500..520 µs")
    assert len(units_shown(browser)) == 11


def test_zoom_in_time_is_shared(open_page):
    browser = open_page(make_report_data())
    script(browser, "document.querySelector('#time-from').value = '20'")
    script(browser, "document.querySelector('#time-to').value = '30'")
    script(browser, "document.querySelector('#time-to').dispatchEvent(new Event('change'))")
    shown = (
        "['raster', 'amplitude', 'rate'].map(id => document.getElementById(id).chart.scales.x).map(x => [x.min, x.max])"
    )
    settle(browser)
    assert script(browser, shown) == [[20, 30]] * 3
    click(browser, "#next")
    settle(browser)
    assert script(browser, shown) == [[20, 30]] * 3
    click(browser, "#time-whole")
    settle(browser)
    assert script(browser, shown) == [[0, 100]] * 3


def pointer(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    return ActionChains(browser, duration=20)


def test_dragging_zooms_and_a_double_click_goes_back(open_page):
    from selenium.webdriver.common.by import By

    browser = open_page(make_report_data())
    raster = browser.find_element(By.CSS_SELECTOR, "#raster .u-over")
    script(browser, "document.querySelector('#overview').scrollIntoView()")
    wide = raster.size["width"]
    pointer(browser).move_to_element_with_offset(raster, -wide // 4, 0).click_and_hold().move_by_offset(
        wide // 2, 5
    ).release().perform()
    settle(browser)
    low, high = (float(script(browser, f"document.querySelector('#time-{end}').value")) for end in ("from", "to"))
    assert (low, high) == pytest.approx((25, 75), abs=1)
    assert script(browser, "document.querySelector('#rate').chart.scales.x.min") == pytest.approx(low, abs=1e-3)
    pointer(browser).double_click(raster).perform()
    settle(browser)
    assert script(browser, "document.querySelector('#time-to').value") == "100"
    assert browser.get_log("browser") == []


def test_a_point_of_two_metrics_shows_its_unit(open_page):
    from selenium.webdriver.common.by import By

    browser = open_page(make_report_data())
    choose(browser, "#scatter-y", "rp_contamination")
    script(browser, "document.querySelector('#scatter').scrollIntoView({block: 'center'})")
    x, y = script(browser, "(c => [c.valToPos(7, 'x'), c.valToPos(1, 'y')])(document.querySelector('#scatter').chart)")
    over = browser.find_element(By.CSS_SELECTOR, "#scatter .u-over")
    left, top = x - over.size["width"] / 2, y - over.size["height"] / 2
    pointer(browser).move_to_element_with_offset(over, left, top).pause(0.1).perform()
    tip = script(browser, "document.querySelector('#tooltip').textContent")
    assert tip == "unit unit7: snr 7, rp_contamination 1"
    pointer(browser).click().perform()
    assert title_of_unit(browser) == "Unit unit7"


def test_marks_lie_on_their_spikes_on_fine_screens(open_page):
    browser = open_page(make_report_data())
    metrics = {"width": 1400, "height": 900, "deviceScaleFactor": 2, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.refresh()
    settle(browser)
    sizes = script(
        browser,
        "['#raster canvas', '#raster-marks'].map(name => document.querySelector(name))"
        ".map(c => [c.width, c.height, c.getBoundingClientRect().width, c.getBoundingClientRect().left])",
    )
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == 2 * sizes[0][2]


@pytest.mark.parametrize("view", ["curves", "spread", "density"])
def test_waveforms_are_shown_three_ways(open_page, view):
    browser = open_page(make_report_data())
    choose(browser, "#waveform-view", view)
    settle(browser)
    assert is_painted(browser, "waveforms")
    assert browser.get_log("browser") == []


def test_thresholds_failed_together_list_their_units(open_page):
    browser = open_page(make_report_data())
    rows = (
        "[...document.querySelectorAll('.upset tbody tr')].map(r => [r.cells[0].textContent, r.lastChild.textContent])"
    )
    found = dict(reversed(row) for row in script(browser, rows))
    assert sum(map(int, found.values())) == 12
    assert found["rp_contamination, snr"] == "2"  # units 1 and 5; unit 3 has no snr
    click(browser, "[aria-label$='that fail: rp_contamination, snr']")
    assert units_shown(browser) == ["unit1", "unit5"]


def test_any_two_units_can_be_compared(open_page):
    browser = open_page(make_report_data())
    click(browser, "tr[data-row='3'] th")
    choose(browser, "#other", "9")
    caption = script(browser, "document.querySelector('#cross-caption').textContent")
    assert caption == "unit unit9 around the spikes of unit unit3"
    assert script(browser, "document.querySelectorAll('#cross canvas').length") == 1
    choose(browser, "#other", "")
    assert script(browser, "document.querySelector('#cross').textContent") == "no unit to compare with is chosen"
    assert title_of_unit(browser) == "Unit unit3"
