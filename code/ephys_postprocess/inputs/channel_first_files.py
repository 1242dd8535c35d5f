"""Raw files that hold one channel after the other (`time_axis` 1): read as they lie.

SpikeInterface 0.105 takes the bytes at `start_frame * num_channels` of such a file for the traces from there on,
which is right only for the whole file at once.
"""

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.binaryrecordingextractor import BinaryRecordingSegment

from ephys_postprocess.inputs.motion import chain_of
from ephys_postprocess.inputs.trace_sources import PLAIN_BINARY


class ChannelFirstSegment(BinaryRecordingSegment):
    """A segment whose file is an array of shape (num_channels, num_samples)."""

    def get_traces(self, start_frame=None, end_frame=None, channel_indices=None) -> np.ndarray:
        """(end - start, num_channels) of the file's dtype."""
        whole = np.memmap(
            self.file_path,
            dtype=self.dtype,
            mode="r",
            offset=self.file_offset,
            shape=(self.num_channels, self.num_samples),
        )
        traces = np.ascontiguousarray(whole[:, start_frame:end_frame].T)
        return traces if channel_indices is None else traces[:, channel_indices]


def read_channels_first(recording: si.BaseRecording) -> bool:
    """Make a recording, and every one it is made from, read such files rightly; whether there was any."""
    found = [
        one
        for one in chain_of(recording)
        if type(one) in PLAIN_BINARY and one.get_binary_description()["time_axis"] == 1
    ]
    for one in found:
        for segment in one.segments:
            segment.__class__ = ChannelFirstSegment  # in place: preprocessors hold their parents' segments
    return bool(found)
