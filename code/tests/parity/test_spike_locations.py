"""Spike and unit locations against SpikeInterface, and against themselves for any chunks and threads."""

import numpy as np
import pytest
from probeinterface import generate_multi_columns_probe
from reference.small_analyzer import ArrayTraces
from spikeinterface import create_sorting_analyzer, generate_ground_truth_recording
from spikeinterface.core import NumpyRecording

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.locations.spike_locations import grid_prototype, prepare_spike_locations
from ephys_postprocess.stages.locations.unit_locations import locate_units
from ephys_postprocess.stages.traces.trace_pass import run_trace_pass

SEED = 4


class Case:
    """One small recording (two segments, int16) with its stock analyzer and our records of it."""

    def __init__(self, num_channels=24, num_units=8, **probe):
        truth, sorting = generate_ground_truth_recording(
            durations=[3.0, 2.0],
            num_channels=num_channels,
            num_units=num_units,
            seed=0,
            sampling_frequency=30_000.0,
            **probe,
        )
        counts = [np.round(truth.get_traces(segment_index=index) * 5).astype(np.int16) for index in range(2)]
        recording = NumpyRecording(counts, 30_000.0, channel_ids=truth.channel_ids)
        recording.set_probe(truth.get_probe())
        recording.set_channel_gains(0.2)
        recording.set_channel_offsets(0.0)
        self.analyzer = create_sorting_analyzer(
            sorting, recording, sparse=True, sparsity_kwargs={"radius_um": 80}, job_kwargs={"n_jobs": 1}
        )
        self.analyzer.compute({"random_spikes": {"seed": 0}, "templates": {}}, n_jobs=1)
        spikes = self.analyzer.sorting.to_spike_vector()
        self.spikes = SpikeTrains(
            samples=spikes["sample_index"].astype(np.int64),
            unit_indices=spikes["unit_index"].astype(np.int64),
            segment_indices=spikes["segment_index"].astype(np.int64),
            num_units=num_units,
            segment_lengths=tuple(len(segment) for segment in counts),
            sampling_frequency_hz=30_000.0,
        )
        self.traces = ArrayTraces(counts)
        self.main_channel_indices = self.analyzer.get_main_channels(outputs="index", with_dict=False).astype(np.int64)
        self.locations_um = self.analyzer.get_channel_locations()

    def ours(self, method, chunk_samples=30_000, num_threads=1, spike_retriever_kwargs=None, **method_kwargs):
        prototype = None
        if method == "grid_convolution":
            n_peaks = method_kwargs.get("n_peaks", 5000)
            prototype = grid_prototype(
                self.traces, self.spikes, self.main_channel_indices, seed=SEED, n_peaks=n_peaks, num_threads=num_threads
            )
        consumer = prepare_spike_locations(
            self.spikes,
            self.main_channel_indices,
            self.locations_um,
            method=method,
            method_kwargs=method_kwargs,
            spike_retriever_kwargs=spike_retriever_kwargs,
            prototype=prototype,
        )
        run_trace_pass(self.traces, self.spikes, [consumer], chunk_samples, num_threads)
        return consumer.spike_locations

    def stock(self, method, spike_retriever_kwargs=None, **method_kwargs):
        extension = self.analyzer.compute(
            "spike_locations",
            method=method,
            method_kwargs=method_kwargs,
            spike_retriever_kwargs=spike_retriever_kwargs,
            seed=SEED,
            n_jobs=1,
        )
        return extension.get_data()


@pytest.fixture(scope="module")
def case():
    return Case()


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("grid_convolution", {}),
        ("grid_convolution", {"n_peaks": 50, "percentile": 20.0, "weight_method": {"mode": "gaussian_2d"}}),
        ("grid_convolution", {"prototype": None, "radius_um": 30.0}),
        ("grid_convolution", {"spike_retriever_kwargs": {"channel_from_template": False}}),
        ("center_of_mass", {}),
        ("center_of_mass", {"feature": "energy", "spike_retriever_kwargs": {"channel_from_template": False}}),
        ("center_of_mass", {"feature": "mean"}),
        ("center_of_mass", {"feature": "peak_voltage", "radius_um": 40.0}),
    ],
)
def test_spike_locations_equal_stock(case, method, parameters):
    ours, stock = case.ours(method, **parameters), case.stock(method, **parameters)
    assert ours.dtype == stock.dtype
    for name in ours.dtype.names:
        # Float32 sums in another order: 1e-4 relative (means that divide by a sum near 0 are the worst).
        is_close = np.isclose(ours[name], stock[name], rtol=1e-4, atol=2e-3, equal_nan=True)
        # Mirrored grid positions tie but for rounding; where the threshold falls between two, that spike moves by a
        # fraction of a µm. The wide Gaussians tie far more often than the exponentials.
        share = {"grid_convolution": 0.95 if "weight_method" in parameters else 0.995}.get(method, 1.0)
        assert is_close.mean() >= share
        assert np.abs(ours[name] - stock[name]).max() < 1.5


def test_on_a_wide_tetrode_every_spike_is_where_stock_has_it():
    """There most positions see one contact and nearly tie: which pass the quantile depends on the last bit of a sum."""
    square = generate_multi_columns_probe(num_columns=2, num_contact_per_column=2, xpitch=50, ypitch=50)
    square.set_device_channel_indices(np.arange(4))
    tetrode = Case(num_channels=4, num_units=3, probe=square)
    ours, stock = tetrode.ours("grid_convolution"), tetrode.stock("grid_convolution")
    for name in ours.dtype.names:
        # BLAS sums a spike that is alone in its second and channel in an order of its own: one in a hundred may differ.
        assert np.isclose(ours[name], stock[name], rtol=1e-4, atol=2e-3).mean() > 0.99


@pytest.mark.parametrize("optimizer", ["least_square", "minimize_with_log_penality"])
def test_triangulated_spikes_equal_stock(case, optimizer):
    ours = case.ours("monopolar_triangulation", optimizer=optimizer)
    stock = case.stock("monopolar_triangulation", optimizer=optimizer)
    assert ours.dtype == stock.dtype
    for name in ours.dtype.names:
        # Searches that run out of evaluations (one in ten on noise-like spikes), or that stop a step apart, differ.
        is_close = np.abs(ours[name] - stock[name]) <= 1e-3 * stock[name].std()
        assert is_close.mean() >= 0.9


@pytest.mark.parametrize("method", ["grid_convolution", "center_of_mass", "monopolar_triangulation"])
def test_chunks_and_threads_change_no_byte(case, method):
    expected = case.ours(method, chunk_samples=10**9)
    for chunk_samples, num_threads in [(3_000, 1), (30_000, 1), (3_000, 4), (30_000, 4)]:
        assert case.ours(method, chunk_samples, num_threads).tobytes() == expected.tobytes()


def test_least_squares_too(case):
    expected = case.ours("monopolar_triangulation", 10**9, optimizer="least_square")
    found = case.ours("monopolar_triangulation", 3_000, 4, optimizer="least_square")
    assert found.tobytes() == expected.tobytes()


def test_prototype_reads_only_seconds_with_chosen_spikes(case):
    traces = ArrayTraces(case.traces.segments)
    grid_prototype(traces, case.spikes, case.main_channel_indices, seed=0, n_peaks=1)
    assert sum(reads.sum() for reads in traces.num_reads) <= 30_000 + 2 * 15


def test_shifting_the_probe_shifts_the_spikes(case):
    located = case.ours("center_of_mass")
    shifted_um = case.locations_um + np.array([100.0, -50.0])
    moved = prepare_spike_locations(case.spikes, case.main_channel_indices, shifted_um, method="center_of_mass")
    run_trace_pass(case.traces, case.spikes, [moved], 30_000, 1)
    np.testing.assert_allclose(moved.spike_locations["x"], located["x"] + 100.0, atol=1e-3)  # float32
    np.testing.assert_allclose(moved.spike_locations["y"], located["y"] - 50.0, atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "guess"},
        {"method_kwargs": {"radius": 1}},
        {"method": "center_of_mass", "method_kwargs": {"feature": "ptp2"}},
        {"spike_retriever_kwargs": {"peak_signs": "neg"}},
        {"method_kwargs": {"percentile": 101}},
        {"prototype": np.zeros(3, np.float32)},
    ],
)
def test_wrong_parameters_are_refused(case, wrong):
    with pytest.raises(ParameterError):
        prepare_spike_locations(case.spikes, case.main_channel_indices, case.locations_um, **wrong)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("monopolar_triangulation", {}),
        ("monopolar_triangulation", {"return_alpha": True, "feature": "energy"}),
        ("monopolar_triangulation", {"optimizer": "minimize_with_log_penality", "feature": "peak_voltage"}),
        ("center_of_mass", {}),
        ("center_of_mass", {"feature": "peak_voltage"}),
        ("grid_convolution", {}),
        ("grid_convolution", {"invert_prototype_waveform": False, "sigma_ms": 0.3}),
        ("max_channel", {}),
    ],
)
def test_unit_locations_equal_stock(case, method, parameters):
    extension = case.analyzer.get_extension("templates")
    found = locate_units(
        extension.get_data(),
        Sparsity(case.analyzer.sparsity.mask),
        case.main_channel_indices,
        case.locations_um,
        extension.nbefore,
        30_000.0,
        method=method,
        **parameters,
    )
    stock = case.analyzer.compute("unit_locations", method=method, **parameters).get_data()
    assert found.dtype == stock.dtype
    # The audit's own measure; both searches stop at 1e-8 of the cost, which leaves far less than this.
    assert (np.abs(found - stock) <= 1e-3 * stock.std(axis=0)).all()


def test_units_in_another_order_are_the_same_units(case):
    templates = case.analyzer.get_extension("templates").get_data()
    mask = case.analyzer.sparsity.mask
    order = np.random.default_rng(0).permutation(8)
    fixed = (case.locations_um, 30, 30_000.0)
    expected = locate_units(templates, Sparsity(mask), case.main_channel_indices, *fixed)
    found = locate_units(templates[order], Sparsity(mask[order]), case.main_channel_indices[order], *fixed)
    np.testing.assert_array_equal(found, expected[order])


@pytest.mark.parametrize("method", ["grid_convolution", "center_of_mass", "monopolar_triangulation"])
def test_blanked_spikes_have_no_location(case, method):
    blanked = Case.__new__(Case)
    vars(blanked).update(vars(case))
    segments = [segment.copy() for segment in case.traces.segments]
    segments[0][30_000:60_000] = 0
    blanked.traces = ArrayTraces(segments)
    inside = (case.spikes.segment_indices == 0) & (np.abs(case.spikes.samples - 45_000) < 14_900)
    beyond = (case.spikes.segment_indices == 1) | (np.abs(case.spikes.samples - 45_000) > 15_100)
    found = blanked.ours(method)
    assert inside.any()
    assert np.isnan(found["x"][inside]).all()
    assert np.isfinite(found["x"][beyond]).all()
