"""Labels to start a curation from: SpikeInterface's port of Bombcell, and what the sorter said."""

import logging
import warnings

import numpy as np

from ephys_postprocess.report.contents import LabelPreset, UnitProperty

logger = logging.getLogger(__name__)

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
    import pandas as pd
    import spikeinterface
    from spikeinterface.curation.bombcell_curation import bombcell_get_default_thresholds, bombcell_label_units

    wanted = {name: rules for section in bombcell_get_default_thresholds().values() for name, rules in section.items()}
    without = [name for name in wanted if name not in metrics]
    if len(without) == len(wanted):
        return None
    with warnings.catch_warnings():  # it warns of metrics that were not computed: `without` is told on the page
        warnings.simplefilter("ignore")
        table = bombcell_label_units(external_metrics=pd.DataFrame({name: metrics[name] for name in metrics}))
    labels = tuple(str(label) for label in table["bombcell_label"])
    return LabelPreset(
        name="Bombcell's default thresholds",
        column="bombcell",
        meaning=f"Labels by SpikeInterface {spikeinterface.__version__}'s bombcell_label_units with its default "
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
