"""Engines that are modules of pure functions, one per operation: NumPy's, and the reference."""

import importlib
from collections.abc import Mapping
from typing import Any

from numpy.typing import DTypeLike

from chainrule.core.plan import Plan
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array, Buffers, CompiledPlan
from chainrule.errors import unknown_name


class ModuleEngine:
    """An engine that calls the functions of a module one by one; see `engines.Engine`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._module = importlib.import_module(
            "chainrule.operations.reference" if name == "reference" else f"chainrule.engines.{name}"
        )

    def thread_limit(self, threads: int) -> int:
        """Return `threads`; `blas` limits NumPy's matrix products to that number."""
        return threads

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Call the function of that name."""
        if name not in self._module.__all__:
            raise unknown_name(f"operation of the {self.name} engine", name, self._module.__all__)
        results: Array | tuple[Array, ...] = getattr(self._module, name)(*arrays, **attributes)
        return results if isinstance(results, tuple) else (results,)

    def update(
        self, name: str, p: Array, g: Array, moments: tuple[Array, ...], attributes: Mapping[str, Any], threads: int
    ) -> None:
        """Compute the update and copy the results back."""
        for target, result in zip((p, *moments), self.run(name, (p, g, *moments), attributes), strict=True):
            target[...] = result

    def normalized_rows(
        self, x: Array, rows: Array, gain: float, offset: float, dtype: DTypeLike, threads: int
    ) -> Array | None:
        """Return None: NumPy makes the batches."""
        return None

    def kernels(self, plan: Plan, dtype: Any) -> Mapping[str, tuple[str, str]]:
        """Return an empty mapping: each operation is computed by the function of its name."""
        return {}

    def spreads_errors(self, plan: Plan, dtype: Any) -> bool:
        """Return False: operations are direct sums."""
        return False

    def compile(
        self, plan: Plan, layout: Mapping[str, tuple[int, int]], buffers: Buffers, threads: int
    ) -> CompiledPlan:
        """Return the plan to be walked operation by operation."""
        return Interpreter(self, plan, layout, buffers, threads)
