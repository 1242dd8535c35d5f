"""sd_ratio of simulated units, of which the truth is known."""

import numpy as np
from reference import declared

from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.quality.amplitude_metrics import snr
from ephys_postprocess.stages.quality.sd_ratio import sd_ratio

LENGTH, NOISE_UV = 600_000, 10.0
DECLARED = declared.of_metric("sd_ratio")
NOTHING_CENSORED = DECLARED | {"censored_period_ms": 0}


def simulated(rate_share=0.25, seed=0):
    """A large unit that fills a quarter of the time: spikes, amplitudes, template, the trace's deviation."""
    generator = np.random.default_rng(seed)
    shape = -80 * np.hanning(42)[1:41]
    samples = np.sort(generator.choice(LENGTH // 41 - 1, int(rate_share * LENGTH / 40), replace=False)) * 41 + 10
    trace = generator.normal(0, NOISE_UV, LENGTH)
    for sample in samples:
        trace[sample - 10 : sample + 30] += shape
    zeros = np.zeros_like(samples)
    spikes = SpikeTrains(samples, zeros, zeros, 1, (LENGTH,), 30_000.0)
    return spikes, trace[samples + 10].astype(np.float32), shape[None, :, None], np.array([trace.std()])


def test_a_stable_unit_in_white_noise_has_1():
    spikes, amplitudes, templates, deviations = simulated()
    columns, reasons = sd_ratio(spikes, amplitudes, templates, np.array([0]), deviations, **NOTHING_CENSORED)
    # 3750 amplitudes: the deviation of their differences is known to 2 %
    np.testing.assert_allclose(columns["sd_ratio"], 1.0, atol=0.05)
    assert reasons == {}


def test_in_periods_the_template_is_taken_out_for_all_spikes():
    spikes, amplitudes, templates, deviations = simulated()
    half = spikes.num_spikes // 2
    fewer = SpikeTrains(spikes.samples[:half], *np.zeros((2, half), np.int64), 1, (LENGTH,), 30_000.0)
    columns, _ = sd_ratio(
        *(fewer, amplitudes[:half], templates, np.array([0]), deviations),
        **NOTHING_CENSORED,
        num_spikes_in_traces=np.array([spikes.num_spikes]),
    )
    np.testing.assert_allclose(columns["sd_ratio"], 1.0, atol=0.05)


def test_missing_values_have_their_reasons():
    spikes = SpikeTrains(np.arange(4) * 9000, np.array([0, 1, 0, 1]), np.zeros(4, np.int64), 3, (50_000,), 30_000.0)
    templates = np.zeros((3, 4, 2), np.float32)
    amplitudes = np.array([-3, -5, -4, -5], np.float32)
    columns, reasons = sd_ratio(spikes, amplitudes, templates, np.array([0, 1, 1]), np.array([0.0, 2.0]), **DECLARED)
    assert np.isnan(columns["sd_ratio"][[0, 2]]).all()
    assert columns["sd_ratio"][1] == 0.0
    assert reasons == {0: "the main channel has no noise", 2: "no spikes"}
    _, reasons = sd_ratio(spikes, amplitudes, templates, np.array([0, 1, 1]), np.full(2, np.nan), **DECLARED)
    assert reasons[0] == "no traces, or some that are not finite"
    loud = np.full((3, 4, 2), 1e3, np.float32)
    _, reasons = sd_ratio(spikes, amplitudes, loud, np.array([0, 1, 1]), np.array([1.0, 2.0]), **DECLARED)
    assert reasons[1] == "the template's variance exceeds the noise's"


def test_snr_without_noise_is_missing():
    templates = np.array([[[-5.0, 1.0]], [[-6.0, 2.0]]], np.float32)
    columns, reasons = snr(templates, np.array([0, 1]), np.array([0.0, 0.5]), 0, "both", "extremum")
    np.testing.assert_array_equal(columns["snr"], [np.nan, 4.0])
    assert reasons == {0: "the noise level of the main channel is 0"}
