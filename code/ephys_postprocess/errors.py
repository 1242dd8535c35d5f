"""The failures we expect; the command line prints their message, anything else is a bug with a traceback."""

# What the process says at its end; beside these, 130 and 143 where a signal ended it.
EXIT_DONE = 0
EXIT_FAILED = 1  # a recording's data, or a bug: the same again next time
EXIT_CALLERS_MISTAKE = 2
EXIT_LATER = 75  # EX_TEMPFAIL of sysexits.h: the same call may go better later, or elsewhere


class CapsuleError(Exception):
    """Base of every expected failure; its message says where, what, what is allowed and what to do."""


class ParameterError(CapsuleError):
    """The caller's parameters or arguments are wrong; nothing was started (exit code 2)."""


class InputError(CapsuleError):
    """Something in `data/` is missing, broken or inconsistent."""


class ResultError(CapsuleError):
    """A result could not be written or read back."""


class TemporaryError(ResultError):
    """Something outside the data and the call was wanting, such as space or memory: later it may be there."""
