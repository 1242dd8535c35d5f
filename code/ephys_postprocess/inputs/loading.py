"""One recording's inputs, opened, checked against each other and ready to compute on."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import spikeinterface.core as si

from ephys_postprocess.errors import InputError
from ephys_postprocess.inputs.consent import Consent
from ephys_postprocess.inputs.data_folder import RecordingInput, UpstreamSkipped, reason_skipped_upstream
from ephys_postprocess.inputs.motion import correct_motion, is_motion_corrected
from ephys_postprocess.inputs.recordings import (
    check_traces,
    open_recording_to_read,
    open_recording_to_store,
    reset_times,
)
from ephys_postprocess.inputs.sortings import fit_sorting, open_sorting
from ephys_postprocess.inputs.trace_sources import can_return_in_uV

logger = logging.getLogger(__name__)


@dataclass
class Journal:
    """What opening the inputs of one recording used and decided."""

    data_folder: Path
    notes: list[str] = field(default_factory=list)
    input_files: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
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
    sorting: si.BaseSorting  # sorted in time, inside the recording, at its sampling rate
    is_motion_corrected: bool
    excess_spikes: dict  # unit id -> spikes past the end, removed; only units that had any
    durations_s: tuple[float, ...]  # one a segment
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

    Both recordings have the same channels (ids, order, locations), samples a segment and sampling rate; dtypes differ
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
    journal, consent = Journal(recording_input.data_folder), Consent(allow_pickle, allow_classes)
    read = open_recording_to_read(recording_input, journal, use_motion_corrected=use_motion_corrected, consent=consent)
    check_traces(read, f"preprocessed_{recording_input.recording_name}")
    stored = open_recording_to_store(recording_input, read, journal, consent=consent)
    if recording_input.skip_times:
        reset_times(read)
        reset_times(stored)
        journal.note("The job asks to skip times: spike times count samples from 0, recorded time stamps are ignored.")
    if use_motion_corrected:
        read, stored = _correct_once(read, stored, recording_input, journal)
    elif is_motion_corrected(read):
        journal.note("Preprocessing applied motion correction: the traces are motion-corrected.")
    _note_traces(read, journal)
    sorting = open_sorting(recording_input, journal, consent=consent)
    sorting, excess_spikes = fit_sorting(sorting, read, journal, f"spikesorted_{recording_input.recording_name}")
    for note in journal.notes:
        logger.info("%s", note)
    return Loaded(
        recording_name=recording_input.recording_name,
        recording_to_read=read,
        recording_to_store=stored,
        sorting=sorting,
        is_motion_corrected=is_motion_corrected(read),
        excess_spikes=excess_spikes,
        durations_s=tuple(
            read.get_num_samples(segment_index=index) / read.sampling_frequency
            for index in range(read.get_num_segments())
        ),
        notes=tuple(journal.notes),
        input_files=tuple(journal.input_files),
    )


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
