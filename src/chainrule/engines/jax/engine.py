"""The JAX engine: single operations for the interpreter, and whole plans as programs of XLA."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import DTypeLike

from chainrule.core.plan import Plan
from chainrule.engines.batch_norm_sync import meetings
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.jax import operations
from chainrule.engines.jax.arrays import jax
from chainrule.engines.jax.program import XlaProgram, update
from chainrule.engines.protocol import Array, Buffers, CompiledPlan


class JaxEngine:
    """The engine of accelerators; see `engines.Engine`. Its threads are devices, which share a batch."""

    name = "jax"

    def thread_limit(self, threads: int) -> int:
        """Return no more than there are devices."""
        return min(threads, jax.device_count())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Compile and run one operation by itself."""
        return operations.run(name, arrays, attributes)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update in place."""
        update(name, p, g, moments, attributes)

    def normalized_rows(
        self, x: Array, rows: Array, gain: float, offset: float, dtype: DTypeLike, threads: int
    ) -> Array | None:
        """Return None: NumPy makes the batches."""
        return None

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return an empty mapping: each operation is computed by the function of its name."""
        return {}

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return False: XLA's choice of algorithms is not known."""
        return False

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return the plan as one program; one with a learner's own code or meetings is walked by operations."""
        if plan.opaque or (plan.sharded and meetings(plan)):
            return Interpreter(self, plan, layout, buffers, threads)
        operations.check((*plan.operations, *plan.deferred))
        return XlaProgram(plan, layout, buffers, threads)
