"""The snippets that a model is shown at once, in µV or as int16 counts, and their second moments."""

import math
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.kernels.count_products import (
    COLUMNS_AT_ONCE,
    TILE,
    center_products,
    counts_by_channel,
    sum_count_products,
)
from ephys_postprocess.kernels.principal_components import spikes_by_channel
from ephys_postprocess.stages.principal_components.scratch import Scratch


@dataclass(frozen=True)
class FloatBlock:
    """Snippets in µV."""

    values: np.ndarray  # float32 (num_rows, num_features)

    @property
    def num_rows(self) -> int:
        return len(self.values)

    def rows(self) -> np.ndarray:
        """float64 (num_rows, num_features) in µV"""
        return self.values.astype(np.float64)

    def centered_moments(self, scratch: Scratch) -> tuple[np.ndarray, np.ndarray]:
        """float64 (num_features, num_features) in µV², from the diagonal upwards, and the mean, (num_features,).

        The next call with this scratch overwrites the moments.
        """
        num_rows, num_features = self.values.shape
        centered = scratch.array("centered", (num_rows, num_features))
        centered[:] = self.values
        mean = centered.mean(axis=0)
        centered -= mean
        moments = scratch.array("moments", (num_features, num_features))
        np.matmul(centered.T, centered, out=moments)
        return moments, mean


@dataclass(frozen=True)
class CountBlock:
    """Snippets as int16 counts of one gain, samples by spikes; sums of their products are exact, and fast."""

    counts: np.ndarray  # int16 (num_parts, at least num_features, at least num_rows / num_parts), zeros beyond
    num_rows: int
    num_features: int
    gain_uV: float  # µV a count

    def rows(self) -> np.ndarray:
        """float64 (num_rows, num_features) in µV"""
        own = self.counts[:, : self.num_features, : self.num_rows // len(self.counts)]
        return self.gain_uV * own.transpose(0, 2, 1).reshape(self.num_rows, self.num_features).astype(np.float64)

    def centered_moments(self, scratch: Scratch) -> tuple[np.ndarray, np.ndarray]:
        """As of FloatBlock."""
        num_padded = self.counts.shape[1]
        products = scratch.array("products", (num_padded, num_padded), np.int64)
        sums = scratch.array("sums", (num_padded,), np.int64)
        sum_count_products(self.counts, products, sums)
        moments, mean = scratch.array("moments", (self.num_features, self.num_features)), np.empty(self.num_features)
        center_products(products, sums, self.num_rows, self.gain_uV, moments, mean)
        return moments, mean


def padded_shape(num_channels, num_spikes, num_samples) -> tuple:
    """Of counts with the channel first, with room for the kernels' tiles; for one unit (int) or for many (int64)."""
    return num_channels, -(-num_samples // TILE) * TILE, -(-num_spikes // COLUMNS_AT_ONCE) * COLUMNS_AT_ONCE


def block_size(num_channels: np.ndarray, num_spikes: np.ndarray, num_samples: int, gain_uV: float | None) -> np.ndarray:
    """int64, as the first two: how many values each unit's blocks hold; the other arguments as in `blocks_of_unit`."""
    if gain_uV is None:
        return num_channels * num_spikes * num_samples
    return math.prod(padded_shape(num_channels, num_spikes, num_samples))


def blocks_of_unit(
    waveforms: np.ndarray, room: np.ndarray, num_channels: int, mode: str, gain_uV: float | None
) -> list[FloatBlock | CountBlock]:
    """What one unit shows: a block a channel (`by_channel_local`), or one in all.

    Parameters
    ----------
    waveforms : float32 or int16 (num_spikes, num_samples, at least num_channels)
    room : the same dtype, flat, of `block_size` values
        Holds the blocks.
    num_channels : int
        Of the unit.
    mode : str
    gain_uV : float or None
        µV a count; None for waveforms in µV.
    """
    num_spikes, num_samples = waveforms.shape[:2]
    if mode == "concatenated":
        room.reshape(num_spikes, num_samples, num_channels)[:] = waveforms[:, :, :num_channels]
        return [FloatBlock(room.reshape(num_spikes, -1))]
    if gain_uV is None:
        by_channel = room.reshape(num_channels, num_spikes, num_samples)
        spikes_by_channel(waveforms, by_channel)
        is_local = mode == "by_channel_local"
        return [FloatBlock(values) for values in (by_channel if is_local else [by_channel.reshape(-1, num_samples)])]
    counts = room.reshape(padded_shape(num_channels, num_spikes, num_samples))
    counts_by_channel(waveforms, counts)
    parts = np.split(counts, num_channels) if mode == "by_channel_local" else [counts]
    return [CountBlock(part, num_spikes * len(part), num_samples, gain_uV) for part in parts]
