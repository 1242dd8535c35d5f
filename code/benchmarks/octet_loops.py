"""The octets' inner loop as LLVM code and as plain numba: seconds of processor time to compile it and to run it warm.

usage: python benchmarks/octet_loops.py llvm|plain   (NUMBA_SLP_VECTORIZE=1 lets LLVM make vectors of unrolled loops)
"""

import hashlib
import sys
import time
from pathlib import Path

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ephys_postprocess.kernels._octet_loops import NUM_CHAINS, OCTET, sum_products

NUM_WINDOWS, NUM_SAMPLES, REPEATS = 400, 210, 400


def unrolled() -> str:
    """`sum_products` in plain Python: eight values are read before eight are written, in NUM_CHAINS running sums."""
    values = range(OCTET)
    lines = ["def sum_products(traces, first_row, num_rows, channel, weights, sums):"]
    lines += ["    " + "; ".join(f"s{chain}{k} = 0.0" for k in values) for chain in range(NUM_CHAINS)]
    lines += [
        f"    num_paired = num_rows - num_rows % {NUM_CHAINS}",
        f"    for row in range(0, num_paired, {NUM_CHAINS}):",
    ]
    for chain in range(NUM_CHAINS):
        lines += [f"        t, w = traces[first_row + row + {chain}], weights[row + {chain}]"]
        lines += ["        " + "; ".join(f"p{k} = np.float64(t[channel + {k}]) * np.float64(w[{k}])" for k in values)]
        lines += ["        " + "; ".join(f"s{chain}{k} += p{k}" for k in values)]
    lines += ["    for row in range(num_paired, num_rows):", "        t, w = traces[first_row + row], weights[row]"]
    lines += ["        " + "; ".join(f"s0{k} += np.float64(t[channel + {k}]) * np.float64(w[{k}])" for k in values)]
    lines += ["    " + "; ".join(f"r{k} = sums[{k}] + ((s0{k} + s1{k}) + (s2{k} + s3{k}))" for k in values)]
    lines += ["    " + "; ".join(f"sums[{k}] = r{k}" for k in values)]
    return "\n".join(lines)


def measure(name: str, inner) -> None:
    """One line: what it takes and what comes out."""

    @numba.njit(nogil=True, error_model="numpy")
    def all_windows(traces, starts, channels, weights, sums):
        for window in range(starts.size):
            inner(traces, starts[window], weights.shape[0], channels[window], weights, sums[window])

    rng = np.random.default_rng(0)
    traces = rng.integers(-300, 300, (30_000, 384)).astype(np.int16)
    starts = np.sort(rng.integers(0, 30_000 - NUM_SAMPLES, NUM_WINDOWS))
    channels = rng.integers(0, 384 - OCTET, NUM_WINDOWS)
    weights = rng.standard_normal((NUM_SAMPLES, OCTET)).astype(np.float32)
    begin = time.process_time()
    sums = np.zeros((NUM_WINDOWS, OCTET))
    all_windows(traces, starts, channels, weights, sums)
    compile_s, warm_s = time.process_time() - begin, np.inf
    for _ in range(REPEATS):
        sums = np.zeros((NUM_WINDOWS, OCTET))
        begin = time.thread_time()
        all_windows(traces, starts, channels, weights, sums)
        warm_s = min(warm_s, time.thread_time() - begin)
    same = hashlib.sha256(sums.tobytes()).hexdigest()[:8]
    print(f"{name:11} compile {compile_s:.2f} s, warm {warm_s * 1e3:.3f} ms, sums {same}")


def main() -> None:
    """The one asked for: in a process of its own, since the first function pays for numba's own start."""
    print(f"SLP vectorizer {'on' if numba.config.SLP_VECTORIZE else 'off'}:", end=" ")
    if sys.argv[1:] == ["llvm"]:
        measure("LLVM code", sum_products)
        return
    namespace = {"np": np}
    exec(unrolled(), namespace)
    measure("plain numba", numba.njit(namespace["sum_products"]))


if __name__ == "__main__":
    main()
