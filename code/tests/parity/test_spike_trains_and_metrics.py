"""Everything computed from spike trains, templates and amplitudes, against stock SpikeInterface 0.105."""

import warnings

import numpy as np
import pytest
import scipy.ndimage
import spikeinterface as si
import spikeinterface.curation as sc
import spikeinterface.metrics
import spikeinterface.postprocessing
from reference import declared
from spikeinterface.core import NumpySorting, generate_ground_truth_recording
from spikeinterface.metrics.quality import misc_metrics as stock
from spikeinterface.postprocessing.correlograms import compute_auto_correlograms, compute_correlograms
from spikeinterface.postprocessing.isi import compute_isi_histograms_numpy
from spikeinterface.postprocessing.template_similarity import compute_similarity_with_templates_array

from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.quality import amplitude_metrics, drift_metrics, refractory_metrics, spike_train_metrics
from ephys_postprocess.stages.quality.sd_ratio import sd_ratio
from ephys_postprocess.stages.quality.valid_unit_periods import valid_unit_periods
from ephys_postprocess.stages.spike_trains import deduplicate as deduplicate_stage
from ephys_postprocess.stages.spike_trains.correlograms import auto_correlograms, correlograms
from ephys_postprocess.stages.spike_trains.deduplicate import (
    count_coincidences,
    deduplicate,
    find_redundant_pairs,
    template_peaks,
)
from ephys_postprocess.stages.spike_trains.isi_histograms import isi_histograms
from ephys_postprocess.stages.templates.template_similarity import template_similarity


@pytest.fixture(scope="module", params=[(20.0,), (12.0, 9.5)], ids=["one segment", "two segments"])
def analyzer(request):
    recording, truth = generate_ground_truth_recording(
        durations=list(request.param),
        num_channels=8,
        num_units=5,
        seed=0,
        generate_sorting_kwargs={"firing_rates": (5.0, 60.0), "refractory_period_ms": 2.0},
    )
    trains = [
        _with_odd_units(truth, segment, recording.get_num_samples(segment)) for segment in range(len(request.param))
    ]
    sorting = NumpySorting.from_unit_dict(trains, recording.sampling_frequency)
    analyzer = si.create_sorting_analyzer(sorting, recording, sparse=True, method="radius", radius_um=60)
    analyzer.compute(["random_spikes", "noise_levels", "templates"], progress_bar=False)
    analyzer.compute({"spike_amplitudes": {}, "amplitude_scalings": {}}, progress_bar=False)
    analyzer.compute("spike_locations", method="center_of_mass", progress_bar=False)
    return analyzer


def _with_odd_units(truth, segment, num_samples):
    """The true units, two jittered copies, one copy of a copy, and units of 0, 1 and 3 spikes."""
    rng = np.random.default_rng(segment)
    trains = {u: truth.get_unit_spike_train(u, segment_index=segment).astype(np.int64) for u in truth.unit_ids}
    source = trains[truth.unit_ids[0]]
    for copy in range(2):
        source = np.sort(np.clip(source + rng.integers(-3, 4, source.size), 0, num_samples - 1))
        trains[f"copy{copy}"] = source
    trains["empty"] = np.empty(0, dtype=np.int64)
    trains["one"] = np.array([5000] if segment == 0 else [], dtype=np.int64)
    trains["few"] = np.array([10, 10, 7000], dtype=np.int64)
    return trains


@pytest.fixture(scope="module")
def spikes(analyzer):
    vector = analyzer.sorting.to_spike_vector()
    lengths = tuple(analyzer.get_num_samples(s) for s in range(analyzer.get_num_segments()))
    columns = (vector[name].astype(np.int64) for name in ("sample_index", "unit_index", "segment_index"))
    return SpikeTrains(*columns, len(analyzer.unit_ids), lengths, analyzer.sampling_frequency)


@pytest.fixture(scope="module")
def arrays(analyzer):
    def data(extension, name):
        return np.asarray(analyzer.get_extension(extension).data[name])

    return {
        "amplitudes": data("spike_amplitudes", "amplitudes"),
        "scalings": data("amplitude_scalings", "amplitude_scalings"),
        "templates": data("templates", "average"),
        "noise": data("noise_levels", "noise_levels"),
        "y": data("spike_locations", "spike_locations")["y"],
        "main": analyzer.get_main_channels(outputs="index", with_dict=False),
        "num_before": analyzer.get_extension("templates").nbefore,
    }


def as_one_segment(analyzer):
    """The same spikes, segments laid end to end."""
    lengths = [analyzer.get_num_samples(segment) for segment in range(analyzer.get_num_segments())]
    vector = analyzer.sorting.to_spike_vector().copy()
    vector["sample_index"] += np.concatenate([[0], np.cumsum(lengths)])[vector["segment_index"]]
    vector["segment_index"] = 0
    return si.create_sorting_analyzer(
        NumpySorting(vector, analyzer.sampling_frequency, analyzer.unit_ids),
        si.concatenate_recordings([analyzer.recording]),
        main_channel_indices=analyzer.get_main_channels(outputs="index"),
        sparse=False,
    )


def compare(analyzer, outcome, stock_outcome, rtol=0.0):
    """Every column, NaN included, and a reason for every NaN."""
    columns, reasons = outcome
    parts = [stock_outcome] if isinstance(stock_outcome, dict) else list(stock_outcome)
    for (name, ours), theirs in zip(columns.items(), parts, strict=True):
        expected = np.array([theirs.get(unit, np.nan) for unit in analyzer.unit_ids], dtype=np.float64)
        np.testing.assert_allclose(ours.astype(np.float64), expected, rtol=rtol, atol=0, err_msg=name)
        assert set(np.flatnonzero(np.isnan(ours)).tolist()) <= set(reasons), name


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stock warns about every unit without spikes
        yield


def test_correlograms(analyzer, spikes):
    for window_ms, bin_ms in ((50.0, 1.0), (20.0, 3.0)):
        # "off": the threaded version loses counts
        expected = compute_correlograms(analyzer.sorting, window_ms=window_ms, bin_ms=bin_ms, method="numpy")
        for ours, theirs in zip(correlograms(spikes, window_ms, bin_ms, num_threads=2), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
        autos = compute_auto_correlograms(analyzer.sorting, window_ms=window_ms, bin_ms=bin_ms, method="numpy")
        np.testing.assert_array_equal(auto_correlograms(spikes, window_ms, bin_ms)[0], autos[0])


def test_isi_histograms(analyzer, spikes):
    for ours, theirs in zip(
        isi_histograms(spikes, 100.0, 5.0), compute_isi_histograms_numpy(analyzer.sorting, 100.0, 5.0), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize(
    ("delta_time", "threshold", "num_removed"), [(0.4, 0.9, 2), (0.4, 0.3, 2), (0.08, 0.6, 1), (0.08, 0.85, 0)]
)
def test_deduplicate(analyzer, spikes, arrays, monkeypatch, delta_time, threshold, num_removed):
    shifts, amplitudes = template_peaks(arrays["templates"], arrays["main"], arrays["num_before"], analyzer.peak_sign)
    ids = analyzer.unit_ids
    # Copies are jittered by 3 samples: 0.4 ms (10 samples) matches all, 0.08 ms (2 samples) about 5 in 7. Then the two
    # ends of the chain (0, copy0, copy1) may share too few: stock removes one for the sake of copy0, which goes too.
    monkeypatch.setattr(deduplicate_stage, "MATCH_WITHIN_MS", delta_time)
    options = {"delta_time": delta_time, "duplicate_threshold": threshold}
    clean, expected = sc.remove_redundant_units(analyzer, extra_outputs=True, **options)
    counts = count_coincidences(spikes, shifts, int(delta_time / 1000 * analyzer.sampling_frequency), num_threads=1)
    pairs = find_redundant_pairs(counts, np.diff(spikes.unit_edges), threshold)
    assert [(ids[a], ids[b]) for a, b in pairs] == [tuple(pair) for pair in expected]
    ours = deduplicate(spikes, shifts, amplitudes, duplicate_threshold=threshold, num_threads=1)
    assert set(ids[ours.is_kept]) - set(clean.unit_ids) <= ({"0", "copy1"} if delta_time < 0.4 else set())
    assert set(clean.unit_ids) <= set(ids[ours.is_kept])
    assert (~ours.is_kept).sum() >= num_removed


@pytest.mark.parametrize("method", ["cosine", "l1", "l2"])
def test_template_similarity(analyzer, arrays, method):
    mask = analyzer.sparsity.mask
    has_spikes = (arrays["templates"] != 0).any(axis=(1, 2))  # stock divides by zero for a template of zeros
    templates, mask = arrays["templates"][has_spikes], mask[has_spikes]
    for support in ("union", "intersection", "dense"):
        for num_shifts in (0, 3):
            expected, _ = compute_similarity_with_templates_array(
                templates, templates, method, support, num_shifts, mask, mask
            )
            ours = template_similarity(templates, Sparsity(mask), 1000.0, method, num_shifts, support)
            # stock sums float32 templates in float32: some thousand terms
            np.testing.assert_allclose(ours, expected, atol=5e-6)


def test_spike_train_metrics(analyzer, spikes):
    ours = spike_train_metrics
    compare(analyzer, ours.num_spikes(spikes), stock.NumSpikes.metric_function(analyzer))
    compare(analyzer, ours.firing_rate(spikes), stock.FiringRate.metric_function(analyzer))
    compare(analyzer, ours.synchrony(spikes), stock.compute_synchrony_metrics(analyzer))
    joined = as_one_segment(analyzer)  # stock counts what is left over of each segment as a whole bin
    for seconds in (2.0, 5.0, 10.0, 60.0):
        for ratio in (0.0, 0.7):
            expected = stock.compute_presence_ratios(joined, bin_duration_s=seconds, mean_fr_ratio_thresh=ratio)
            compare(analyzer, ours.presence_ratio(spikes, seconds, ratio), expected)
        expected = stock.compute_firing_ranges(joined, bin_size_s=seconds)
        compare(analyzer, ours.firing_range(spikes, **declared.of_metric("firing_range", bin_size_s=seconds)), expected)


def test_refractory_metrics(analyzer, spikes):
    ours = refractory_metrics
    for isi_ms, min_ms in ((1.5, 0), (5.01, 0.5)):  # no whole number of samples: stock rounds intervals of just that
        expected = stock.compute_isi_violations(analyzer, isi_threshold_ms=isi_ms, min_isi_ms=min_ms)
        compare(analyzer, ours.isi_violation(spikes, isi_ms, min_ms), expected, rtol=1e-15)
    for refractory_ms, censored_ms in ((1.0, 0.0), (6.0, 0.3)):
        expected = stock.compute_refrac_period_violations(
            analyzer, refractory_period_ms=refractory_ms, censored_period_ms=censored_ms
        )
        compare(analyzer, ours.rp_violation(spikes, refractory_ms, censored_ms), expected)
    for options in ({}, {"bin_size_ms": 0.5, "max_ref_period_ms": 4, "min_spikes": 5}):
        expected = stock.compute_sliding_rp_violations(analyzer, **options)
        ours_of = ours.sliding_rp_violation(spikes, **declared.of_metric("sliding_rp_violation", **options))
        compare(analyzer, ours_of, expected)


@pytest.fixture
def _stock_smooths_floats(monkeypatch):
    """Stock hands integers to the filter, which cuts its sums to integers."""
    smooth = scipy.ndimage.gaussian_filter1d
    monkeypatch.setattr(
        scipy.ndimage, "gaussian_filter1d", lambda counts, *args, **how: smooth(counts * 1.0, *args, **how)
    )


@pytest.mark.usefixtures("_stock_smooths_floats")
def test_amplitude_metrics(analyzer, spikes, arrays):
    ours, amplitudes = amplitude_metrics, arrays["amplitudes"]
    compare(analyzer, ours.amplitude_median(spikes, amplitudes), stock.compute_amplitude_medians(analyzer))
    for bins in (10, 100):
        expected = stock.compute_amplitude_cutoffs(analyzer, num_histogram_bins=bins)
        params = declared.of_metric("amplitude_cutoff", num_histogram_bins=bins)
        # the smoothed counts are summed in another order
        compare(analyzer, ours.amplitude_cutoff(spikes, arrays["scalings"], **params), expected, rtol=1e-14)
        expected = stock.compute_noise_cutoffs(analyzer, n_bins=bins)
        params = declared.of_metric("noise_cutoff", n_bins=bins)
        compare(analyzer, ours.noise_cutoff(spikes, amplitudes, **params), expected)
    for per_bin in (10, 50):
        expected = stock.compute_amplitude_cv_metrics(analyzer, average_num_spikes_per_bin=per_bin, min_num_bins=2)
        # stock sums a bin's float32 amplitudes in float32
        params = declared.of_metric("amplitude_cv", average_num_spikes_per_bin=per_bin, min_num_bins=2)
        compare(analyzer, ours.amplitude_cv(spikes, {"spike_amplitudes": amplitudes}, **params), expected, rtol=1e-4)


@pytest.mark.parametrize("method", ["extremum", "at_index", "peak_to_peak"])
def test_snr(analyzer, arrays, method):
    ours = amplitude_metrics.snr(
        arrays["templates"], arrays["main"], arrays["noise"], arrays["num_before"], analyzer.peak_sign, method
    )
    compare(analyzer, ours, stock.compute_snrs(analyzer, method=method))


def test_sd_ratio_at_equal_noise(analyzer, spikes, arrays, monkeypatch):
    # stock samples the noise anew each time, so both get the same made-up levels
    noise = np.linspace(8, 40, analyzer.get_num_channels()).astype(np.float32)
    monkeypatch.setattr("spikeinterface.core.get_noise_levels", lambda *_, **__: noise)
    for drift_flag in (True, False):
        for template_flag in (True, False):
            flags = {"correct_for_drift": drift_flag, "correct_for_template_itself": template_flag}
            params = declared.of_metric("sd_ratio", **flags)
            ours = sd_ratio(spikes, arrays["amplitudes"], arrays["templates"], arrays["main"], noise, **params)
            # a template's mean square is summed in another order
            compare(analyzer, ours, stock.compute_sd_ratio(analyzer, **flags), rtol=1e-5)


def test_drift(analyzer, spikes, arrays):
    # 12 s and 9.5 s: of a segment that ends with an interval and is not the last, stock leaves that interval out
    for seconds, num_spikes in ((1.9, 20), (3.5, 100), (60, 100)):
        expected = stock.compute_drift_metrics(analyzer, interval_s=seconds, min_spikes_per_interval=num_spikes)
        params = declared.of_metric("drift", interval_s=seconds, min_spikes_per_interval=num_spikes)
        compare(analyzer, drift_metrics.drift(spikes, {"y": arrays["y"]}, **params), expected)


@pytest.mark.usefixtures("_stock_smooths_floats")
@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_valid_unit_periods(analyzer, spikes, arrays, mode):
    options = {
        "period_mode": mode,
        "period_duration_s_absolute": 2.0,
        "period_target_num_spikes": 100,
        "minimum_valid_period_duration": 4.0,
        "num_histogram_bins": 10,
        "fn_threshold": 0.3,
    }
    analyzer.compute("valid_unit_periods", save=False, n_jobs=1, **options)
    expected = analyzer.get_extension("valid_unit_periods").data
    options["minimum_n_spikes"] = 0  # stock does not look at it
    params = declared.of_extension("valid_unit_periods", without=("method", "user_defined_periods"), **options)
    ours = valid_unit_periods(spikes, arrays["scalings"], **params)
    assert expected["valid_unit_periods"].size > 0
    for name in ("valid_unit_periods", "all_periods", "fps", "fns"):
        if name == "fns":  # the smoothed counts are summed in another order
            np.testing.assert_allclose(ours.fns, expected["fns"], rtol=1e-14)
        else:
            np.testing.assert_array_equal(getattr(ours, name), expected[name], err_msg=name)
        assert getattr(ours, name).dtype == expected[name].dtype
