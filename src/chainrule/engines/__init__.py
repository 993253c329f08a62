"""The engines: ways to compute the operations. One is imported only when it is used.

numba      compiled, parallel over the batch; the default
numpy      vectorised, needs nothing but NumPy
reference  the literal loops that define the operations: exact, readable and slow
"""

import importlib
import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from numpy.typing import NDArray

from chainrule.errors import OptionError, one_line, one_of, quoted
from chainrule.plan import Plan

Array = NDArray[Any]

NAMES = ("numba", "numpy", "reference")
DEFAULT = "numba"
ENGINE_VARIABLE = "CHAINRULE_ENGINE"
THREADS_VARIABLE = "CHAINRULE_THREADS"
MOST_THREADS = 1024


class Pass(Protocol):
    """A plan made ready to run over given buffers of parameters and running statistics."""

    def forward(self, x: Array) -> Array:
        """The output for a batch x."""
        ...

    def gradients(self, x: Array, t: Array, *, seed: int, step: int) -> tuple[Array, Array, Array]:
        """Loss of each sample, whether it was right (0 or 1), and the flat gradient of the mean loss.

        The arrays belong to the pass; the next call writes them anew.
        """
        ...

    def backward(self, x: Array, t: Array, *, seed: int, step: int) -> tuple[float, float, float]:
        """Sum of the losses, how many were right, and Σ g² of the gradient, which stays with the pass for `update`."""
        ...

    def update(self, name: str, moments: tuple[Array, ...], attributes: Mapping[str, Any], scale: float) -> None:
        """Change the parameters by an optimizer's operation, with the gradient of `backward` times a number."""
        ...

    def close(self) -> None:
        """Write the running statistics of the last batch."""
        ...


class Engine(Protocol):
    """What layers, models and training know of an engine."""

    @property
    def name(self) -> str:
        """One of `NAMES`."""
        ...

    def limited(self, threads: int) -> int:
        """How many of so many threads it really uses."""
        ...

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Compute one operation; the results are new arrays."""
        ...

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute an optimizer's update in place."""
        ...

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return file and function that compute each tensor, by its storage, where they are not the operation's own."""
        ...

    def compile(
        self, plan: Plan, layout: "Mapping[str, tuple[int, int]]", buffers: "Buffers", threads: int
    ) -> Pass | None:
        """The whole plan as one program, or None where this engine runs operations one by one."""
        ...


class Buffers(Protocol):
    """The flat buffers of a model."""

    parameters: Array
    statistics: Array


class ModuleEngine:
    """An engine that is a module of pure functions, one an operation."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._module = importlib.import_module(
            "chainrule.reference" if name == "reference" else f"chainrule.engines.{name}"
        )

    def limited(self, threads: int) -> int:
        """All: NumPy's matrix products are told how many to use (`blas`)."""
        return threads

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Call the function of that name."""
        if not hasattr(self._module, name):
            raise one_of(f"operation of the {self.name} engine", name, self._module.__all__)
        results: Array | tuple[Array, ...] = getattr(self._module, name)(*arrays, **attributes)
        return results if isinstance(results, tuple) else (results,)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute the update and copy the results back."""
        for target, result in zip((p, *moments), self.run(name, (p, g, *moments), attributes), strict=True):
            target[...] = result

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return none: each operation is computed by the function of its name."""
        return {}

    def compile(self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int) -> Pass | None:
        """None: these functions are called one by one."""
        return None


def find(name: str | None = None, *, required: bool = True) -> Engine:
    """Return the engine of that name; without one, that of CHAINRULE_ENGINE, or the default.

    Where numba cannot be used, the NumPy engine stands in, and one line on stderr says why.

    required   whether to refuse a stand-in for an engine that is asked for by name
    Errors     OptionError for a name that is not known, or a required engine that cannot be used
    """
    wanted = name or os.environ.get(ENGINE_VARIABLE) or DEFAULT
    if wanted not in NAMES:
        error = one_of("engine", wanted, NAMES)
        raise error if name else OptionError(f"{ENGINE_VARIABLE}: {error}")
    engine = _made(wanted)
    if not isinstance(engine, str):
        return engine
    if name and required:
        raise OptionError(f"the {name} engine cannot be used here: {engine}; known: {', '.join(NAMES)}")
    say_once(f"chainrule: numba cannot be used here ({engine}); the NumPy engine serves instead")
    return ModuleEngine("numpy")


@cache
def _made(name: str) -> "Engine | str":
    """Return the engine of that name, or why it cannot be used."""
    if name != "numba":
        return ModuleEngine(name)
    try:
        numba: Any = importlib.import_module("numba")
        if numba.config.DISABLE_JIT:
            return "NUMBA_DISABLE_JIT is set"
        from chainrule.engines.numba.engine import NumbaEngine
    except Exception as error:  # a broken installation, or an odd setting of numba's, may raise anything
        return first_line(error)
    return NumbaEngine()


def first_line(error: BaseException) -> str:
    """Return the first line of what a foreign error says, at most 200 letters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


@cache
def say_once(line: str) -> None:
    """Say something on stderr, the first time only."""
    print(one_line(line), file=sys.stderr)


def thread_count(threads: int | None = None) -> int:
    """Return the threads to use: the number given, that of CHAINRULE_THREADS, or one for each processor.

    Errors   OptionError for what is no whole number from 1 to `MOST_THREADS`
    """
    if threads is None:
        text = os.environ.get(THREADS_VARIABLE)
        if not text:
            return processors()
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_THREADS):
            raise OptionError(f"{THREADS_VARIABLE}={text}: expected a whole number from 1 to {MOST_THREADS}")
        return int(text)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"threads {quoted(threads)}: expected a whole number of at least 1")
    if threads > MOST_THREADS:
        raise OptionError(f"threads {quoted(threads)}: expected at most {MOST_THREADS}")
    return threads


def processors() -> int:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
