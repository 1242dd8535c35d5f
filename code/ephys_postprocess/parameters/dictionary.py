"""The data dictionary: every column of the units table, with the parameters that its values were computed with."""

from collections.abc import Mapping
from typing import Any

from ephys_postprocess.parameters.columns import Column, Description
from ephys_postprocess.parameters.extensions import EXTENSIONS
from ephys_postprocess.parameters.metrics import METRICS_OF

_OF_SORTING = (
    Column("unit_id", "", "Name of the unit, as the spike sorter gave it."),
    Column("main_channel_id", "", "Channel on which the template is largest."),
)
# In results that older versions of SpikeInterface wrote.
_EARLIER_NAMES = (
    Column("peak_to_valley", "s", "Earlier name of peak_to_trough_duration."),
    Column("peak_trough_ratio", "", "Earlier name of peak_after_to_trough_ratio."),
    Column("half_width", "s", "Earlier name of trough_half_width."),
)
# Extension, its metric or "", and the column; in the order in which they are shown.
_COLUMNS: tuple[tuple[str, str, Column], ...] = (
    *(("sorting", "", column) for column in _OF_SORTING),
    *((name, "", column) for name, record in EXTENSIONS.items() for column in record.columns),
    *(
        (extension, metric_name, column)
        for extension in ("quality_metrics", "template_metrics")
        for metric_name, metric in METRICS_OF[extension].items()
        for column in metric.columns
    ),
    *(("template_metrics", "", column) for column in _EARLIER_NAMES),
)
COLUMN_NAMES = tuple(column.name for *_, column in _COLUMNS)
# Column: where curators draw the line; those of the pipeline's default_qc first.
THRESHOLDS = {
    column.name: column.threshold
    for *_, column in sorted(_COLUMNS, key=lambda row: not (row[2].threshold and row[2].threshold.is_default_qc))
    if column.threshold is not None
}
QC_COLUMNS = tuple(name for name, threshold in THRESHOLDS.items() if threshold.is_default_qc)


def data_dictionary(
    params: Mapping[str, Mapping[str, Any]] | None = None, *, is_in_uV: bool = True
) -> dict[str, Description]:
    """Column: what it means.

    Parameters
    ----------
    params : mapping, optional
        Extension: its parameters, as the SortingAnalyzer has them. A parameter that is not among them stays a name; by
        default all have their default values.
    is_in_uV : bool
        Whether amplitudes are in µV rather than in the recording's counts.
    """
    params = default_params() if params is None else params
    unit = {"amplitude_unit": "µV" if is_in_uV else "counts"}
    return {
        column.name: column.described(extension, {**_values(params, extension, metric_name), **unit})
        for extension, metric_name, column in _COLUMNS
    }


def describe(dictionary: Mapping[str, Description], name: str) -> Description:
    """The dictionary's entry; one that says so for a column it does not know (another version's, or a user's)."""
    return dictionary.get(name, Description(name, "", "Not in this version's data dictionary.", ""))


def default_params() -> dict[str, dict[str, Any]]:
    """Extension: its parameters at their defaults, with those of every metric."""
    params = {name: record().arguments() for name, record in EXTENSIONS.items()}
    for extension, metrics in METRICS_OF.items():
        params[extension]["metric_params"] = {name: metric().arguments() for name, metric in metrics.items()}
    return params


def _values(params: Mapping[str, Mapping[str, Any]], extension: str, metric_name: str) -> dict[str, Any]:
    own = params.get(extension) or {}
    of_metric = (own.get("metric_params") or {}).get(metric_name) if metric_name else None
    return {**own, **(of_metric or {})}
