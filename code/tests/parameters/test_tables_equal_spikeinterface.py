"""Our tables of extensions and metrics are those of the installed SpikeInterface, but for differences listed here."""

import inspect

import pytest
from spikeinterface.core.recording_tools import get_noise_levels
from spikeinterface.core.sortinganalyzer import get_extension_class
from spikeinterface.core.sparsity import estimate_sparsity
from spikeinterface.core.time_series_tools import get_random_sample_slices
from spikeinterface.metrics.quality.quality_metrics import ComputeQualityMetrics
from spikeinterface.metrics.spiketrain.spiketrain_metrics import ComputeSpikeTrainMetrics
from spikeinterface.metrics.template.template_metrics import ComputeTemplateMetrics
from spikeinterface.postprocessing.localization_tools import _unit_location_methods
from spikeinterface.sortingcomponents.peak_localization.method_list import peak_localization_methods

from ephys_postprocess.engine.functions import function_of
from ephys_postprocess.engine.unit_groups import UnitGroup
from ephys_postprocess.parameters.extensions import EXTENSION_NAMES, EXTENSIONS
from ephys_postprocess.parameters.methods import SPIKE_LOCATION_METHODS, UNIT_LOCATION_METHODS, RandomSlices, Sparsity
from ephys_postprocess.parameters.metrics import (
    PC_METRICS,
    QUALITY_METRICS,
    TEMPLATE_METRICS,
    QualityMetricParams,
    SpiketrainMetricParams,
    TemplateMetricParams,
)
from ephys_postprocess.parameters.needs import missing_needs
from ephys_postprocess.parameters.types import Section

# SpikeInterface's parameters that are not ours: what is computed here is always new, periods come from an extension.
NOT_OURS = {"delete_existing_metrics", "metrics_to_compute", "periods"}
# Defaults of the documented parameter file where it differs from SpikeInterface.
OUR_DEFAULTS = {
    ("random_spikes", "seed"): 0,
    ("waveforms", "ms_before"): 3.0,
    ("waveforms", "ms_after"): 4.0,
    ("templates", "ms_before"): 3.0,
    ("templates", "ms_after"): 4.0,
    ("templates", "operators"): ["average", "std"],  # what SpikeInterface makes of None
    ("spike_locations", "method"): "grid_convolution",
    ("spike_locations", "seed"): 0,
    ("spike_locations", "spike_retriever_kwargs"): {},  # what SpikeInterface makes of None
    ("isi_histograms", "window_ms"): 100.0,
    ("isi_histograms", "bin_ms"): 5.0,
    ("template_metrics", "include_multi_channel_metrics"): True,
    ("quality_metrics", "seed"): 0,
    ("nearest_neighbor", "n_neighbors"): 4,
    ("nn_advanced", "seed"): 0,
}
# In the function's signature, though not among SpikeInterface's default parameters of the metric.
ONLY_IN_SIGNATURE = {("drift", "min_fraction_valid_intervals")}


def same(ours, theirs):
    as_list = list(theirs) if isinstance(theirs, tuple) else theirs
    return ours == as_list


@pytest.mark.parametrize("name", [name for name in EXTENSIONS if name not in ("noise_levels", "unit_locations")])
def test_parameters_and_defaults_of_extensions(name):
    signature = inspect.signature(get_extension_class(name)._set_params).parameters
    theirs = {
        parameter.name: parameter.default
        for parameter in signature.values()
        if parameter.name not in {"self", *NOT_OURS} and parameter.kind is not parameter.VAR_KEYWORD
    }
    section = EXTENSIONS[name]()
    ours = {parameter: Section.arguments(section)[parameter] for parameter in type(section).model_fields}
    assert set(ours) == set(theirs)
    for parameter, default in theirs.items():
        if parameter not in ("metric_names", "metric_params"):
            assert same(ours[parameter], OUR_DEFAULTS.get((name, parameter), default)), parameter


@pytest.mark.parametrize("name", list(EXTENSIONS))
def test_needs_of_extensions(name):
    extension_class = get_extension_class(name)
    theirs = {*extension_class.depend_on, *extension_class.get_required_dependencies()}
    assert set(EXTENSIONS[name]().needed()) == theirs


def test_every_extension_is_known():
    from spikeinterface.core.sortinganalyzer import _builtin_extensions

    assert set(_builtin_extensions) <= set(EXTENSIONS)
    assert set(EXTENSIONS) - set(_builtin_extensions) <= {"acgs_3d"}  # known to it, though not in its table


def test_noise_levels():
    theirs = inspect.signature(get_noise_levels).parameters
    assert theirs["method"].default == EXTENSIONS["noise_levels"]().method
    slices = set(inspect.signature(get_random_sample_slices).parameters) - {"time_series"}
    assert set(RandomSlices.model_fields) == slices


def test_sparsity():
    theirs = inspect.signature(estimate_sparsity).parameters
    assert set(Sparsity.model_fields) <= set(theirs)
    assert Sparsity().radius_um == theirs["radius_um"].default


@pytest.mark.parametrize("method", UNIT_LOCATION_METHODS)
def test_options_of_unit_location_methods(method):
    # prototype is an array; peak_mode and monopolar's peak_sign are unused leftovers.
    signature = set(inspect.signature(_unit_location_methods[method]).parameters)
    left_out = {"sorting_analyzer_or_templates", "templates_or_sorting_analyzer", "unit_ids", "prototype", "peak_mode"}
    left_out |= {"peak_sign"} if method == "monopolar_triangulation" else set()
    assert signature - left_out == UNIT_LOCATION_METHODS[method]


@pytest.mark.parametrize("method", SPIKE_LOCATION_METHODS)
def test_options_of_spike_location_methods(method):
    signature = set(inspect.signature(peak_localization_methods[method].__init__).parameters)
    left_out = {"self", "recording", "parents", "return_output", "prototype"}
    # n_peaks is taken out before the method sees it.
    assert signature - left_out == SPIKE_LOCATION_METHODS[method] - {"n_peaks"}
    assert set(peak_localization_methods) == set(SPIKE_LOCATION_METHODS)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (QualityMetricParams, ComputeQualityMetrics),
        (TemplateMetricParams, ComputeTemplateMetrics),
        (SpiketrainMetricParams, ComputeSpikeTrainMetrics),
    ],
)
def test_metrics(ours, theirs):
    assert set(ours.model_fields) >= {metric.metric_name for metric in theirs.metric_list}  # we may have more
    for metric in theirs.metric_list:
        section = getattr(ours(), metric.metric_name)
        expected = {
            name: OUR_DEFAULTS.get((metric.metric_name, name), default)
            for name, default in metric.metric_params.items()
        }
        given = {
            name: value
            for name, value in section.arguments().items()
            if (metric.metric_name, name) not in ONLY_IN_SIGNATURE
        }
        assert set(given) == set(expected), metric.metric_name
        assert all(same(given[name], default) for name, default in expected.items()), metric.metric_name
        assert {column.name: column.dtype for column in section.columns} == metric.metric_columns, metric.metric_name
        if ours is QualityMetricParams:
            assert set(section.needs) == set(metric.depend_on), metric.metric_name


@pytest.mark.parametrize(("metric", "parameter"), sorted(ONLY_IN_SIGNATURE))
def test_parameters_only_in_the_signature(metric, parameter):
    function = ComputeQualityMetrics.get_metric_by_name(metric).metric_function
    default = inspect.signature(function).parameters[parameter].default
    assert default == QualityMetricParams()[metric][parameter]


def test_groups_of_metrics():
    from spikeinterface.metrics.quality.pca_metrics import pca_metrics_list
    from spikeinterface.metrics.template.template_metrics import get_multi_channel_template_metric_names

    assert set(PC_METRICS) == {metric.metric_name for metric in pca_metrics_list}
    multi_channel = {name for name, metric in TEMPLATE_METRICS.items() if metric.is_multi_channel}
    assert multi_channel == set(get_multi_channel_template_metric_names())


def test_every_extension_comes_after_what_it_needs():
    for position, name in enumerate(EXTENSION_NAMES):
        assert missing_needs(EXTENSIONS[name]().needed(), EXTENSION_NAMES[:position]) == [], name


def test_alternatives_are_met_by_either():
    assert missing_needs(("a|b", "c"), ("b",)) == ["c"]


@pytest.mark.parametrize("metric", [*QUALITY_METRICS.values(), *TEMPLATE_METRICS.values()])
def test_functions_of_metrics_take_what_there_is_and_have_no_defaults_of_their_own(metric):
    arguments = inspect.signature(function_of(metric)).parameters.values()
    assert {argument.default for argument in arguments} <= {inspect.Parameter.empty, None}
    if metric.scope == "unit" and metric.name in QUALITY_METRICS:
        names = {argument.name for argument in arguments}
        assert names <= {*metric.model_fields, *dir(UnitGroup), "spikes"}
        assert names >= set(metric.model_fields)  # every parameter has an effect
