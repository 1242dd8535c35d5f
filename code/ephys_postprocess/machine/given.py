"""Pairs of a sorting and its traces that the caller names, beside the layout of data/."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GivenPair:
    """One recording as the caller has it."""

    name: str
    sorting: Path
    traces: Path | None  # None: the raw file that the sorter's folder names
    stream: str | None = None  # of SpikeGLX, Open Ephys or NWB, where there are several
    probe: Path | None = None  # as probeinterface writes it
    is_filtered_here: bool = True  # raw traces get a high-pass filter and a common median reference
