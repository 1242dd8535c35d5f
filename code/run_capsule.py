"""Python entry of the capsule; what must be set before numpy and numba are imported is set here."""

import gc
import os
import signal
import sys

# A caller may close these; whatever is opened next would then take their numbers, and get what is printed.
for descriptor in (0, 1, 2):
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)
sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - for as long as the process lives
sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115

# Imports alone make a hundred thousand objects that stay: looking through them again and again is a tenth of a second.
gc.set_threshold(100_000, 20, 100)


def _leave(number, _frame):
    """End at once: nothing has been begun yet."""
    try:
        os.write(2, b"Stopped before anything was begun, or after all was done.\n")
    finally:  # the reader of the pipe may be gone
        os._exit(128 + number)


for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, _leave)

# Parallel work is ours (one thread per piece of work), so BLAS must not multiply it.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[name] = "1"

folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is slow to import
if folder not in sys.path:  # PYTHONSAFEPATH
    sys.path.insert(0, folder)

from ephys_postprocess.machine.limits import why_limits_are_too_low  # noqa: E402

if (too_low := why_limits_are_too_low()) is not None:
    os.write(2, f"{too_low}\n".encode())
    os._exit(2)

from ephys_postprocess.machine.compile_cache import use_compile_cache  # noqa: E402
from ephys_postprocess.machine.home import ensure_home  # noqa: E402
from ephys_postprocess.machine.library_settings import drop_unusable_settings  # noqa: E402

drop_unusable_settings(os.environ)
ensure_home(os.environ)
use_compile_cache(os.environ)

from ephys_postprocess.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # names may hold what the terminal's encoding lacks
    code = main()
    # All is done, and the code says how; a signal while Python winds down must not make another one of it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    finally:  # the reader of the pipe may be gone, which is not a failure
        # At once: every file is closed, and taking down the interpreter a module at a time costs a quarter of a second.
        os._exit(code)
