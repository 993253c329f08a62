"""The compiled engine: single operations for the interpreter, and whole plans as compiled programs.

LLVM may fail on one kernel or program where it compiled others. Whatever is raised, the NumPy engine takes over from
there, and one line says why. Errors of this package, which concern what the user gave, are not caught, nor is a lack of
memory.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.plan import Plan
from chainrule.custom.interface import OWN
from chainrule.engines import fallback
from chainrule.engines.compiled import compiler, programs
from chainrule.engines.compiled.kernels import batches, selection
from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.engines.compiled.passes import rewriting
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import (
    ONE_STEP,
    Array,
    Buffers,
    CompiledPlan,
    Engine,
    Gradients,
    Shard,
    StepLimits,
    Sums,
)
from chainrule.errors import ChainruleError, EngineError, unknown_name

OWN_ERRORS = (ChainruleError, MemoryError)  # raised as they are


class CompiledEngine:
    """The compiled engine; see `protocol.Engine`.

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
            return selection.call(name, arrays, attributes, Conditions(precise=self._precise))
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
        """Return x[rows]·gain + offset, or None where NumPy should; see `protocol.Engine`."""
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
        """Return the plan as one program; a plan with custom code is run operation by operation."""
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


class GuardedProgram:
    """A plan as a compiled program until that fails, then on the NumPy engine.

    See `protocol.CompiledPlan` and `protocol.WholeSteps`.
    """

    def __init__(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int) -> None:
        self._given = plan, layout, buffers, threads
        self._failed = False
        self._batch: tuple[Array, Array, Array | None, int, int] | None = None  # of the last `gradients`
        try:
            self._whole: programs.Program | None = programs.Program(plan, layout, buffers, threads)
            self._compiled: CompiledPlan = self._whole
        except EngineError as error:  # a plan that the program would compute wrongly: found before it runs
            self._replace(error)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            self._replace(error)

    @property
    def step_limits(self) -> StepLimits:
        """How much to take in one call."""
        return self._whole.step_limits if self._whole else ONE_STEP

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x, as `_call` would, which takes a small network longer."""
        try:
            return self._compiled.forward(x)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            return self._again(error, "forward", x)

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return losses, hits and the flat gradient of the mean loss."""
        self._batch = x, t, weights, seed, step
        return self._call("gradients", x, t, weights, seed=seed, step=step)

    def shard(
        self, given: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, hits and the part of the flat gradient of some samples of a batch; see `CompiledPlan`.

        A program that fails is not replaced once it has met with other shards.
        """
        own, met, sent = self._compiled.shard(given, shard, seed=seed, step=step), False, None
        while True:
            try:
                contributed = next(own) if sent is None else own.send(sent)
            except StopIteration as end:
                return end.value
            except OWN_ERRORS:
                raise
            except Exception as error:  # foreign code may raise anything
                if self._failed or met:
                    raise
                self._replace(error)
                own = self._compiled.shard(given, shard, seed=seed, step=step)
                continue
            sent, met = (yield contributed), True

    def steps(
        self,
        given: tuple[Array, ...],
        name: str,
        moments: tuple[Array, ...],
        attributes: Mapping[str, Any],
        rates: Sequence[float],
        *,
        clip: float | None,
        seed: int,
        step: int,
    ) -> list[Sums]:
        """Take training steps as one program; none once the program has failed. See `protocol.WholeSteps`."""
        try:
            if self._whole:
                return self._whole.steps(given, name, moments, attributes, rates, clip=clip, seed=seed, step=step)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            self._replace(error)
        return []

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        self._call("commit_statistics")

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Compile what a step on a number of samples runs; see `protocol.CompiledPlan`."""
        self._call("prepare", samples, name, moments, attributes, steps)
        self._batch = None

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the program; if that fails, that method of its replacement."""
        try:
            return getattr(self._compiled, method)(*arguments, **named)
        except OWN_ERRORS:
            raise
        except Exception as error:  # foreign code may raise anything
            return self._again(error, method, *arguments, **named)

    def _again(self, error: Exception, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the replacement of a program that failed."""
        if self._failed:
            raise error
        self._replace(error)
        if method == "commit_statistics" and self._batch is not None:
            x, t, weights, seed, step = self._batch
            self._compiled.gradients(x, t, weights, seed=seed, step=step)
        return getattr(self._compiled, method)(*arguments, **named)

    def _replace(self, error: Exception) -> None:
        why = f"the compiled engine cannot run this model's program ({fallback.first_line(error)})"
        self._whole = None
        self._compiled = fallback.fall_back(why).compile(*self._given)
        self._failed = True
