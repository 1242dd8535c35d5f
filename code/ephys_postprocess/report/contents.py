"""What a report is made of: plain arrays and texts, whoever computed them."""

from dataclasses import dataclass, field

import numpy as np
import zarr

from ephys_postprocess.parameters.columns import Description
from ephys_postprocess.parameters.dictionary import data_dictionary, describe
from ephys_postprocess.records import SpikeTrains


@dataclass(frozen=True)
class Run:
    """What was run; None where nothing tells."""

    recording_name: str
    sampling_frequency_hz: float
    segment_durations_s: tuple[float, ...]
    stored_by: str  # library and version that wrote the result
    num_units_in: int | None = None
    version: str | None = None  # of the capsule
    started: str | None = None
    seconds: float | None = None  # how long the run took
    is_filtered: bool | None = None  # as the recording says of its traces

    @property
    def duration_s(self) -> float:
        """Length of all segments."""
        return float(sum(self.segment_durations_s))


@dataclass(frozen=True)
class Duplicate:
    """A unit removed because another one has its spikes."""

    removed_unit_id: str
    kept_unit_id: str
    shared_fraction: float


@dataclass(frozen=True)
class Probe:
    """Where the channels are."""

    channel_ids: tuple[str, ...]
    locations_um: np.ndarray  # float64 (num_channels, 2)


@dataclass(frozen=True)
class Spikes:
    """Every spike, in the order of the spike vector."""

    trains: SpikeTrains
    amplitudes: np.ndarray | None = None  # float32 (num_spikes,), in the amplitude unit
    depths_um: np.ndarray | None = None  # float32 (num_spikes,): location along the probe
    # float64 (num_channels,): what one count of the converter is in the amplitude unit; NaN where nothing tells
    converter_steps: np.ndarray | None = None

    @property
    def unit_indices(self) -> np.ndarray:
        """int32 (num_spikes,)"""
        return self.trains.unit_indices

    def times_s(self, rows: np.ndarray) -> np.ndarray:
        """float64 (len(rows),): of some spikes, segments laid end to end."""
        return self.trains.of_rows(rows).line_samples(gap_samples=0) / self.trains.sampling_frequency_hz


@dataclass(frozen=True)
class Templates:
    """Each unit's template on its own channels, packed left."""

    channels: np.ndarray  # int64 (num_units, width), -1 beyond a unit's own
    values: np.ndarray  # float32 (num_units, width, num_samples), in the amplitude unit
    num_before: int  # samples before the spike
    main_stds: np.ndarray | None = None  # float32 (num_units, num_samples): standard deviation on the main channel


@dataclass(frozen=True)
class WaveformSample:
    """Some waveforms of each unit on its main channel; those of unit u are [unit_edges[u], unit_edges[u + 1])."""

    values: np.ndarray  # float32 (num_waveforms, num_samples), in the amplitude unit
    unit_edges: np.ndarray  # int64 (num_units + 1,)
    num_before: int


@dataclass(frozen=True)
class Correlograms:
    """Counts of spike pairs by time difference: [a, b] holds the times of unit a's spikes minus those of unit b's."""

    counts: np.ndarray | zarr.Array  # int (num_units, num_units, num_bins); of a store, for it grows with pairs
    edges_ms: np.ndarray  # float64 (num_bins + 1,)

    def of_pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """int (num_pairs, num_bins): counts[first, second], read some units at a time."""
        num_units, _, num_bins = self.counts.shape
        chosen = np.zeros((first.size, num_bins), dtype=self.counts.dtype)
        num_rows = getattr(self.counts, "chunks", (max(1, num_units),))[0]
        for start in range(0, num_units, num_rows):
            is_here = (first >= start) & (first < start + num_rows)
            if is_here.any():
                rows = np.asarray(self.counts[start : start + num_rows])
                chosen[is_here] = rows[first[is_here] - start, second[is_here]]
        return chosen


@dataclass(frozen=True)
class MissingReason:
    """Why columns have no value for some units."""

    columns: tuple[str, ...]
    unit_indices: tuple[int, ...]
    is_everywhere: bool  # no unit has a value
    reason: str


@dataclass(frozen=True)
class LabelPreset:
    """Labels that somebody's rules, or the sorter, give all units: where a curator may start."""

    name: str
    column: str  # its name in the table of units
    meaning: str
    labels: tuple[str, ...]  # (num_units,)


@dataclass(frozen=True)
class UnitProperty:
    """What the sorting says of each unit."""

    name: str
    values: tuple[str, ...] | tuple[float, ...]  # (num_units,); NaN where there is no value
    is_text: bool


@dataclass(frozen=True)
class MethodsText:
    """How the result was made, for a paper."""

    paragraphs: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True)
class ReportData:
    """Everything the page shows; None or empty where the result has not got it."""

    run: Run
    probe: Probe
    unit_ids: tuple[str, ...]
    main_channel_indices: np.ndarray  # int64 (num_units,): indices of channels
    spikes: Spikes
    is_in_uV: bool
    locations_um: np.ndarray | None = None  # float64 (num_units, 2 or 3)
    metrics: dict[str, np.ndarray] = field(default_factory=dict)  # column: (num_units,)
    sources: dict[str, str] = field(default_factory=dict)  # metric: the extension that holds it
    missing: tuple[MissingReason, ...] = ()
    presets: tuple[LabelPreset, ...] = ()
    properties: tuple[UnitProperty, ...] = ()
    noise_levels: np.ndarray | None = None  # float64 (num_channels,), in the amplitude unit
    short_interval_ms: float = 1.5  # inter-spike intervals below it count as violations
    methods: MethodsText = MethodsText((), ())
    unit_ids_are_integers: bool = False
    templates: Templates | None = None
    waveforms: WaveformSample | None = None
    correlograms: Correlograms | None = None
    similarity: np.ndarray | None = None  # float32 (num_units, num_units)
    duplicates: tuple[Duplicate, ...] = ()
    notes: tuple[str, ...] = ()  # of the run: what a reader should know
    dictionary: dict[str, Description] = field(default_factory=dict)  # column: what it means; empty: as by default
    missing_extensions: tuple[str, ...] = ()  # that the page would have shown

    @property
    def num_units(self) -> int:
        return len(self.unit_ids)

    @property
    def amplitude_unit(self) -> str:
        return "µV" if self.is_in_uV else "counts"

    def column(self, name: str) -> Description:
        """What is said of a metric, with the parameters and the amplitude unit of this result."""
        return describe(self.dictionary or data_dictionary(is_in_uV=self.is_in_uV), name)
