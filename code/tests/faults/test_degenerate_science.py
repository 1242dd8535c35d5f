"""Data at the edge of what metrics are defined for: a finished result, NaN, and a line saying why."""

import json

import numpy as np
import pytest
import spikeinterface.core as si
from end_to_end.make_inputs import save, sorting_of, tiny

RATE_HZ = 30_000
NAME = "edge"


def rows_of(samples, unit, segment=0):
    return [(int(sample), unit, segment) for sample in samples]


def every(period, stop, start=300):
    return np.arange(start, stop, period)


def many_tiny_units():
    recording, _ = tiny()
    rng = np.random.default_rng(0)
    spikes = [
        (int(sample), unit, 0) for unit in range(120) for sample in rng.integers(200, 239_000, rng.integers(0, 4))
    ]
    return recording, sorting_of(spikes, [f"u{unit}" for unit in range(120)])


def one_unit():
    recording, truth = tiny()
    return recording, si.NumpySorting.from_sorting(truth.select_units(truth.unit_ids[:1]))


def identical_units():
    recording, truth = tiny()
    samples = truth.get_unit_spike_train(truth.unit_ids[0], segment_index=0)
    return recording, sorting_of([row for unit in range(4) for row in rows_of(samples, unit)], list("abcd"))


def units_on_one_channel():
    recording, truth = tiny(num_channels=12)
    one = recording.select_channels(recording.channel_ids[:1])
    return one, si.NumpySorting.from_sorting(truth)


def every_spike_in_one_second():
    recording, _truth = tiny()
    return recording, sorting_of(rows_of(every(200, 30_000), 0) + rows_of(every(7000, 230_000), 1), ["burst", "usual"])


def recording_shorter_than_a_bin():
    return tiny((0.3,), num_channels=8, num_units=3, seed=4)


def recording_shorter_than_a_template():
    recording, _ = tiny((0.3,), num_channels=8, num_units=3, seed=4)
    return recording.frame_slice(0, 60), sorting_of([(30, 0, 0)], ["a"])


def one_spike_a_unit():
    recording, _ = tiny()
    return recording, sorting_of([(50_000 * (unit + 1), unit, 0) for unit in range(4)], list("abcd"))


def spikes_at_both_ends():
    recording, _ = tiny()
    length = recording.get_num_samples()
    return recording, sorting_of(
        rows_of([0, 1, 2, length - 2, length - 1], 0) + rows_of(every(5000, length), 1), ["ends", "b"]
    )


def spikes_at_one_sample():
    recording, _ = tiny()
    return recording, sorting_of(rows_of([50_000] * 200, 0) + rows_of(every(5000, 200_000), 1), ["same", "b"])


def no_units():
    recording, _ = tiny()
    return recording, sorting_of([], np.array([], dtype="<U1"))


def units_without_spikes():
    recording, _ = tiny()
    return recording, sorting_of([], ["a", "b", "c"])


def with_traces(recording, traces):
    """The same probe and channels with other traces."""
    other = si.NumpyRecording([traces], recording.sampling_frequency, channel_ids=recording.channel_ids)
    other.set_probe(recording.get_probe())
    other.set_channel_gains(0.195)
    other.set_channel_offsets(0.0)
    return other


def all_traces_zero():
    recording, truth = tiny()
    return with_traces(recording, np.zeros_like(recording.get_traces())), si.NumpySorting.from_sorting(truth)


def one_channel_zero():
    recording, truth = tiny()
    traces = recording.get_traces().copy()
    traces[:, 3] = 0
    return with_traces(recording, traces), si.NumpySorting.from_sorting(truth)


def nan_far_from_where_the_survey_looks():
    recording, truth = tiny()
    traces = np.float32(recording.get_traces() * 0.195)
    traces[101_000:101_100] = np.nan
    broken = si.NumpyRecording([traces], recording.sampling_frequency)
    broken.set_probe(recording.get_probe())
    return broken, si.NumpySorting.from_sorting(truth)


EDGES = {
    # what is degenerate: words of the line that says why
    many_tiny_units: "no value for",
    one_unit: "no value for",
    identical_units: "no value for|duplicate",
    units_on_one_channel: "no value for",
    every_spike_in_one_second: "no value for",
    recording_shorter_than_a_bin: "shorter than one bin",
    recording_shorter_than_a_template: "no value for",
    one_spike_a_unit: "no value for",
    spikes_at_both_ends: "no value for",
    spikes_at_one_sample: "no value for",
    no_units: "0 units",
    units_without_spikes: "no value for",
    all_traces_zero: "constant on every channel",
    one_channel_zero: "never change",
}


@pytest.mark.parametrize("make", EDGES, ids=[make.__name__ for make in EDGES])
def test_degenerate(make, capsule, tmp_path, tally):
    import re

    tally("inputs on the command line")
    recording, sorting = make()
    data = tmp_path / "data"
    save(data, NAME, recording, sorting)
    code, said = capsule(data, tmp_path / "r")
    assert code == 0, said
    assert "Traceback" not in said
    assert "RuntimeWarning" not in said
    assert re.search(EDGES[make], said), said
    record = json.loads((tmp_path / "r" / f"data_process_postprocessing_{NAME}.json").read_text())
    assert record["output_parameters"]["integrity"]["manifest_sha256"]
    analyzer = si.load_sorting_analyzer(tmp_path / "r" / f"postprocessed_{NAME}.zarr", load_extensions=False)
    assert analyzer.get_num_units() <= sorting.get_num_units()


@pytest.mark.slow
def test_thousands_of_tiny_units(capsule, tmp_path, tally):
    """On twelve channels every unit is every other's neighbour, so what compares neighbours is left out here."""
    tally("inputs on the command line")
    recording, _ = tiny()
    rng = np.random.default_rng(0)
    rows = [(int(sample), unit, 0) for unit in range(3000) for sample in rng.integers(200, 239_000, rng.integers(0, 4))]
    save(tmp_path / "data", NAME, recording, sorting_of(rows, [f"u{unit}" for unit in range(3000)]))
    code, said = capsule(
        *(tmp_path / "data", tmp_path / "r", "--skip-extensions", "principal_components,amplitude_scalings")
    )
    assert code == 0, said
    assert "Traceback" not in said


def test_nan_far_from_where_the_survey_looks(capsule, tmp_path, tally):
    tally("inputs on the command line")
    save(tmp_path / "data", NAME, *nan_far_from_where_the_survey_looks())
    code, said = capsule(tmp_path / "data", tmp_path / "r")
    assert code == 1, said
    assert "Traceback" not in said
    assert "NaN or infinite values between samples" in said
