"""The example recording of `--example`: small, made from a seed, with units that a postprocessor must cope with."""

import csv
import dataclasses
import json
import logging
import shutil
import warnings
from pathlib import Path

import numpy as np

logger = logging.getLogger(__name__)

RECORDING_NAME = "example"
DURATION_S = 125.0  # two bins of presence_ratio, two intervals of drift
NUM_CHANNELS = 32
NUM_UNITS = 10
SAMPLING_FREQUENCY_HZ = 30_000.0
GAIN_UV = 2.34375  # a Neuropixels 1.0 count
MAIN_METRICS = (
    "num_spikes",
    "firing_rate",
    "snr",
    "presence_ratio",
    "isi_violations_ratio",
    "rp_contamination",
    "amplitude_cutoff",
    "nn_hit_rate",
)
_COMPLETE = "example.json"  # written last: a half-made example is made again


def run_example(parameters, execution) -> int:
    """Make the example (once), postprocess it, and return the exit code."""
    from ephys_postprocess.commands.pipeline import run

    data_folder = make_example(_example_folder(execution))
    exit_code = run(parameters, dataclasses.replace(execution, data_folder=data_folder, recordings=(RECORDING_NAME,)))
    if exit_code == 0:
        for line in _what_came_out(execution.results_folder):
            logger.info("%s", line)
    return exit_code


def make_example(folder: Path) -> Path:
    """Write `preprocessed_example` and `spikesorted_example` into `folder`, unless they are there; return `folder`."""
    described = json.dumps({"duration_s": DURATION_S, "num_channels": NUM_CHANNELS})
    if (folder / _COMPLETE).is_file() and (folder / _COMPLETE).read_text(encoding="utf-8") == described:
        return folder
    logger.info("Making the example recording (%g s, %d channels) in %s", DURATION_S, NUM_CHANNELS, folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recording, truth = _generate_recording()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # made in memory, so it has no provenance that could be saved
        recording.save(
            folder=folder / f"preprocessed_{RECORDING_NAME}",
            dtype="int16",
            n_jobs=1,
            chunk_duration="1s",
            progress_bar=False,
            verbose=False,
        )
        _sorting_with_trouble(truth).save(folder=folder / f"spikesorted_{RECORDING_NAME}")
    (folder / _COMPLETE).write_text(described, encoding="utf-8")
    return folder


def _what_came_out(results_folder: Path) -> list[str]:
    """The main metrics of every unit as a small table, and where to go on."""
    with (results_folder / f"units_{RECORDING_NAME}.csv").open(encoding="utf-8", newline="") as handle:
        units = list(csv.DictReader(handle))
    columns = [column for column in MAIN_METRICS if column in units[0]]
    rows = [["unit", *columns]]
    rows += [[unit["unit_id"], *(_rounded(unit[column]) for column in columns)] for unit in units]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [
        "",
        *table,
        "",
        f"The report:  {results_folder / f'postprocessing-report_{RECORDING_NAME}.html'}",
        f'In Python:   spikeinterface.load("{results_folder / f"postprocessed_{RECORDING_NAME}.zarr"}")',
    ]


def _rounded(value: str) -> str:
    return f"{float(value):.4g}" if value else "-"


def _example_folder(execution) -> Path:
    """Below data/, so that one sees what an input looks like; below scratch where data/ is read-only."""
    candidate = execution.data_folder / "example"
    try:
        candidate.mkdir(parents=True, exist_ok=True)
        probe = candidate / ".writable"
        probe.touch()
        probe.unlink()
    except OSError:
        return execution.scratch_folder / "example"
    return candidate


def _generate_recording():
    from probeinterface import generate_multi_columns_probe
    from spikeinterface.core import generate_ground_truth_recording
    from spikeinterface.preprocessing import scale

    probe = generate_multi_columns_probe(
        num_columns=2, num_contact_per_column=NUM_CHANNELS // 2, xpitch=32, ypitch=20, y_shift_per_column=[0, 10]
    )
    probe.set_device_channel_indices(np.arange(NUM_CHANNELS))
    recording, truth = generate_ground_truth_recording(
        durations=[DURATION_S],
        sampling_frequency=SAMPLING_FREQUENCY_HZ,
        num_units=NUM_UNITS,
        probe=probe,
        seed=20,
        generate_sorting_kwargs={"firing_rates": (5.0, 20.0), "refractory_period_ms": 3.0},
        noise_kwargs={"noise_levels": 6.0, "strategy": "on_the_fly"},
        generate_unit_locations_kwargs={
            "margin_um": 5.0,
            "minimum_z": 5.0,
            "maximum_z": 40.0,
            "minimum_distance": 15.0,
        },
        generate_templates_kwargs={"unit_params": {"alpha": (100.0, 400.0)}},
    )
    counts = scale(recording, gain=1.0 / GAIN_UV, offset=0.0, dtype="int16")
    counts.set_channel_gains(GAIN_UV)
    counts.set_channel_offsets(0.0)
    return counts, truth


def _sorting_with_trouble(truth):
    """The true units, two duplicates of them, a unit with five spikes, and a unit of random times."""
    from spikeinterface.core import NumpySorting

    random = np.random.default_rng(21)
    num_samples = int(DURATION_S * SAMPLING_FREQUENCY_HZ)
    units = {f"unit{index}": truth.get_unit_spike_train(unit) for index, unit in enumerate(truth.unit_ids)}
    for original in ("unit0", "unit3"):
        jitter = random.integers(-3, 4, size=units[original].size)
        units[f"duplicate_of_{original}"] = np.sort(np.clip(units[original] + jitter, 200, num_samples - 200))
    units["few_spikes"] = np.sort(random.integers(1000, num_samples - 1000, size=5))
    units["noise"] = np.sort(random.integers(1000, num_samples - 1000, size=400))
    sorting = NumpySorting.from_unit_dict(units, sampling_frequency=SAMPLING_FREQUENCY_HZ)
    sorting.set_property("KSLabel", np.array(["good"] * len(sorting.unit_ids)))
    return sorting
