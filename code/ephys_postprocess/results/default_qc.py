"""Units by the pipeline's default thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ephys_postprocess.parameters.dictionary import QC_COLUMNS, THRESHOLDS


@dataclass(frozen=True)
class Verdicts:
    """Units by the pipeline's default thresholds: one failure fails; without one, a missing value leaves it open."""

    passes: np.ndarray  # bool (num_units,)
    fails: np.ndarray  # bool (num_units,)

    @property
    def is_open(self) -> np.ndarray:
        """bool (num_units,): not judged."""
        return ~self.passes & ~self.fails

    def text(self) -> str:
        """How many of each."""
        return f"{self.passes.sum()} pass, {self.fails.sum()} fail, {self.is_open.sum()} not judged"


def judge(metrics: Mapping[str, np.ndarray], num_units: int) -> Verdicts | None:
    """The verdict on each unit; None where a column is missing altogether.

    Parameters
    ----------
    metrics : mapping
        Column: float (num_units,), NaN where there is no value.
    num_units : int
    """
    if any(name not in metrics for name in QC_COLUMNS):
        return None
    fails, is_missing = np.zeros(num_units, dtype=bool), np.zeros(num_units, dtype=bool)
    for name in QC_COLUMNS:
        values = np.asarray(metrics[name], dtype=np.float64)
        nan = np.isnan(values)
        is_missing |= nan
        fails |= ~THRESHOLDS[name].passes(np.where(nan, np.nan, values)) & ~nan
    return Verdicts(~fails & ~is_missing, fails)
