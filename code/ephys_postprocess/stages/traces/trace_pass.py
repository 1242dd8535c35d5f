"""One pass over the traces in time order: each stretch is read once and handed to every consumer."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.machine.threads import map_in_threads
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.traces import TraceSource


class SpikeConsumer(Protocol):
    """Something that needs the traces around every spike; keeps its own output arrays, one row a spike."""

    margin_samples: int  # how far from a spike it looks

    def consume(
        self, traces: np.ndarray, origin_sample: int, segment_index: int, first_spike: int, last_spike: int
    ) -> None:
        """Fill output rows first_spike:last_spike, and no others.

        `traces` is int16 or float32 (num_rows, num_channels), unscaled; row r is sample origin_sample + r of the
        segment. It reaches margin_samples beyond each of these spikes, except where the segment ends.
        """
        ...


def run_trace_pass(
    traces: TraceSource,
    spikes: SpikeTrains,
    consumers: Sequence[SpikeConsumer],
    chunk_samples: int,
    num_threads: int,
    report_spikes: Callable[[int], None] | None = None,
) -> None:
    """Read each chunk that holds a spike once, with margins, and let every consumer fill its rows.

    Chunks are independent and consumers write only the rows of the chunk's own spikes, so the number of threads
    changes no byte. Memory: `num_threads` chunks at a time.
    """
    margin = max((consumer.margin_samples for consumer in consumers), default=0)

    def work(chunk):
        segment_index, start_sample, stop_sample = chunk
        first_spike, last_spike = spikes.rows_between(segment_index, start_sample, stop_sample)
        if first_spike == last_spike:
            return
        origin_sample = max(0, start_sample - margin)
        end_sample = min(traces.segment_lengths[segment_index], stop_sample + margin)
        window = traces.read(segment_index, origin_sample, end_sample)
        refuse_not_finite(window, segment_index, origin_sample, end_sample)
        for consumer in consumers:
            consumer.consume(window, origin_sample, segment_index, first_spike, last_spike)
        if report_spikes is not None:
            report_spikes(last_spike - first_spike)

    map_in_threads(work, list(chunks_in_time(traces.segment_lengths, chunk_samples)), num_threads)


def refuse_not_finite(traces: np.ndarray, segment_index: int, start_sample: int, stop_sample: int) -> None:
    """Raise InputError for NaN or infinite traces: they would spread to whatever is averaged over spikes."""
    if traces.dtype.kind == "f" and not np.isfinite(traces.sum()):
        raise InputError(
            f"The traces hold NaN or infinite values between samples {start_sample} and {stop_sample} of segment "
            f"{segment_index}. Run preprocessing again."
        )


def chunks_in_time(segment_lengths: Sequence[int], chunk_samples: int):
    """Yield (segment_index, start_sample, stop_sample) over every segment, in time order."""
    for segment_index, length in enumerate(segment_lengths):
        for start_sample in range(0, length, chunk_samples):
            yield segment_index, start_sample, min(start_sample + chunk_samples, length)
