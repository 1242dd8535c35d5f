"""The project's own jit decorator: numba's options are chosen here and nowhere else."""

import numba

from ephys_postprocess.machine.kept_code import KeptCode


def kernel(function, fuses=False):
    """Compile a function, and keep what was compiled for the next run where there is room to.

    With `fuses`, products and the sums they go into are rounded once, as BLAS does where the processor can.
    """
    # nogil: threads (machine/threads.py) call kernels side by side, so a kernel must let go of the interpreter.
    # No reordering and no parallel: sums keep one order, so the bytes do not depend on the number of threads.
    fastmath = {"contract"} if fuses else False
    compiled = numba.njit(nogil=True, fastmath=fastmath, error_model="numpy")(function)
    if hasattr(compiled, "_cache"):  # not with NUMBA_DISABLE_JIT
        compiled._cache = KeptCode(function, fastmath)
    return compiled


def fused_kernel(function):
    """`kernel` that rounds like BLAS: for sums whose last bit decides something in SpikeInterface."""
    return kernel(function, fuses=True)
