"""The compiled engine: single operations for the interpreter, and whole plans as compiled programs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.plan import Plan
from chainrule.custom.interface import OWN
from chainrule.engines import fallback
from chainrule.engines.compiled import compiler, programs
from chainrule.engines.compiled.guarded import OWN_ERRORS, GuardedProgram
from chainrule.engines.compiled.kernels import batches, selection
from chainrule.engines.compiled.kernels.choice import PRECISE
from chainrule.engines.compiled.passes import rewriting
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array, Buffers, CompiledPlan, Engine
from chainrule.errors import unknown_name


class CompiledEngine:
    """The compiled engine; see `engines.Engine`.

    precise   whether operations that run one by one are computed without algorithms whose rounding errors spread
    """

    name = "compiled"

    def __init__(self, *, precise: bool = False) -> None:
        self._precise = precise

    def thread_limit(self, threads: int) -> int:
        """Return no more threads than there can be."""
        return min(threads, compiler.most_threads())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one kernel by itself, or NumPy's operation where the kernel cannot be compiled."""
        if name not in selection.known():
            raise unknown_name("operation of the compiled engine", name, selection.known())
        try:
            return selection.call(name, arrays, {**attributes, PRECISE: True} if self._precise else attributes)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            return _instead(name, error).run(name, arrays, attributes)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update in place, in one pass over parameters, gradients and moments."""
        try:
            programs.update(name, p, g, moments, attributes, threads)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            _instead(name, error).update(name, p, g, moments, attributes, threads)

    def normalized_rows(
        self, x: Array, rows: Array, gain: float, offset: float, dtype: DTypeLike, threads: int
    ) -> Array | None:
        """Return x[rows]·gain + offset, or None where NumPy should; see `engines.Engine`."""
        try:
            return batches.normalized_rows(x, rows, gain, offset, dtype, threads)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            _instead("batches", error)
            return None

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return the plan as one program; one with a learner's own code is walked operation by operation."""
        if plan.opaque:
            if plan.backward:
                _say_own(plan)
            return Interpreter(CompiledEngine(precise=True) if plan.precise else self, plan, layout, buffers, threads)
        unknown = [operation.name for operation in plan.operations if operation.name not in selection.known()]
        if unknown:
            raise unknown_name("operation of the compiled engine", unknown[0], selection.known())
        return GuardedProgram(plan, layout, buffers, threads)

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return file and function of the kernel that computes each tensor of a plan, by its storage."""
        return rewriting.kernels_of(plan, np.dtype(dtype).itemsize)

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return whether some convolution is computed by Winograd's algorithm, for one sample or for several."""
        return rewriting.uses_winograd(plan, np.dtype(dtype).itemsize)


def _instead(name: str, error: Exception) -> Engine:
    return fallback.fall_back(f"the compiled engine cannot run {name} ({fallback.first_line(error)})")


def _say_own(plan: Plan) -> None:
    own = dict.fromkeys(each.name.rpartition(".")[0] for each in plan.operations if each.call)
    names = ", ".join(f"{name}{OWN}" for name in own)
    fallback.say_once(f"chainrule: {names}: operations run one by one, not as a compiled program")
