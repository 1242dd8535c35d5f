"""What a reader should act on, as sentences."""

import numpy as np

from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.results.columns import QC_COLUMNS, THRESHOLDS

FEW_SPIKES = 50
VERY_SIMILAR = 0.9
_NAMED = 6  # units or pairs named in a sentence; the table has them all


def passes_qc(data: ReportData) -> np.ndarray | None:
    """bool (num_units,): units that pass the pipeline's default thresholds; None where a column is missing."""
    if any(name not in data.metrics for name in QC_COLUMNS):
        return None
    passing = np.ones(data.num_units, dtype=bool)
    with np.errstate(invalid="ignore"):
        for name in QC_COLUMNS:
            passing &= THRESHOLDS[name].passes(np.asarray(data.metrics[name], dtype=np.float64))
    return passing


def find_warnings(data: ReportData) -> list[str]:
    """Sentences, the most important first; empty when there is nothing to act on."""
    if data.num_units == 0:
        return ["No unit is left: there is nothing to show."]
    sentences = [*_empty_columns(data), *_nobody_passes(data), *_few_spikes(data), *_similar_pairs(data), *data.notes]
    if data.missing_extensions:
        sentences.append(f"Not in this result, so not shown: {', '.join(data.missing_extensions)}.")
    return sentences


def _empty_columns(data):
    empty = [name for name, values in data.metrics.items() if values.dtype.kind == "f" and np.isnan(values).all()]
    if empty:
        yield f"No value for any unit: {', '.join(empty)}. Curation counts a missing value as a failure."


def _nobody_passes(data):
    passing = passes_qc(data)
    if passing is not None and not passing.any():
        rules = ", ".join(f"{name} {THRESHOLDS[name].text()}" for name in QC_COLUMNS)
        yield f"No unit passes the pipeline's default thresholds ({rules})."


def _few_spikes(data):
    counts = np.bincount(data.spikes.unit_indices, minlength=data.num_units)
    few = np.flatnonzero(counts < FEW_SPIKES)
    if few.size:
        names = _shortened([data.unit_ids[index] for index in few])
        yield f"Fewer than {FEW_SPIKES} spikes, so most metrics say little: {_units(few.size)} ({names})."


def _similar_pairs(data):
    if data.similarity is None:
        return
    first, second = np.nonzero(np.triu(data.similarity, k=1) > VERY_SIMILAR)
    if not first.size:
        return
    order = np.argsort(-data.similarity[first, second], kind="stable")
    pairs = [f"{data.unit_ids[first[row]]} and {data.unit_ids[second[row]]}" for row in order]
    noun = "pair of units has" if len(pairs) == 1 else "pairs of units have"
    yield f"{len(pairs)} {noun} templates more similar than {VERY_SIMILAR:g}, perhaps splits: {_shortened(pairs)}."


def _units(number: int) -> str:
    return "1 unit" if number == 1 else f"{number} units"


def _shortened(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
