"""One recording's inputs, opened, checked against each other and ready to compute on."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.channel_first_files import read_channels_first
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.contacts import note_shared_places, use_depth
from ephys_postprocess.inputs.data_folder import RecordingInput, UpstreamSkipped, reason_skipped_upstream
from ephys_postprocess.inputs.motion import correct_motion, is_motion_corrected
from ephys_postprocess.inputs.recordings import (
    check_traces,
    open_recording_to_read,
    open_recording_to_store,
    reset_times,
)
from ephys_postprocess.inputs.sortings import fit_sorting, main_channels_of_sorter, open_sorting
from ephys_postprocess.inputs.trace_sources import can_return_in_uV

logger = logging.getLogger(__name__)


@dataclass
class Journal:
    """What opening the inputs of one recording used and decided."""

    data_folder: Path
    notes: list[str] = field(default_factory=list)
    input_files: list[str] = field(default_factory=list)
    given_folders: tuple[Path, ...] = ()  # where files may lie that a description names; none: in data/

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def used(self, path: Path) -> Path:
        """Remember an input by its name in `data/`; returns it."""
        name = path.relative_to(self.data_folder).as_posix()
        if name not in self.input_files:
            self.input_files.append(name)
        return path


@dataclass(frozen=True)
class Loaded:
    """One recording's inputs: traces to read, the recording the result refers to, and the spikes."""

    recording_name: str
    recording_to_read: si.BaseRecording  # where traces come from; the binary one where there is one
    recording_to_store: si.BaseRecording  # what the analyzer refers to: lazy where possible, always JSON-serialisable
    words_to_store: dict | None  # its description by whoever wrote it, paths absolute; None: in SpikeInterface's words
    sorting: si.BaseSorting  # sorted in time, inside the recording, at its sampling rate
    is_motion_corrected: bool
    main_channel_indices: np.ndarray | None  # int64 (num_units,): the sorter's own main channels; None: to be estimated
    excess_spikes: dict  # unit id -> spikes outside the recording, removed; only units that had any
    durations_s: tuple[float, ...]  # one per segment
    notes: tuple[str, ...]  # what was found and decided, for the log and the provenance
    input_files: tuple[str, ...]  # names in data/


def load_recording_and_sorting(
    recording_input: RecordingInput,
    *,
    use_motion_corrected: bool = False,
    allow_pickle: bool = False,
    allow_classes: tuple[str, ...] = (),
) -> Loaded:
    """Open one recording's traces and sorting.

    Both recordings have the same channels (ids, order, locations), samples per segment and sampling rate; dtypes differ
    after motion correction, whose recording cannot be written as JSON, so the stored one stays uncorrected.

    Parameters
    ----------
    recording_input : RecordingInput
        From `find_recordings`.
    use_motion_corrected : bool
        Interpolate the motion that preprocessing estimated; never a second time.
    allow_pickle : bool
        The user's consent to decode pickles in `data/`.
    allow_classes : tuple of str
        Classes that the user allows a description to name, beside those that only read.

    Raises
    ------
    UpstreamSkipped
        An earlier capsule left this recording out on purpose.
    InputError
        Anything missing, broken or inconsistent.
    """
    reason = reason_skipped_upstream(recording_input)
    if reason is not None:
        raise UpstreamSkipped(reason)
    consent = Consent(allow_pickle, allow_classes)
    journal = Journal(
        recording_input.data_folder, list(recording_input.notes), given_folders=recording_input.given_folders
    )
    read = open_recording_to_read(recording_input, journal, use_motion_corrected=use_motion_corrected, consent=consent)
    check_traces(read, f"preprocessed_{recording_input.recording_name}")
    stored, words = open_recording_to_store(recording_input, read, journal, consent=consent)
    if any([read_channels_first(read), read_channels_first(stored)]):
        journal.note(
            "A raw file holds one channel after the other (time_axis 1). It is read as it lies; SpikeInterface 0.105 "
            "reads such files wrongly, so save the recording with time_axis 0 for whoever opens it."
        )
    if recording_input.skip_times:
        words = None  # they would bring the recorded clock back
        reset_times(read)
        reset_times(stored)
        journal.note("The job asks to skip times: spike times count samples from 0, recorded time stamps are ignored.")
    if use_motion_corrected:
        read, stored_now = _correct_once(read, stored, recording_input, journal)
        stored, words = stored_now, words if stored_now is stored else None
    elif is_motion_corrected(read):
        journal.note("Preprocessing applied motion correction: the traces are motion-corrected.")
    _note_traces(read, journal)
    use_depth([read] if read is stored else [read, stored], journal)
    note_shared_places(read, journal)
    sorting = open_sorting(recording_input, journal, consent=consent)
    sorting, excess_spikes = fit_sorting(sorting, read, journal, f"spikesorted_{recording_input.recording_name}")
    main_channel_indices = main_channels_of_sorter(sorting, read, journal)
    for note in journal.notes:
        logger.info("%s", note)
    return Loaded(
        recording_name=recording_input.recording_name,
        recording_to_read=read,
        recording_to_store=stored,
        words_to_store=words,
        sorting=sorting,
        is_motion_corrected=is_motion_corrected(read),
        main_channel_indices=main_channel_indices,
        excess_spikes=excess_spikes,
        durations_s=tuple(
            read.get_num_samples(segment_index=index) / read.sampling_frequency
            for index in range(read.get_num_segments())
        ),
        notes=tuple(journal.notes),
        input_files=tuple(journal.input_files),
    )


def open_recording_of_result(
    recording_input: RecordingInput, *, allow_pickle: bool = False, allow_classes: tuple[str, ...] = ()
) -> tuple[si.BaseRecording, dict | None]:
    """The recording that a result refers to, found again without its sorting, and its own words: see `Loaded`.

    Raises
    ------
    InputError
        Anything missing, broken or inconsistent.
    """
    journal, consent = Journal(recording_input.data_folder), Consent(allow_pickle, allow_classes)
    read = open_recording_to_read(recording_input, journal, use_motion_corrected=False, consent=consent)
    stored, words = open_recording_to_store(recording_input, read, journal, consent=consent)
    if recording_input.skip_times:
        reset_times(stored)
        words = None
    return stored, words


def _note_traces(recording: si.BaseRecording, journal: Journal) -> None:
    if recording.get_annotation("is_filtered") is False:
        journal.note(
            "The traces are not filtered (the recording says is_filtered: false): amplitudes, noise levels and all "
            "that is made of them hold slow signals, too."
        )
    if recording.has_scaleable_traces():
        return
    if can_return_in_uV(recording):
        journal.note("The traces are floating-point numbers without gains and are taken for µV.")
    else:
        journal.note("The traces have no gain to µV: amplitudes and thresholds are in raw counts.")


def _correct_once(read, stored, recording_input: RecordingInput, journal: Journal):
    if is_motion_corrected(read):
        journal.note("The traces are motion-corrected already; motion is not applied a second time.")
        return read, stored
    if is_motion_corrected(stored):
        raise InputError(
            f"{recording_input.recording_name}: the lazy recording is motion-corrected and the binary one is not; they "
            "must agree. Run preprocessing again, or remove the lazy one."
        )
    corrected, said = correct_motion(read, recording_input)
    journal.used(recording_input.motion)
    journal.note(said)
    num_removed = read.get_num_channels() - corrected.get_num_channels()
    if num_removed:
        journal.note(f"Interpolation removed {num_removed} channels at the probe's ends.")
        stored = stored.select_channels(corrected.channel_ids)
    journal.note(
        "SpikeInterface cannot write motion correction as JSON: the result refers to the uncorrected recording."
    )
    return corrected, stored
