"""Scripts that import a module under its earlier name get today's."""

import importlib

import pytest

from ephys_postprocess.earlier_names import MOVED


@pytest.mark.parametrize("name", MOVED)
def test_an_earlier_name_leads_to_the_module_of_today(name):
    earlier = importlib.import_module(f"ephys_postprocess.{name}")
    today = importlib.import_module(f"ephys_postprocess.{MOVED[name]}")
    public = [key for key in vars(today) if not key.startswith("__")]
    assert public
    assert all(getattr(earlier, key) is getattr(today, key) for key in public)


def test_names_nobody_had_are_still_unknown():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ephys_postprocess.nothing_of_that_name")


def test_no_earlier_name_stands_before_a_module_of_today():
    for name in MOVED:
        assert importlib.util.find_spec(f"ephys_postprocess.{name}").origin is None
