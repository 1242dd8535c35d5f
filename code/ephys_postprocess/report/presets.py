"""Labels to start a curation from: SpikeInterface's port of Bombcell, and what the sorter said."""

import numpy as np

from ephys_postprocess.report.bombcell import MUA, NOISE, NON_SOMATIC, bombcell_labels
from ephys_postprocess.report.contents import LabelPreset, UnitProperty

_LABELS = {"good", "mua", "noise", "non_soma"}


def find_presets(
    metrics: dict[str, np.ndarray], properties: tuple[UnitProperty, ...], num_units: int, is_in_uV: bool
) -> tuple[LabelPreset, ...]:
    """Bombcell's labels where its metrics are there, then each property of the sorting that says good, mua or noise."""
    bombcell = _bombcell(metrics, num_units, is_in_uV)
    return (*([bombcell] if bombcell else []), *_of_sorter(properties))


def _bombcell(metrics, num_units, is_in_uV) -> LabelPreset | None:
    """SpikeInterface's own labels with its default thresholds; one of them is in µV, so counts get none."""
    if not metrics or not num_units or not is_in_uV:
        return None
    wanted = (*NOISE, *MUA, *NON_SOMATIC)
    without = [name for name in wanted if name not in metrics]
    if len(without) == len(wanted):
        return None
    labels = tuple(bombcell_labels(metrics, num_units))
    return LabelPreset(
        name="Bombcell's default thresholds",
        column="bombcell",
        meaning="Labels as SpikeInterface's bombcell_label_units gives them with its default "
        "thresholds (Fabre et al. 2023): noise by the shape of the template, mua by spikes and isolation, non_soma by "
        "the shape of axons." + (f" Left out, because not computed: {', '.join(without)}." if without else ""),
        labels=labels,
    )


def _of_sorter(properties):
    for entry in properties:
        if not entry.is_text:
            continue
        labels = tuple(value.strip().lower() for value in entry.values)
        if set(labels) & _LABELS and set(labels) <= _LABELS | {"", "unsorted"}:
            yield LabelPreset(
                f"the sorting's {entry.name}", entry.name, f"Property {entry.name} of the sorting.", labels
            )
