"""The provenance names the checkout that ran."""

import pytest

from ephys_postprocess.results.code_origin import NAME, CodeOrigin, code_origin

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def package(tmp_path):
    """A package two folders below the root of a checkout, whose .git is to be filled."""
    package = tmp_path / "code" / "ephys_postprocess"
    package.mkdir(parents=True)
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    (tmp_path / ".git" / "config").write_text('[remote "origin"]\n\turl = https://me:secret@example.org/a/b.git\n')
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return package


def test_the_remote_is_named_without_a_password(package):
    (package.parents[1] / ".git" / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    assert code_origin(package) == CodeOrigin("https://example.org/a/b.git", COMMIT)


def test_packed_and_detached_heads_are_read(package):
    git = package.parents[1] / ".git"
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert code_origin(package).commit == COMMIT
    (git / "HEAD").write_text(COMMIT)
    assert code_origin(package).commit == COMMIT


def test_without_a_checkout_the_package_is_named(tmp_path):
    assert code_origin(tmp_path / "code" / "ephys_postprocess") == CodeOrigin(NAME, None)


def test_a_broken_checkout_costs_nothing(package):
    git = package.parents[1] / ".git"
    (git / "config").write_bytes(b"\xff[")
    (git / "HEAD").write_text("ref: ../../../etc/passwd")
    assert code_origin(package) == CodeOrigin(NAME, None)
