"""Memory stays flat in recording length: nothing with a value for every spike outlives its use."""

import gc
import json
import tracemalloc
import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import spikeinterface.core as si
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from ephys_postprocess.cli.arguments import parse_arguments
from ephys_postprocess.commands.recording import compute, gather_windows, sample
from ephys_postprocess.engine import unit_groups
from ephys_postprocess.engine.duplicates import KeptUnits
from ephys_postprocess.engine.quality_metrics import quality_metrics
from ephys_postprocess.inputs.data_folder import find_recordings
from ephys_postprocess.inputs.opened import open_inputs
from ephys_postprocess.machine.free_memory import give_back_free_memory
from ephys_postprocess.parameters.metrics import QUALITY_METRICS
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.report.read import read_report_data
from ephys_postprocess.results.files import ResultFiles

NUM_SPIKES = 40_000
# Everything that does not grow with the recording is made smaller than one byte for each of that many spikes.
PARAMS = {
    "random_spikes": {"max_spikes_per_unit": 20},
    "spike_locations": {"method": "center_of_mass"},
    "sparsity": None,
}
SMALLEST_PER_SPIKE_BYTES = 1
PER_SPIKE = ("spike_amplitudes", "amplitude_scalings", "spike_locations")


class QuietLog:
    records = ()

    def stage(self, *_):
        return nullcontext(SimpleNamespace(count=lambda **_: None, advance=lambda _: None))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty seconds of four channels with a thousand spikes per second."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    recording = si.NumpyRecording([rng.integers(-50, 50, (1_200_000, 4)).astype("int16")], 30_000.0)
    recording.set_dummy_probe_from_locations(np.c_[np.zeros(4), 20.0 * np.arange(4)])
    recording.set_channel_gains(0.5)
    recording.set_channel_offsets(0.0)
    recording.save(folder=folder / "preprocessed_x", verbose=False, progress_bar=False, n_jobs=1)
    samples = np.sort(rng.integers(100, 1_199_900, NUM_SPIKES))
    sorting = si.NumpySorting.from_samples_and_labels([samples], [rng.integers(0, 4, NUM_SPIKES)], 30_000.0)
    sorting.save(folder=folder / "spikesorted_x")
    return folder


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collector():
    """The run itself frees what it no longer needs, whatever thresholds the garbage collector has."""
    gc.disable()
    yield
    gc.enable()


class Run:
    """The data computed up to the last extension, into a folder of its own."""

    def __init__(self, data, folder):
        arguments = parse_arguments(
            ["--data", str(data), "--results", str(folder), "--scratch", str(folder), "--params", json.dumps(PARAMS)]
        )
        self.parameters, self.execution = arguments.parameters, arguments.execution
        self.found = find_recordings(data)
        self.files = ResultFiles(folder, "x")

    def compute(self):
        log, kept = QuietLog(), KeptUnits(np.ones(4, dtype=bool), [])
        inputs = open_inputs(self.found.recordings[0], self.found, self.parameters, self.execution, log)
        watched = [weakref.ref(inputs.spikes.samples)]
        sampled = sample(inputs, self.parameters)
        extensions = dict(self.parameters.extensions.arguments())
        gathered = gather_windows(inputs, sampled, kept.is_kept, self.parameters)
        work = compute(inputs, sampled, kept, gathered, self.files, extensions, log)
        return work, inputs, [reference() is not None for reference in watched]


@pytest.fixture(scope="module")
def computed(data, tmp_path_factory):
    """A run up to the last extension, with what of its inputs could still be alive, and numpy's largest arrays.

    It is the second run: compiling leaves circles that hold what the first one had, for the collector to find.
    """
    first = Run(data, tmp_path_factory.mktemp("first"))
    with first.files.held():
        first.compute()
    gc.collect()
    run = Run(data, tmp_path_factory.mktemp("results"))
    tracemalloc.start()
    with run.files.held():
        work, inputs, alive = run.compute()
        arrays = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)])
        tracemalloc.stop()
        yield SimpleNamespace(
            work=work,
            inputs=inputs,
            alive=alive,
            arrays=[(trace.size, str(trace.traceback)) for trace in arrays.traces],
        )


def test_the_inputs_spikes_are_let_go(computed):
    assert computed.alive == [False]
    assert computed.inputs.spikes is None


def test_no_array_of_every_spike_is_left(computed):
    assert computed.arrays
    assert [array for array in computed.arrays if array[0] >= NUM_SPIKES * SMALLEST_PER_SPIKE_BYTES] == []


def test_values_of_spikes_are_read_from_the_store(computed):
    for name in PER_SPIKE:
        data = computed.work.data_of(name)
        assert {type(values) for values in data.values()} == {zarr.Array}
        assert {values.shape[0] for values in data.values()} == {NUM_SPIKES}


def test_a_report_can_still_be_made(computed):
    spikes = read_report_data(computed.work.analyzer, "x").spikes
    assert spikes.trains.num_spikes == spikes.amplitudes.size == spikes.depths_um.size == NUM_SPIKES
    assert spikes.depths_um.base is None  # not a view that holds all coordinates


def test_spikeinterface_finds_arrays_and_they_are_gone_after(computed):
    analyzer = computed.work.analyzer
    stored = analyzer.sorting
    with computed.work.all_in_memory():
        assert isinstance(analyzer.sorting.to_spike_vector(), np.ndarray)
        assert analyzer.sorting.get_unit_spike_train(analyzer.unit_ids[1]).size
        for name in PER_SPIKE:
            assert {type(values) for values in computed.work.data_of(name).values()} == {np.ndarray}
    assert analyzer.sorting is stored
    assert {type(values) for name in PER_SPIKE for values in computed.work.data_of(name).values()} == {zarr.Array}


@pytest.mark.parametrize("most_spikes", [1, 25_000])
def test_metrics_do_not_depend_on_the_groups(computed, monkeypatch, most_spikes):
    work = computed.work
    params = work.params_of("quality_metrics")
    params = {
        **params,
        "metric_names": [name for name in params["metric_names"] if QUALITY_METRICS[name].scope == "unit"],
    }
    outcomes = []
    for size in (NUM_SPIKES, most_spikes):
        monkeypatch.setattr(unit_groups, "SPIKES_AT_ONCE", size)
        work.not_computed.clear()
        columns = quality_metrics(work, params)
        outcomes.append(({name: values.tobytes() for name, values in columns.items()}, dict(work.not_computed)))
    assert outcomes[0] == outcomes[1]
    assert "drift_ptp" in outcomes[0][1]  # a reason for every unit, so that they are counted right


@st.composite
def spike_trains(draw):
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 59), st.integers(0, 3)), max_size=40))
    num_segments = draw(st.integers(1, 2))
    rows = sorted((min(segment, num_segments - 1), sample, unit) for segment, sample, unit in rows)
    segments, samples, units = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return SpikeTrains(samples, units, segments, 4, (60,) * num_segments, 1000.0)


@settings(max_examples=40, deadline=None)
@given(spike_trains(), st.integers(1, 50))
def test_groups_of_units_are_the_spikes_again(spikes, most_spikes):
    groups = spikes.groups_of_units(most_spikes)
    assert [unit for first, last in groups for unit in range(first, last)] == [0, 1, 2, 3]
    for first, last in groups:
        some, rows = spikes.of_units(first, last), spikes.rows_of_units(first, last)
        is_own = (spikes.unit_indices >= first) & (spikes.unit_indices < last)
        np.testing.assert_array_equal(rows, np.flatnonzero(is_own))
        np.testing.assert_array_equal(some.samples, spikes.samples[is_own])
        np.testing.assert_array_equal(some.unit_indices, spikes.unit_indices[is_own] - first)
        np.testing.assert_array_equal(some.segment_indices, spikes.segment_indices[is_own])
        assert some.num_units == last - first
        assert some.num_spikes <= most_spikes or last - first == 1


def test_giving_back_free_memory_leaves_arrays_alone():
    values = np.arange(100_000)
    give_back_free_memory()
    assert values.sum() == 4_999_950_000
