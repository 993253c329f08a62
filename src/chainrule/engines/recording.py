"""Times of the operations of plans, recorded while the plans run."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from chainrule.core.plan import Operation, Plan
from chainrule.engines.interpreter import Interpreter, ModuleEngine
from chainrule.engines.protocol import Array, Buffers, CompiledPlan, Engine
from chainrule.errors import OptionError


class OperationTimes:
    """The times of all operations since the last `reset`, of one or several plans.

    seconds_per_tick   unit of the tables
    """

    def __init__(self) -> None:
        self.seconds_per_tick = 1.0
        self._tables: list[tuple[list[Operation | str], Array]] = []

    def table(self, labels: Sequence[Operation | str], threads: int = 1) -> Array:
        """Return an array with a row per thread. Column 0 is free; the sums of each label's ticks follow."""
        times = np.zeros((threads, 1 + len(labels)))
        self._tables.append(([*labels], times))
        return times

    def timed(self, function: Callable[[], None], label: str) -> Callable[[], None]:
        """Return a function that records its time under a label."""
        return _timed(function, self.table([label])[0], 1, self.seconds_per_tick)

    def reset(self) -> None:
        """Forget what has been recorded."""
        for _, times in self._tables:
            times[:] = 0

    def seconds(self) -> list[tuple[Operation | str, float]]:
        """Return what the main thread has recorded, in the order of the plans, for labels that any thread recorded."""
        pairs = list[tuple[Operation | str, float]]()
        for labels, times in self._tables:
            for label, ticks in zip(labels, times.T[1:], strict=True):
                if ticks.any():
                    pairs.append((label, float(ticks[0]) * self.seconds_per_tick))
        return pairs


P = ParamSpec("P")
R = TypeVar("R")


class TimedInterpreter(Interpreter):
    """An interpreter that records the time of each operation."""

    def __init__(self, recorder: OperationTimes, *arguments: Any) -> None:
        super().__init__(*arguments)
        operations = [*self.plan.operations, *self.plan.deferred]
        self._numbers = {id(operation): number for number, operation in enumerate(operations, 1)}
        self._times = recorder.table(operations)[0]

    def _call(self, operation: Operation) -> Any:
        call = super()._call(operation)
        return call._replace(function=_timed(call.function, self._times, self._numbers[id(operation)]))


def _timed(function: Callable[P, R], times: Array, number: int, unit: float = 1.0) -> Callable[P, R]:
    """Return a function that adds its time to times[number]; `unit` is that of the times, in seconds."""

    def run(*arguments: P.args, **options: P.kwargs) -> R:
        start = time.perf_counter()
        results = function(*arguments, **options)
        times[number] += (time.perf_counter() - start) / unit
        return results

    return run


class TimedEngine(ModuleEngine):
    """A module of functions whose plans are recorded."""

    def __init__(self, name: str, recorder: OperationTimes) -> None:
        super().__init__(name)
        self._recorder = recorder

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return an interpreter that records times."""
        return TimedInterpreter(self._recorder, self, plan, layout, buffers, threads)


def recording_engine(engine: Any, recorder: OperationTimes) -> Engine:
    """Return an engine that computes the same and records times; OptionError for engines that cannot."""
    if hasattr(engine, "recording"):
        return engine.recording(recorder)
    if not isinstance(engine, ModuleEngine):
        raise OptionError(f"the engine {engine.name!r} cannot be profiled; use engine='compiled' or 'numpy'")
    return TimedEngine(engine.name, recorder)
