"""Modules under the names that earlier versions had, for scripts that import them; nothing in the package does."""

import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType

_PACKAGE = __name__.rpartition(".")[0]
MOVED = {
    "compile_cache": "machine.compile_cache",
    "execution": "machine.execution",
    "metric_dictionary": "parameters.dictionary",
    "phy_exports": "commands.export_phy",
    "pipeline": "commands.pipeline",
    "reporting": "commands.report",
    "spikeinterface_adapters.audit": "commands.audit",
    "spikeinterface_adapters.pca_models": "results.pca_models",
    "spikeinterface_adapters.phy": "phy.export",
    "stages.write_results": "results.files",
    "verify": "commands.verify",
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for an earlier name with a module that passes every question on to today's."""

    def find_spec(self, fullname, path=None, target=None):  # noqa: ARG002 - the interface's signature
        name = fullname.removeprefix(f"{_PACKAGE}.")
        is_folder = any(moved.startswith(f"{name}.") for moved in MOVED)
        if name == fullname or (name not in MOVED and not is_folder):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_folder)

    def create_module(self, spec):
        module = ModuleType(spec.name, "A name of an earlier version.")
        moved_to = MOVED.get(spec.name.removeprefix(f"{_PACKAGE}."))
        if moved_to is not None:
            today = importlib.import_module(f"{_PACKAGE}.{moved_to}")
            module.__getattr__ = lambda name: getattr(today, name)
        return module

    def exec_module(self, module):
        """Nothing: what there is to run has run under today's name."""


def install() -> None:
    """Let imports under earlier names succeed; asked last, so it never stands before a real module."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
