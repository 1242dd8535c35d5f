"""The walls between the rooms, read from the imports."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ephys_postprocess"

# Room: what its modules must never import, at any level of nesting.
FORBIDDEN = {
    "kernels": {"spikeinterface", "pandas", "zarr", "sklearn", "logging", "ephys_postprocess.stages"},
    "stages": {"spikeinterface", "numba", "pandas", "sklearn", "argparse", "matplotlib", "jinja2"},
    "report": {"spikeinterface", "numba", "ephys_postprocess.stages", "ephys_postprocess.kernels"},
}
# Only this folder may import SpikeInterface; the example makes its input with it.
KNOWS_SPIKEINTERFACE = ("spikeinterface_adapters", "example.py")


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def is_under(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_room_keeps_to_its_imports(room):
    trespasses = [
        (path.name, name)
        for path in (PACKAGE / room).glob("*.py")
        for name in imports_of(path)
        if any(is_under(name, package) for package in FORBIDDEN[room])
    ]
    assert trespasses == []


def test_only_the_adapters_know_spikeinterface():
    knowing = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(is_under(name, "spikeinterface") for name in imports_of(path))
    }
    assert knowing <= set(KNOWS_SPIKEINTERFACE)


def test_the_walls_are_seen():
    assert any(is_under(name, "numba") for name in imports_of(PACKAGE / "kernels" / "_jit.py"))


def test_modules_stay_readable():
    long_modules = {
        path.name: lines
        for path in PACKAGE.rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 320
    }
    assert long_modules == {}


def test_no_bare_except():
    bare = [
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []
