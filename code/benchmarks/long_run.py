"""Memory and time against a recording's length: one minute, repeated in the raw file up to half an hour and more.

    python benchmarks/long_run.py                 # 32 channels; 3.5 GB for the raw file, in --folder
    python benchmarks/long_run.py --same-spikes   # as many spikes in each length: what the traces alone cost
    python benchmarks/long_run.py --minutes 5 10 --channels 384
    python benchmarks/long_run.py --minutes 10 62 --rates 16 120    # an hour of ten million spikes

Each length is a whole `run` on the same input, grown in place. Prints a Markdown table and what each further minute
costs. Memory is the highest of ten looks a second at the process tree: all of it, and without pages of mapped files,
which the system takes back when it needs them (the raw file's are the more, the farther apart the sampled spikes lie).
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spikeinterface.core as si
from process_tree import Cost, run_command

CODE = Path(__file__).resolve().parent.parent
NAME = "block0_probeA_recording1"
RATE_HZ = 30_000
MINUTE_SAMPLES = 60 * RATE_HZ
GAIN_UV = 0.195


@dataclass(frozen=True)
class Minute:
    """The piece that is repeated."""

    traces: bytes
    samples: np.ndarray  # int64 (num_spikes,)
    unit_indices: np.ndarray  # int64 (num_spikes,)


@dataclass(frozen=True)
class Row:
    """One length and what it cost."""

    num_minutes: int
    num_spikes: int
    cost: Cost
    processor_s: float  # of all cores, so that what else the machine does matters little

    def __str__(self):
        seconds = f"{self.cost.seconds:.1f} | {self.processor_s:.1f} | {self.processor_s / self.num_minutes:.2f}"
        memory = f"{self.cost.peak_memory_mb:.0f} | {self.cost.peak_anonymous_mb:.0f}"
        return f"| {self.num_minutes} | {self.num_spikes:,} | {seconds} | {memory} |"


HEADER = """| minutes | spikes | s | processor s | processor s a minute | peak, MB | without files, MB |
|---|---|---|---|---|---|---|"""


def main() -> None:
    """Grow the input from length to length and run the capsule on each."""
    arguments = parse_arguments()
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        data = Path(folder) / "data"
        minute = save_one_minute(data, arguments.channels, arguments.units, tuple(arguments.rates))
        run_once(data)  # compiles
        print(HEADER)
        num_minutes = 1
        lengths = sorted(arguments.minutes)
        for wanted in lengths:
            append_minutes(data, minute, wanted - num_minutes)
            num_minutes = wanted
            num_spikes = save_spikes(data, minute, wanted, wanted // lengths[0] if arguments.same_spikes else 1)
            rows.append(Row(wanted, num_spikes, *run_once(data)))
            print(rows[-1], flush=True)
    print_growth(rows[0], rows[-1])


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[5, 10, 20, 30])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--units", type=int, default=40)
    parser.add_argument("--rates", type=float, nargs=2, default=[2.0, 15.0], help="of the units, Hz")
    parser.add_argument("--same-spikes", action="store_true", help="lengths should be multiples of the shortest")
    parser.add_argument("--folder", help="where to work; the temporary folder by default")
    return parser.parse_args()


def save_one_minute(data: Path, num_channels: int, num_units: int, rates_hz: tuple[float, float]) -> Minute:
    """A recording of one minute as SpikeInterface saves it, and its sorting, in `data`."""
    truth, sorting = si.generate_ground_truth_recording(
        durations=[60.0],
        sampling_frequency=RATE_HZ,
        num_channels=num_channels,
        num_units=num_units,
        generate_sorting_kwargs={"firing_rates": rates_hz, "refractory_period_ms": 3.0},
        seed=0,
    )
    traces = np.concatenate(
        [
            np.round(truth.get_traces(start_frame=start, end_frame=start + RATE_HZ) / GAIN_UV).astype("int16")
            for start in range(0, MINUTE_SAMPLES, RATE_HZ)
        ]
    )
    recording = si.NumpyRecording([traces], RATE_HZ)
    recording.set_probe(truth.get_probe())
    recording.set_channel_gains(GAIN_UV)
    recording.set_channel_offsets(0.0)
    recording.save(folder=data / f"preprocessed_{NAME}", verbose=False, progress_bar=False, n_jobs=1)
    spikes = sorting.to_spike_vector()
    is_inside = (spikes["sample_index"] > 100) & (spikes["sample_index"] < MINUTE_SAMPLES - 100)
    minute = Minute(traces.tobytes(), spikes["sample_index"][is_inside], spikes["unit_index"][is_inside])
    save_spikes(data, minute, num_minutes=1)
    return minute


def append_minutes(data: Path, minute: Minute, number: int) -> None:
    """Append the minute to the raw file some times."""
    with (data / f"preprocessed_{NAME}" / "traces_cached_seg0.raw").open("ab") as raw:
        for _ in range(number):
            raw.write(minute.traces)


def save_spikes(data: Path, minute: Minute, num_minutes: int, stride: int = 1) -> int:
    """The minute's spikes once a minute, of these every `stride`-th; returns how many."""
    starts = MINUTE_SAMPLES * np.arange(num_minutes)[:, np.newaxis]
    samples, units = (starts + minute.samples).ravel(), np.tile(minute.unit_indices, num_minutes)
    folder = data / f"spikesorted_{NAME}"
    shutil.rmtree(folder, ignore_errors=True)
    si.NumpySorting.from_samples_and_labels([samples[::stride]], [units[::stride]], RATE_HZ).save(folder=folder)
    return samples[::stride].size


def run_once(data: Path) -> tuple[Cost, float]:
    """(cost, processor seconds) of the whole command; its results go."""
    results, log = data.parent / "results", data.parent / "run.log"
    command = [CODE / "run", "--data", data, "--results", results, "--n-jobs", "2"]
    before_s = processor_seconds()
    cost = run_command([*map(str, command)], {**os.environ, "CAPSULE_PYTHON": sys.executable}, log)
    if cost.exit_code:
        raise SystemExit(log.read_text())
    shutil.rmtree(results)
    return cost, processor_seconds() - before_s


def processor_seconds() -> float:
    """Of every command that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_growth(first: Row, last: Row) -> None:
    """What a further minute, and a further spike, costs."""
    minutes = last.num_minutes - first.num_minutes
    if not minutes:
        return
    processor_s = (last.processor_s - first.processor_s) / minutes
    megabytes = last.cost.peak_anonymous_mb - first.cost.peak_anonymous_mb
    spikes = last.num_spikes - first.num_spikes
    a_spike = f": {megabytes * 2**20 / spikes:.0f} bytes per spike" if spikes > first.num_spikes / 2 else ""
    print(f"\nFrom {first.num_minutes} to {last.num_minutes} minutes, each further minute costs")
    print(f"{processor_s:.2f} s of one processor and {megabytes / minutes:.1f} MB without files{a_spike}.")


if __name__ == "__main__":
    main()
