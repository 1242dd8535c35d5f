"""The `job_kwargs` section: how to run, as SpikeInterface spells it. Nothing in it can change a result."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ephys_postprocess.parameters.text import duration_s, job_count, memory_bytes
from ephys_postprocess.parameters.types import Flag, Nullable, OptionalInteger, Options, declare


def _duration(value: Any) -> Any:
    return None if value is None else duration_s(value)


def _memory(value: Any) -> Any:
    return None if value is None else memory_bytes(value)


def _jobs(value: Any) -> Any:
    return None if value is None else job_count(value)


class JobKwargs(Options):
    """Jobs, chunks and progress; single command-line flags win over these."""

    n_jobs: Annotated[int | float | None, BeforeValidator(_jobs), Nullable] = declare(
        None, "Threads: a whole number, -1 = all cores, or a share of them such as 0.5."
    )
    chunk_duration: Annotated[float | None, BeforeValidator(_duration), Nullable] = declare(
        None, "Length of traces read at a time, such as '1s' or '500ms'."
    )
    chunk_size: OptionalInteger = declare(None, "The same in samples.")
    chunk_memory: Annotated[int | None, BeforeValidator(_memory), Nullable] = declare(
        None, "The same in memory, such as '100M'."
    )
    total_memory: Annotated[int | None, BeforeValidator(_memory), Nullable] = declare(
        None, "The same in memory of all threads together."
    )
    progress_bar: Annotated[Flag | None, Nullable] = declare(
        None, "true: a bar on a terminal, plain lines otherwise; false: plain lines."
    )
    pool_engine: Annotated[Literal["process", "thread"] | None, Nullable] = declare(
        None, "Accepted for SpikeInterface's sake; no effect: threads are used."
    )
    mp_context: Annotated[Literal["fork", "spawn", "forkserver"] | None, Nullable] = declare(
        None, "Accepted for SpikeInterface's sake; no effect."
    )
    max_threads_per_worker: OptionalInteger = declare(None, "Accepted for SpikeInterface's sake; no effect.")


WITHOUT_EFFECT = ("pool_engine", "mp_context", "max_threads_per_worker")
