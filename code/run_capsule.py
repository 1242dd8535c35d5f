"""Python entry of the capsule; what must be set before numpy and numba are imported is set here."""

import os
import sys

# Parallel work is ours (one thread a piece of work), so BLAS must not multiply it.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[name] = "1"

from ephys_postprocess.compile_cache import use_compile_cache

use_compile_cache(os.environ)

from ephys_postprocess.cli import main

if __name__ == "__main__":
    sys.exit(main())
