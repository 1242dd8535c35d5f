"""What is said of one column of the units table, and of the line that curators draw through it."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

AMPLITUDE_UNIT = "{amplitude_unit}"  # the traces' own: µV, or counts where they were not scaled


@dataclass(frozen=True)
class Threshold:
    """Where curators commonly draw the line."""

    value: float
    is_good_above: bool
    source: str
    is_default_qc: bool = False  # among what the pipeline's default_qc asks for

    def passes(self, value: float) -> bool:
        """Whether a value is on the good side; NaN never is."""
        return value > self.value if self.is_good_above else value < self.value

    def text(self) -> str:
        """The rule as curators write it, for instance "> 0.8"."""
        return f"{'>' if self.is_good_above else '<'} {self.value:g}"


@dataclass(frozen=True)
class Description:
    """One column as a reader is told of it, its parameters filled in."""

    name: str
    unit: str  # "" where it has none
    meaning: str
    source: str  # extension of the SortingAnalyzer, and the paper where there is one


@dataclass(frozen=True)
class Column:
    """One column of a table of units; `unit` and `meaning` name parameters in braces, as in "{bin_size_s:g} s"."""

    name: str
    unit: str  # "" where it has none
    meaning: str
    reference: str = ""  # the paper
    dtype: type = float
    threshold: Threshold | None = None

    def described(self, source: str, values: Mapping[str, Any]) -> Description:
        """The column with the values of the parameters that were used; a value nobody knows stays a name."""
        unit, meaning = _Filled().vformat(self.unit, (), values), _Filled().vformat(self.meaning, (), values)
        return Description(self.name, unit, meaning, ", ".join(filter(None, (source, self.reference))))


class _Filled(Formatter):
    """`str.format`, which leaves names without a value as they are and takes values that do not fit a format."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        try:
            return super().get_field(field_name, args, kwargs)
        except (KeyError, IndexError, TypeError):
            return field_name.partition("[")[0], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        try:
            return super().format_field(value, format_spec)
        except (ValueError, TypeError):
            return str(value)
