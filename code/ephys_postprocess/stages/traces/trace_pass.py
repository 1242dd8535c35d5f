"""Passes over the traces in time order: each stretch is read once, and serves everybody who needs it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ephys_postprocess.errors import InputError
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.stages.traces.reading import for_each_stretch
from ephys_postprocess.stages.traces.stretches import Windows, plan_stretches
from ephys_postprocess.traces import TraceSource


class SpikeConsumer(Protocol):
    """Something that needs the traces around every spike; keeps its own output arrays, one row per spike."""

    margin_samples: int  # how far from a spike it looks

    def consume(
        self, traces: np.ndarray, origin_sample: int, segment_index: int, first_spike: int, last_spike: int
    ) -> None:
        """Fill output rows first_spike:last_spike, and no others.

        `traces` is int16 or float32 (num_rows, num_channels), unscaled; row r is sample origin_sample + r of the
        segment. It reaches margin_samples beyond each of these spikes, except where the segment ends. It is valid
        during the call only.
        """
        ...


class TraceWatcher(Protocol):
    """Something that needs every sample once."""

    def watch(self, traces: np.ndarray, number: int) -> None:
        """Take in stretch `number` of all, int16 or float32 (num_samples, num_channels), unscaled; in any order."""
        ...


def run_trace_pass(
    traces: TraceSource,
    spikes: SpikeTrains,
    consumers: Sequence[SpikeConsumer],
    chunk_samples: int,
    num_threads: int,
    report_spikes: Callable[[int], None] | None = None,
    *,
    is_sparse: bool = False,
    watcher: TraceWatcher | None = None,
) -> None:
    """Read each stretch that holds a spike once, with margins, and let every consumer fill its rows.

    Stretches are independent and consumers write only the rows of the stretch's own spikes, so the number of threads
    changes no byte. Memory: `num_threads` stretches at a time. `is_sparse` where the margins around the spikes are but
    a part of the traces, and no consumer looks further: of raw files only these are read. For a watcher all is read.
    """
    is_complete = watcher is not None
    margin = max((consumer.margin_samples for consumer in consumers), default=0)
    windows = Windows(spikes, margin, margin + 1)
    is_whole = is_complete or not is_sparse
    stretches = plan_stretches(traces, [windows], chunk_samples, is_whole=is_whole, is_complete=is_complete)

    def work(stretch, window):
        if watcher is not None:
            own = window[stretch.start_sample - stretch.origin_sample : stretch.stop_sample - stretch.origin_sample]
            watcher.watch(own, stretch.index)
        first_spike, last_spike = stretch.rows_of(spikes)
        if first_spike == last_spike:
            return
        for start, stop in stretch.ranges.tolist():
            needed = window[start - stretch.origin_sample : stop - stretch.origin_sample]
            refuse_not_finite(needed, stretch.segment_index, start, stop)
        for consumer in consumers:
            consumer.consume(window, stretch.origin_sample, stretch.segment_index, first_spike, last_spike)
        if report_spikes is not None:
            report_spikes(last_spike - first_spike)

    for_each_stretch(traces, stretches, work, num_threads)


def refuse_not_finite(traces: np.ndarray, segment_index: int, start_sample: int, stop_sample: int) -> None:
    """Raise InputError for NaN or infinite traces: they would spread to whatever is averaged over spikes."""
    if traces.dtype.kind == "f" and not np.isfinite(traces.sum()):
        raise InputError(
            f"The traces hold NaN or infinite values between samples {start_sample} and {stop_sample} of segment "
            f"{segment_index}. Run preprocessing again."
        )
