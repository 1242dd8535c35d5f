"""The page from plain data: what it says, that it is escaped, self-contained and repeatable."""

import base64
import dataclasses
import json
import re

import numpy as np
import pytest
from report.made_up_data import MARKUP, make_report_data

from ephys_postprocess.report.findings import find_warnings, passes_qc
from ephys_postprocess.report.payload import build_payload, pack, pack_by_unit, pack_counts
from ephys_postprocess.report.render import build_report, duration_text, run_facts


def unpack(packed):
    values = np.frombuffer(base64.b64decode(packed["data"]), dtype=packed["dtype"])
    return values.reshape(packed["shape"])


def payload_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def without(data, **fields):
    return dataclasses.replace(data, **fields)


def test_packed_arrays_come_back():
    values = np.array([[1.25, -3.0], [0.0, 127.4]])
    np.testing.assert_array_equal(unpack(pack(values, np.float64)), values)
    assert unpack(pack(values, np.int8)).tolist() == [[1, -3], [0, 127]]
    assert pack_counts(np.array([0, 255]))["dtype"] == "uint8"
    assert pack_counts(np.array([0, 256]))["dtype"] == "uint16"


def test_curves_lose_less_than_a_screen_shows():
    curves = np.random.default_rng(0).normal(0, 50, (6, 3, 40)).astype(np.float32)
    units = np.array([0, 0, 1, 2, 2, 2])
    packed = pack_by_unit(curves, units, 4)
    back = unpack(packed["values"]) * unpack(packed["scales"])[units][:, None, None]
    largest = np.abs(curves).max()
    assert np.abs(back - curves).max() <= largest / 254 * 1.001  # half a step of 1/127, and rounding of the scale


def test_the_page_holds_what_the_data_say():
    data = make_report_data()
    payload = payload_of(build_report(data))
    assert payload["units"]["ids"] == list(data.unit_ids)
    np.testing.assert_array_equal(unpack(payload["metrics"]["snr"]), data.metrics["snr"])
    np.testing.assert_array_equal(
        unpack(payload["correlograms"]["auto"])[5], data.correlograms.counts[5, 5].astype(np.uint8)
    )
    neighbours = unpack(payload["neighbours"])
    similarity = data.similarity[0].copy()
    similarity[0] = -1
    assert neighbours[0].tolist() == np.argsort(-similarity)[:5].tolist()
    assert unpack(payload["amplitudes"]["counts"]).sum() == data.spikes.times_s.size


def test_nothing_is_markup_but_ours():
    data = make_report_data(name=MARKUP, unit_names=[MARKUP, '"><img src=x>', "&amp;", "]]>", "'", "-->", *"abcdef"])
    data = without(data, notes=(MARKUP,), probe=dataclasses.replace(data.probe, channel_ids=(MARKUP,) * 32))
    page = build_report(data)
    assert MARKUP not in page
    assert "<img" not in page
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert payload_of(page)["units"]["ids"][0] == MARKUP


def test_names_that_cannot_be_encoded_do_not_stop_the_page():
    build_report(make_report_data(name="broken\udce9name")).encode("utf-8")


def test_no_address_and_a_policy_that_forbids_all_loading():
    page = build_report(make_report_data())
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:,)""", page)
    assert "innerHTML" not in page


def test_the_same_data_give_the_same_bytes():
    assert build_report(make_report_data()) == build_report(make_report_data())


MISSING = ("locations_um", "templates", "waveforms", "correlograms", "similarity")


@pytest.mark.parametrize("name", MISSING)
def test_a_page_without_an_extension(name):
    build_report(without(make_report_data(), **{name: None}))


def test_a_page_of_spikes_alone():
    data = make_report_data()
    spikes = dataclasses.replace(data.spikes, amplitudes=None, depths_um=None)
    data = without(data, **dict.fromkeys(MISSING), metrics={}, spikes=spikes, missing_extensions=("templates",))
    payload = payload_of(build_report(data))
    assert payload["raster"] is None
    assert "Not in this result, so not shown: templates." in find_warnings(data)


def test_no_units_at_all():
    data = make_report_data(num_units=1)
    empty = without(
        data,
        unit_ids=(),
        main_channels=np.zeros(0, int),
        metrics={},
        **dict.fromkeys(MISSING),
        spikes=dataclasses.replace(
            data.spikes,
            **{field.name: getattr(data.spikes, field.name)[:0] for field in dataclasses.fields(data.spikes)},
        ),
    )
    assert find_warnings(empty) == ["No unit is left: there is nothing to show."]
    build_report(empty)


def test_one_unit():
    build_report(make_report_data(num_units=1))


def test_passing_units_by_hand():
    data = make_report_data()
    assert np.flatnonzero(passes_qc(data)).tolist() == [0, 2, 4, 6, 8, 10]
    assert passes_qc(without(data, metrics={})) is None


def test_warnings_name_what_to_look_at():
    data = make_report_data()
    similarity = data.similarity.copy()
    similarity[2, 7] = 0.97
    metrics = data.metrics | {"presence_ratio": np.full(data.num_units, np.nan)}
    text = " ".join(find_warnings(without(data, similarity=similarity, metrics=metrics, notes=("look here",))))
    assert "unit2 and unit7" in text
    assert "No value for any unit: presence_ratio." in text
    assert "No unit passes the pipeline's default thresholds" in text
    assert "look here" in text


def test_facts_at_the_top():
    facts = dict(run_facts(make_report_data()))
    assert facts["Units"] == "13 in, 1 duplicates removed, 12 out"
    assert facts["Segments"] == "2"
    assert facts["Pass default thresholds"] == "6 of 12"


@pytest.mark.parametrize(
    ("seconds", "text"), [(57.5, "57.5 s"), (120.0, "2 min 00 s"), (3661.2, "1 h 01 min"), (7199.9, "2 h 00 min")]
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_500_units_stay_below_8_mb():
    page = build_report(make_report_data(num_units=500, num_spikes=300_000, num_channels=384))
    assert len(page.encode()) < 8e6


def test_payload_has_no_number_json_cannot_write():
    json.dumps(build_payload(make_report_data()), allow_nan=False)
