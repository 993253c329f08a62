"""Peak performance of the processor: multiply-adds in registers, and products of large matrices."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.rounds import least_times

TIMES = 20_000_000  # multiply-adds per sum
SIZE = 1024  # rows and columns of the matrices
BEST_OF = 3  # number of runs


def measured(threads: int) -> dict[str, Any]:
    """Return the peak performance in GFLOP/s, {dtype: {"fma": …, "gemm": …}}.

    fma is for multiply-adds in registers on `threads` threads (None without llvmlite), and gemm for matrix products in
    NumPy.
    """
    return {dtype: {"fma": _fma(dtype, threads), "gemm": _gemm(dtype)} for dtype in ("float32", "float64")}


def _fma(dtype: str, threads: int) -> float | None:
    """Return the total GFLOP/s of threads that run a loop of multiply-adds in registers."""
    try:
        from benchmarks.machine_kernel import SUMS, WIDTH, multiply_add_often
    except ImportError:
        return None
    sums = math.prod(SUMS) * WIDTH // np.dtype(dtype).itemsize
    thread_arrays = [(np.zeros(sums, dtype), np.ones(SUMS[1], dtype), np.zeros(sums, dtype)) for _ in range(threads)]
    multiply_add_often(*thread_arrays[0], 1)

    def run(arrays: Any) -> None:
        multiply_add_often(*arrays, TIMES)

    with ThreadPoolExecutor(threads) as pool:
        least = least_times({"": lambda: [*pool.map(run, thread_arrays)]}, rounds=BEST_OF)[""]
    return 2.0 * sums * TIMES * threads / least / 1e9


def _gemm(dtype: str) -> float:
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal((SIZE, SIZE)).astype(dtype) for _ in range(2))
    out = np.empty_like(a)
    return 2.0 * SIZE**3 / least_times({"": lambda: np.matmul(a, b, out=out)}, rounds=BEST_OF)[""] / 1e9
