"""A made-up report: enough of everything, from a seed, with names that try to be markup."""

import dataclasses

import numpy as np

from ephys_postprocess.parameters.dictionary import THRESHOLDS
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.report.contents import (
    Correlograms,
    Duplicate,
    LabelPreset,
    MethodsText,
    MissingReason,
    Probe,
    ReportData,
    Run,
    Spikes,
    Templates,
    UnitProperty,
    WaveformSample,
)

MARKUP = "<script>alert(1)</script>"


def _trains(times_s, units, num_units):
    """Times on the line of the two segments, 60 s and 40 s long, as spike trains."""
    line = np.rint(times_s * 30_000).astype(np.int64)
    lengths = (1_800_000, 1_200_001)  # a time may be rounded up to the very end
    samples = np.where(line >= lengths[0], line - lengths[0], line)
    return SpikeTrains(samples, units, (line >= lengths[0]).astype(np.int64), num_units, lengths, 30_000.0)


def make_report_data(num_units=12, num_spikes=6000, num_channels=32, name="made_up", unit_names=None, seed=0):
    """A ReportData whose unit `u` has SNR `u`, no value where u == 3, and contamination that fails where u is odd."""
    random = np.random.default_rng(seed)
    locations = np.stack([np.tile([0.0, 32.0], num_channels // 2), np.arange(num_channels) * 10.0], axis=1)
    units = random.integers(0, num_units, num_spikes)
    main = np.sort(random.integers(0, num_channels, num_units))
    amplitudes = -random.gamma(9, 10, num_spikes).astype(np.float32)
    return ReportData(
        run=Run(name, 30_000.0, (60.0, 40.0), "SpikeInterface 0.105.3", num_units + 1, "0.1.0"),
        probe=Probe(tuple(f"ch{index}" for index in range(num_channels)), locations),
        unit_ids=tuple(unit_names or (f"unit{index}" for index in range(num_units))),
        main_channel_indices=main,
        spikes=Spikes(
            _trains(np.sort(random.uniform(0, 100, num_spikes)), units, num_units),
            amplitudes,
            locations[main, 1][units].astype(np.float32) + random.normal(0, 3, num_spikes).astype(np.float32),
        ),
        is_in_uV=True,
        locations_um=locations[main] + random.normal(0, 5, (num_units, 2)),
        metrics=_metrics(num_units),
        templates=_templates(random, main, num_channels, width=7),
        waveforms=WaveformSample(
            random.normal(0, 20, (5 * num_units, 90)).astype(np.float32), np.arange(num_units + 1) * 5, 30
        ),
        correlograms=Correlograms(random.integers(0, 50, (num_units, num_units, 50)), np.arange(-25.0, 26.0)),
        similarity=random.uniform(0, 0.8, (num_units, num_units)).astype(np.float32),
        duplicates=(Duplicate(MARKUP, "unit0", 0.99),),
        noise_levels=random.uniform(5, 10, num_channels),
        sources=dict.fromkeys(THRESHOLDS, "quality_metrics"),
        missing=(MissingReason(("snr",), (3,), False, "no noise to compare with"),),
        presets=(
            LabelPreset(
                "rules", "by_rules", "By some rules.", tuple(("good", "mua", "noise")[i % 3] for i in range(num_units))
            ),
        ),
        properties=(UnitProperty("Amplitude", tuple(float(i) for i in range(num_units)), False),),
        methods=MethodsText(("Made up (Hill et al. 2011).",), ("Hill DN, Mehta SB, Kleinfeld D (2011).",)),
    )


def _metrics(num_units):
    metrics = {name: np.full(num_units, 2 * threshold.value + 0.1) for name, threshold in THRESHOLDS.items()}
    metrics |= {name: np.zeros(num_units) for name in ("isi_violations_ratio", "amplitude_cutoff")}
    metrics["rp_contamination"] = np.arange(num_units) % 2.0
    metrics["snr"] = np.arange(num_units, dtype=float)
    metrics["snr"][3:4] = np.nan
    return metrics


def _templates(random, main, num_channels, width):
    half = width // 2
    channels = np.clip(main[:, None] + np.arange(-half, width - half), 0, num_channels - 1)
    shape = -np.exp(-(((np.arange(90) - 30) / 6) ** 2))
    sizes = random.uniform(5, 50, channels.shape)
    sizes[:, half] = 100
    stds = np.tile(np.float32(5), (len(main), 90))
    return Templates(channels, (shape * sizes[:, :, None]).astype(np.float32), 30, stds)


def make_large_report_data(num_units=500):
    """A 384-channel recording of an hour at its fullest."""
    data = make_report_data(num_units, num_spikes=2_000_000, num_channels=384)
    random = np.random.default_rng(1)
    waveforms = random.normal(0, 20, (60 * num_units, 90)).astype(np.float32)
    metrics = data.metrics | {f"metric_{index}": random.normal(0, 1, num_units) for index in range(54)}
    return dataclasses.replace(
        data,
        templates=_templates(random, data.main_channel_indices, 384, width=20),
        waveforms=WaveformSample(waveforms, np.arange(num_units + 1) * 60, 30),
        metrics=metrics,
        noise_levels=random.uniform(5, 10, 384),
        correlograms=dataclasses.replace(data.correlograms, counts=data.correlograms.counts * 100),
    )
