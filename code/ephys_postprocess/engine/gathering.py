"""One gather for two needs: the templates that duplicates are found by, and, ahead of time, the waveforms.

Which spikes the waveforms are of is drawn from the units that stay, and which units stay is known from templates alone.
So rough templates say which units to expect. Where the templates then say otherwise, what was gathered is let go and
the waveforms are read anew: what is expected decides how often the traces are read, and no number.
"""

from dataclasses import dataclass

import numpy as np

from ephys_postprocess.engine.sampling import SampledTemplates, random_spike_arguments
from ephys_postprocess.engine.windows import window_samples
from ephys_postprocess.inputs.opened import Inputs
from ephys_postprocess.parameters.document import Parameters
from ephys_postprocess.parameters.extensions import Extensions
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.spike_trains.deduplicate import template_peaks
from ephys_postprocess.stages.spike_trains.random_spikes import select_random_spikes
from ephys_postprocess.stages.templates.average_templates import PackedAverages, average_packed_templates
from ephys_postprocess.stages.traces.waveforms import WaveformSelection, WaveformSource, open_waveforms

# SpikeInterface's default window of templates, which is what its de-duplication aligns by.
DEDUPLICATION_MS_BEFORE, DEDUPLICATION_MS_AFTER = 1.0, 2.0


@dataclass(frozen=True)
class Gathered:
    """What one pass over the traces around the random spikes gives."""

    peaks: tuple[np.ndarray, np.ndarray] | None  # see `template_peaks`; None where nobody looks for duplicates
    waveforms: WaveformSource | None  # of the spikes that are expected to be wanted; None where nobody wants any


def gather_windows(
    inputs: Inputs, sampled: SampledTemplates, is_expected: np.ndarray | None, parameters: Parameters
) -> Gathered:
    """Read the windows of the random spikes of all units, and those of the units that are expected to stay, at once.

    `is_expected` is bool (num_units,), or None where nobody can say: then waveforms are read when they are wanted.
    """
    traces, work = inputs.traces, (inputs.chunk_samples, inputs.num_threads)
    of_all = None if parameters.duplicate_threshold is None else _selection_of_all(inputs, sampled, parameters)
    to_come = None if is_expected is None else _selection_to_come(inputs, sampled, is_expected, parameters.extensions)
    if to_come is None:
        templates = None if of_all is None else average_packed_templates(traces, of_all, *work)
        return Gathered(_peaks(templates, of_all, sampled), None)
    averages = None if of_all is None else PackedAverages(traces, of_all)
    also = None if averages is None else (averages.windows, averages.add)
    waveforms = open_waveforms(traces, to_come, inputs.scratch_folder, *work, also=also)
    return Gathered(_peaks(None if averages is None else averages.averages(), of_all, sampled), waveforms)


def _peaks(templates, selection, sampled):
    if templates is None or not len(templates):
        return None
    is_main = selection.sparsity.channels_of_unit == sampled.main_channel_indices[:, np.newaxis]
    return template_peaks(templates, is_main.argmax(axis=1), selection.num_samples_before)


def _selection_of_all(inputs, sampled, parameters):
    """The spikes that templates for de-duplication are made of."""
    rate_hz, spikes = inputs.traces.sampling_frequency_hz, inputs.spikes
    random_spikes = parameters.extensions.random_spikes
    sampling = random_spikes.arguments() if random_spikes is not None else {"seed": parameters.seed}
    rows = select_random_spikes(spikes, **random_spike_arguments(sampling))
    num_before, num_after = (window_samples(ms, rate_hz) for ms in (DEDUPLICATION_MS_BEFORE, DEDUPLICATION_MS_AFTER))
    return WaveformSelection(spikes, rows, Sparsity(np.asarray(sampled.sparsity.mask)), num_before, num_after)


def _selection_to_come(inputs, sampled, is_expected, extensions: Extensions):
    """The spikes that the `waveforms` or `templates` extension is made of, if the units expected to stay do so."""
    window, random_spikes = extensions.waveforms or extensions.templates, extensions.random_spikes
    if window is None or random_spikes is None:
        return None
    sampling = random_spike_arguments(random_spikes.arguments())
    rows = select_random_spikes(inputs.spikes, **sampling, is_wanted=is_expected)
    sparsity = Sparsity(np.asarray(sampled.sparsity.mask)[is_expected])
    selected = _as_if_alone(inputs.spikes, rows, is_expected)
    rate_hz = inputs.traces.sampling_frequency_hz
    num_before, num_after = (window_samples(ms, rate_hz) for ms in (window.ms_before, window.ms_after))
    return WaveformSelection(selected, np.arange(rows.size), sparsity, num_before, num_after)


def _as_if_alone(spikes: SpikeTrains, rows: np.ndarray, is_wanted: np.ndarray) -> SpikeTrains:
    """Some spikes of some units, as if there were no other units."""
    unit_indices = (np.cumsum(is_wanted, dtype=np.int32) - 1)[spikes.unit_indices[rows]]
    return spikes.of_rows(rows, unit_indices=unit_indices, num_units=int(np.count_nonzero(is_wanted)))
