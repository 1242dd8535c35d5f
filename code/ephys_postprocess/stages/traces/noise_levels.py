"""How loud each channel is without spikes, from random stretches of the traces."""

from collections.abc import Sequence

import numpy as np

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.kernels.noise_levels import count_values, median_and_mad
from ephys_postprocess.kernels.waveforms import sum_squared_deviations, sum_windows
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.traces import TraceSource

SHORTEST_SHARE = 0.1  # of a stretch, or of the longest segment: shorter ones are left out
NOISE_METHODS = ("mad", "std", "rms")
MAD_OF_UNIT_NORMAL = 0.6744897501960817  # median absolute deviation of a normal distribution with std 1
# Counters that channels share at a time; a channel has one for each value between the stretch's extremes.
MAX_COUNTERS = 2**22


def draw_random_slices(
    segment_lengths: Sequence[int],
    num_chunks_per_segment: int = 20,
    chunk_samples: int = 15_000,
    seed: int | None = None,
    margin_samples: int = 0,
) -> list[tuple[int, int, int]]:
    """(segment_index, start_sample, stop_sample) of random stretches, which may overlap, in time order.

    A segment shorter than a stretch shortens all stretches. A segment of less than a tenth of a stretch, or of the
    longest segment, is left out: it would leave stretches so short that their median says nothing of the noise.

    References
    ----------
    SpikeInterface 0.105.3 `get_random_sample_slices`: the same stretches from the same seed where no segment is left
    out; its default length is 500 ms (15,000 samples at 30 kHz).
    """
    room = [length - 2 * margin_samples for length in segment_lengths]
    shortest = max(1, SHORTEST_SHARE * min(chunk_samples, max(room, default=0)))
    chosen = [index for index, length in enumerate(room) if length >= shortest]
    if not chosen:
        raise ParameterError(f"random_slices_kwargs: no noise stretch fits into segments of {segment_lengths} samples.")
    for index in chosen:
        if chunk_samples > room[index]:
            chunk_samples = max(1, room[index] - 1)
    generator = np.random.default_rng(seed)
    slices = []
    for segment_index in chosen:
        high = segment_lengths[segment_index] - chunk_samples - margin_samples
        starts = generator.integers(low=margin_samples, high=high, size=num_chunks_per_segment, endpoint=True)
        slices += [(segment_index, int(start), int(start) + chunk_samples) for start in np.sort(starts)]
    return slices


def compute_noise_levels(
    traces: TraceSource,
    slices: Sequence[tuple[int, int, int]],
    method: str = "mad",
    num_threads: int = 1,
    is_scaled: bool = True,
) -> np.ndarray:
    """Noise level of each channel: computed in each stretch, then averaged.

    Parameters
    ----------
    traces : TraceSource
    slices : sequence of (segment_index, start_sample, stop_sample)
    method : {"mad", "std", "rms"}
        Median absolute deviation scaled to a normal distribution's std; standard deviation; root mean square.
    num_threads : int
        One stretch a thread is in memory.
    is_scaled : bool
        False where the gains stand for "unscaled" (return_in_uV=False): computed in float64 as SpikeInterface does
        for integers, except that its "rms" squares int16 in int16, which overflows.

    Returns
    -------
    float32 or, of unscaled int16, float64 (num_channels,)
        µV, or counts.

    References
    ----------
    SpikeInterface 0.105.3 `get_noise_levels`, equal bit for bit.
    """
    if method not in NOISE_METHODS:
        raise ParameterError(f"noise_levels.method: must be one of {', '.join(NOISE_METHODS)} (got {method!r}).")
    dtype = np.float32 if is_scaled or traces.dtype != np.int16 else np.float64
    noise_of_stretch = {"mad": _mad, "std": _std, "rms": _rms}[method]

    def work(stretch):
        return noise_of_stretch(traces.read(*stretch), traces.gains.astype(dtype), traces.offsets.astype(dtype))

    return np.mean(np.stack(map_in_threads(work, slices, num_threads)), axis=0)


def _mad(stretch, gains, offsets):
    if stretch.dtype != np.int16:
        by_channel = np.ascontiguousarray(_scale(stretch, gains, offsets).T)
        medians = np.median(by_channel, axis=1, keepdims=True)
        return np.median(np.abs(by_channel - medians), axis=1, overwrite_input=True) / MAD_OF_UNIT_NORMAL
    lowest, highest = int(stretch.min()), int(stretch.max())
    values = np.arange(lowest, highest + 1).astype(gains.dtype)
    mads = np.empty_like(gains)
    channels_at_once = max(1, MAX_COUNTERS // values.size)
    for first in range(0, gains.size, channels_at_once):
        part = slice(first, first + channels_at_once)
        mads[part] = _mad_of_integers(stretch[:, part], lowest, values, gains[part], offsets[part])
    return mads / MAD_OF_UNIT_NORMAL


def _mad_of_integers(stretch, lowest, values, gains, offsets):
    counts = np.zeros((gains.size, values.size), dtype=np.int32)
    count_values(stretch, lowest, counts)
    levels = values * gains[:, np.newaxis] + offsets[:, np.newaxis]
    is_falling = gains < 0
    counts[is_falling] = counts[is_falling, ::-1]
    levels[is_falling] = levels[is_falling, ::-1]
    medians, mads = np.empty_like(gains), np.empty_like(gains)
    median_and_mad(counts, levels, medians, mads)
    return mads


def _std(stretch, gains, offsets):
    scaled = _scale(stretch, gains, offsets)
    if scaled.dtype != np.float32:
        return np.std(scaled, axis=0)
    means = _sum_rows(scaled) / np.float32(len(scaled))
    squares = np.zeros_like(means)
    sum_squared_deviations(scaled, means, squares)
    return np.sqrt(squares / np.float32(len(scaled)))


def _rms(stretch, gains, offsets):
    scaled = _scale(stretch, gains, offsets)
    return np.sqrt(np.sum(np.square(scaled), axis=0) / len(scaled))


def _scale(stretch, gains, offsets):
    scaled = stretch.astype(gains.dtype)
    scaled *= gains
    scaled += offsets
    return scaled


def _sum_rows(values):
    sums = np.zeros((1, 1, values.shape[1]), dtype=values.dtype)
    num_rows = len(values)
    sum_windows(values, np.arange(num_rows), np.zeros(num_rows, dtype=np.int64), 0, values.shape[1], sums)
    return sums[0, 0]
