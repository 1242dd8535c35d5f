"""Every parameter at the edges of what it allows, through whole runs on tiny data: it works, or is refused before work.

Values of different sections go into one run; where that fails, each is tried alone, to name the one at fault.
"""

import copy
import functools
import io
import itertools
import json
import logging
from contextlib import redirect_stderr, redirect_stdout

import pytest
from end_to_end.make_inputs import save, tiny

from ephys_postprocess.cli import main as cli
from ephys_postprocess.engine.parameter_fit import facts_of
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.document import Parameters, load_parameters
from ephys_postprocess.parameters.extensions import EXTENSION_NAMES
from ephys_postprocess.parameters.fit import misfits
from ephys_postprocess.parameters.methods import SPIKE_LOCATION_METHODS, UNIT_LOCATION_METHODS
from ephys_postprocess.parameters.metrics import DEFAULT_QUALITY_METRICS

SCHEMA = Parameters.model_json_schema()
SPARSITY_OPTIONS = {
    "radius": {"radius_um"},
    "closest_channels": {"num_channels"},
    "by_property": set(),
    "best_channels": {"num_channels", "num_spikes_for_sparsity", "ms_before", "ms_after"},
    "amplitude": {"threshold", "peak_sign", "amplitude_mode"},
    "snr": {"threshold"},
}
PERIODS = {
    "minimum_valid_period_duration": 0.5,
    "period_duration_s_absolute": 0.5,
    "num_histogram_bins": 5,
    "fn_threshold": 1,
    "fp_threshold": 1,
}


# What the other extensions need, and nothing that takes long.
BASE = {
    "extensions": {
        name: {} for name in ("random_spikes", "noise_levels", "waveforms", "templates", "amplitude_scalings")
    }
}


def resolve(schema):
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def leaves(schema, path=()):
    """(path, schema) of every single parameter."""
    schema = resolve(schema)
    sections = [each for each in map(resolve, schema.get("anyOf", [schema])) if "properties" in each]
    for section in sections:
        for name, inner in section["properties"].items():
            yield from leaves(inner, (*path, name))
    if not sections:
        yield path, schema


def edges(schema):
    """The numbers at the edges of what a parameter allows."""
    for kind in map(resolve, resolve(schema).get("anyOf", [schema])):
        if kind.get("type") in ("integer", "number"):
            is_open, least = "exclusiveMinimum" in kind, kind.get("exclusiveMinimum", kind.get("minimum"))
            yield from [] if least is None else [least + 1e-9 if is_open else least]
            yield from [kind["maximum"]] if "maximum" in kind else []


def contexts(path):
    """Other parameters without which this one would not be used."""
    section, name = path[1] if path[0] == "extensions" else path[0], path[-1]
    if section == "sparsity":
        of_methods = [method for method, options in SPARSITY_OPTIONS.items() if name in options]
        return [{"sparsity": {"method": method}} for method in of_methods] or [{"sparsity": {"by_property": "group"}}]
    if section == "unit_locations" and name != "method":
        return [{section: {"method": method}} for method, names in UNIT_LOCATION_METHODS.items() if path[2] in names]
    if section == "spike_locations" and path[2] == "method_kwargs":
        return [{section: {"method": method}} for method, names in SPIKE_LOCATION_METHODS.items() if path[3] in names]
    if section == "spike_locations" and path[2] == "spike_retriever_kwargs":
        return [{section: {"spike_retriever_kwargs": {"channel_from_template": False}}}]
    if section == "random_spikes":
        method = {"percentage": "percentage", "maximum_rate": "maximum_rate"}.get(name, "uniform")
        return [{section: {"percentage": 0.5, "maximum_rate": 3.0, "method": method}}]
    if section == "valid_unit_periods":
        modes = ("absolute", "relative") if "period" in name or "relative" in name else ("absolute",)
        return [{section: PERIODS | {"period_mode": mode}} for mode in modes]
    return [{"noise_levels": {"random_slices_kwargs": {"chunk_size": None}}} if name == "chunk_duration" else {}]


def put(document, path, value):
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value


def trials():
    """{section: [(path, value, context)]}: what goes into runs of its own, one of each section at a time."""
    by_section = {}
    for path, schema in leaves(SCHEMA):
        if path == ("use_motion_corrected",):  # needs estimated motion, which has tests of its own
            continue
        is_of_metric = "metric_params" in path
        section = path[: path.index("metric_params") + 2] if is_of_metric else path[:2]
        for value, context in itertools.product(edges(schema), contexts(path)):
            place = path[1:] if path[0] == "extensions" else path
            by_section.setdefault(section, []).append((place, value, context))
    return by_section


def rounds():
    """Trials that can share a run."""
    return [[trial for trial in some if trial is not None] for some in itertools.zip_longest(*trials().values())]


def document_of(some):
    """What is asked for: the extensions that the trials are of, and all that these need."""
    given = copy.deepcopy(BASE)
    extensions = given["extensions"]
    if any(place[0] == "quality_metrics" for place, _value, _context in some):
        extensions.update({name: {} for name in EXTENSION_NAMES})
        of_metrics = ("quality_metrics", "metric_params")
        own = [place[2] for place, _value, _context in some if place[:2] == of_metrics]
        extensions["quality_metrics"] = {"metric_names": [*dict.fromkeys([*DEFAULT_QUALITY_METRICS, *own])]}
    for place, value, context in some:
        for section, values in copy.deepcopy(context).items():
            (extensions if section in EXTENSION_NAMES else given).setdefault(section, {}).update(values)
        put(extensions if place[0] in EXTENSION_NAMES else given, place, value)
    return given


@functools.cache
def inputs():
    recording, sorting = (each.clone() for each in tiny((2.0,), num_channels=6, num_units=4, seed=4))
    recording.set_property("group", [0, 0, 0, 1, 1, 1])
    sorting.set_property("group", [0, 1, 0, 1])
    return recording, sorting


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounds") / "data"
    folder.mkdir()
    save(folder, "x", *inputs())
    return folder


def run(data, folder, document):
    """What came of a run: "done", "refused", or what it said."""
    said = io.StringIO()
    options = ["--data", data, "--results", folder / "results", "--scratch", folder, "--n-jobs", "1", "--no-report"]
    with redirect_stdout(said), redirect_stderr(said):
        code = cli.main([*map(str, options), "--params-str", json.dumps(document)])
    logging.getLogger("ephys_postprocess").handlers.clear()
    text = said.getvalue()
    if code == 0:
        return "done"
    is_before_work = code == 2 or ("sample_templates" not in text and "unexpected" not in text)
    return "refused" if is_before_work else text


def is_refused_at_once(trial):
    try:
        parameters = load_parameters(document_of([trial])).parameters
    except ParameterError:
        return True
    return bool(misfits(parameters, facts_of(*inputs())))


@pytest.mark.filterwarnings("ignore")  # tiny data at odd bounds: libraries warn of what ends as NaN with its reason
@pytest.mark.parametrize("some", rounds(), ids=[str(number) for number in range(len(rounds()))])
def test_it_works_or_is_refused_before_work(some, data, tmp_path):
    accepted = [trial for trial in some if not is_refused_at_once(trial)]
    if run(data, tmp_path, document_of(accepted)) == "done":
        return
    outcomes = {json.dumps(trial[:2]): run(data, tmp_path, document_of([trial])) for trial in accepted}
    assert {name: said[-2000:] for name, said in outcomes.items() if said not in ("done", "refused")} == {}
    accepted = [trial for trial in accepted if outcomes[json.dumps(trial[:2])] == "done"]
    assert run(data, tmp_path, document_of(accepted)) in ("done", "refused")
