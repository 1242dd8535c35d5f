"""The sorting to postprocess: opening it in any saved form, and fitting it to its recording."""

import numpy as np
import spikeinterface.core as si
from spikeinterface.core.basesorting import SpikeVectorSortingSegment, minimum_spike_dtype
from spikeinterface.core.zarrextractors import ZarrSortingExtractor

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.data_folder import RecordingInput, is_zarr
from ephys_postprocess.inputs.npy_files import check_npz
from ephys_postprocess.inputs.refusals import NotAttachedError, refusal
from ephys_postprocess.inputs.saved_objects import open_saved_folder
from ephys_postprocess.inputs.special_files import check_file_types
from ephys_postprocess.records import blocks_of_spikes

MAIN_CHANNEL_PROPERTY = "main_channel_id"  # SpikeInterface's name
# Sorters leave a few spikes outside: Kilosort before the start, others past the end. A recording cut to its half loses
# about half of its spikes, by whatever factor below two its rate differs between the halves. Times of another clock
# or recording lie outside nearly all.
MOST_OUTSIDE = 2 / 3
RELATIVE_RATE_TOLERANCE = 1e-5  # what SpikeInterface's analyzer takes for the same rate


def open_sorting(recording_input: RecordingInput, journal, *, consent: Consent) -> si.BaseSorting:
    """The sorting in spikesorted_{name}: SpikeInterface folder, npz (the file or inside the folder) or zarr."""
    path = recording_input.saved_sorting
    if path is None:
        here = sorted(entry.name for entry in recording_input.sorting_folder.glob("spikesorted_*"))
        raise InputError(
            f"No sorting for recording {recording_input.recording_name!r}: looked for "
            f"spikesorted_{recording_input.recording_name} in {recording_input.sorting_folder} and found "
            f"{', '.join(here) or 'no spikesorted_* at all'}. Attach the spike-sorting output of this recording."
        )
    journal.used(path)
    try:
        if path.is_file():
            return _open_npz(path)
        inside = _single_store_inside(path)
        if inside is not None and inside.is_file():
            return _open_npz(inside)
        return open_saved_folder(inside or path, si.BaseSorting, consent=consent, note=journal.note)
    except NotAttachedError as error:
        raise InputError(f"{path}: incomplete: {error}. Attach everything the spike sorter wrote.") from error


def fit_sorting(
    sorting: si.BaseSorting, recording: si.BaseRecording, journal, where: str = "The sorting"
) -> tuple[si.BaseSorting, dict]:
    """The sorting as it can be used with the recording, and the spikes outside of it that were removed, by unit id.

    Units stay, also those without spikes. Spikes out of order are sorted by segment and sample (spikes at the same
    sample keep their order), as everything downstream searches them. Errors begin with `where`.

    Raises
    ------
    InputError
        Another rate or number of segments, unit ids used twice, spikes of no unit, more spikes outside than inside.
    """
    _check_units(sorting, where)
    _check_pairing(sorting, recording, where)
    spikes = _spike_vector(sorting, where)
    _check_spikes(spikes, sorting, where)
    _check_segment_slices(spikes, sorting, where)
    is_ordered = _is_ordered(spikes)
    if not is_ordered:
        spikes = spikes[np.lexsort((spikes["sample_index"], spikes["segment_index"]))]
        journal.note("Spikes were not in order of time and have been sorted.")
    is_early, is_late = _outside(spikes, recording)
    is_inside = ~(is_early | is_late)
    _check_share_outside(is_inside, where)
    for is_outside, meaning in ((is_early, "before the start"), (is_late, "past the end")):
        if is_outside.any():
            counts = _count_by_unit(spikes["unit_index"][is_outside], sorting.unit_ids)
            journal.note(_removal_note(counts, spikes.size, meaning))
    excess_spikes = _count_by_unit(spikes["unit_index"][~is_inside], sorting.unit_ids)
    if sorting.sampling_frequency != recording.sampling_frequency:
        journal.note(
            f"The sorting's rate {sorting.sampling_frequency} Hz is taken for the recording's "
            f"{recording.sampling_frequency} Hz."
        )
    elif is_ordered and not excess_spikes:
        return sorting, {}
    return _in_memory(spikes[is_inside], sorting, recording), excess_spikes


def check_spikes(sorting: si.BaseSorting, segment_lengths: list[int], where: str) -> None:
    """InputError where the spikes of a finished result are not in order, or not inside its units and segments."""
    spikes = _spike_vector(sorting, where)
    _check_spikes(spikes, sorting, where)
    lengths = np.asarray(segment_lengths)
    is_inside = len(lengths) >= sorting.get_num_segments() and np.all(
        (spikes["sample_index"] >= 0) & (spikes["sample_index"] < lengths[spikes["segment_index"]])
    )
    if not (is_inside and _is_ordered(spikes)):
        raise InputError(
            f"{where}: its spikes are not in order of time, or lie outside the recording. It is broken. Run "
            "postprocessing again."
        )


def main_channels_of_sorter(sorting: si.BaseSorting, recording: si.BaseRecording, journal) -> np.ndarray | None:
    """int64 (num_units,): the channels in the sorting's property `main_channel_id`, as SpikeInterface 0.105 takes them.

    None, and a note, where that names anything but channels of the recording; None where there is no such property.
    """
    ids = sorting.get_property(MAIN_CHANNEL_PROPERTY)
    if ids is None or sorting.get_num_units() == 0:
        return None
    positions = {channel_id: index for index, channel_id in enumerate(recording.channel_ids.tolist())}
    found = [positions.get(channel_id) if np.ndim(ids) == 1 else None for channel_id in ids.tolist()]
    if None not in found:
        journal.note(f"Main channels are the sorter's own (property {MAIN_CHANNEL_PROPERTY}).")
        return np.array(found, dtype=np.int64)
    missing = [str(ids[row]) for row, index in enumerate(found) if index is None]
    journal.note(
        f"Main channels are estimated from the traces: the sorter's {MAIN_CHANNEL_PROPERTY} is no channel of the "
        f"recording for {len(missing)} of {len(found)} units (such as {missing[0]})."
    )
    return None


def add_segments(sorting: si.NumpySorting, num_segments: int) -> None:
    """Segments without spikes at the end: NumpySorting counts segments up to the last spike's."""
    for segment_index in range(sorting.get_num_segments(), num_segments):
        sorting.add_sorting_segment(
            SpikeVectorSortingSegment(sorting.to_spike_vector(), segment_index, sorting.unit_ids)
        )


def _open_npz(path) -> si.BaseSorting:
    check_file_types(path)
    check_npz(path)
    with refusal(path):
        sorting = si.read_npz_sorting(path)
        for segment_index, segment in enumerate(sorting.segments):
            unknown = np.setdiff1d(segment.spike_labels, sorting.unit_ids)
            if unknown.size:
                raise InputError(
                    f"{path}: segment {segment_index} has spikes of units {unknown[:5].tolist()}, which are not among "
                    "its unit_ids. Save the sorting again."
                )
    return sorting


def _single_store_inside(folder):
    """An npz file or zarr store inside a folder that is no sorting of SpikeInterface itself."""
    markers = ("si_folder.json", "numpysorting_info.json", "npz.json")
    if is_zarr(folder) or any((folder / marker).exists() for marker in markers):
        return None
    stores = [entry for entry in sorted(folder.iterdir()) if entry.name.endswith(".npz") or is_zarr(entry)]
    if len(stores) > 1:
        names = ", ".join(store.name for store in stores)
        raise InputError(f"{folder}: holds several sortings ({names}). It must hold one. Remove the others.")
    return stores[0] if stores else None


def _check_units(sorting: si.BaseSorting, where: str) -> None:
    ids, counts = np.unique(np.asarray(sorting.unit_ids).astype(str), return_counts=True)
    if np.any(counts > 1):
        raise InputError(
            f"{where}: unit ids used more than once: {', '.join(ids[counts > 1])}. Each unit needs its own. "
            "Rename the units and save the sorting again."
        )


def _check_pairing(sorting: si.BaseSorting, recording: si.BaseRecording, where: str) -> None:
    rates_hz = sorting.sampling_frequency, recording.sampling_frequency
    if not np.isclose(*rates_hz, rtol=RELATIVE_RATE_TOLERANCE, atol=0):
        raise InputError(
            f"{where}: the sampling rate is {rates_hz[0]} Hz, the recording's {rates_hz[1]} Hz. They must be equal. "
            "Attach the sorting of this recording."
        )
    counts = sorting.get_num_segments(), recording.get_num_segments()
    # A sorting kept in memory forgets trailing segments without spikes, and any without spikes has one segment.
    is_spikeless = counts[0] == 1 and sorting.get_num_units() == 0
    if counts[0] != counts[1] and not is_spikeless:
        raise InputError(
            f"{where}: the sorting has {counts[0]} segments, the recording {counts[1]}. They must be equal. Attach the "
            "sorting of this recording."
        )


def _spike_vector(sorting: si.BaseSorting, where: str) -> np.ndarray:
    with refusal(where):
        found = sorting.to_spike_vector()
        if any(found.dtype[name].kind not in "iu" for name, _ in minimum_spike_dtype):
            raise InputError(f"{where}: spikes must be whole sample numbers, not {found.dtype}. Save it again.")
        if isinstance(found, np.ndarray) and found.dtype == minimum_spike_dtype:
            return found
        spikes = np.empty(found.size, dtype=minimum_spike_dtype)
        for name, _ in minimum_spike_dtype:
            spikes[name] = found[name]
    return spikes


def _check_spikes(spikes: np.ndarray, sorting: si.BaseSorting, where: str) -> None:
    for name, limit, meaning in (
        ("unit_index", sorting.get_num_units(), "of a unit that is not there"),
        ("segment_index", sorting.get_num_segments(), "of a segment that is not there"),
    ):
        is_bad = (spikes[name] < 0) | (spikes[name] >= limit)
        if np.any(is_bad):
            raise InputError(
                f"{where}: {np.count_nonzero(is_bad)} spikes {meaning} ({name} {spikes[name][is_bad][0]}). "
                "It is broken or belongs to another recording. Run spike sorting again."
            )


def _check_segment_slices(spikes: np.ndarray, sorting: si.BaseSorting, where: str) -> None:
    """Of a zarr store, where alone these say which spikes are which segment's; what none names would be the first's."""
    if not isinstance(sorting, ZarrSortingExtractor):
        return
    told = sorting._cached_spike_vector_segment_slices
    ends = np.cumsum(np.bincount(spikes["segment_index"], minlength=sorting.get_num_segments()))
    if not np.array_equal(told, np.column_stack([[0, *ends[:-1]], ends])):
        raise InputError(
            f"{where}: its segment_slices {np.asarray(told).tolist()[:5]} are not one after the other all of its "
            f"{spikes.size} spikes. It is broken. Run spike sorting again."
        )


def _is_ordered(spikes: np.ndarray) -> bool:
    for block in blocks_of_spikes(spikes.size):
        some = spikes[block.start : block.stop + 1]  # with the first spike of the next block
        segment_steps, sample_steps = np.diff(some["segment_index"]), np.diff(some["sample_index"])
        if not np.all((segment_steps > 0) | ((segment_steps == 0) & (sample_steps >= 0))):
            return False
    return True


def _count_by_unit(unit_indices: np.ndarray, unit_ids: np.ndarray) -> dict:
    indices, counts = np.unique(unit_indices, return_counts=True)
    return {unit_ids[index].item(): int(count) for index, count in zip(indices, counts, strict=True)}


def _check_share_outside(is_inside: np.ndarray, where: str) -> None:
    num_outside = np.count_nonzero(~is_inside)
    if num_outside > MOST_OUTSIDE * is_inside.size:
        raise InputError(
            f"{where}: {num_outside} of {is_inside.size} spikes lie before the recording's start or past its end. At "
            f"most {MOST_OUTSIDE:.0%} may. It belongs to another recording, its times are not samples, or the "
            "recording's dtype or number of channels is told wrongly. Attach the sorting of this recording."
        )


def _removal_note(counts_by_unit: dict, num_of_all: int, meaning: str) -> str:
    listed = ", ".join(f"{unit_id}: {count}" for unit_id, count in list(counts_by_unit.items())[:10])
    more = ", …" if len(counts_by_unit) > 10 else ""
    num_spikes = sum(counts_by_unit.values())
    share = f"{100 * num_spikes / num_of_all:.2g} % of all"
    return f"Removed {num_spikes} spikes {meaning} of the recording ({share}; unit: spikes; {listed}{more})."


def _in_memory(spikes: np.ndarray, sorting: si.BaseSorting, recording: si.BaseRecording) -> si.NumpySorting:
    fitted = si.NumpySorting(spikes, recording.sampling_frequency, sorting.unit_ids)
    add_segments(fitted, recording.get_num_segments())
    sorting.copy_metadata(fitted)
    return fitted


def _outside(spikes: np.ndarray, recording: si.BaseRecording) -> tuple[np.ndarray, np.ndarray]:
    """bool, bool (num_spikes,): before the start of their segment, past its end."""
    lengths = [recording.get_num_samples(segment_index=index) for index in range(recording.get_num_segments())]
    is_early, is_late = np.zeros((2, spikes.size), dtype=bool)
    for some in blocks_of_spikes(spikes.size):
        samples, segment_indices = spikes["sample_index"][some], spikes["segment_index"][some]
        is_early[some], is_late[some] = samples < 0, samples >= np.asarray(lengths)[segment_indices]
    return is_early, is_late
