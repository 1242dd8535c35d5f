"""How a recording ended, and how a failure is told."""

import logging
from dataclasses import dataclass

from ephys_postprocess.errors import CapsuleError
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.space import explain

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one recording ended: "done", "kept" (by --resume), "skipped" (upstream said so) or "failed" (here)."""

    recording_name: str
    status: str
    line: str


def tell_failure(error: Exception, name: str, execution: Execution) -> str:
    """Log a failure as what it is: an expected one, want of room or rights, or a bug with its traceback."""
    known = error if isinstance(error, CapsuleError) else explain(error, execution)
    if known is not None:
        logger.error("%s failed: %s", name, known, exc_info=error if execution.debug else None)
        return str(known)
    logger.error("%s failed in an unexpected way: a bug in the capsule or in a library", name, exc_info=error)
    return f"{type(error).__name__}: {error}"
