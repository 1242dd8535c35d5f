"""The benchmarks run from the repository alone, and the pages quote what was measured."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import spikeinterface.core as si

from ephys_postprocess.parameters.document import Parameters

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("figures", "make_data", "stock_recipe", "disk_reads"):
        sys.modules.pop(name, None)


def test_both_pages_quote_the_recorded_figures():
    import figures

    texts = figures.rendered(json.loads(figures.FIGURES.read_text(encoding="utf-8")))
    stale = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python benchmarks/figures.py"


def test_made_data_are_repeated_sample_by_sample(tmp_path):
    import make_data

    shape = {"duration": 2.0, "units": 4, "channels": 8, "seed": 0}
    make_data.make_data(tmp_path / "once", "x", times=1, **shape)
    make_data.make_data(tmp_path / "thrice", "x", times=3, **shape)
    once, thrice = (si.load(tmp_path / label / "preprocessed_x") for label in ("once", "thrice"))
    np.testing.assert_array_equal(thrice.get_traces(), np.tile(once.get_traces(), (3, 1)))
    trains, repeated = (si.load(tmp_path / label / "spikesorted_x") for label in ("once", "thrice"))
    assert {"merged", "six spikes", "at the ends", "random"} < set(trains.unit_ids)
    for unit in trains.unit_ids:
        samples = trains.get_unit_spike_train(unit)
        expected = np.concatenate([samples, samples + 60_000, samples + 120_000])
        np.testing.assert_array_equal(repeated.get_unit_spike_train(unit), expected)


def test_every_unit_fires_within_a_millisecond_of_a_glitch(tmp_path):
    import make_data

    shape = {"duration": 2.0, "units": 4, "channels": 8, "seed": 0, "times": 1}
    make_data.make_data(tmp_path / "without", "x", **shape)
    make_data.make_data(tmp_path / "with", "x", glitches=3, **shape)
    before, after = (si.load(tmp_path / label / "spikesorted_x") for label in ("without", "with"))
    added = [
        np.setdiff1d(after.get_unit_spike_train(unit), before.get_unit_spike_train(unit)) for unit in after.unit_ids
    ]
    assert {samples.size for samples in added} == {3}
    assert np.ptp(added, axis=0).max() < 30


def test_stock_computes_what_the_capsule_computes_by_default():
    import stock_recipe

    ours = Parameters().extensions.arguments()
    assert set(stock_recipe.EXTENSIONS) | {"quality_metrics"} == set(ours)
    for name, arguments in stock_recipe.EXTENSIONS.items():
        for key, value in arguments.items():
            own = ours[name][key]
            if isinstance(value, dict):
                own = {inner: own[inner] for inner in value}
            assert (list(own) if isinstance(value, list) else own) == value, (name, key)
    assert set(stock_recipe.QUALITY_METRICS) == set(ours["quality_metrics"]["metric_names"])


def test_a_row_of_disk_reads_for_each_stage(monkeypatch):
    import disk_reads

    so_far = iter([100, 350])
    monkeypatch.setattr(disk_reads, "read_bytes", lambda _: next(so_far))

    class Process:
        pid = 1
        stdout = (
            '{"event": "stage_started", "stage": "a"}\n',
            '{"event": "stage_finished", "stage": "a", "seconds": 1.0, "bytes_needed": 7, "bytes_read": 9}\n',
            '{"event": "stage_finished", "stage": "b", "seconds": 2.0}\n',
        )

    rows = list(disk_reads.rows_of(Process))
    assert rows == [disk_reads.Row("a", 1.0, 7, 9, 100), disk_reads.Row("b", 2.0, 0, 0, 250)]
