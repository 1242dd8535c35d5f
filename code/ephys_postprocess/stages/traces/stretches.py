"""What is read of the traces at a time: stretches in time order, each for the spikes in it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.raw_files import merge_ranges
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.traces import TraceSource


@dataclass(frozen=True)
class Stretch:
    """What is read at a time, of one segment, for the spikes in [start_sample, stop_sample)."""

    index: int  # in time order, from 0
    segment_index: int
    start_sample: int
    stop_sample: int
    origin_sample: int  # of the first row that is read: the start, or before it by a margin
    end_sample: int
    ranges: np.ndarray  # int64 (num_ranges, 2): what is needed of [origin_sample, end_sample), see `TraceSource.read`

    def rows_of(self, spikes: SpikeTrains) -> tuple[int, int]:
        """The half-open range of rows of `spikes` that are this stretch's own."""
        return spikes.rows_between(self.segment_index, self.start_sample, self.stop_sample)


@dataclass(frozen=True)
class Windows:
    """Samples around each of some spikes: num_samples_before of them, and from the spike on num_samples_after."""

    spikes: SpikeTrains
    num_samples_before: int
    num_samples_after: int


def plan_stretches(
    traces: TraceSource,
    windows: Sequence[Windows],
    chunk_samples: int,
    *,
    is_whole: bool = False,
    is_complete: bool = False,
) -> list[Stretch]:
    """Every stretch with a spike of any of the `windows`; with `is_complete`, those without one, too.

    Needed of it are these windows, or with `is_whole` all from the first sample that one may reach to the last.
    """
    before = max(each.num_samples_before for each in windows)
    after = max(each.num_samples_after for each in windows)
    stretches = []
    chunk_samples = traces.fixed_chunk_samples or chunk_samples
    for segment_index, start, stop in chunks_in_time(traces.segment_lengths, chunk_samples):
        length = traces.segment_lengths[segment_index]
        spans = np.concatenate([_spans(each, segment_index, start, stop) for each in windows])
        if not (len(spans) or is_complete):
            continue
        # What a chain of preprocessors returns depends on where it is cut: at the margins, whichever spikes there are.
        origin, end = max(0, start - before), min(length, stop + max(after - 1, 0))
        ranges = np.array([[origin, end]]) if is_whole else merge_ranges(np.clip(spans, 0, length))
        if traces.is_raw and len(ranges):
            origin, end = int(ranges[0, 0]), int(ranges[-1, 1])
        stretches.append(Stretch(len(stretches), segment_index, start, stop, origin, end, ranges))
    return stretches


def _spans(windows, segment_index, start_sample, stop_sample):
    first, last = windows.spikes.rows_between(segment_index, start_sample, stop_sample)
    samples = windows.spikes.samples[first:last]
    return np.stack([samples - windows.num_samples_before, samples + windows.num_samples_after], axis=1)


def chunks_in_time(segment_lengths: Sequence[int], chunk_samples: int):
    """Yield (segment_index, start_sample, stop_sample) over every segment, in time order."""
    for segment_index, length in enumerate(segment_lengths):
        edges = [*range(0, length, chunk_samples), length]
        yield from ((segment_index, start, stop) for start, stop in itertools.pairwise(edges))
