"""Parameters with every kind of mistake: accepted, or exit code 2 with a message; never a traceback."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from ephys_postprocess.cli import main as cli
from ephys_postprocess.cli.arguments import parse_arguments
from ephys_postprocess.cli.options import NothingToDo
from ephys_postprocess.errors import ParameterError
from ephys_postprocess.parameters.document import Parameters

DEFAULTS = Parameters().arguments()
NUM_EXAMPLES = 150


def names_in(tree, found=None):
    found = set() if found is None else found
    for name, value in tree.items() if isinstance(tree, dict) else ():
        found.add(name)
        names_in(value, found)
    return found


KNOWN = sorted(
    names_in(DEFAULTS) | {"job_kwargs", "n_jobs", "chunk_duration", "sparsity", "waveforms", "postprocessing"}
)
SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(KNOWN)),
    st.sampled_from([10**400, -(10**400), 1e308, "1e999", "NaN", "-1", "../x", "\ud800", "\0", "<script>"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KNOWN), st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=12,
)


@st.composite
def spoiled_defaults(draw):
    """The defaults with one value, at any depth, replaced by anything, renamed, or taken away."""
    document = json.loads(json.dumps(DEFAULTS))
    place = document
    while True:
        name = draw(st.sampled_from(sorted(place))) if place else draw(st.text(max_size=5))
        inside = place.get(name)
        if not (isinstance(inside, dict) and inside and draw(st.booleans())):
            break
        place = inside
    how = draw(st.sampled_from(["replace", "rename", "remove", "add"]))
    if how == "remove":
        place.pop(name, None)
    elif how == "rename":
        place[draw(st.text(max_size=10))] = place.pop(name, None)
    else:
        place[name if how == "replace" else draw(st.text(max_size=10))] = draw(VALUES)
    return document


def what_is_said_of(argv):
    """The message of an expected failure; None where the arguments are accepted. Anything else is raised."""
    try:
        parse_arguments(argv)
    except ParameterError as error:
        return str(error)
    except NothingToDo:
        return None
    return None


def attempt(text, tally):
    tally("parameters and arguments")
    said = what_is_said_of(["--params-str", text])
    assert said is None or (said.strip() and "Traceback" not in said)


FUZZ = settings(
    max_examples=NUM_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


@FUZZ
@given(st.dictionaries(st.one_of(st.sampled_from(KNOWN), st.text(max_size=8)), VALUES, max_size=5))
def test_any_document(tally, document):
    attempt(json.dumps(document), tally)


@FUZZ
@given(spoiled_defaults())
def test_defaults_with_one_thing_spoiled(tally, document):
    attempt(json.dumps(document), tally)


@FUZZ
@given(st.one_of(st.text(max_size=60), VALUES.map(json.dumps), st.text(max_size=10).map("{".__add__)))
def test_any_text(tally, text):
    attempt(text, tally)


@FUZZ
@given(
    st.lists(
        st.one_of(
            st.text(max_size=10),
            st.sampled_from(["--params", "--n-jobs", "--audit", "--verify", "-1", "true", "{}", "--resume", "0.5"]),
        ),
        max_size=5,
    )
)
def test_any_arguments(tally, argv):
    tally("parameters and arguments")
    said = what_is_said_of(argv)
    assert said is None or said.strip()


@pytest.mark.parametrize(
    "text",
    [
        '{"duplicate_threshold": 1e999}',
        '{"duplicate_threshold": NaN}',
        '{"seed": 99999999999999999999999999}',
        '{"duplicate_threshold": 1' + "0" * 400 + "}",
        '{"extensions": {"spike_locations": {"method_kwargs": {"radius_um": 1' + "0" * 400 + "}}}}",
        '{"job_kwargs": {"chunk_memory": 1' + "0" * 400 + "}}",
        '{"job_kwargs": {"chunk_duration": 1' + "0" * 400 + "}}",
        '{"extensions": {"waveforms": {"ms_before": -1}}}',
        '{"extensions": {"waveforms": {"ms_before": "' + "1" * 5000 + '"}}}',
        '{"a": ' * 3000 + "1" + "}" * 3000,
        "[" * 100_000,
        "1" * 10_000,
        '{"duplicate_threshold": 0.5, "duplicate_threshold": 2}',
    ],
    ids=range(13),
)
def test_on_the_command_line(text, capsys, tally):
    tally("parameters and arguments")
    assert cli.main(["--params-str", text, "--data", "/nonexistent", "--recording", "x"]) == 2
    said = capsys.readouterr().err
    assert said.strip()
    assert "Traceback" not in said


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\x00", '{"ü": 1}'.encode("latin1"), b"\xef\xbb\xbf{}x"])
def test_files_that_are_no_text(content, tmp_path, capsys, tally):
    tally("parameters and arguments")
    path = tmp_path / "params.json"
    path.write_bytes(content)
    assert cli.main(["--params-file", str(path), "--data", "/nonexistent"]) == 2
    assert "Traceback" not in capsys.readouterr().err
