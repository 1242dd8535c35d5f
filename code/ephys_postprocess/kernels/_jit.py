"""The project's own jit decorator: numba's options are chosen here and nowhere else."""

import contextlib

import numba


def kernel(function, fuses=False):
    """Compile a function, and keep what was compiled for the next run where there is room to.

    With `fuses`, products and the sums they go into are rounded once, as BLAS does where the processor can.
    """
    # nogil: threads (machine/threads.py) call kernels side by side, so a kernel must let go of the interpreter.
    # cache: a compiled kernel is loaded from NUMBA_CACHE_DIR by the next run.
    # No reordering and no parallel: sums keep one order, so the bytes do not depend on the number of threads.
    fastmath = {"contract"} if fuses else False
    compiled = numba.njit(cache=True, nogil=True, fastmath=fastmath, error_model="numpy")(function)
    if hasattr(compiled, "_cache"):  # not with NUMBA_DISABLE_JIT
        save = compiled._cache.save_overload

        def save_where_possible(signature, overload):
            with contextlib.suppress(OSError):  # a full disk costs the next run some seconds, not this one its result
                save(signature, overload)

        compiled._cache.save_overload = save_where_possible
    return compiled


def fused_kernel(function):
    """`kernel` that rounds like BLAS: for sums whose last bit decides something in SpikeInterface."""
    return kernel(function, fuses=True)
