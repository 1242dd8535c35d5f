"""The walls between the rooms, read from the imports: which rooms a room may know, and which libraries."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ephys_postprocess"
NAME = PACKAGE.name

# Room: the rooms that its modules may import from. What is on the landing (records, errors, …) is a room of one.
# A room is the longest of these names that a module's path begins with.
_LANDING = {"errors", "records"}
_COMPUTES = {*_LANDING, "kernels", "machine.threads", "machine.free_memory"}
MAY_KNOW = {
    "errors": set(),
    "records": set(),
    "raw_files": {"errors", "machine.page_cache"},
    "traces": {"errors", "raw_files"},
    "kernels": {"machine.kept_code"},
    "stages/traces": {*_COMPUTES, "raw_files", "traces"},
    "stages/spike_trains": {*_COMPUTES, "stages/quality"},
    "stages/templates": {*_COMPUTES, "traces", "stages/traces"},
    "stages/locations": {*_COMPUTES, "stages/traces"},
    "stages/principal_components": {*_COMPUTES},
    "stages/quality": {*_COMPUTES},
    "parameters": {"errors"},
    "machine": {"errors", "parameters"},
    "inputs": {*_LANDING, "raw_files", "traces", "machine", "parameters"},
    "results": {*_LANDING, "traces", "machine", "parameters", "inputs"},
    "engine": {*_LANDING, "traces", "machine", "parameters", "inputs", "results", "stages"},
    "report": {*_LANDING, "parameters", "machine", "inputs", "results"},
    "phy": {*_LANDING, "traces", "machine", "results", "stages"},
    "commands": {
        *_LANDING,
        "traces",
        "parameters",
        "machine",
        "inputs",
        "engine",
        "results",
        "report",
        "phy",
        "stages",
    },
    "accelerate": {"errors", "parameters", "engine"},
    "earlier_names": set(),
    "cli": {"errors", "parameters", "machine", "commands"},
}
# Room: libraries that its modules must never import, at any level of nesting.
FORBIDDEN_LIBRARIES = {
    "kernels": {"spikeinterface", "pandas", "zarr", "sklearn", "logging"},
    "stages": {"spikeinterface", "numba", "pandas", "sklearn", "argparse", "matplotlib", "jinja2"},
    "parameters": {"spikeinterface", "numba", "pandas", "numpy"},
    "machine": {"spikeinterface", "pandas"},
    "report/contents": {"spikeinterface"},
    "report": {"numba"},
    "cli": {"spikeinterface", "numpy"},
}


def imports_of(source: str) -> set[str]:
    """Every dotted name that a module imports, as far as its text tells: package.module.name."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def is_under(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def room_of(relative: str) -> str:
    """The room of a path or dotted name below the package, such as "stages.traces.waveforms"."""
    dotted = relative.replace("/", ".")
    rooms = [room for room in MAY_KNOW if is_under(dotted, room.replace("/", "."))]
    return max(rooms, key=len, default="")


def trespasses(room: str, source: str) -> list[str]:
    """What a module of this room imports from rooms that it may not know."""
    allowed = [known.replace("/", ".") for known in (room, *MAY_KNOW[room])]
    inside = [name.removeprefix(f"{NAME}.") for name in imports_of(source) if name.startswith(f"{NAME}.")]
    return [name for name in inside if room_of(name) and not any(is_under(name, known) for known in allowed)]


def modules() -> dict[str, str]:
    """Relative path without ending: source, of every module that is no package's face."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    return {path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_every_module_has_a_room():
    assert [path for path in modules() if not room_of(path)] == []


@pytest.mark.parametrize("room", MAY_KNOW)
def test_room_knows_only_its_neighbours(room):
    own = {path: source for path, source in modules().items() if room_of(path) == room}
    assert own
    found = {path: names for path, source in own.items() if (names := trespasses(room, source))}
    assert found == {}


def test_no_room_knows_another_that_knows_it():
    """The table itself has no circle, so data can only move one way."""

    def known_from(room: str) -> set[str]:
        direct = {other for known in MAY_KNOW[room] for other in MAY_KNOW if is_under(other, known.replace(".", "/"))}
        direct |= {room_of(known) for known in MAY_KNOW[room]} | {
            other for known in MAY_KNOW[room] for other in MAY_KNOW if other.startswith(f"{known}/")
        }
        return {name for name in direct if name}

    open_rooms = {room: known_from(room) for room in MAY_KNOW}
    while leaves := [room for room, known in open_rooms.items() if not known & set(open_rooms)]:
        for room in leaves:
            del open_rooms[room]
    # `machine.threads` is all that stages know of a room which knows parameters: not a way back.
    assert open_rooms == {}


@pytest.mark.parametrize("room", FORBIDDEN_LIBRARIES)
def test_room_keeps_to_its_libraries(room):
    found = [
        (path, name)
        for path, source in modules().items()
        if path == room or path.startswith(f"{room}/")
        for name in imports_of(source)
        if any(is_under(name, library) for library in FORBIDDEN_LIBRARIES[room])
    ]
    assert found == []


def test_the_walls_are_seen():
    """One forbidden import is enough, at the top of a module or inside a function."""
    assert trespasses("kernels", f"from {NAME}.stages.traces import waveforms") == ["stages.traces.waveforms"]
    assert trespasses("report", f"def f():\n    from {NAME}.engine.engine import compute_extensions")
    assert trespasses("stages/traces", f"from {NAME}.machine.threads import map_in_threads") == []
    assert trespasses("stages/traces", f"from {NAME}.machine.space import Need") == ["machine.space.Need"]
    assert any(is_under(name, "numba") for name in imports_of(modules()["kernels/_jit"]))


def test_modules_stay_readable():
    assert {path: lines for path, source in modules().items() if (lines := source.count("\n")) > 320} == {}


def test_no_bare_except():
    bare = [
        path
        for path, source in modules().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []
