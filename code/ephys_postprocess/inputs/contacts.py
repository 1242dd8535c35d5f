"""Where contacts are: those that share a place are told, and a probe that stretches in depth is seen from its side."""

import numpy as np
import spikeinterface.core as si
from probeinterface import Probe, ProbeGroup

PLANES = ("xy", "xz", "zy")  # the first in which no two contacts share a place; xy where there is none
MOST_NAMED = 4


def use_depth(recordings: list[si.BaseRecording], journal) -> None:
    """Give recordings of contacts that differ in z alone the plane in which they differ; told.

    SpikeInterface 0.105, and all that is computed here, takes distances in x and y.
    """
    for recording in recordings:
        if not recording.has_probe() or recording.get_probegroup().ndim != 3:
            continue
        places = np.concatenate([probe.contact_positions for probe in recording.get_probegroup().probes])
        plane = next((one for one in PLANES if not _has_shared(_seen_in(places, one))), "xy")
        if plane != "xy":
            flat = ProbeGroup()
            for probe in recording.get_probegroup().probes:
                flat.add_probe(_seen_probe(probe, plane))
            recording._probegroup = flat  # set_probegroup may return another recording, and chains hold this one
            journal.note(
                f"Contacts share places in x and y and differ in z: distances and locations are in {plane[0]} and "
                f"{plane[1]}, which stand for x and y in the result."
            )


def note_shared_places(recording: si.BaseRecording, journal) -> None:
    """Say which channels are at the same place, as two probes that both begin at (0, 0) are, or a tetrode's wires."""
    places, first, counts = np.unique(recording.get_channel_locations(), axis=0, return_index=True, return_counts=True)
    shared = np.flatnonzero(counts > 1)
    if not shared.size:
        return
    one = shared[np.argmin(first[shared])]
    is_there = (recording.get_channel_locations() == places[one]).all(axis=1)
    named = ", ".join(str(channel_id) for channel_id in recording.channel_ids[is_there][:MOST_NAMED])
    advice = "Move the probes apart (probe.move) and run preprocessing again, or choose sparsity by_property 'group'."
    if recording.get_num_channels() == is_there.sum():
        advice = "Locations of units and spikes say nothing; amplitudes, PCs and shapes on single channels do."
    journal.note(
        f"{counts[shared].sum()} channels are at the same location as another one (such as {named}): distances do not "
        f"tell them apart, so units may get channels of another probe. {advice}"
    )


def _seen_probe(probe: Probe, plane: str) -> Probe:
    """The probe in a plane, with what `to_2d` forgets."""
    seen = probe.to_2d(axes=plane)
    seen.set_device_channel_indices(probe.device_channel_indices)
    if probe.contact_ids is not None:
        seen.set_contact_ids(probe.contact_ids)
    if probe.shank_ids is not None:
        seen.set_shank_ids(probe.shank_ids)
    return seen


def _seen_in(places: np.ndarray, plane: str) -> np.ndarray:
    return places[:, ["xyz".index(axis) for axis in plane]]


def _has_shared(places: np.ndarray) -> bool:
    return len(np.unique(places, axis=0)) < len(places)
