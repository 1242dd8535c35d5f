"""The records of what is computed: of an extension and of a metric, everything that is known about it in one place.

A record is a class: its fields are the parameters with bounds, default and sentence, its class variables all the rest.
What others keep as lists (the order of computing, the table's columns, the audit, the report, the data dictionary) is
made from these.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ephys_postprocess.parameters.columns import Column
from ephys_postprocess.parameters.types import Section


@dataclass(frozen=True)
class ResultSize:
    """How much there is to store, counted before anything is computed."""

    num_units: int
    num_spikes: int
    unit_channels: int  # channels of all units' sparsities together
    waveform_channels: int  # selected spikes, each times its unit's channels
    waveform_samples: int  # of one waveform
    sample_ms: float  # from one sample to the next
    compressed_share: float  # what compression leaves of waveforms


class Computed(Section):
    """Something that is computed: its parameters, the extensions it needs ("a|b" means a or b), and who computes it."""

    needs: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[Column, ...]] = ()  # that it fills in the units table
    # "module:function" below the package, imported when it is called; "" leaves it to SpikeInterface.
    computed_by: ClassVar[str] = ""

    def needed(self) -> tuple[str, ...]:
        """The extensions it needs with the parameters it has."""
        return self.needs


class Extension(Computed):
    """An extension of the SortingAnalyzer; `computed_by` takes the workspace and the begun extension."""

    # Its arrays that are filled in the pass over all spikes. Where there are any, `computed_by` makes the consumer of
    # that pass instead, which has them as attributes of the same names.
    arrays_per_spike: ClassVar[tuple[str, ...]] = ()
    rows: ClassVar[Literal["unit", "pair of units", "spike", "random spike", "channel"]] = "unit"  # of its arrays
    # With stock SpikeInterface: recomputed and compared, given to it as it is stored, or left alone.
    audit: ClassVar[Literal["recomputed", "given", "no"]] = "no"
    has_picture: ClassVar[bool] = False  # in the report
    leaves_large_scratch: ClassVar[bool] = False  # freed memory that later stages hardly use again

    def stored_bytes(self, size: ResultSize) -> float:  # noqa: ARG002 - of those that are small, nothing is known
        """About what its arrays take on disk; 0 where that is little."""
        return 0


class Metric(Computed):
    """A metric, which is one or more columns of a table of units.

    `computed_by` is called with the arguments that it names: the metric's parameters, or what `engine.unit_groups` (of
    "unit") or the workspace offers under that name. It returns {column: (num_units,)} and why values are missing.
    """

    name: ClassVar[str] = ""
    # Whose values depend on the unit alone can be computed for some units at a time; or all metrics of one function
    # are computed together.
    scope: ClassVar[Literal["unit", "all units", "together"]] = "unit"
    uses_trace_deviations: ClassVar[bool] = False  # which are found in the pass over all spikes, where there is one
    is_audited: ClassVar[bool] = True  # stock SpikeInterface gives the same for some units alone


class QualityMetric(Metric):
    """A metric of the `quality_metrics` extension; a subclass with a name is known by being defined."""

    known: ClassVar[dict[str, type["QualityMetric"]]] = {}
    phrase: ClassVar[str] = ""  # what a methods section calls it, parameters in braces, and the paper
    is_default: ClassVar[bool] = True
    is_of_principal_components: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.name:
            cls.known[cls.name] = cls


class TemplateMetric(Metric):
    """A metric of the `template_metrics` extension; a subclass with a name is known by being defined."""

    known: ClassVar[dict[str, type["TemplateMetric"]]] = {}
    is_multi_channel: ClassVar[bool] = False  # else of the template on the main channel

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.name:
            cls.known[cls.name] = cls
