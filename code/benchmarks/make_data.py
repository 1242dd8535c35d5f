"""The input of the benchmarks: a made recording as preprocessing leaves it, and a sorting with a sorter's usual faults.

    python benchmarks/make_data.py FOLDER                        # 384 channels, 120 s, 200 units and 24 doubtful ones
    python benchmarks/make_data.py FOLDER --times 10             # the same two minutes ten times: 27.6 GB
    python benchmarks/make_data.py FOLDER --channels 128 --units 2000
    python benchmarks/make_data.py FOLDER --channels 64 --units 250 --duration 60 --glitches 20

SpikeInterface generates the voltages and the true spikes. The sorting has all true units, one unit in ten a second time
(some spikes missing, all a few samples off), two units merged into one more, a unit of six spikes, one that fires at
both ends of the recording, and one of random times. Repeated recordings repeat the raw file and the spikes. At a glitch
every unit fires within a millisecond, as sorters have it of an artefact.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import spikeinterface.core as si
from probeinterface import generate_multi_columns_probe
from spikeinterface.preprocessing import scale

NAME = "benchmark"
RATE_HZ = 30_000
GAIN_UV = 2.34375  # of a Neuropixels 1.0 probe
NUM_COLUMNS = 4
COPIED_SHARE = 0.1  # of the units
KEPT_SHARES = (1.0, 0.97, 0.6)  # of the spikes of a unit that is there twice


def main() -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="becomes data/ of a run")
    parser.add_argument("--name", default=NAME, help="of the recording")
    parser.add_argument("--duration", type=float, default=120.0, help="s")
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--channels", type=int, default=384)
    parser.add_argument("--times", type=int, default=1, help="how often the recording is repeated")
    parser.add_argument("--glitches", type=int, default=0, help="how often every unit fires at once")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make_data(**vars(arguments))


def make_data(
    folder: Path,
    name: str,
    duration: float,
    units: int,
    channels: int,
    times: int,
    seed: int,
    glitches: int = 0,
) -> None:
    """Write preprocessed_{name} and spikesorted_{name}; what is there under these names goes."""
    recording, truth = _generate(duration, units, channels, seed)
    for kind in ("preprocessed", "spikesorted"):
        shutil.rmtree(folder / f"{kind}_{name}", ignore_errors=True)
    preprocessed = folder / f"preprocessed_{name}"
    recording.save(folder=preprocessed, n_jobs=2, chunk_duration="1s", progress_bar=False, verbose=False)
    num_samples = recording.get_num_samples()
    trains = _trains_with_faults(truth, num_samples, np.random.default_rng(seed + 1))
    if glitches:
        trains = _with_glitches(trains, glitches, num_samples, np.random.default_rng(seed + 2))
    if times > 1:
        _repeat_raw_file(preprocessed, times)
        trains = {unit: _repeated(samples, num_samples, times) for unit, samples in trains.items()}
    si.NumpySorting.from_unit_dict(trains, RATE_HZ).save(folder=folder / f"spikesorted_{name}")


def _generate(duration_s, num_units, num_channels, seed):
    probe = generate_multi_columns_probe(
        num_columns=NUM_COLUMNS,
        num_contact_per_column=num_channels // NUM_COLUMNS,
        xpitch=16,
        ypitch=40,
        y_shift_per_column=[0, 20] * (NUM_COLUMNS // 2),
    )
    probe.set_device_channel_indices(np.arange(num_channels))
    voltages, truth = si.generate_ground_truth_recording(
        durations=[duration_s],
        sampling_frequency=float(RATE_HZ),
        num_units=num_units,
        probe=probe,
        seed=seed,
        generate_sorting_kwargs={"firing_rates": (0.5, 20.0), "refractory_period_ms": 3.0},
        noise_kwargs={"noise_levels": 6.0, "strategy": "on_the_fly"},
        generate_unit_locations_kwargs={
            "margin_um": 10.0,
            "minimum_z": 5.0,
            "maximum_z": 45.0,
            "minimum_distance": 12.0 if num_units <= num_channels else 1.0,
        },
        generate_templates_kwargs={"unit_params": {"alpha": (100.0, 500.0)}},
    )
    counts = scale(voltages, gain=1.0 / GAIN_UV, offset=0.0, dtype="int16")
    counts.set_channel_gains(GAIN_UV)
    counts.set_channel_offsets(0.0)
    return counts, truth


def _trains_with_faults(truth, num_samples: int, generator) -> dict[str, np.ndarray]:
    trains = {str(unit): truth.get_unit_spike_train(unit, segment_index=0).astype(np.int64) for unit in truth.unit_ids}
    true_units = list(trains)
    copied = generator.choice(true_units, size=int(COPIED_SHARE * len(true_units)), replace=False)
    for number, unit in enumerate(copied):
        kept = trains[unit][generator.random(trains[unit].size) < generator.choice(KEPT_SHARES)]
        trains[f"copy{number}"] = np.sort(np.clip(kept + generator.integers(-4, 5, kept.size), 100, num_samples - 200))
    trains["merged"] = np.sort(np.concatenate([trains[unit] for unit in true_units[:2]]))
    trains["six spikes"] = np.sort(generator.integers(1000, num_samples - 1000, size=6))
    within = generator.integers(1000, num_samples - 1000, size=300)
    trains["at the ends"] = np.sort(np.concatenate([[3, 20], within, [num_samples - 10, num_samples - 1]]))
    trains["random"] = np.sort(generator.integers(1000, num_samples - 1000, size=5 * num_samples // RATE_HZ))
    return trains


def _with_glitches(trains: dict[str, np.ndarray], number: int, num_samples: int, generator) -> dict[str, np.ndarray]:
    glitches = generator.integers(1000, num_samples - 1000, size=number)
    within_a_millisecond = {unit: glitches + generator.integers(0, RATE_HZ // 1000, number) for unit in trains}
    return {unit: np.sort(np.append(train, within_a_millisecond[unit])) for unit, train in trains.items()}


def _repeat_raw_file(preprocessed: Path, times: int) -> None:
    (raw,) = preprocessed.glob("*.raw")
    size = raw.stat().st_size
    with raw.open("rb") as source, raw.open("ab") as target:
        for _ in range(times - 1):
            source.seek(0)
            for _ in range(0, size, 2**26):
                target.write(source.read(min(2**26, size - source.tell())))


def _repeated(samples: np.ndarray, num_samples: int, times: int) -> np.ndarray:
    return (samples + num_samples * np.arange(times)[:, np.newaxis]).ravel()


if __name__ == "__main__":
    main()
