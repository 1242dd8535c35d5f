"""Each spike's amplitude: the trace at its unit's peak, on its unit's main channel."""

import numpy as np

from ephys_postprocess.records import SpikeTrains


class SpikeAmplitudes:
    """A consumer of the trace pass that keeps one amplitude a spike.

    Parameters
    ----------
    spikes : SpikeTrains
    main_channel_indices : int64 (num_units,)
    peak_shifts : int64 (num_units,)
        Samples from a spike to its template's peak.
    gains, offsets : float64 (num_channels,) or None
        µV a count, and µV, in the recording's own precision (SpikeInterface scales amplitudes with float64 gains, all
        other traces with float32). None: amplitudes stay counts.
    dtype : dtype
        Of the traces; amplitudes that stay counts have it.

    Attributes
    ----------
    amplitudes : float32 or dtype (num_spikes,)
        µV, or counts. Beyond an end of the segment the trace counts as zero, so the amplitude is the offset.

    References
    ----------
    SpikeInterface 0.105.3 `ComputeSpikeAmplitudes`, equal bit for bit.
    """

    def __init__(
        self, spikes: SpikeTrains, main_channel_indices, peak_shifts, gains=None, offsets=None, dtype=np.int16
    ):
        self._spikes = spikes
        self._main_channels = np.asarray(main_channel_indices)
        self._peak_shifts = np.asarray(peak_shifts)
        self._gains, self._offsets = gains, offsets
        self.margin_samples = int(np.abs(self._peak_shifts).max(initial=0))
        self.amplitudes = np.zeros(spikes.num_spikes, dtype=dtype if gains is None else np.float32)

    def consume(self, traces, origin_sample, segment_index, first_spike, last_spike) -> None:  # noqa: ARG002
        """Fill the amplitudes of spikes first_spike:last_spike (see `SpikeConsumer`)."""
        unit_indices = self._spikes.unit_indices[first_spike:last_spike]
        channels = self._main_channels[unit_indices]
        rows = self._spikes.samples[first_spike:last_spike] + self._peak_shifts[unit_indices] - origin_sample
        is_inside = (rows >= 0) & (rows < traces.shape[0])
        counts = np.where(is_inside, traces[np.where(is_inside, rows, 0), channels], 0)
        amplitudes = counts.astype(self.amplitudes.dtype)
        if self._gains is not None:
            amplitudes *= self._gains[channels]
            amplitudes += self._offsets[channels]
        self.amplitudes[first_spike:last_spike] = amplitudes
