"""Which metric values are missing and why, gathered so that each reason is said once."""

import re
from dataclasses import dataclass

import numpy as np

UNEXPLAINED = "SpikeInterface gave no value"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_UNITS_NAMED = 6  # in a log line; the record has them all


@dataclass(frozen=True)
class MissingValues:
    """Columns that lack a value for the same units for the same reason."""

    columns: tuple[str, ...]
    unit_ids: tuple[str, ...]
    is_everywhere: bool  # no unit has a value
    reason: str

    def line(self) -> str:
        """One line for the log."""
        if self.is_everywhere:
            return f"{', '.join(self.columns)}: no value for any unit: {self.reason}"
        named = ", ".join(self.unit_ids[:_UNITS_NAMED]) + (", …" if len(self.unit_ids) > _UNITS_NAMED else "")
        return f"{', '.join(self.columns)}: no value for {len(self.unit_ids)} unit(s) ({named}): {self.reason}"

    def as_dict(self) -> dict:
        """All of it, for the record; `unit_ids` lists every unit."""
        return {
            "columns": list(self.columns),
            "unit_ids": list(self.unit_ids),
            "is_everywhere": self.is_everywhere,
            "reason": self.reason,
        }


def find_missing_values(
    columns: dict[str, np.ndarray], reasons: dict[str, dict[int, str]], unit_ids
) -> list[MissingValues]:
    """Group the NaNs of a table by reason and units, in the order of the columns.

    Parameters
    ----------
    columns : dict of (num_units,)
        Numeric columns; integers never miss a value.
    reasons : dict
        Column: unit index: why it has no value; units not in it are `UNEXPLAINED`.
    unit_ids : sequence (num_units,)
    """
    groups: dict[tuple, list[str]] = {}
    for column, values in columns.items():
        values = np.asarray(values)
        missing = np.flatnonzero(np.isnan(values)) if values.dtype.kind == "f" else np.array([], dtype=int)
        by_kind: dict[str, list[int]] = {}
        why = reasons.get(column, {})
        for unit_index in missing.tolist():
            by_kind.setdefault(_NUMBER.sub("#", why.get(unit_index, UNEXPLAINED)), []).append(unit_index)
        for units in by_kind.values():
            reason = _with_ranges([why.get(unit, UNEXPLAINED) for unit in units])
            groups.setdefault((reason, tuple(units)), []).append(column)
    return [
        MissingValues(tuple(names), tuple(str(unit_ids[unit]) for unit in units), len(units) == len(unit_ids), reason)
        for (reason, units), names in groups.items()
    ]


def _with_ranges(reasons: list[str]) -> str:
    """Reasons that differ only in numbers as one: "1 of 10 bins", "3 of 10 bins" -> "1–3 of 10 bins"."""
    numbers = zip(*(_NUMBER.findall(reason) for reason in reasons), strict=True)
    spans = [sorted(set(column), key=float) for column in numbers]
    texts = iter([span[0] if len(span) == 1 else f"{span[0]}–{span[-1]}" for span in spans])
    return _NUMBER.sub(lambda _match: next(texts), reasons[0])
