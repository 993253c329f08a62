"""The numba engine: single operations for the interpreter, and whole plans as compiled programs."""

from collections.abc import Mapping
from typing import Any

from chainrule.engines import Array, Buffers, Pass
from chainrule.engines.numba import operations, programs, workers
from chainrule.errors import one_of
from chainrule.plan import Plan


class NumbaEngine:
    """See `engines.Engine`."""

    name = "numba"

    def limited(self, threads: int) -> int:
        """No more threads than numba was started with."""
        return min(threads, workers.most())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one kernel by itself."""
        return operations.call(name, arrays, attributes)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """One pass over parameters, gradients and moments, in place."""
        programs.update(name, p, g, moments, attributes, threads)

    def compile(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int) -> Pass:
        """The plan as one program."""
        unknown = [operation.name for operation in plan.operations if operation.name not in operations.KERNELS]
        if unknown:
            raise one_of("operation of the numba engine", unknown[0], [*operations.KERNELS])
        return programs.Program(plan, layout, buffers, threads)
