"""What extension functions work on: an analyzer, its traces and spikes as arrays, and a place for data."""

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from spikeinterface.core import NumpySorting
from spikeinterface.core.analyzer_extension_core import BaseSpikeVectorExtension
from spikeinterface.core.zarrextractors import ZarrSortingExtractor

from ephys_postprocess.engine.functions import extension_class
from ephys_postprocess.engine.own_metrics import set_params
from ephys_postprocess.engine.sinks import Sink
from ephys_postprocess.engine.stored_waveforms import StoredWaveforms
from ephys_postprocess.engine.windows import WINDOW_NAMES, fit_windows, window_samples
from ephys_postprocess.inputs.trace_sources import spike_trains
from ephys_postprocess.parameters.text import duration_s
from ephys_postprocess.records import Sparsity, SpikeTrains
from ephys_postprocess.stages.traces.noise_levels import compute_noise_levels, draw_random_slices
from ephys_postprocess.stages.traces.waveforms import WaveformSelection, WaveformSource, open_waveforms
from ephys_postprocess.traces import TraceSource

# Extension: its array with one number a spike.
_AMPLITUDES = {"spike_amplitudes": "amplitudes", "amplitude_scalings": "amplitude_scalings"}


@dataclass
class Workspace:
    """One analyzer being filled; everything below the line is derived from it once."""

    analyzer: object  # spikeinterface.SortingAnalyzer
    traces: TraceSource | None  # None: the analyzer has no recording, so only what needs no traces can be computed
    sink: Sink
    num_threads: int
    chunk_samples: int
    scratch_folder: Path = Path(tempfile.gettempdir())
    report_spikes: object = None  # callable told the number of spikes done, from any thread
    not_computed: dict[str, dict[int, str]] = field(default_factory=dict)  # column: unit index: reason for its NaN
    metrics_seed: int | None = 0  # of what quality metrics draw at random
    notes: list[str] = field(default_factory=list)  # what a reader of the result should know
    trace_deviations: np.ndarray | None = None  # float64 (num_channels,), once a pass over the traces has found them
    waveform_source: WaveformSource | None = None  # open while something still needs waveforms
    expected_waveforms: WaveformSource | None = None  # gathered before it was known which will be wanted

    @cached_property
    def spikes(self) -> SpikeTrains:
        """The analyzer's spike vector."""
        return spike_trains(self.analyzer.sorting, self.segment_lengths)

    @property
    def segment_lengths(self) -> tuple[int, ...]:
        """Samples a segment."""
        return tuple(int(length) for length in self.analyzer.rec_attributes["num_samples"])

    @cached_property
    def sparsity(self) -> Sparsity:
        """The analyzer's sparsity; every channel for every unit where it has none."""
        if self.analyzer.sparsity is not None:
            return Sparsity(np.asarray(self.analyzer.sparsity.mask))
        return Sparsity(np.ones((self.analyzer.get_num_units(), self.analyzer.get_num_channels()), dtype=bool))

    def sparsity_within(self, radius_um: float) -> Sparsity:
        """The channels within a distance of each unit's main channel."""
        centers = self.channel_locations_um[self.main_channel_indices]
        distances = np.linalg.norm(centers[:, None] - self.channel_locations_um[None], axis=2)
        return Sparsity(distances <= radius_um)

    @cached_property
    def main_channel_indices(self) -> np.ndarray:
        """int64 (num_units,)"""
        return np.asarray(self.analyzer.get_main_channels(outputs="index"), dtype=np.int64)

    @cached_property
    def channel_locations_um(self) -> np.ndarray:
        """float64 (num_channels, 2)"""
        return np.asarray(self.analyzer.get_channel_locations(), dtype=np.float64)

    @property
    def sampling_frequency_hz(self) -> float:
        return float(self.analyzer.sampling_frequency)

    @cached_property
    def random_spike_rows(self) -> np.ndarray:
        """int64 (num_random_spikes,): rows of `spikes` that were selected, ascending."""
        return np.asarray(self.data_of("random_spikes")["random_spikes_indices"], dtype=np.int64)

    @cached_property
    def average_templates(self) -> np.ndarray:
        """float (num_units, num_samples, num_channels), dense: `average`, else `median`, as SpikeInterface picks."""
        return np.asarray(self._stored_templates)

    @property
    def templates_dtype(self) -> np.dtype:
        """What SpikeInterface would have `average_templates` in; the values are the same."""
        return self._stored_templates.dtype

    @property
    def _stored_templates(self):
        data = self.data_of("templates")
        return data["average"] if "average" in data else data["median"]

    @property
    def num_before(self) -> int:
        """Samples of a template before the spike."""
        return self.analyzer.get_extension("templates").nbefore

    def amplitudes(self, preferred: str) -> np.ndarray:
        """float (num_spikes,): of the preferred extension, or of the other one where only that was computed."""
        (other,) = set(_AMPLITUDES) - {preferred}
        name = preferred if self.analyzer.has_extension(preferred) else other
        return np.asarray(self.data_of(name)[_AMPLITUDES[name]])

    def noise_levels(self, method: str, random_slices_kwargs: dict) -> np.ndarray:
        """Noise of each channel, in the templates' unit; the second argument is as SpikeInterface has it."""
        where = {"num_chunks_per_segment": 20, "chunk_duration": "500ms", "chunk_size": None, "margin_frames": 0}
        where |= {name: value for name, value in random_slices_kwargs.items() if value is not None}
        chunk_samples = where["chunk_size"] or int(duration_s(where["chunk_duration"]) * self.sampling_frequency_hz)
        slices = draw_random_slices(
            self.segment_lengths,
            where["num_chunks_per_segment"],
            chunk_samples,
            where.get("seed"),
            where["margin_frames"],
        )
        num_samples = slices[0][2] - slices[0][1]
        if num_samples < chunk_samples:
            self.notes.append(
                f"Noise levels are from stretches of {num_samples} samples instead of {chunk_samples}, for a segment "
                "has no more."
            )
        return compute_noise_levels(self.traces, slices, method, self.num_threads, self.analyzer.return_in_uV)

    def note_missing(self, columns, reasons: dict[int, str]) -> None:
        """Remember why units have no value in these columns."""
        for column in columns if reasons else ():
            self.not_computed.setdefault(column, {}).update(reasons)

    def data_of(self, extension_name: str) -> dict:
        """The data of an extension that was computed before."""
        return self.analyzer.get_extension(extension_name).data

    def params_of(self, extension_name: str) -> dict:
        """The parameters of an extension that was computed before."""
        return self.analyzer.get_extension(extension_name).params

    def open_waveforms(self, ms_before: float, ms_after: float) -> WaveformSource:
        """The windows of the random spikes, read from the traces once for everything that needs them."""
        if self.waveform_source is None:
            selection = self._selection(ms_before, ms_after)
            self.waveform_source = self._take_expected(selection) or open_waveforms(
                self.traces,
                selection,
                self.scratch_folder,
                self.chunk_samples,
                self.num_threads,
                self.report_spikes,
            )
        return self.waveform_source

    def _take_expected(self, selection: WaveformSelection) -> WaveformSource | None:
        """The waveforms gathered ahead where they are those of the selection; others are let go."""
        expected, self.expected_waveforms = self.expected_waveforms, None
        if expected is None or expected.holds(selection):
            return expected
        expected.close()
        return None

    def open_waveforms_again(self) -> WaveformSource | StoredWaveforms:
        """The waveforms of the `waveforms` extension: still open, or as the analyzer has stored them."""
        if self.waveform_source is not None:
            return self.waveform_source
        params = self.params_of("waveforms")
        selection = self._selection(params["ms_before"], params["ms_after"])
        return StoredWaveforms(self.data_of("waveforms")["waveforms"], selection)

    def _selection(self, ms_before, ms_after) -> WaveformSelection:
        num_before = window_samples(ms_before, self.sampling_frequency_hz)
        num_after = window_samples(ms_after, self.sampling_frequency_hz)
        return WaveformSelection(self.spikes, self.random_spike_rows, self.sparsity, num_before, num_after)

    def note_units(self, text: str, unit_indices) -> None:
        """Say once which units something befell."""
        if len(unit_indices):
            self.notes.append(
                f"{text}: units {', '.join(str(self.analyzer.unit_ids[index]) for index in unit_indices)}."
            )

    def note_spikes(self, text: str, is_affected: np.ndarray) -> None:
        """Say once what befell how many spikes, and of which units."""
        units = np.unique(self.spikes.unit_indices[is_affected])
        if units.size:
            number = np.count_nonzero(is_affected)
            self.note_units(f"{text}: {number:,} of {is_affected.size:,} spikes", units)

    def close(self) -> None:
        """Give back the scratch file of waveforms and the spikes; whoever asks for these again reads them again."""
        vars(self).pop("spikes", None)
        for source in (self.waveform_source, self.expected_waveforms):
            if source is not None:
                source.close()
        self.waveform_source = self.expected_waveforms = None

    @contextmanager
    def all_in_memory(self):
        """Spikes and their values as arrays meanwhile: SpikeInterface's own functions may ask for them one by one."""
        sorting = self.analyzer.sorting
        per_spike = [own for own in self.analyzer.extensions.values() if isinstance(own, BaseSpikeVectorExtension)]
        stored = [dict(extension.data) for extension in per_spike]
        try:
            if isinstance(sorting, ZarrSortingExtractor):
                self.analyzer.sorting = NumpySorting.from_sorting(sorting, with_metadata=True, copy_spike_vector=True)
            for extension, data in zip(per_spike, stored, strict=True):
                extension.data.update({name: np.asarray(values) for name, values in data.items()})
            yield
        finally:
            self.analyzer.sorting = sorting
            for extension, data in zip(per_spike, stored, strict=True):
                extension.data.update(data)

    def begin(self, name: str, params: dict):
        """A new AnalyzerExtension with checked parameters, not yet part of the analyzer."""
        extension = extension_class(name)(self.analyzer)
        extension.params = self._fitted(name, set_params(extension, params))
        if name == "random_spikes":  # whose `_set_params` forgets what two of its methods need
            kept = {key: params[key] for key in ("percentage", "maximum_rate") if params.get(key) is not None}
            extension.params |= kept
        self.sink.begin(extension)
        return extension

    def _fitted(self, name: str, params: dict) -> dict:
        """Parameters that the recording's sampling rate allows; what it does not is told."""
        rate_hz = self.sampling_frequency_hz
        params, too_short = fit_windows(params, rate_hz)
        for window in too_short:
            self.notes.append(f"{name}.{window} is less than a sample at {rate_hz:g} Hz: one sample is taken.")
        if name == "principal_components":
            window = self.params_of("waveforms")
            num_samples = sum(window_samples(window[edge], rate_hz) for edge in WINDOW_NAMES)
            if params["n_components"] > num_samples:
                self.notes.append(
                    f"principal_components.n_components: {num_samples} instead of {params['n_components']}, for a "
                    f"waveform has no more samples at {rate_hz:g} Hz."
                )
                params = {**params, "n_components": num_samples}
        return params

    def finish(self, extension, data: dict) -> None:
        """Give the extension its data, write it, and make it part of the analyzer."""
        extension.data.update(data)
        extension.run_info = {"run_completed": True, "runtime_s": None}
        self.sink.finish(extension)
        self.analyzer.extensions[extension.extension_name] = extension
