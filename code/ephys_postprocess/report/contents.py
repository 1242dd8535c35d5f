"""What a report is made of: plain arrays and texts, whoever computed them."""

from dataclasses import dataclass, field

import numpy as np


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

    times_s: np.ndarray  # float64 (num_spikes,): segments laid end to end
    unit_indices: np.ndarray  # int64 (num_spikes,)
    segment_indices: np.ndarray  # int64 (num_spikes,)
    amplitudes: np.ndarray | None = None  # float32 (num_spikes,), in the amplitude unit
    depths_um: np.ndarray | None = None  # float32 (num_spikes,): location along the probe


@dataclass(frozen=True)
class Templates:
    """Each unit's template on its own channels, packed left."""

    channels: np.ndarray  # int64 (num_units, width), -1 beyond a unit's own
    values: np.ndarray  # float32 (num_units, width, num_samples), in the amplitude unit
    num_before: int  # samples before the spike


@dataclass(frozen=True)
class WaveformSample:
    """Some waveforms of each unit on its main channel; those of unit u are [unit_edges[u], unit_edges[u + 1])."""

    values: np.ndarray  # float32 (num_waveforms, num_samples), in the amplitude unit
    unit_edges: np.ndarray  # int64 (num_units + 1,)
    num_before: int


@dataclass(frozen=True)
class Correlograms:
    """Counts of spike pairs by time difference."""

    counts: np.ndarray  # int (num_units, num_units, num_bins)
    edges_ms: np.ndarray  # float64 (num_bins + 1,)


@dataclass(frozen=True)
class ReportData:
    """Everything the page shows; None or empty where the result has not got it."""

    run: Run
    probe: Probe
    unit_ids: tuple[str, ...]
    main_channels: np.ndarray  # int64 (num_units,): indices of channels
    spikes: Spikes
    is_in_uV: bool
    locations_um: np.ndarray | None = None  # float64 (num_units, 2 or 3)
    metrics: dict[str, np.ndarray] = field(default_factory=dict)  # column: (num_units,)
    templates: Templates | None = None
    waveforms: WaveformSample | None = None
    correlograms: Correlograms | None = None
    similarity: np.ndarray | None = None  # float32 (num_units, num_units)
    duplicates: tuple[Duplicate, ...] = ()
    notes: tuple[str, ...] = ()  # of the run: what a reader should know
    missing_extensions: tuple[str, ...] = ()  # that the page would have shown

    @property
    def num_units(self) -> int:
        return len(self.unit_ids)

    @property
    def amplitude_unit(self) -> str:
        return "µV" if self.is_in_uV else "counts"
