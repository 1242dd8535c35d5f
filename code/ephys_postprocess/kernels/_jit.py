"""The project's own jit decorator: numba's options are chosen here and nowhere else."""

import numba

# nogil: threads (ephys_postprocess.threads) call kernels side by side, so a kernel must let go of the interpreter.
# cache: a compiled kernel is loaded from NUMBA_CACHE_DIR by the next run.
# No fastmath and no parallel: sums keep one order, so the bytes do not depend on the number of threads.
kernel = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
