"""How a run is carried out: cores, chunks, folders, progress. Nothing here can change a result."""

import logging
import math
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.machine.cores import usable_cores
from ephys_postprocess.machine.given import GivenPair
from ephys_postprocess.parameters.job_kwargs import WITHOUT_EFFECT, JobKwargs

PROGRESS_STYLES = ("auto", "bar", "plain", "json", "off")
FAILURE_POLICIES = ("fail", "placeholder")
DEFAULT_CHUNK_DURATION_S = 1.0
# Beside `code/`, wherever that lies. Symlinks are kept: /code may be one, with /data and /results next to it.
CAPSULE_FOLDER = Path(os.path.abspath(__file__)).parents[3]  # noqa: PTH100 - resolve() would follow them


@dataclass(frozen=True)
class Execution:
    """What the caller chose about carrying out a run."""

    num_threads: int = 1  # threads, at least 1
    data_folder: Path = CAPSULE_FOLDER / "data"
    results_folder: Path = CAPSULE_FOLDER / "results"
    scratch_folder: Path = CAPSULE_FOLDER / "scratch"
    given_pairs: tuple[GivenPair, ...] = ()  # sortings and traces named by the caller; none: what data/ holds
    recordings: tuple[str, ...] = ()  # only these; empty: as data/ says
    progress: str = "auto"  # one of PROGRESS_STYLES
    on_failure: str = "fail"  # one of FAILURE_POLICIES
    report: bool = True  # write the HTML report
    export_phy_folder: Path | None = None  # where to write what phy opens
    resume: bool = False  # keep results that are complete and up to date
    allow_pickle: bool = False  # open .pkl recordings, which can run any code
    allow_classes: tuple[str, ...] = ()  # open recordings and sortings of these classes, too
    debug: bool = False  # tracebacks of expected failures too
    chunk_duration_s: float | None = DEFAULT_CHUNK_DURATION_S  # None where one of the next three is given
    chunk_size_samples: int | None = None
    chunk_memory_bytes: int | None = None  # of one thread
    total_memory_bytes: int | None = None  # of all threads
    job_kwargs_without_effect: tuple[str, ...] = ()

    @property
    def progress_style(self) -> str:
        """How progress is shown: "bar" and "plain" are chosen between here when `progress` is "auto"."""
        if self.progress != "auto":
            return self.progress
        return "bar" if sys.stderr.isatty() else "plain"

    @property
    def log_level(self) -> int:
        return logging.DEBUG if self.debug else logging.INFO

    def chunk_samples(self, sampling_frequency_hz: float, num_channels: int, itemsize: int) -> int:
        """Samples to read at a time, at least 1.

        Parameters
        ----------
        sampling_frequency_hz : float
        num_channels : int
        itemsize : int
            Bytes of one value.
        """
        memory = self.chunk_memory_bytes
        if memory is None and self.total_memory_bytes is not None:
            memory = self.total_memory_bytes // self.num_threads
        if self.chunk_size_samples is not None:
            return self.chunk_size_samples
        if memory is not None:
            return max(1, memory // (num_channels * itemsize))
        duration_s = DEFAULT_CHUNK_DURATION_S if self.chunk_duration_s is None else self.chunk_duration_s
        return max(1, int(duration_s * sampling_frequency_hz))


def count_threads(wanted: int | float, num_cores: int) -> int:
    """Number of threads: `wanted`, but at least 1 and at most `num_cores`.

    Parameters
    ----------
    wanted : int or float
        A whole number; negative ones count back from all cores (-1 is all); a float is a share of the cores.
    num_cores : int
    """
    if isinstance(wanted, float):
        # 0.7 of 10 cores is 7, though 0.7 × 10 may come out just below.
        wanted = math.floor(wanted * num_cores + 1e-9)
    elif wanted < 0:
        wanted = num_cores + 1 + wanted
    return max(1, min(wanted, num_cores))


def make_execution(
    job_kwargs: JobKwargs,
    n_jobs: int | float | None = None,
    progress: str | None = None,
    scratch_folder: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    **choices: object,
) -> Execution:
    """An Execution from `job_kwargs` and single flags; flags that are not None win.

    Parameters
    ----------
    job_kwargs : JobKwargs
    n_jobs, progress, scratch_folder
        The single flags that have a counterpart or a fallback.
    environment : mapping
        Where the core counts of schedulers are looked up.
    **choices
        Further fields of Execution; those that are None keep their default.
    """
    wanted = next((value for value in (n_jobs, job_kwargs.n_jobs) if value is not None), -1)
    if progress is None:
        progress = "plain" if job_kwargs.progress_bar is False else "auto"
    is_sized = any(name in job_kwargs for name in ("chunk_size", "chunk_memory", "total_memory"))
    return Execution(
        num_threads=count_threads(wanted, usable_cores(environment).count),
        progress=progress,
        scratch_folder=scratch_folder or default_scratch(),
        chunk_duration_s=job_kwargs.chunk_duration or (None if is_sized else DEFAULT_CHUNK_DURATION_S),
        chunk_size_samples=job_kwargs.chunk_size,
        chunk_memory_bytes=job_kwargs.chunk_memory,
        total_memory_bytes=job_kwargs.total_memory,
        job_kwargs_without_effect=tuple(name for name in WITHOUT_EFFECT if name in job_kwargs),
        **{name: value for name, value in choices.items() if value is not None},
    )


def default_scratch() -> Path:
    """The scratch folder beside `code/` where there is one to write to, otherwise the system's temporary folder."""
    scratch = Execution.scratch_folder
    if os.access(scratch, os.W_OK):
        return scratch
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise ParameterError(
            f"No scratch folder: {scratch} and the system's temporary folders cannot be written. Name one by --scratch."
        ) from error
