"""The compiled engine, which runs single operations, and whole plans as programs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.options import CUSTOM_SUFFIX
from chainrule.core.plan import Plan
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.native import programs
from chainrule.engines.native.kernels import batches, selection
from chainrule.engines.native.kernels.registry import Conditions
from chainrule.engines.native.passes import rewriting
from chainrule.engines.native.programs import seconds_per_tick
from chainrule.engines.native.tables import most_threads
from chainrule.engines.protocol import (
    Array,
    Arrays,
    Buffers,
    CompiledPlan,
    Engine,
)
from chainrule.engines.recording import OperationTimes
from chainrule.errors import unknown_name


def create() -> Engine:
    """Return the compiled engine. Errors: OptionError if CHAINRULE_THREADS is invalid."""
    most_threads()
    return CompiledEngine()


class CompiledEngine:
    """The compiled engine; see `protocol.Engine`.

    precise   whether single operations avoid algorithms that spread rounding errors to other elements (Winograd)
    recorder  collects the times of all programs; None: programs are not profiled
    """

    name = "compiled"

    def __init__(self, *, precise: bool = False, recorder: OperationTimes | None = None) -> None:
        self._precise = precise
        self._recorder = recorder

    def recording(self, recorder: OperationTimes) -> Engine:
        """Return an engine whose programs are profiled."""
        recorder.seconds_per_tick = seconds_per_tick()
        return CompiledEngine(precise=self._precise, recorder=recorder)

    def thread_limit(self, threads: int) -> int:
        """Return the number of threads that are used when `threads` are requested."""
        return min(threads, most_threads())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one operation."""
        if name not in selection.known():
            raise unknown_name("operation of the compiled engine", name, selection.known())
        return selection.call(name, arrays, attributes, Conditions(precise=self._precise))

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update in place, in one pass over parameters, gradients and moments."""
        programs.update(name, p, g, moments, attributes, threads)

    def normalized_rows(self, x: Array, rows: Array, factors: Arrays, dtype: DTypeLike, threads: int) -> Array | None:
        """Return ((x[rows] − origin) − rest)·gain, or None if the caller should use NumPy; see `protocol.Engine`."""
        return batches.normalized_rows(x, rows, factors, dtype, threads)

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return the compiled plan, or an interpreter if the plan has custom layers or losses."""
        if plan.is_interpreted:
            if plan.backward:
                _report_custom_layers(plan)
            return Interpreter(CompiledEngine(precise=True) if plan.precise else self, plan, layout, buffers, threads)
        unknown = [operation.name for operation in plan.operations if operation.name not in selection.known()]
        if unknown:
            raise unknown_name("operation of the compiled engine", unknown[0], selection.known())
        return programs.Program(plan, layout, buffers, threads, recorder=self._recorder)

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return the kernel that computes each tensor of a plan: storage → (file, function)."""
        return rewriting.kernels_of(plan, np.dtype(dtype).itemsize)

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return whether any convolution uses Winograd's algorithm at any batch size."""
        return rewriting.uses_winograd(plan, np.dtype(dtype).itemsize)


def _report_custom_layers(plan: Plan) -> None:
    layers = dict.fromkeys(operation.name.rpartition(".")[0] for operation in plan.operations if operation.call)
    names = ", ".join(f"{name}{CUSTOM_SUFFIX}" for name in layers)
    fallback.say_once(f"chainrule: {names}: operations run one by one, not as a compiled program")
