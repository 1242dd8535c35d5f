"""Memory and time against a recording's length: one sparse raw file with noise and spikes in it.

    python benchmarks/bench_long_recording.py --minutes 5 30 --channels 32

The raw file is sparse (a second of noise at every tenth second, zeros between), so half an hour fits on any disk; the
capsule reads it all the same. Prints a line a length: seconds of the whole command, and its peak memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CODE = Path(__file__).resolve().parent.parent
RATE_HZ = 30_000
NUM_UNITS, FIRING_RATE_HZ = 40, 5.0
NOISE_EVERY_S = 10


def main() -> None:
    """Measure each length in turn, shortest first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 30])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--folder", help="where to work; the temporary folder by default")
    arguments = parser.parse_args()
    rows = []
    for minutes in sorted(arguments.minutes):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            make_data(Path(folder) / "data", minutes, arguments.channels)
            rows.append((minutes, *measure(Path(folder))))
            print(f"{minutes:6.1f} min  {rows[-1][1]:7.1f} s  {rows[-1][2]:7.0f} MB", flush=True)
    (first_minutes, first_s, first_mb), (last_minutes, last_s, last_mb) = rows[0], rows[-1]
    print(
        f"{last_minutes / first_minutes:.1f} times the recording: {last_s / first_s:.1f} times the time, "
        f"{last_mb / first_mb:.2f} times the memory"
    )


def make_data(data: Path, minutes: float, num_channels: int) -> None:
    """A sparse raw file with noise and spikes, described as SpikeInterface saves binary folders, and a sorting."""
    import spikeinterface.core as si

    rng = np.random.default_rng(0)
    second = rng.normal(0, 20, (RATE_HZ, num_channels)).astype("int16")
    small = si.NumpyRecording([second], RATE_HZ)
    small.set_dummy_probe_from_locations(np.c_[np.zeros(num_channels), 20.0 * np.arange(num_channels)])
    small.set_channel_gains(2.34)
    small.set_channel_offsets(0.0)
    small.save(folder=data / "preprocessed_long", verbose=False, progress_bar=False, n_jobs=1)
    num_seconds = round(60 * minutes)
    samples, units = draw_spikes(rng, num_seconds)
    raw = data / "preprocessed_long" / "traces_cached_seg0.raw"
    shape = rng.normal(0, 100, (NUM_UNITS, 30, 4)).astype("int16")
    os.truncate(raw, num_seconds * second.nbytes)
    traces = np.memmap(raw, dtype="int16", mode="r+", shape=(num_seconds * RATE_HZ, num_channels))
    for start_s in range(0, num_seconds, NOISE_EVERY_S):
        start = start_s * RATE_HZ
        traces[start : start + RATE_HZ] = second
        for row in range(*np.searchsorted(samples, [start + 50, start + RATE_HZ - 50])):
            channel = units[row] * (num_channels - 4) // NUM_UNITS
            traces[samples[row] - 10 : samples[row] + 20, channel : channel + 4] += shape[units[row]]
    traces.flush()
    si.NumpySorting.from_samples_and_labels([samples], [units], RATE_HZ).save(folder=data / "spikesorted_long")


def draw_spikes(rng, num_seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples, ascending, and units: as many a second whatever the length."""
    num_spikes = int(num_seconds * NUM_UNITS * FIRING_RATE_HZ)
    samples = np.sort(rng.integers(100, num_seconds * RATE_HZ - 100, num_spikes))
    return samples, rng.integers(0, NUM_UNITS, num_spikes)


def measure(folder: Path) -> tuple[float, float]:
    """(seconds, peak MB) of the whole command, in a process of its own so that the peak is this run's."""
    program = (
        "import json, resource, subprocess, sys, time\nstart = time.perf_counter()\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024\n"
        "print(json.dumps([code, time.perf_counter() - start, peak]))"
    )
    command = [CODE / "run", "--data", folder / "data", "--results", folder / "results", "--n-jobs", "2", "--no-report"]
    environment = {**os.environ, "CAPSULE_PYTHON": sys.executable}
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, command)], env=environment, capture_output=True, text=True, check=True
    )
    code, seconds, peak_mb = json.loads(done.stdout)
    if code:
        raise SystemExit(done.stderr)
    return seconds, peak_mb


if __name__ == "__main__":
    main()
