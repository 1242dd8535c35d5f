"""Kernels and stages that need spike trains alone, against their references."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import correlograms as reference_correlograms
from reference import declared
from reference import isi_histograms as reference_isi
from reference import spike_coincidence as reference_coincidence
from reference import spike_train_metrics as reference_metrics

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels import correlograms as correlogram_kernel
from ephys_postprocess.kernels import spike_coincidence as coincidence_kernel
from ephys_postprocess.kernels.censored_period import keep_outside_period
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality import valid_unit_periods as periods_stage
from ephys_postprocess.stages.quality.refractory_metrics import rp_violation
from ephys_postprocess.stages.quality.sd_ratio import _outside_censored_period
from ephys_postprocess.stages.quality.spike_train_metrics import synchrony
from ephys_postprocess.stages.quality.valid_unit_periods import valid_unit_periods
from ephys_postprocess.stages.spike_trains import isi_histograms as isi_stage
from ephys_postprocess.stages.spike_trains.correlograms import PairCounter, auto_correlograms, correlograms
from ephys_postprocess.stages.spike_trains.deduplicate import count_coincidences, deduplicate, template_peaks
from ephys_postprocess.stages.spike_trains.isi_histograms import isi_histograms

STRICT = {"duplicate_threshold": 0.9, "num_threads": 1}
FEW = settings(max_examples=30, deadline=None)


def make_trains(units, samples, segments=None, num_units=None, lengths=(400,), frequency=1000.0):
    units, samples = np.asarray(units, dtype=np.int64), np.asarray(samples, dtype=np.int64)
    segments = np.zeros_like(units) if segments is None else np.asarray(segments, dtype=np.int64)
    order = np.lexsort((units, samples, segments))
    num_units = (int(units.max(initial=-1)) + 1) if num_units is None else num_units
    return SpikeTrains(samples[order], units[order], segments[order], num_units, tuple(lengths), frequency)


@st.composite
def spike_trains(draw):
    """Up to 40 spikes of 4 units in 2 short segments: empty units, ties and neighbours across segments are common."""
    rows = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 59), st.integers(0, 1)), max_size=40))
    units, samples, segments = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return make_trains(units, samples, segments, num_units=4, lengths=(60, 60))


def kernel_arguments(spikes):
    return spikes.line_samples(100), spikes.unit_indices, spikes.order_by_unit, spikes.unit_edges


@FEW
@given(spike_trains(), st.integers(0, 12))
def test_spike_coincidence_equals_reference(spikes, delta):
    ours, theirs = np.zeros((2, 4, 4), dtype=np.int64)
    coincidence_kernel.spike_coincidence(*kernel_arguments(spikes), delta, 0, 4, ours)
    reference_coincidence.spike_coincidence(*kernel_arguments(spikes), delta, 0, 4, theirs)
    np.testing.assert_array_equal(ours, theirs)


@FEW
@given(spike_trains(), st.integers(1, 5), st.integers(1, 6))
def test_correlograms_equal_reference(spikes, num_half_bins, bin_samples):
    bin_of_lag = np.arange(2 * num_half_bins * bin_samples) // bin_samples
    ours, theirs = np.zeros((2, 4, 4, 2 * num_half_bins), dtype=np.int64)
    correlogram_kernel.correlograms(*kernel_arguments(spikes), bin_of_lag, 0, 4, ours)
    reference_correlograms.correlograms(*kernel_arguments(spikes), bin_of_lag, 0, 4, theirs)
    np.testing.assert_array_equal(ours, theirs)


@FEW
@given(spike_trains(), st.integers(1, 5))
def test_isi_histograms_equal_reference(spikes, bin_ms):
    for ours, theirs in zip(
        isi_histograms(spikes, 20.0, bin_ms), reference_isi.isi_histograms(spikes, 20.0, bin_ms), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@FEW
@given(spike_trains(), st.integers(1, 12))
def test_counts_of_metrics_equal_reference(spikes, reach):
    for name, values in reference_metrics.synchrony(spikes)[0].items():
        np.testing.assert_array_equal(synchrony(spikes)[0][name], values)
    counts = np.diff(spikes.unit_edges)
    violations = rp_violation(spikes, refractory_period_ms=reach, censored_period_ms=0.0)[0]["rp_violations"]
    np.testing.assert_array_equal(violations, np.where(counts, reference_metrics.rp_violations(spikes, reach), -1))
    kept = reference_metrics.kept_outside_censored_period(spikes, reach)
    np.testing.assert_array_equal(_outside_censored_period(spikes, reach), kept)


def test_censored_period_by_hand():
    # the second is 3 after the first, the third 6 after the first but 3 after the second, which does not count
    line, is_kept = np.array([10, 13, 16, 0, 1, 2]), np.zeros(6, dtype=bool)
    keep_outside_period(line, np.array([0, 3, 3, 6]), 3, is_kept)
    assert is_kept.tolist() == [True, False, True, True, False, False]


@FEW
@given(spike_trains())
def test_auto_correlograms_are_the_diagonal(spikes):
    counts, bins = correlograms(spikes, 20.0, 2.0)
    autos, auto_bins = auto_correlograms(spikes, 20.0, 2.0)
    np.testing.assert_array_equal(autos, counts[np.arange(4), np.arange(4)])
    np.testing.assert_array_equal(bins, auto_bins)


def test_correlograms_by_hand():
    # unit 0 at 10; unit 1 at 10, 12 and 15: lags 0, -2 and -5 of 0 against 1, window -5 … 5 ms
    spikes = make_trains([0, 1, 1, 1], [10, 10, 12, 15])
    counts, bins = correlograms(spikes, 10.0, 1.0)
    np.testing.assert_array_equal(bins, np.arange(-5, 6))
    np.testing.assert_array_equal(counts[0, 1], [1, 0, 0, 1, 0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(counts[1, 0], [0, 0, 0, 0, 0, 1, 0, 1, 0, 0])  # lag 5 is outside on this side


@pytest.mark.parametrize("at_once", [1, 500])
def test_intervals_do_not_depend_on_how_many_units_are_looked_at_together(monkeypatch, at_once):
    rng = np.random.default_rng(0)
    units, samples, segments = rng.integers(0, 5, 2000) * 2, rng.integers(0, 4000, 2000), rng.integers(0, 2, 2000)
    spikes = make_trains(units, samples, segments, num_units=10, lengths=(4000, 4000))
    together, _ = isi_histograms(spikes, 100.0, 5.0)
    monkeypatch.setattr(isi_stage, "SPIKES_AT_ONCE", at_once)
    np.testing.assert_array_equal(isi_histograms(spikes, 100.0, 5.0)[0], together)


def test_isi_histogram_includes_its_last_edge():
    counts, _ = isi_histograms(make_trains([0] * 4, [0, 3, 13, 24]), 10.0, 5.0)
    np.testing.assert_array_equal(counts, [[1, 1]])


def test_dense_trains_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    spikes = make_trains(rng.integers(0, 6, 4000), rng.integers(0, 5000, 4000), lengths=(5000,))
    np.testing.assert_array_equal(
        correlograms(spikes, 50.0, 1.0, num_threads=1)[0], correlograms(spikes, 50.0, 1.0, num_threads=4)[0]
    )
    some = PairCounter(spikes, 50.0, 1.0, num_threads=3)
    assert some.shape == (6, 6, 50)
    np.testing.assert_array_equal(
        np.concatenate([some.rows(first, min(first + 4, 6)) for first in (0, 4)]), correlograms(spikes, 50.0, 1.0)[0]
    )
    shifts = rng.integers(-3, 4, 6)
    np.testing.assert_array_equal(count_coincidences(spikes, shifts, 5, 1), count_coincidences(spikes, shifts, 5, 4))


def test_units_may_be_permuted_and_time_shifted():
    rng = np.random.default_rng(1)
    units, samples, permutation = rng.integers(0, 5, 500), rng.integers(0, 900, 500), rng.permutation(5)
    before = make_trains(units, samples, lengths=(1000,))
    after = make_trains(permutation[units], samples + 50, lengths=(1000,))
    pick = np.ix_(permutation, permutation)
    np.testing.assert_array_equal(correlograms(after, 30.0, 1.0)[0][pick], correlograms(before, 30.0, 1.0)[0])
    found = [count_coincidences(trains, np.zeros(5, dtype=np.int64), 4, 1) for trains in (after, before)]
    np.testing.assert_array_equal(found[0][pick], found[1])


def test_chain_of_duplicates_removes_all_but_the_best():
    train = np.arange(20, 1000, 20)
    spikes = make_trains(
        np.repeat([0, 1, 2, 3], train.size),
        np.concatenate([train, train + 2, train + 1, train + 9]),
        lengths=(1100,),
        frequency=10000.0,
    )
    result = deduplicate(spikes, np.array([0, 2, 1, 0]), np.array([1.0, 2.0, 3.0, 4.0]), **STRICT)
    np.testing.assert_array_equal(result.is_kept, [True, False, False, True])
    np.testing.assert_array_equal(result.removed_unit_indices, [1, 2])
    np.testing.assert_array_equal(result.kept_unit_indices, [0, 0])
    np.testing.assert_array_equal(result.shared_fractions, [1.0, 1.0])


@pytest.mark.parametrize(
    ("shifts", "amplitudes", "kept"), [((1, 0, -1), (3.0, 2.0, 1.0), 1), ((1, -1, 1), (3.0, 1.0, 2.0), 0)]
)
def test_the_smaller_shift_stays_then_the_larger_amplitude(shifts, amplitudes, kept):
    train = np.arange(20, 1000, 20)
    parts = [train[:-2], train[:-1], train]
    spikes = make_trains(
        np.repeat([0, 1, 2], [p.size for p in parts]), np.concatenate(parts), lengths=(1100,), frequency=10000.0
    )
    result = deduplicate(spikes, np.array(shifts), np.array(amplitudes), duplicate_threshold=0.9, num_threads=1)
    assert np.flatnonzero(result.is_kept).tolist() == [kept]


def test_no_spikes_and_no_units():
    empty = make_trains([], [], num_units=3)
    assert deduplicate(empty, np.zeros(3), np.ones(3), **STRICT).is_kept.all()
    assert correlograms(empty, 50.0, 1.0)[0].sum() == 0
    assert isi_histograms(empty, 50.0, 1.0)[0].shape == (3, 50)
    assert (
        deduplicate(make_trains([], [], num_units=0), np.zeros(0), np.ones(0), **STRICT).removed_unit_indices.size == 0
    )


def test_bad_parameters_are_refused():
    spikes = make_trains([0], [1])
    for call in (
        lambda: correlograms(spikes, 1.0, 5.0),
        lambda: isi_histograms(spikes, 1.0, 5.0),
    ):
        with pytest.raises(ParameterError):
            call()


@pytest.mark.parametrize(("sign", "shift"), [("neg", -1), ("pos", 1), ("both", 1)])
def test_template_peaks(sign, shift):
    templates = np.array([[[0.0, 0], [-2, 9], [1, -4], [3, 0]]], dtype=np.float32)
    shifts, amplitudes = template_peaks(templates, np.array([0]), num_before=2, peak_sign=sign)
    assert shifts.tolist() == [shift]
    assert amplitudes.tolist() == [4.0]


def test_pairs_across_the_end_of_a_period_do_not_count():
    # periods 0-199 and 200-399 ms; within 20 ms: (100, 110), (300, 310), and across the border (190, 205)
    spikes = make_trains([0] * 9, [10, 50, 100, 110, 190, 205, 250, 300, 310])
    periods = valid_unit_periods(
        spikes,
        np.ones(9, dtype=np.float32),
        **declared.of_extension(
            "valid_unit_periods",
            without=("method", "user_defined_periods"),
            period_duration_s_absolute=0.2,
            relative_margin_size=0.0,
            refractory_period_ms=20.0,
        ),
    )
    expected = 1 - np.sqrt(1 - 200 / np.array([5**2 * 20, 4**2 * 20]))
    np.testing.assert_array_equal(periods.fps, expected)
    np.testing.assert_array_equal(periods.fns, [1.0, 1.0])  # unknown: too few spikes


def test_periods_do_not_depend_on_how_many_units_are_looked_at_together(monkeypatch):
    rng = np.random.default_rng(0)
    spikes = make_trains(
        rng.integers(0, 5, 3000) * 2,  # every other unit is silent
        rng.integers(0, 4000, 3000),
        rng.integers(0, 2, 3000),
        num_units=10,
        lengths=(4000, 4000),
    )
    amplitudes = rng.normal(2, 1, 3000).astype(np.float32)
    found = []
    for at_once in (10_000, 1000, 1):
        monkeypatch.setattr(periods_stage, "SPIKES_AT_ONCE", at_once)
        options = {"period_duration_s_absolute": 0.5, "minimum_valid_period_duration": 0.5, "minimum_n_spikes": 10}
        options |= {"fp_threshold": 1.1, "fn_threshold": 1.1}
        without = ("method", "user_defined_periods")
        found.append(
            valid_unit_periods(
                spikes, amplitudes, **declared.of_extension("valid_unit_periods", without=without, **options)
            )
        )
    assert found[0].valid_unit_periods.size
    assert (np.diff(found[0].all_periods["segment_index"]) >= 0).all()
    for other in found[1:]:
        for name in ("valid_unit_periods", "all_periods", "fps", "fns"):
            np.testing.assert_array_equal(getattr(other, name), getattr(found[0], name))


@pytest.mark.parametrize(("minimum", "expected_starts"), [(0, [0, 200]), (10, [0, 200]), (11, [0]), (21, [])])
def test_valid_periods_have_the_fewest_spikes_asked_for(minimum, expected_starts):
    # 20 spikes in the first period, 10 in the second; no refractory violations, no thin tail of amplitudes
    spikes = make_trains([0] * 30, [*range(5, 200, 10), *range(205, 400, 20)])
    periods = valid_unit_periods(
        spikes,
        np.linspace(1, 2, 30, dtype=np.float32),
        **declared.of_extension(
            "valid_unit_periods",
            without=("method", "user_defined_periods"),
            period_duration_s_absolute=0.2,
            relative_margin_size=0.0,
            minimum_valid_period_duration=0.1,
            num_histogram_bins=2,
            fn_threshold=1.1,
            minimum_n_spikes=minimum,
        ),
    )
    starts = periods.valid_unit_periods["start_sample_index"].tolist()
    ends = periods.valid_unit_periods["end_sample_index"].tolist()
    assert periods.fps.tolist() == [0.0, 0.0]
    assert (starts, ends) == {2: ([0], [400]), 1: ([0], [200]), 0: ([], [])}[len(expected_starts)]
