"""The numba engine: single operations for the interpreter, and whole plans as compiled programs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.engines import Array, Buffers, Pass
from chainrule.engines.numba import operations, programs, rewriting, workers
from chainrule.errors import one_of
from chainrule.plan import Plan


class NumbaEngine:
    """The compiled engine; see `engines.Engine`."""

    name = "numba"

    def limited(self, threads: int) -> int:
        """Return the threads, no more than numba was started with."""
        return min(threads, workers.most())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one kernel by itself."""
        return operations.call(name, arrays, attributes)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Update parameters and moments in place, in one pass."""
        programs.update(name, p, g, moments, attributes, threads)

    def compile(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int) -> Pass:
        """Compile the plan as one program."""
        unknown = [operation.name for operation in plan.operations if operation.name not in operations.KERNELS]
        if unknown:
            raise one_of("operation of the numba engine", unknown[0], [*operations.KERNELS])
        return programs.Program(plan, layout, buffers, threads)

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return file and function of the kernel that computes each tensor of a plan, by its storage."""
        return rewriting.kernels_of(plan, np.dtype(dtype).itemsize)
