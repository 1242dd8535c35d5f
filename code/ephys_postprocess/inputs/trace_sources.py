"""Recordings and sortings as the records that stages compute on."""

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.inputs.trace_roots import is_chain
from ephys_postprocess.raw_files import RawFile
from ephys_postprocess.records import SpikeTrains
from ephys_postprocess.traces import KERNEL_DTYPES, RawTraces, RecordingTraces, TraceSource

PLAIN_BINARY = (si.BinaryRecordingExtractor, si.BinaryFolderRecording)
# What a chain of preprocessors returns near the ends of a stretch depends on where these are, so they are a part of the
# result: as long as SpikeInterface's own chunks, or so many bytes.
CHAIN_CHUNK_S = 1.0
MAX_CHAIN_CHUNK_BYTES = 2**28


def can_return_in_uV(recording: si.BaseRecording) -> bool:
    """Whether traces can be had in µV: gains and offsets are known, or traces are floats, taken for µV as they are.

    Stock SpikeInterface falls back to unscaled integers where this is False.
    """
    return bool(recording.has_scaleable_traces()) or np.dtype(recording.get_dtype()).kind == "f"


def trace_source(recording: si.BaseRecording, *, return_in_uV: bool) -> TraceSource:
    """Traces of a recording: raw files where it is plain binary, time first, int16 or float32; else `get_traces`.

    Gains and offsets are the recording's, rounded to float32 where SpikeInterface does so; 1 and 0 without
    `return_in_uV`, for floats without gains, and for integers without gains (see `can_return_in_uV`).
    """
    gains, offsets = _scaling(recording, return_in_uV=return_in_uV)
    if not is_raw(recording):
        return RecordingTraces(recording, gains, offsets, _chain_chunk_samples(recording))
    description = recording.get_binary_description()
    files = [
        RawFile(
            path=str(path),
            dtype=np.dtype(description["dtype"]),
            num_channels=int(description["num_channels"]),
            header_bytes=int(description["file_offset"]),
            num_samples=int(recording.get_num_samples(segment_index=segment_index)),
        )
        for segment_index, path in enumerate(description["file_paths"])
    ]
    return RawTraces(files, recording.sampling_frequency, gains, offsets)


def is_raw(recording: si.BaseRecording) -> bool:
    """Whether the raw files are exactly the traces: no chain on top, kernels' dtype, samples in order."""
    if type(recording) not in PLAIN_BINARY:
        return False
    description = recording.get_binary_description()
    return description["time_axis"] == 0 and np.dtype(description["dtype"]) in KERNEL_DTYPES


def _chain_chunk_samples(recording: si.BaseRecording) -> int | None:
    if not is_chain(recording):
        return None
    most_samples = MAX_CHAIN_CHUNK_BYTES // (recording.get_num_channels() * np.dtype(recording.get_dtype()).itemsize)
    return max(1, min(int(CHAIN_CHUNK_S * recording.sampling_frequency), most_samples))


def spike_trains(sorting: si.BaseSorting, segments: si.BaseRecording | tuple[int, ...]) -> SpikeTrains:
    """The sorting's spike vector as plain columns; row r is spike r of `sorting.to_spike_vector()`.

    `segments` is the recording, or the samples of each of its segments where there is none to ask.
    """
    if isinstance(segments, si.BaseRecording):
        segments = [segments.get_num_samples(segment_index=index) for index in range(segments.get_num_segments())]
    spikes = sorting.to_spike_vector()
    segment_indices = np.broadcast_to(np.int64(0), len(spikes))
    if len(segments) > 1:
        segment_indices = np.ascontiguousarray(spikes["segment_index"], dtype=np.int64)
    return SpikeTrains(
        samples=np.ascontiguousarray(spikes["sample_index"], dtype=np.int64),
        unit_indices=np.ascontiguousarray(spikes["unit_index"], dtype=np.int32),
        segment_indices=segment_indices,
        num_units=sorting.get_num_units(),
        segment_lengths=tuple(int(length) for length in segments),
        sampling_frequency_hz=float(sorting.sampling_frequency),
    )


def _scaling(recording: si.BaseRecording, *, return_in_uV: bool) -> tuple[np.ndarray, np.ndarray]:
    num_channels = recording.get_num_channels()
    if not (return_in_uV and recording.has_scaleable_traces()):
        return np.ones(num_channels), np.zeros(num_channels)
    return recording.get_channel_gains().astype(np.float64), recording.get_channel_offsets().astype(np.float64)
