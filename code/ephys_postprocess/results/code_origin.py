"""Where this code comes from, as the checkout itself tells: address of the repository and commit."""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
NAME = "ephys-postprocess"
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True)
class CodeOrigin:
    """What the provenance names; without a checkout, the package alone."""

    url: str
    commit: str | None


def code_origin(package: Path = _PACKAGE) -> CodeOrigin:
    """Read from `.git` beside `code/`, without running git."""
    git = package.parents[1] / ".git"
    return CodeOrigin(_remote(git / "config") or NAME, _commit(git))


def _remote(config: Path) -> str | None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(config.read_text(encoding="utf-8"))
        url = parser.get('remote "origin"', "url")
    except (OSError, ValueError, configparser.Error):
        return None
    return re.sub(r"(?<=://)[^/@]*@", "", url)  # a name and password are nobody's business


def _commit(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if head.startswith("ref: "):
            head = _commit_of(git, head.removeprefix("ref: "))
    except (OSError, ValueError):
        return None
    return head if _COMMIT.match(head) else None


def _commit_of(git: Path, reference: str) -> str:
    if (git / reference).is_file():
        return (git / reference).read_text(encoding="ascii").strip()
    packed = (git / "packed-refs").read_text(encoding="ascii").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), "")
