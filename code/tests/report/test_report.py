"""The page from plain data: what it says, that it is escaped, self-contained and repeatable."""

import base64
import dataclasses
import json
import re

import numpy as np
import pytest
import zarr
from report.made_up_data import MARKUP, make_large_report_data, make_report_data

from ephys_postprocess.report.contents import Correlograms, MissingReason
from ephys_postprocess.report.findings import find_warnings, judge_units
from ephys_postprocess.report.packing import pack, pack_by_unit, pack_counts
from ephys_postprocess.report.payload import build_payload
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
    pairs = payload["correlograms"]["pairs"]
    row = np.flatnonzero((unpack(pairs["first"]) == 2) & (unpack(pairs["second"]) == 7))[0]
    np.testing.assert_array_equal(unpack(pairs["counts"])[row], data.correlograms.counts[7, 2])
    neighbours = unpack(payload["neighbours"])
    similarity = data.similarity[0].copy()
    similarity[0] = -1
    assert neighbours[0].tolist() == np.argsort(-similarity)[:5].tolist()
    assert unpack(payload["amplitudes"]["counts"]).sum() == data.spikes.trains.num_spikes


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
    page = build_report(make_report_data()).replace("https://github.com/leeoniya/uPlot", "")  # in its own heading
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:,|#)""", page)
    assert "innerHTML" not in page


def test_the_same_data_give_the_same_bytes():
    assert build_report(make_report_data()) == build_report(make_report_data())


def test_correlograms_of_a_store_are_read_some_units_at_a_time():
    counts = np.random.default_rng(0).integers(0, 9, (7, 7, 3))
    stored = zarr.array(counts, chunks=(2, 7, 3))
    first, second = np.array([6, 0, 3, 3, 6]), np.array([1, 0, 3, 5, 1])
    for held in (counts, stored):
        found = Correlograms(held, np.arange(4.0)).of_pairs(first, second)
        np.testing.assert_array_equal(found, counts[first, second])
    assert Correlograms(counts, np.arange(4.0)).of_pairs(first[:0], second[:0]).shape == (0, 3)


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


def test_similar_and_near_pairs_come_first_where_there_is_no_room_for_all(monkeypatch):
    from ephys_postprocess.report import payload_pairs

    data = make_report_data(num_units=30)
    neighbours = payload_pairs.find_neighbours(data)
    monkeypatch.setattr(payload_pairs, "PAIR_VALUES", 200 * 50)
    pairs = build_payload(data)["correlograms"]["pairs"]
    kept = set(zip(unpack(pairs["first"]).tolist(), unpack(pairs["second"]).tolist(), strict=True))
    assert len(kept) == 200
    similar = {(min(unit, other), max(unit, other)) for unit in range(30) for other in neighbours[unit].tolist()}
    assert similar <= kept
    distance = {
        (a, b): np.linalg.norm(data.locations_um[a] - data.locations_um[b]) for a in range(30) for b in range(a + 1, 30)
    }
    farthest = max(distance[pair] for pair in kept - similar)
    assert all(distance[pair] >= farthest for pair in set(distance) - kept)


def test_frequent_pairs_keep_their_shape():
    data = make_report_data(num_units=3)
    counts = data.correlograms.counts * 100
    pairs = build_payload(without(data, correlograms=dataclasses.replace(data.correlograms, counts=counts)))
    pairs = pairs["correlograms"]["pairs"]
    back = unpack(pairs["counts"]) * unpack(pairs["scales"])[:, None]
    assert np.abs(back[0] - counts[1, 0]).max() <= counts[1, 0].max() / 255


def test_no_units_at_all():
    data = make_report_data(num_units=1)
    empty = without(
        data,
        unit_ids=(),
        main_channel_indices=np.zeros(0, int),
        metrics={},
        presets=(),
        **dict.fromkeys(MISSING),
        spikes=dataclasses.replace(
            data.spikes,
            trains=dataclasses.replace(data.spikes.trains.of_rows(np.zeros(0, int)), num_units=0),
            amplitudes=np.zeros(0, np.float32),
            depths_um=np.zeros(0, np.float32),
        ),
    )
    assert find_warnings(empty) == ["No unit is left: there is nothing to show."]
    build_report(empty)


def test_one_unit():
    build_report(make_report_data(num_units=1))


def test_verdicts_by_hand():
    data = make_report_data()
    verdicts = judge_units(data)
    assert np.flatnonzero(verdicts.passes).tolist() == [0, 2, 4, 6, 8, 10]
    assert judge_units(without(data, metrics={})) is None
    missing = data.metrics["presence_ratio"].copy()
    missing[[1, 2]] = np.nan  # unit 1 fails by another metric, unit 2 by none
    verdicts = judge_units(without(data, metrics=data.metrics | {"presence_ratio": missing}))
    assert np.flatnonzero(verdicts.is_open).tolist() == [2]
    assert verdicts.text() == "5 pass, 6 fail, 1 not judged"


def test_warnings_name_what_to_look_at():
    data = make_report_data()
    similarity = data.similarity.copy()
    similarity[2, 7] = 0.97
    metrics = data.metrics | {"presence_ratio": np.full(data.num_units, np.nan)}
    missing = (MissingReason(("presence_ratio",), (), True, "recording too short"),)
    changed = without(data, similarity=similarity, metrics=metrics, notes=("look here",), missing=missing)
    text = " ".join(find_warnings(changed))
    assert "unit2 and unit7" in text
    assert "No value for any unit: presence_ratio (recording too short)." in text
    assert "curation counts a missing value there as a failure" in text
    assert "No unit passes the pipeline's default thresholds" in text
    assert "look here" in text


def test_a_missing_value_is_a_failure_only_where_the_pipeline_judges():
    data = make_report_data()
    metrics = data.metrics | {"firing_rate": np.full(data.num_units, np.nan)}
    warnings = find_warnings(without(data, metrics=metrics))
    assert "No value for any unit: firing_rate." in warnings
    assert not any("failure" in warning for warning in warnings)


def test_unfiltered_traces_are_told_first():
    data = make_report_data()
    raw = without(data, run=dataclasses.replace(data.run, is_filtered=False))
    raw = without(raw, notes=("The traces are not filtered, says the run.",))
    assert find_warnings(raw)[0].startswith("The traces were not filtered")
    assert sum("not filtered" in warning for warning in find_warnings(raw)) == 1
    assert dict(run_facts(raw))["Traces"] == "not filtered"
    assert not any("filtered" in warning for warning in find_warnings(data))


def test_counts_are_never_microvolts():
    data = without(make_report_data(), is_in_uV=False)
    data = without(data, metrics=data.metrics | {name: np.ones(12) for name in ("amplitude_median", "recovery_slope")})
    payload = payload_of(build_report(data))
    assert "µV" not in json.dumps(payload["columns"], ensure_ascii=False).replace("Vm", "")
    assert {column["name"]: column["unit"] for column in payload["columns"]}["recovery_slope"] == "counts/s"


def test_durations_are_shown_in_ms():
    data = make_report_data()
    data = without(data, metrics=data.metrics | {"peak_to_trough_duration": np.full(12, 0.000513)})
    column = build_payload(data)["columns"][-1]
    assert (column["unit"], column["scale"]) == ("ms", 1000.0)


def test_facts_at_the_top():
    facts = dict(run_facts(make_report_data()))
    assert facts["Units"] == "13 in, 1 duplicates removed, 12 out"
    assert facts["Segments"] == "2"
    assert facts["Default thresholds"] == "6 pass, 6 fail, 0 not judged"


@pytest.mark.parametrize(
    ("seconds", "text"), [(57.5, "57.5 s"), (120.0, "2 min 00 s"), (3661.2, "1 h 01 min"), (7199.9, "2 h 00 min")]
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_500_units_stay_below_8_mb():
    """As much of everything as a result can bring: 60 waveforms per unit, 20 channels, 60 columns."""
    page = build_report(make_large_report_data())
    assert len(page.encode()) < 8e6


def test_payload_has_no_number_json_cannot_write():
    json.dumps(build_payload(make_report_data()), allow_nan=False)
