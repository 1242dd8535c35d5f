"""Settings of libraries in the environment with which these could not be imported, or would show a traceback."""

from collections.abc import MutableMapping

_LEVELS = ("0", "1", "2", "3", "max")


def drop_unusable_settings(environment: MutableMapping[str, str]) -> None:
    """Forget what numba cannot take: a number of threads that is none, a level that it does not have.

    Neither changes a number: threads are our own (`--n-jobs`), and the level is one of optimization.
    """
    threads = environment.get("NUMBA_NUM_THREADS", "1")
    if not (threads.isascii() and threads.isdigit() and 1 <= int(threads[:10]) < 10**6):
        del environment["NUMBA_NUM_THREADS"]
    if environment.get("NUMBA_OPT", "3") not in _LEVELS:
        del environment["NUMBA_OPT"]
