"""--sorting, --traces, --name and --pairs as pairs."""

import pytest

from ephys_postprocess.cli.arguments import parse_arguments
from ephys_postprocess.errors import ParameterError


def pairs_of(*argv):
    return parse_arguments([str(one) for one in argv]).execution.given_pairs


def test_switches_pair_in_their_order(tmp_path):
    (tmp_path / "g0").mkdir()
    one, two = pairs_of("--sorting", "a", "--traces", tmp_path / "g0", "--sorting", "b", "--traces", "x/y.v2.bin")
    assert (one.name, two.name) == ("g0", "y.v2")
    assert (one.sorting.name, two.sorting.name) == ("a", "b")
    assert one.traces == tmp_path / "g0"
    assert one.is_filtered_here


def test_names_and_switches_for_all(tmp_path):
    (pair,) = pairs_of(
        "--sorting", tmp_path, "--name", "mouse1", "--no-filter", "--stream", "imec1", "--probe", "p.json"
    )
    assert (pair.name, pair.traces, pair.stream, pair.probe.name) == ("mouse1", None, "imec1", "p.json")
    assert not pair.is_filtered_here


def test_a_table_is_relative_to_its_folder(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeffsorting,traces,name\nks1,g1,one\nks2,,two\n", encoding="utf8")
    one, two = pairs_of("--pairs", tmp_path / "t.csv")
    assert (one.sorting, one.traces, one.name) == (tmp_path / "ks1", tmp_path / "g1", "one")
    assert (two.sorting, two.traces, two.name) == (tmp_path / "ks2", None, "two")


def test_without_them_there_are_none():
    assert pairs_of() == ()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--sorting", "a", "--sorting", "b", "--traces", "c"], "2 --sorting and 1 --traces"),
        (["--traces", "c"], "0 --sorting and 1 --traces"),
        (["--sorting", "a", "--name", "x", "--name", "y"], "1 --sorting and 2 --name"),
        (["--sorting", "x/a", "--sorting", "y/a"], "Two recordings would be called 'a'"),
        (["--stream", "imec0"], "--stream belongs to --sorting"),
        (["--pairs", "nowhere.csv"], "cannot be read"),
    ],
)
def test_what_does_not_pair_is_said(argv, message):
    with pytest.raises(ParameterError, match=message):
        pairs_of(*argv)
