"""The compiled engine, which runs single operations and compiles whole plans.

LLVM may fail on a single kernel or program. In this case, the engine falls back to the NumPy engine and prints the
reason in one line. MemoryError and the errors defined in this package, which concern the user's input, are not caught.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from platform import machine
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.options import CUSTOM_SUFFIX
from chainrule.core.plan import Plan
from chainrule.engines import fallback
from chainrule.engines.compiled import programs, self_test
from chainrule.engines.compiled.kernels import batches, selection
from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.engines.compiled.passes import rewriting
from chainrule.engines.compiled.programs import seconds_per_tick
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.options import most_threads
from chainrule.engines.protocol import (
    ONE_STEP,
    Array,
    Arrays,
    Buffers,
    CompiledPlan,
    Engine,
    Gradients,
    Shard,
    StepLimits,
    StepRequest,
    Sums,
)
from chainrule.engines.recording import OperationTimes
from chainrule.errors import ChainruleError, EngineError, OptionError, unknown_name

USER_ERRORS = (ChainruleError, MemoryError)  # never cause a fallback


@contextmanager
def _catch_failures() -> Generator[list[Exception]]:
    """Yield a list, and append the error to it if compiling or running fails within the context.

    The statements after the context are then the fallback. Errors of the user's input are raised.
    """
    failures: list[Exception] = []
    try:
        yield failures
    except USER_ERRORS:
        raise
    except Exception as error:  # llvmlite may raise anything
        failures.append(error)


def create() -> Engine | str:
    """Return the compiled engine, or the reason why it cannot be used here."""
    problem = self_test.failure()
    if problem is not None:
        return problem
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
        """Return an engine whose programs are profiled; OptionError if the processor has no time stamps."""
        if machine() not in ("x86_64", "AMD64"):
            raise OptionError("the compiled engine is profiled on x86 processors only; use engine='numpy'")
        recorder.seconds_per_tick = seconds_per_tick()
        return CompiledEngine(precise=self._precise, recorder=recorder)

    def thread_limit(self, threads: int) -> int:
        """Return the number of threads that are used when `threads` are requested."""
        return min(threads, most_threads())

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run one operation. If its kernel fails, run the operation on the NumPy engine."""
        if name not in selection.known():
            raise unknown_name("operation of the compiled engine", name, selection.known())
        with _catch_failures() as failures:
            return selection.call(name, arrays, attributes, Conditions(precise=self._precise))
        return _fallback_for(name, *failures).run(name, arrays, attributes)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update in place, in one pass over parameters, gradients and moments."""
        with _catch_failures() as failures:
            return programs.update(name, p, g, moments, attributes, threads)
        return _fallback_for(name, *failures).update(name, p, g, moments, attributes, threads)

    def normalized_rows(self, x: Array, rows: Array, factors: Arrays, dtype: DTypeLike, threads: int) -> Array | None:
        """Return ((x[rows] − origin) − rest)·gain, or None if the caller should use NumPy; see `protocol.Engine`."""
        with _catch_failures() as failures:
            return batches.normalized_rows(x, rows, factors, dtype, threads)
        return _fallback_for("batches", *failures).normalized_rows(x, rows, factors, dtype, threads)

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
        return GuardedProgram(plan, layout, buffers, threads, self._recorder)

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return the kernel that computes each tensor of a plan: storage → (file, function)."""
        return rewriting.kernels_of(plan, np.dtype(dtype).itemsize)

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return whether any convolution uses Winograd's algorithm at any batch size."""
        return rewriting.uses_winograd(plan, np.dtype(dtype).itemsize)


def _fallback_for(name: str, error: Exception) -> Engine:
    return fallback.fall_back(f"the compiled engine cannot run {name} ({fallback.first_line(error)})")


def _report_custom_layers(plan: Plan) -> None:
    layers = dict.fromkeys(operation.name.rpartition(".")[0] for operation in plan.operations if operation.call)
    names = ", ".join(f"{name}{CUSTOM_SUFFIX}" for name in layers)
    fallback.say_once(f"chainrule: {names}: operations run one by one, not as a compiled program")


class GuardedProgram:
    """A compiled plan that falls back to the NumPy engine if its program fails.

    See `protocol.CompiledPlan` and `protocol.WholeSteps`.
    """

    def __init__(
        self,
        plan: Plan,
        layout: Mapping[str, tuple[int, int]],
        buffers: Buffers,
        threads: int,
        recorder: OperationTimes | None = None,
    ) -> None:
        self._arguments = plan, layout, buffers, threads
        self._failed = False
        self._batch: tuple[Array, Array, Array | None, int, int] | None = None  # last arguments of `gradients`
        self._program: programs.Program | None = None
        try:
            with _catch_failures() as failures:
                self._program = programs.Program(plan, layout, buffers, threads, recorder=recorder)
        except EngineError as error:  # verification found that the program would compute wrong results
            failures = [error]
        if self._program:
            self._compiled: CompiledPlan = self._program
        else:
            self._switch_to_fallback(*failures)

    @property
    def step_limits(self) -> StepLimits:
        """Limits on the steps in one call; see `protocol.StepLimits`."""
        if self._program:
            return self._program.step_limits
        return ONE_STEP

    def forward(self, x: Array) -> Array:
        """Return the output for a batch x."""
        # `_call` is not used here, because its overhead is noticeable for small networks.
        try:
            return self._compiled.forward(x)
        except USER_ERRORS:
            raise
        except Exception as error:  # llvmlite may raise anything
            return self._call_fallback(error, "forward", x)

    def gradients(self, x: Array, t: Array, weights: Array | None = None, *, seed: int, step: int) -> Gradients:
        """Return the loss and metric of each sample, and the flat gradient of the mean loss."""
        self._batch = x, t, weights, seed, step
        return self._call("gradients", x, t, weights, seed=seed, step=step)

    def shard(
        self, inputs: tuple[Array, ...], shard: Shard, *, seed: int, step: int
    ) -> Generator[Array, Array, Gradients]:
        """Return losses, metrics and the contribution of a shard to the flat gradient; see `protocol.CompiledPlan`.

        There is no fallback after the program has exchanged values with other shards.
        """
        generator = self._compiled.shard(inputs, shard, seed=seed, step=step)
        try:
            contributed = next(generator)
        except StopIteration as end:  # there is nothing to exchange
            return end.value
        except USER_ERRORS:
            raise
        except Exception as error:  # llvmlite may raise anything
            if self._failed:
                raise
            self._switch_to_fallback(error)
            return (yield from self._compiled.shard(inputs, shard, seed=seed, step=step))
        try:
            while True:
                contributed = generator.send((yield contributed))
        except StopIteration as end:
            return end.value

    def steps(self, request: StepRequest) -> list[Sums]:
        """Run training steps as one program; see `protocol.WholeSteps`. If the program has failed, return []."""
        with _catch_failures() as failures:
            if self._program:
                return self._program.steps(request)
            return []
        self._switch_to_fallback(*failures)
        return []

    def commit_statistics(self) -> None:
        """Update the running statistics with the statistics of the last batch."""
        self._call("commit_statistics")

    def prepare(
        self, samples: int, name: str | None, moments: tuple[Array, ...], attributes: Mapping[str, Any], steps: int = 1
    ) -> None:
        """Warm up: compile the programs for a step on `samples` samples; see `protocol.CompiledPlan`."""
        self._call("prepare", samples, name, moments, attributes, steps)
        self._batch = None

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the program, or of the fallback if the program fails."""
        with _catch_failures() as failures:
            return getattr(self._compiled, method)(*arguments, **named)
        return self._call_fallback(*failures, method, *arguments, **named)

    def _call_fallback(self, error: Exception, method: str, *arguments: Any, **named: Any) -> Any:
        """Switch to the fallback and call the method there. If the error comes from the fallback, raise it."""
        if self._failed:
            raise error
        self._switch_to_fallback(error)
        if method == "commit_statistics" and self._batch is not None:
            x, t, weights, seed, step = self._batch
            self._compiled.gradients(x, t, weights, seed=seed, step=step)
        return getattr(self._compiled, method)(*arguments, **named)

    def _switch_to_fallback(self, error: Exception) -> None:
        why = f"the compiled engine cannot run this model's program ({fallback.first_line(error)})"
        self._program = None
        self._compiled = fallback.fall_back(why).compile(*self._arguments)
        self._failed = True
