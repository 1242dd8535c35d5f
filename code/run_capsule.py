"""Python entry of the capsule; what must be set before numpy and numba are imported is set here."""

import os
import signal
import sys


def _leave(number, _frame):
    """End at once: nothing has been begun yet."""
    os.write(2, b"Stopped before anything was begun, or after all was done.\n")
    os._exit(128 + number)


for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, _leave)

# Parallel work is ours (one thread a piece of work), so BLAS must not multiply it.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[name] = "1"

from ephys_postprocess.compile_cache import use_compile_cache  # noqa: E402

use_compile_cache(os.environ)

from ephys_postprocess.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # names may hold what the terminal's encoding lacks
    code = main()
    # All is done, and the code says how; a signal while Python winds down must not make another one of it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except OSError:  # nobody listens any more; Python would make an exit code of its own of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)
