"""What the system refuses: one sentence each, and whether another try may help."""

import errno
import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from ephys_postprocess.errors import InputError, ResultError, TemporaryError
from ephys_postprocess.machine import failures
from ephys_postprocess.machine.execution import Execution
from ephys_postprocess.machine.failures import explain, explained, is_temporary
from ephys_postprocess.machine.space import Need
from ephys_postprocess.results.files import HeldElsewhereError

EXECUTION = Execution(results_folder=Path("/results"), scratch_folder=Path("/scratch"))


def system_error(number, name="/results/a"):
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (system_error(errno.ENOSPC), "No space left in"),
        (system_error(errno.EDQUOT), "No space left in"),
        (system_error(errno.EIO), "The file system of /results/a failed: Input/output error. Run again later"),
        (system_error(errno.ESTALE), "The file system of /results/a failed: Stale file handle"),
        (system_error(errno.ETIMEDOUT, None), "The file system of /results or /scratch failed"),
        (system_error(errno.ENOMEM), "Not enough memory"),
        (MemoryError(), "Not enough memory (an allocation failed)"),
        (BrokenProcessPool("terminated abruptly"), "A worker process was ended from outside (terminated abruptly)"),
    ],
)
def test_what_may_be_had_later(error, says):
    known = explain(error, EXECUTION)
    assert isinstance(known, TemporaryError)
    assert says in str(known)
    assert is_temporary(known)
    assert is_temporary(error)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "Cannot write /results/a: Permission denied. Make it writable"),
        (errno.EROFS, "Read-only file system"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENOENT, "The system could not read or write /results/a: No such file or directory."),
    ],
)
def test_what_will_be_the_same_again(number, says):
    known = explain(system_error(number), EXECUTION)
    assert isinstance(known, ResultError)
    assert says in str(known)
    assert not is_temporary(known)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x")])
def test_what_is_a_bug_is_not_explained_away(error):
    assert explain(error, EXECUTION) is None
    assert not is_temporary(error)


def raise_as_zarr_does(number):
    try:
        raise system_error(number)
    except OSError:
        raise KeyError("waveforms/0.0.0")  # noqa: B904 - what it was raised from is not said


def test_what_zarr_makes_a_key_error_of_is_found_behind_it():
    with pytest.raises(KeyError) as caught:
        raise_as_zarr_does(errno.ENOSPC)
    assert "No space left" in str(explain(caught.value, EXECUTION, Need(1, 1)))
    with pytest.raises(TemporaryError, match="Input/output error"), explained(EXECUTION, Need(1, 1)):
        raise_as_zarr_does(errno.EIO)
    caught.value.__suppress_context__ = True  # as `raise … from None` says that it has nothing to do with it
    assert explain(caught.value, EXECUTION) is None


def test_an_input_that_could_not_be_read_for_now():
    for number, may_go_away in ((errno.EIO, True), (errno.ESTALE, True), (errno.ENOENT, False)):
        error = InputError("traces cannot be read")
        error.__cause__ = system_error(number)
        assert is_temporary(error) == may_go_away
    assert is_temporary(HeldElsewhereError("another run"))


def test_a_circle_of_causes_ends():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert not is_temporary(one)


@pytest.mark.parametrize(
    "error",
    [
        ImportError("failed to map segment from shared object"),
        OSError("Could not find/load shared object file 'libllvmlite.so'"),
        SystemError("error return without exception set"),
    ],
)
def test_a_library_that_finds_no_room_under_a_limit_of_addresses(monkeypatch, error):
    for left, is_memory in ((None, False), (50e6, True), (5e9, False)):
        monkeypatch.setattr(failures, "address_space_left_bytes", lambda left=left: left)
        assert ("Not enough memory" in str(explain(error, EXECUTION))) == is_memory
