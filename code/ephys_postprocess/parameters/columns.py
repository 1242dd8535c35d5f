"""What is said of one column of the units table, and of the line that curators draw through it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """What one column of the units tables holds."""

    name: str
    unit: str  # "" where it has none
    meaning: str
    source: str  # extension of the SortingAnalyzer, and the paper where there is one

    def hover_text(self) -> str:
        """One paragraph for a reader."""
        unit = f" In {self.unit}." if self.unit else ""
        return f"{self.meaning}{unit}" + (f" Source: {self.source}." if self.source else "")


@dataclass(frozen=True)
class Threshold:
    """Where curators commonly draw the line."""

    value: float
    is_good_above: bool
    source: str

    def passes(self, value: float) -> bool:
        """Whether a value is on the good side; NaN never is."""
        return value > self.value if self.is_good_above else value < self.value

    def text(self) -> str:
        """The rule as curators write it, for instance "> 0.8"."""
        return f"{'>' if self.is_good_above else '<'} {self.value:g}"
