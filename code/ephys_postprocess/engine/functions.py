"""From a record to the function that computes it, and from a function to the arguments that it names."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from spikeinterface.core.sortinganalyzer import get_available_analyzer_extensions, get_extension_class

from ephys_postprocess.parameters.computed import Computed

_PACKAGE = __package__.partition(".")[0]


def extension_class(name: str) -> type:
    """SpikeInterface's class of an extension, also of those that its own table does not know by name (acgs_3d)."""
    if name not in get_available_analyzer_extensions():
        importlib.import_module("spikeinterface.postprocessing")  # registers all that it has
    return get_extension_class(name)


def function_of(record: type[Computed]) -> Callable | None:
    """The function that a record names in `computed_by`; None where SpikeInterface computes it."""
    module_name, _, function_name = record.computed_by.partition(":")
    if not module_name:
        return None
    return getattr(importlib.import_module(f"{_PACKAGE}.{module_name}"), function_name)


def call(function: Callable, source: Any, params: Mapping[str, Any]) -> Any:
    """Call a metric's function with what it names: a parameter, or else what `source` has under that name.

    Parameters
    ----------
    function : callable
    source : UnitGroup or Workspace
    params : mapping
        The metric's own parameters, all of them.
    """
    names = inspect.signature(function).parameters
    return function(**{name: params[name] if name in params else getattr(source, name) for name in names})
