"""Bombcell's labels equal those of SpikeInterface."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spikeinterface.curation.bombcell_curation import bombcell_get_default_thresholds, bombcell_label_units

from ephys_postprocess.report.bombcell import MUA, NOISE, NON_SOMATIC, bombcell_labels

CODE = Path(__file__).resolve().parents[2]
RULES = {"noise": NOISE, "mua": MUA, "non-somatic": NON_SOMATIC}


def test_the_thresholds_are_spikeinterfaces():
    theirs = bombcell_get_default_thresholds()
    assert {
        section: {name: (rule["greater"], rule["less"]) for name, rule in rules.items()}
        for section, rules in theirs.items()
    } == RULES


@pytest.mark.parametrize(
    "left_out", [(), ("peak_before_width",), ("peak_before_width", "trough_width"), ("snr", "exp_decay")]
)
def test_labels_equal_spikeinterfaces(left_out):
    rng = np.random.default_rng(0)
    num_units, metrics = 3000, {}
    for rules in RULES.values():
        for name, (least, most) in rules.items():
            edge = most if most is not None else least
            middle = (least + most) / 2 if None not in (least, most) else edge * (0.6 if least is None else 1.5)
            # Mostly well inside, sometimes anywhere, on the threshold itself, or missing.
            values = np.where(rng.random(num_units) < 0.93, middle, edge * rng.uniform(-2, 2.5, num_units))
            values[rng.random(num_units) < 0.02] = edge
            values[rng.random(num_units) < 0.02] = np.nan
            if name not in left_out:
                metrics[name] = values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = bombcell_label_units(external_metrics=pd.DataFrame(metrics))["bombcell_label"].tolist()
    assert bombcell_labels(metrics, num_units) == theirs
    assert {"good", "mua", "noise"} <= set(theirs)


def test_presets_do_not_import_pandas():
    text = "import sys, ephys_postprocess.report.presets; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], cwd=CODE, check=False).returncode == 0
