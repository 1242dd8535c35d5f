"""What a reader should act on, as sentences."""

import numpy as np

from ephys_postprocess.parameters.dictionary import QC_COLUMNS, THRESHOLDS
from ephys_postprocess.report.contents import ReportData
from ephys_postprocess.results.default_qc import Verdicts, judge

FEW_SPIKES = 50
VERY_SIMILAR = 0.9
_NAMED = 6  # units or pairs named in a sentence; the table has them all


def judge_units(data: ReportData) -> Verdicts | None:
    """The verdicts of the default thresholds; None where a column is missing altogether."""
    return judge(data.metrics, data.num_units)


def find_warnings(data: ReportData) -> list[str]:
    """Sentences, the most important first; empty when there is nothing to act on."""
    if data.num_units == 0:
        return ["No unit is left: there is nothing to show."]
    sentences = [
        *_unfiltered(data),
        *_empty_columns(data),
        *_nobody_passes(data),
        *_few_spikes(data),
        *_similar_pairs(data),
        *(note for note in data.notes if "not filtered" not in note),  # which is told first
    ]
    if data.missing_extensions:
        sentences.append(f"Not in this result, so not shown: {', '.join(data.missing_extensions)}.")
    return sentences


def _unfiltered(data):
    if data.run.is_filtered is False:
        yield (
            "The traces were not filtered (the recording says so itself): amplitudes, noise and all that is made of "
            "them hold slow signals too."
        )


def _empty_columns(data):
    empty = [name for name, values in data.metrics.items() if values.dtype.kind == "f" and np.isnan(values).all()]
    reasons = {name: entry.reason for entry in data.missing if entry.is_everywhere for name in entry.columns}
    by_reason: dict[str, list[str]] = {}
    for name in empty:
        by_reason.setdefault(reasons.get(name, ""), []).append(name)
    for reason, names in by_reason.items():
        yield f"No value for any unit: {', '.join(names)}{f' ({reason})' if reason else ''}."
    judging = [name for name in empty if name in QC_COLUMNS]
    if judging:
        yield (
            f"No unit can pass the default thresholds without {' and '.join(judging)}; the pipeline's own curation "
            "counts a missing value there as a failure."
        )


def _nobody_passes(data):
    verdicts = judge_units(data)
    if verdicts is not None and not verdicts.passes.any():
        rules = ", ".join(f"{name} {THRESHOLDS[name].text()}" for name in QC_COLUMNS)
        yield f"No unit passes the pipeline's default thresholds ({rules}): {verdicts.text()}."


def _few_spikes(data):
    counts = np.diff(data.spikes.trains.unit_edges)
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
