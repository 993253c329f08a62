"""The numba engine: single operations for the interpreter, and whole plans as compiled programs."""

import threading
from collections.abc import Mapping
from typing import Any

import numba

from chainrule.engines import Array, Buffers, Pass
from chainrule.engines.numba import operations, programs
from chainrule.engines.numba.compiling import CONFIG
from chainrule.plan import Plan

LOCK = threading.Lock()  # one Python thread at a time enters a parallel program: not every thread pool can take two


class NumbaEngine:
    """See `engines.Engine`."""

    name = "numba"

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one kernel by itself."""
        with LOCK:
            return operations.call(name, arrays, attributes)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """One pass over parameters, gradients and moments, in place."""
        entry = operations.KERNELS[name]
        arrays = (p, g, *moments, p, *moments)
        with LOCK:
            numba.set_num_threads(min(threads, CONFIG.NUMBA_NUM_THREADS))
            entry.kernel(*arrays, *entry.arguments(len(arrays), attributes))

    def compile(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int) -> Pass:
        """The plan as one program."""
        return programs.Program(plan, layout, buffers, min(threads, CONFIG.NUMBA_NUM_THREADS), LOCK)
