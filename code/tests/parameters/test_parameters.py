"""The declaration: defaults, coercion, messages, needs, and what is rendered from it."""

import json
import math
import re

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.docs import (
    dictionary_page,
    help_overview,
    json_schema,
    parameters_page,
    shipped_document,
)
from ephys_postprocess.parameters.document import Parameters, load_parameters
from ephys_postprocess.parameters.metrics import DEFAULT_QUALITY_METRICS, QUALITY_METRICS
from ephys_postprocess.parameters.text import duration_s, memory_bytes, parse_parameters, value_from_text
from tools.render_docs import rendered_files


def parameters_of(document, **choices):
    return load_parameters(document, "test", **choices).parameters


def problems_of(document, **choices):
    with pytest.raises(ParameterError) as caught:
        load_parameters(document, "test", **choices)
    return str(caught.value)


def test_defaults_are_the_documented_ones():
    parameters = Parameters()
    extensions = parameters.extensions
    assert parameters.duplicate_threshold == 0.9
    assert dict(parameters.sparsity) == {"method": "radius", "radius_um": 100.0}
    assert extensions["waveforms"] == {"ms_before": 3.0, "ms_after": 4.0, "dtype": None}
    assert extensions["random_spikes"]["max_spikes_per_unit"] == 500
    assert extensions["random_spikes"]["seed"] == 0
    assert extensions["spike_locations"]["method"] == "grid_convolution"
    assert extensions["templates"]["operators"] == ["average", "std"]
    assert extensions["quality_metrics"]["metric_names"] == list(DEFAULT_QUALITY_METRICS)
    assert set(QUALITY_METRICS) - set(DEFAULT_QUALITY_METRICS) == {"nn_advanced"}
    assert set(extensions) >= {"amplitude_scalings", "valid_unit_periods"}
    assert "auto_correlograms" not in extensions


@pytest.mark.parametrize("document", [None, {}, {"use_motion_corrected": "false"}, {"logging": {"level": 3}}])
def test_nothing_said_means_the_defaults(document):
    loaded = load_parameters(document)
    assert loaded.parameters == Parameters()
    assert loaded.warnings == ()


def test_sections_are_frozen_and_hand_out_copies():
    parameters = Parameters()
    parameters.extensions["quality_metrics"]["metric_names"].clear()
    parameters.extensions["spike_locations"]["method_kwargs"]["radius_um"] = 3
    assert parameters == Parameters()
    assert parameters.extensions["quality_metrics"]["metric_names"]
    with pytest.raises(ValidationError):
        parameters.duplicate_threshold = 0.5


def test_a_document_is_left_unchanged():
    document = {"postprocessing": {"waveforms": {"max_spikes_per_unit": 3}}, "quality_metrics": {"snr": {}}}
    before = json.dumps(document)
    parameters_of(document)
    assert json.dumps(document) == before


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("False", False), ("8", 8), ("1e-3", 1e-3), (".5", 0.5), ("null", None), ("neg", "neg"), (3, 3)],
)
def test_text_spells_json_values(text, value):
    assert value_from_text(text) == value


def test_pipeline_text_is_coerced():
    parameters = parameters_of(
        {
            "use_motion_corrected": "true",
            "duplicate_threshold": "0.8",
            "postprocessing": {"principal_components": {"n_components": "3", "whiten": "False"}},
            "extensions": {"random_spikes": {"max_spikes_per_unit": "1e2", "margin_size": "null"}, "waveforms": {}},
        }
    )
    assert parameters.use_motion_corrected is True
    assert parameters.duplicate_threshold == 0.8
    assert parameters.extensions["principal_components"]["whiten"] is False
    assert parameters.extensions["random_spikes"]["max_spikes_per_unit"] == 100


@pytest.mark.parametrize("value", [1, 0, "yes", "on", 1.0])
def test_only_true_and_false_are_flags(value):
    assert "must be true or false" in problems_of({"use_motion_corrected": value})


@pytest.mark.parametrize("value", [True, "x", 2.5, math.inf, [3], None])
def test_counts_are_whole_numbers(value):
    assert "n_components" in problems_of({"principal_components": {"n_components": value}})


def test_null_threshold_keeps_all_units():
    assert parameters_of({"duplicate_threshold": None}).duplicate_threshold is None
    assert parameters_of({"duplicate_threshold": "null"}).duplicate_threshold is None


def test_all_problems_are_told_at_once():
    message = problems_of(
        {
            "duplicate_threshold": 1.4,
            "waveforms": {"ms_after": "x", "ms_befor": 3},
            "correlogram": {},
            "quality_metrics_names": ["snr", "drif"],
            "quality_metrics": {"snr": {"metod": 1}},
            "job_kwargs": {"progres_bar": True},
        }
    )
    assert message.splitlines()[0] == "7 problems in test:"
    for line in (
        "  - duplicate_threshold: must be at most 1 (got 1.4).",
        '  - waveforms.ms_after: must be a number (got "x").',
        "  - waveforms.ms_befor: unknown parameter. Did you mean 'ms_before'?",
        "  - correlogram: unknown parameter. Did you mean 'correlograms'?",
        "  - quality_metrics.snr.metod: unknown parameter. Did you mean 'method'?",
        "  - job_kwargs.progres_bar: unknown parameter. Did you mean 'progress_bar'?",
    ):
        assert line in message
    assert re.search(r"quality_metrics_names\.1: must be one of .*\(got \"drif\"\)\. Did you mean 'drift'\?", message)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            {"quality_metrics": {"num_spikes": {"bins": 3}}},
            "num_spikes.bins: unknown parameter. It takes no parameters",
        ),
        ({"quality_metrics": {"firing_range": {"percentiles": [5]}}}, "percentiles"),
        ({"quality_metrics": {"firing_range": {"percentiles": [5, 195]}}}, "must be at most 100"),
        ({"unit_locations": {"method": "center_of_mass", "optimizer": "least_square"}}, "has no option optimizer"),
        ({"spike_locations": {"method_kwargs": {"return_alpha": True}}}, "has no option return_alpha"),
        ({"random_spikes": {"method": "percentage"}}, "needs the parameter 'percentage'"),
        ({"sparsity": {"method": "by_property"}}, "needs the parameter 'by_property'"),
        ({"correlograms": {"bin_ms": 60}}, "must not exceed window_ms"),
        ({"templates": {"operators": ["mean"]}}, "must be one of average, std, median, mad"),
        ({"templates": {"operators": [["percentile", 120]]}}, "must be at most 100"),
        ({"waveforms": 3}, "must be an object"),
        ({"sparsity": 3}, "must be an object"),
        ({"extensions": {}}, "lists nothing"),
        ({"extensions": "waveforms"}, "must be an object"),
        ({"duplicate_threshold": 0.9, "postprocessing": {"duplicate_threshold": 0.8}}, "given twice"),
        (
            {"bin_duration_s": 3},
            "Did you mean 'extensions.quality_metrics.metric_params.presence_ratio.bin_duration_s'",
        ),
    ],
)
def test_a_mistake_is_named(document, sentence):
    assert sentence in problems_of(document)


def test_values_of_several_kinds():
    parameters = parameters_of(
        {
            "templates": {"operators": ["average", "median", ["percentile", 25]]},
            "noise_levels": {"random_slices_kwargs": {"chunk_size": None, "chunk_duration": "500ms"}},
            "unit_locations": {"method": "center_of_mass", "radius_um": 50},
            "valid_unit_periods": {"method": "user_defined", "user_defined_periods": [[0, 10, 20]]},
        }
    )
    extensions = parameters.extensions
    assert extensions["templates"]["operators"] == ["average", "median", ("percentile", 25.0)]
    assert "chunk_size" not in extensions["noise_levels"]["random_slices_kwargs"]
    assert extensions["unit_locations"] == {"method": "center_of_mass", "radius_um": 50.0}


def test_an_extensions_object_lists_what_is_computed():
    parameters = parameters_of({"extensions": {"random_spikes": {}, "templates": {}, "unit_locations": {}}})
    assert list(parameters.extensions) == ["random_spikes", "templates", "unit_locations"]
    assert parameters.quality_metrics is None
    assert parameters.extensions["templates"]["ms_before"] == 3.0


@pytest.mark.parametrize("document", [{"postprocessing": {"auto_correlograms": {}}}, {"auto_correlograms": {}}])
def test_older_forms_add_to_the_defaults(document):
    assert set(parameters_of(document).extensions) == {*Parameters().extensions, "auto_correlograms"}


def test_null_takes_an_extension_out():
    assert "correlograms" not in parameters_of({"correlograms": None}).extensions


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        (["spike_amplitudes"], "templates"),
        (["random_spikes", "principal_components"], "waveforms"),
        (["templates"], "random_spikes' or 'waveforms"),
        (["valid_unit_periods"], "amplitude_scalings"),
        (["waveforms"], "random_spikes"),
    ],
)
def test_unmet_needs_are_refused(names, needed):
    message = problems_of({"extensions": {name: {} for name in names}})
    assert f"extensions.{names[-1]}: needs '{needed}'" in message


def test_needs_follow_the_parameters():
    assert "'waveforms'" in problems_of({"extensions": {"random_spikes": {}, "templates": {"operators": ["median"]}}})
    metrics = {"use_valid_periods": True, "metric_names": ["num_spikes"]}
    assert "'valid_unit_periods'" in problems_of({"extensions": {"quality_metrics": metrics}})


def test_skipping_takes_dependents_along():
    loaded = load_parameters({}, skip_extensions=("spike_locations", "principal_components"))
    assert set(Parameters().extensions) - set(loaded.parameters.extensions) == {
        "spike_locations",
        "principal_components",
    }
    text = " ".join(loaded.warnings)
    assert "drift (needs spike_locations)" in text
    assert "silhouette (needs principal_components)" in text
    assert "drift" not in loaded.parameters.quality_metrics.metric_names


def test_skipping_random_spikes_leaves_what_needs_no_spikes():
    loaded = load_parameters({}, skip_extensions=("random_spikes",))
    assert set(loaded.parameters.extensions) == {"noise_levels", "correlograms", "isi_histograms", "quality_metrics"}
    assert "waveforms (needs random_spikes)" in loaded.warnings[0]


def test_skipping_an_unknown_extension_is_refused():
    message = problems_of({}, skip_extensions=("spike_location",))
    assert "--skip-extensions spike_location: unknown extension. Did you mean 'spike_locations'?" in message


def test_metrics_without_what_they_need_are_left_out():
    names = ["drift", "num_spikes", "amplitude_cutoff"]
    document = {"extensions": {"quality_metrics": {"metric_names": names}}}
    loaded = load_parameters(document)
    assert loaded.parameters.quality_metrics.metric_names == ("num_spikes",)
    assert "amplitude_cutoff (needs amplitude_scalings or spike_amplitudes)" in loaded.warnings[0]
    document["extensions"]["quality_metrics"]["metric_names"] = ["drift"]
    assert "quality_metrics" not in parameters_of(document).extensions


def test_templates_have_the_window_of_waveforms():
    loaded = load_parameters({"waveforms": {"ms_before": 2}, "templates": {"ms_before": 1}})
    assert loaded.parameters.extensions["templates"]["ms_before"] == 2.0
    assert "templates.ms_before = 1" in loaded.warnings[0]


def test_skip_pc_metrics():
    metrics = parameters_of({"quality_metrics": {"skip_pc_metrics": True}}).extensions["quality_metrics"]
    assert "mahalanobis" not in metrics["metric_names"]
    assert set(metrics["metric_params"]) == set(metrics["metric_names"])


def test_fingerprint_is_of_what_changes_a_result():
    fingerprint = Parameters().fingerprint()
    assert re.fullmatch("[0-9a-f]{64}", fingerprint)
    for same in ({"job_kwargs": {"n_jobs": 3}}, {"waveforms": {"ms_before": 3}}, {"correlograms": {"method": "numpy"}}):
        assert parameters_of(same).fingerprint() == fingerprint
    for other in ({"seed": 1}, {"duplicate_threshold": None}, {"correlograms": None}, {"correlograms": {"bin_ms": 2}}):
        assert parameters_of(other).fingerprint() != fingerprint


def test_differences_from_defaults():
    parameters = parameters_of({"waveforms": {"ms_before": 2}, "isi_histograms": None, "duplicate_threshold": None})
    assert parameters.differences_from_defaults() == [
        "duplicate_threshold: null (default 0.9)",
        "extensions.waveforms.ms_before: 2.0 (default 3.0)",
        "extensions.templates.ms_before: 2.0 (default 3.0)",
        "extensions.isi_histograms: not computed (unlike the default)",
    ]
    assert Parameters().differences_from_defaults() == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WORDS = """extensions postprocessing quality_metrics quality_metrics_names sparsity job_kwargs waveforms skip_extensions
required_extensions seed templates snr metric_params operators isis silhouette method metrics_kwargs template_metrics
random_chunk_kwargs_dict qm_params noise_levels n_jobs"""
names = st.sampled_from(WORDS.split())
documents = st.dictionaries(names, json_values | st.dictionaries(names, json_values, max_size=3), max_size=4)


@given(document=documents)
@settings(max_examples=200, deadline=None)
def test_any_json_is_loaded_or_refused(document):
    try:
        parameters = load_parameters(document).parameters
    except ParameterError:
        return
    json.dumps(parameters.arguments(), allow_nan=False)


def test_shipped_file_is_exactly_the_defaults():
    loaded = load_parameters(shipped_document())
    assert loaded.parameters == Parameters()
    assert loaded.parameters.fingerprint() == Parameters().fingerprint()
    assert loaded.warnings == ()


def test_shipped_file_has_the_seeds_shape():
    document = shipped_document()
    assert {"job_kwargs", "sparsity", "postprocessing", "quality_metrics_names", "quality_metrics"} <= set(document)
    assert document["postprocessing"]["duplicate_threshold"] == 0.9


def test_rendered_files_are_current():
    stale = [path.name for path, text in rendered_files().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run tools/render_docs.py"


def test_pages_tell_every_parameter_and_column():
    assert "| `extensions.waveforms.ms_before` | `3.0` | number > 0 and ≤ 100 |" in parameters_page()
    assert "| `presence_ratio` |" in dictionary_page()
    assert "> 0.8" in dictionary_page()


def test_schema_accepts_the_shipped_and_refuses_typos():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(shipped_document())
    assert validator.is_valid({"extensions": {"waveforms": {"ms_before": 2}}, "duplicate_threshold": None})
    assert not validator.is_valid({"waveform": {}})
    assert not validator.is_valid({"duplicate_threshold": 2})
    assert not validator.is_valid({"extensions": {"random_spikes": {"margin_size": -1}}})


def test_help_overview_names_every_extension():
    assert all(f"extensions.{name}" in help_overview() for name in Parameters().extensions)


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("500ms", 0.5), (2, 2), ("0.25", 0.25), ("1m", 60)])
def test_durations(text, seconds):
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1x", True, None, "0"])
def test_no_durations(text):
    with pytest.raises(ValueError, match="must be a duration"):
        duration_s(text)


@pytest.mark.parametrize(("text", "size"), [("1k", 1000), ("2G", 2 * 10**9), ("1Ki", 1024), ("10MB", 10**7), (5, 5)])
def test_amounts_of_memory(text, size):
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "x", True, None])
def test_no_amounts_of_memory(text):
    with pytest.raises(ValueError, match="must be an amount of memory"):
        memory_bytes(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 2}', "given twice in one object: 'a'"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ('{"a": }', "line 1, column 7"),
        ("[1]", "must hold one JSON object"),
        ("", "not valid JSON"),
    ],
)
def test_text_that_is_no_parameters(text, sentence):
    with pytest.raises(ParameterError, match=re.escape(sentence)):
        parse_parameters(text, "x")
