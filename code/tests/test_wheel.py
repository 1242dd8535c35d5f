"""What `pip install ./code` installs: the version, and every file that is not Python."""

import tomllib
from pathlib import Path

import ephys_postprocess

PACKAGE = Path(ephys_postprocess.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_of_the_package_is_installed():
    patterns = PROJECT["tool"]["setuptools"]["package-data"][PACKAGE.name]
    installed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    kept = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    others = {path for path in kept if path.suffix != ".py"}
    assert others
    assert others == {path for path in installed if path.is_file()}


def test_the_version_is_the_packages():
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "ephys_postprocess.__version__"
    assert "version" in PROJECT["project"]["dynamic"]
