"""The correct quantities of a layer or loss on a test case, used to compute the results of classic mistakes."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.check.library_functions import LibraryLayer, LibraryLoss, Values
from chainrule.check.report import Diagnosis
from chainrule.core.plan import Tensor, gradient_name
from chainrule.engines import loader
from chainrule.engines.interpreter import ModuleEngine
from chainrule.engines.protocol import Array
from chainrule.errors import ChainruleError


@dataclass(frozen=True)
class GroundTruth:
    """The correct quantities of a layer or loss on one test case.

    values      x (p and t for a loss) and the parameters
    y, dy       the output and the upstream gradient
    gradients   the correct gradients by tensor
    compute     function that returns the correct gradients for other values and another dy
    operations  names of all operations of the layer or loss and of its gradients
    attributes  attributes of the first operation
    replay      function that returns the result for a tensor, computed by an engine with an edited operation
    """

    values: Values
    y: Array
    dy: Array
    gradients: Values
    compute: Callable[[Values, Array], Values]
    operations: tuple[str, ...]
    attributes: Mapping[str, Any]
    replay: Callable[[str, "EditedEngine"], Array]

    @property
    def x(self) -> Array:
        """The input."""
        return next(iter(self.values.values()))

    @property
    def work(self) -> int:
        """About the number of products in the longest loops."""
        _, *parameters = self.values.values()
        return self.dy.size * max((array.size // len(array) for array in parameters if array.ndim > 1), default=1)

    def expected(self, tensor: str) -> Array:
        """Return the correct result for a tensor: y, or the gradient with respect to the tensor."""
        if tensor == "y":
            return self.y
        return self.gradients[tensor]


Candidates: TypeAlias = Iterable[Array]


@dataclass(frozen=True)
class Mistake:
    """A classic mistake in a tensor: its diagnosis, and its results.

    build   function that returns the result of every variant of the mistake
    """

    diagnosis: Diagnosis
    build: Callable[[GroundTruth], Candidates]

    def results(self, truth: GroundTruth) -> list[Array]:
        """Return the result of every variant, up to one that is impossible for these shapes."""
        results = list[Array]()
        try:
            with np.errstate(all="ignore"):
                results.extend(self.build(truth))
        except (ChainruleError, ArithmeticError, LookupError, TypeError, ValueError):  # impossible for these shapes
            pass
        return results


class SeveralResults(Exception):
    """Raised by an edited operation that returns a list of results, one for each variant of a mistake."""

    def __init__(self, results: list[Any]) -> None:
        super().__init__("an edited operation returned several results")
        self.results = results


class EditedEngine(ModuleEngine):
    """The NumPy engine with another function for one operation, whose last results are kept."""

    def __init__(self, operation: str, function: Callable[..., Any]) -> None:
        super().__init__("numpy")
        self.operation = operation
        self.results: tuple[Array, ...] = ()
        self._function = function

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Run an operation; SeveralResults if the other function returns a list."""
        if name != self.operation:
            return super().run(name, arrays, attributes)
        results: Any = self._function(*arrays, **attributes)
        if isinstance(results, list):
            raise SeveralResults([*results])
        self.results = results if isinstance(results, tuple) else (results,)
        return self.results


def layer_truth(layer: LibraryLayer, values: Values, dy: Array) -> GroundTruth:
    """Return the correct quantities of a layer.

    The NumPy engine computes them, because many mistakes are derived from them. Verdicts do not depend on them.
    """

    numpy = loader.find("numpy")

    def compute(others: Values, upstream: Array) -> Values:
        return layer.gradients(others, upstream, numpy)

    def replay(tensor: str, engine: EditedEngine) -> Array:
        place, planned = _written(layer, tensor, engine.operation)
        try:
            result = layer.output(values, engine) if tensor == "y" else layer.gradients(values, dy, engine)[tensor]
        except ValueError:  # a result of another shape
            if planned is None or not engine.results:
                raise
        else:
            if planned is None or engine.results[place].shape[-len(planned.shape) :] == planned.shape:
                return result
        result = engine.results[place]
        expected = y if tensor == "y" else gradients[tensor]
        if len(planned.shape) + planned.per_sample > expected.ndim:  # an image, for a layer of one dimension
            return result.reshape(*result.shape[:-2], -1)
        return result

    names = tuple(dict.fromkeys(operation.name for operation in layer.plan.operations if not operation.call))
    attributes: Mapping[str, Any] = layer.plan.forward[0].attributes if layer.plan.forward else {}
    y = layer.output(values, numpy)
    gradients = compute(values, dy)
    return GroundTruth(values, y, dy, gradients, compute, names, attributes, replay)


def _written(layer: LibraryLayer, tensor: str, operation: str) -> tuple[int, Tensor | None]:
    """Return y or a gradient in the plan, with its place among the results of an operation; None if it is elsewhere."""
    stored = layer.storage_names[tensor]
    if tensor != "y":
        stored = gradient_name(stored)
    for planned in layer.plan.operations:
        for place, written in enumerate(planned.writes):
            if planned.name == operation and written.storage == stored:
                return place, written
    return 0, None


def loss_truth(intended: LibraryLoss, values: Values, dy: Array) -> GroundTruth:
    """Return the correct quantities of a loss, computed by the reference."""

    def replay(tensor: str, engine: EditedEngine) -> Array:
        loss = copy.copy(intended)
        loss.engine = engine
        return loss.output(values) if tensor == "y" else loss.gradients(values, dy)[tensor]

    y, gradients = intended.output(values), intended.gradients(values, dy)
    names = (intended.name, f"{intended.name}_dp")
    return GroundTruth(values, y, dy, gradients, intended.gradients, names, {}, replay)


def nearly_equal(result: Array, candidate: Array, tolerance: float) -> bool:
    """Return whether two finite arrays have equal shapes and elements, up to a relative tolerance."""
    if result.shape != candidate.shape or not (np.isfinite(result).all() and np.isfinite(candidate).all()):
        return False
    size = max(float(np.abs(candidate).max(initial=0.0)), float(np.abs(result).max(initial=0.0)))
    return bool(np.abs(result - candidate).max(initial=0.0) <= tolerance * size)
