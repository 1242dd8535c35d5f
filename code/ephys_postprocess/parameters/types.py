"""Building blocks of the parameter declaration: strict, closed, frozen sections and the few types they use.

Strict means that nothing is guessed, with one documented exception: pipelines hand every value over as text, so
"true", "8" and "1e-3" are read as the JSON values they spell.
"""

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ephys_postprocess.parameters.facts import RecordingFacts
from ephys_postprocess.parameters.text import float_of, value_from_text


def _flag(value: Any) -> Any:
    value = value_from_text(value)
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _integer(value: Any) -> Any:
    value = value_from_text(value)
    is_whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or is_whole):
        raise ValueError("must be a whole number")
    return int(value)


def _number(value: Any) -> Any:
    value = value_from_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return float_of(value)


def _tuple(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    return tuple(value)


def _increasing(value: tuple) -> tuple:
    if not value[0] < value[1]:
        raise ValueError("must have the smaller number first")
    return value


def _nullable(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in ("null", "none", "") else value


# Bounds come first: they belong to the number itself, not to the reading of text around it.
Flag = Annotated[bool, BeforeValidator(_flag)]
PositiveInteger = Annotated[int, Field(ge=1), BeforeValidator(_integer)]
NumberOfBins = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_integer)]  # more would fill the memory
NonNegativeInteger = Annotated[int, Field(ge=0), BeforeValidator(_integer)]
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_number)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_number)]
# A window around a spike; what is made of one grows with the square of its length.
WindowMs = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False), BeforeValidator(_number)]
NonNegativeNumber = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_number)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_number)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), BeforeValidator(_number)]
Percentage = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False), BeforeValidator(_number)]
Range = Annotated[tuple[Number, Number], AfterValidator(_increasing), BeforeValidator(_tuple)]
Percentiles = Annotated[tuple[Percentage, Percentage], AfterValidator(_increasing), BeforeValidator(_tuple)]
AsTuple = BeforeValidator(_tuple)
Nullable = BeforeValidator(_nullable)
OptionalInteger = Annotated[PositiveInteger | None, Nullable]
OptionalWindowMs = Annotated[WindowMs | None, Nullable]
OptionalNumber = Annotated[PositiveNumber | None, Nullable]
Seed = NonNegativeInteger


class Section(BaseModel):
    """A group of parameters: unknown names are refused, because a misspelt one would otherwise go unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Names of fields that SpikeInterface knows and that cannot change a number here; left out of the fingerprint.
    without_effect: ClassVar[tuple[str, ...]] = ()

    def arguments(self) -> dict[str, Any]:
        """A fresh dict of SpikeInterface keyword arguments; whoever changes it changes only their copy."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}

    def misfits(self, recording: RecordingFacts) -> dict[str, str]:  # noqa: ARG002 - most fit any
        """{parameter: why it cannot be used on this recording}, of this section's own."""
        return {}

    # A section also reads as the mapping of those arguments: section["radius_um"], {**section}, section.items().
    def keys(self) -> KeysView[str]:
        return self.arguments().keys()

    def values(self) -> ValuesView[Any]:
        return self.arguments().values()

    def items(self) -> ItemsView[str, Any]:
        return self.arguments().items()

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments().get(name, default)

    def __getitem__(self, name: str) -> Any:
        return self.arguments()[name]

    def __contains__(self, name: object) -> bool:
        return name in self.arguments()

    def __iter__(self) -> Iterator[str]:
        return iter(self.arguments())

    def __len__(self) -> int:
        return len(self.arguments())


class Options(Section):
    """Options that may be left out (None), so that the default of whichever method uses them holds."""

    def arguments(self) -> dict[str, Any]:
        return {name: value for name, value in super().arguments().items() if value is not None}


class NamedSections(Options):
    """Sections by name, some of them absent (None): a mapping from name to keyword arguments."""


def declare(default: Any, sentence: str, **bounds: Any) -> Any:
    """One parameter: its default and one sentence with unit and meaning."""
    return Field(default, description=sentence, **bounds)


def check_less(section: Section, lower: str, upper: str) -> None:
    """ValueError where one parameter is not less than another, as pydantic's validators of a section raise it."""
    values = getattr(section, lower), getattr(section, upper)
    if not values[0] < values[1]:
        raise ValueError(f"{lower} ({values[0]:g}) must be less than {upper} ({values[1]:g})")


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.arguments()
    return list(value) if isinstance(value, tuple) else value
