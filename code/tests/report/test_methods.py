"""The methods text: what the result itself tells, with its parameters, and every paper it names in full."""

import re

import pytest

from ephys_postprocess.parameters.dictionary import THRESHOLDS, data_dictionary
from ephys_postprocess.report.contents import Run
from ephys_postprocess.report.methods import write_methods
from ephys_postprocess.report.references import REFERENCES, cited

_PAPER = re.compile(r"[A-Z][A-Za-z-]+(?: et al\.)? \d{4}|International Brain Laboratory \d{4}")


class MadeUpExtensions:
    def __init__(self, **params):
        self._params = params

    def params(self, name):
        return self._params.get(name, {})

    def has(self, name):
        return name in self._params


RUN = Run("it", 30_000.0, (60.0,), "SpikeInterface 0.105.3", 10, "0.1.0", is_filtered=False)


def test_parameters_are_those_of_the_result():
    metric_params = {"isi_violation": {"isi_threshold_ms": 2.5}, "presence_ratio": {"bin_duration_s": 30.0}}
    extensions = MadeUpExtensions(
        random_spikes={"method": "uniform", "max_spikes_per_unit": 300},
        waveforms={"ms_before": 1.5, "ms_after": 2.0},
        quality_metrics={"metric_names": ["isi_violation", "presence_ratio"], "metric_params": metric_params},
        unit_locations={"method": "monopolar_triangulation"},
    )
    text = write_methods(RUN, extensions, {"duplicate_threshold": 0.8}, {"num_duplicate_units_removed": 2}, True)
    said = " ".join(text.paragraphs)
    for expected in (
        "up to 300 spikes per unit, from 1.5 ms before to 2 ms after",
        "below 2.5 ms",
        "bins of 30 s",
        "80% of their spikes in another were removed (2 of 10 units)",
        "were not filtered",
        "ephys-postprocess 0.1.0 with SpikeInterface 0.105.3",
    ):
        assert expected in said
    assert any("Boussard" in reference for reference in text.references)
    assert not any("Pouzat" in reference for reference in text.references)


def test_a_result_that_tells_nothing_gets_no_claims():
    text = write_methods(RUN, MadeUpExtensions(), {}, {}, False)
    said = " ".join(text.paragraphs)
    assert "waveforms" not in said
    assert "metrics" not in said


def test_parameters_of_another_version_do_not_stop_the_text():
    params = {"metric_names": ["drift", "made_up_metric"], "metric_params": {"drift": {}}}
    assert "drift along" in " ".join(
        write_methods(RUN, MadeUpExtensions(quality_metrics=params), {}, {}, False).paragraphs
    )


@pytest.mark.parametrize(
    "text", [*(column.source for column in data_dictionary().values()), *(t.source for t in THRESHOLDS.values())]
)
def test_every_paper_of_the_data_dictionary_has_its_reference(text):
    for paper in _PAPER.findall(text):
        assert paper in REFERENCES
        assert len(cited([text])) >= 1
