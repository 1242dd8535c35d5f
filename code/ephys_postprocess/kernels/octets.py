"""Sets of channels as a few runs of eight neighbors (octets), over which traces are summed as vectors."""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.kernels._octet_loops import OCTET


@dataclass(frozen=True)
class OctetCover:
    """Octets that together hold each set's channels, and others, which get weight zero or are not looked at."""

    starts: np.ndarray  # int64 (num_sets, num_octets): first channel of each; -1 beyond a set's own
    places: np.ndarray  # int64 (num_sets, width): octet * OCTET + position in it, of each packed channel; -1 beyond

    def spread(self, packed: np.ndarray) -> np.ndarray:
        """(num_sets, num_octets, ..., OCTET): values of packed channels at their places, zeros elsewhere.

        Parameters
        ----------
        packed : (num_sets, ..., width)
        """
        num_sets, num_octets = self.starts.shape
        spread = np.zeros((num_sets, num_octets, *packed.shape[1:-1], OCTET), dtype=packed.dtype)
        for own, values, places in zip(spread, packed, self.places, strict=True):
            octets, positions = np.divmod(places[places >= 0], OCTET)
            own[octets, ..., positions] = np.moveaxis(values[..., places >= 0], -1, 0)
        return spread


def cover_with_octets(channels: np.ndarray, num_channels: int) -> OctetCover:
    """As few octets as hold each set.

    Parameters
    ----------
    channels : int64 (num_sets, width)
        Ascending, packed left, -1 beyond.
    num_channels : int
        Of the traces, before `with_room_for_octets`.
    """
    num_channels = max(num_channels, OCTET)
    starts, places = [], np.full(channels.shape, -1, dtype=np.int64)
    for own, own_places in zip(channels, places, strict=True):
        starts.append([])
        for index, channel in enumerate(own[own >= 0].tolist()):
            if not starts[-1] or channel >= starts[-1][-1] + OCTET:
                starts[-1].append(min(channel, num_channels - OCTET))
            own_places[index] = (len(starts[-1]) - 1) * OCTET + channel - starts[-1][-1]
    padded = np.full((len(starts), max(map(len, starts), default=0)), -1, dtype=np.int64)
    for row, own in zip(padded, starts, strict=True):
        row[: len(own)] = own
    return OctetCover(padded, places)


def with_room_for_octets(traces: np.ndarray) -> np.ndarray:
    """C-contiguous traces with at least OCTET channels: those of a tetrode get channels of zeros."""
    if traces.shape[1] >= OCTET:
        return np.ascontiguousarray(traces)
    wide = np.zeros((traces.shape[0], OCTET), dtype=traces.dtype)
    wide[:, : traces.shape[1]] = traces
    return wide
