"""How a recording ended, and how a failure is told."""

import logging
from dataclasses import dataclass

from ephys_postprocess.errors import EXIT_DONE, EXIT_FAILED, EXIT_LATER, CapsuleError
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.failures import explain

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one recording ended: "done", "kept" (by --resume), "skipped" (upstream said so) or "failed" (here)."""

    recording_name: str
    status: str
    line: str
    is_temporary: bool = False  # a failure that may go away by itself
    is_excused: bool = False  # a failure after which, by `--on-failure placeholder`, something stands for the result


def exit_code_of(outcomes: list[Outcome]) -> int:
    """What a scheduler should know of a whole run: a try later is worth it as soon as one recording may gain by it."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed" and not outcome.is_excused]
    if any(outcome.is_temporary for outcome in failed):
        return EXIT_LATER
    return EXIT_FAILED if failed else EXIT_DONE


def tell_failure(error: Exception, name: str, execution: Execution) -> str:
    """Log a failure as what it is: an expected one, want of room or rights, or a bug with its traceback."""
    known = error if isinstance(error, CapsuleError) else explain(error, execution)
    if known is not None:
        logger.error("%s failed: %s", name, known, exc_info=error if execution.debug else None)
        return str(known)
    logger.error("%s failed in an unexpected way: a bug in the capsule or in a library", name, exc_info=error)
    return f"{type(error).__name__}: {error}"
