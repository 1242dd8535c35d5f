"""The failures we expect; the command line prints their message, anything else is a bug with a traceback."""


class CapsuleError(Exception):
    """Base of every expected failure; its message says where, what, what is allowed and what to do."""


class ParameterError(CapsuleError):
    """The caller's parameters or arguments are wrong; nothing was started (exit code 2)."""


class InputError(CapsuleError):
    """Something in `data/` is missing, broken or inconsistent."""


class ResultError(CapsuleError):
    """A result could not be written or read back."""
