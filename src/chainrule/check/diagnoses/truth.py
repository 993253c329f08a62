"""The correct quantities of an operation on a test case, used to compute the results of classic mistakes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias, TypeVar

import numpy as np

from chainrule.check.library_functions import DifferentiableFunction, LibraryLayer, Values
from chainrule.check.report import Diagnosis
from chainrule.core.plan import Operation
from chainrule.engines.protocol import Array


@dataclass(frozen=True)
class GroundTruth:
    """The correct quantities of one operation on one test case, in the notation of reference/.

    operation        name of the layer's first forward operation, or of the loss; None if the layer only reshapes,
                     starts with padding, or multiplies by constants
    values           x (p and t for a loss) and the parameters
    y, dy            the output and the upstream gradient
    gradients        the correct gradients by tensor
    attributes       attributes of the operation
    compute          function that returns the correct gradients for other values and another dy
    one_dimensional  whether the layer is one-dimensional; its arrays then have an additional vertical axis
    """

    operation: str | None
    values: Values
    y: Array
    dy: Array
    gradients: Values
    attributes: Mapping[str, Any]
    compute: Callable[[Values, Array], Values]
    one_dimensional: bool = False

    @property
    def x(self) -> Array:
        """The input."""
        return next(iter(self.values.values()))

    def expected(self, tensor: str) -> Array:
        """Return the correct result for a tensor: y, or the gradient with respect to the tensor."""
        if tensor == "y":
            return self.y
        return self.gradients[tensor]


Candidates: TypeAlias = Iterable[Array]
ByTensor: TypeAlias = Iterable[Mapping[str, Array]]  # candidates of a mistake that affects several tensors
Build: TypeAlias = Callable[[GroundTruth], Candidates | ByTensor]
AnyBuild = TypeVar("AnyBuild", bound=Build)


@dataclass(frozen=True)
class Mistake:
    """A classic mistake: the affected tensor, the diagnosis, and the results of the mistake.

    build   function that returns the result of every variant of the mistake
    """

    tensor: str
    diagnosis: Diagnosis
    build: Build

    def results(self, truth: GroundTruth) -> list[Array]:
        """Return the result of every variant, or an empty list if the mistake is impossible for these shapes."""
        results = list[Array]()
        try:
            with np.errstate(all="ignore"):
                for candidate in self.build(truth):
                    results.append(candidate[self.tensor] if isinstance(candidate, Mapping) else candidate)
        except (ValueError, LookupError, ZeroDivisionError):  # impossible for these shapes or this operation
            return []
        return results


class Catalogue:
    """The mistakes of a group of operations, tried in this order.

    page    page of the derivations; None if there is none
    shared  catalogues whose mistakes come first; they get the same page
    """

    def __init__(self, page: str | None, *shared: "Catalogue") -> None:
        self._traps = None
        if page is not None:
            self._traps = f"docs/derivations/{page}.md#traps"
        self._mistakes = list[Mistake]()
        for catalogue in shared:
            for mistake in catalogue:
                diagnosis = replace(mistake.diagnosis, page=self._traps)
                self._mistakes.append(replace(mistake, diagnosis=diagnosis))

    def __iter__(self) -> Iterator[Mistake]:
        return iter(self._mistakes)

    def mistake(self, name: str, message: str, *tensors: str) -> Callable[[AnyBuild], AnyBuild]:
        """Return a decorator that adds a mistake. The decorated function yields the result of every variant of it.

        message  the mistake and its correction, as a predicate after "dx "
        tensors  the affected tensors; if there are several, the function yields its results by tensor
        """
        diagnosis = Diagnosis(name, message, self._traps)

        def add(build: AnyBuild) -> AnyBuild:
            for tensor in tensors:
                self._mistakes.append(Mistake(tensor, diagnosis, build))
            return build

        return add


def layer_truth(layer: LibraryLayer, values: Values, dy: Array) -> GroundTruth:
    """Return the correct quantities of a layer.

    The NumPy engine computes them, because many mistakes are derived from them. Verdicts do not depend on them.

    Mistakes are known by operation. A layer counts as its first operation only if this operation alone determines the
    size of the output, and reads no state, such as running statistics. Otherwise, the operation is None. Arrays of
    one-dimensional layers get an axis of height 1, so that the mistakes are those of two-dimensional ones.
    """
    operation = _single_operation(layer)
    if operation is None:
        name = None
        attributes = dict[str, Any]()
        one_dimensional = False
        shape = (len(dy), *layer.output_shape)
    else:
        name = operation.name
        attributes = dict(operation.attributes)
        x = operation.reads[0]
        one_dimensional = x is not None and len(x.shape) == len(layer.shape) + 1
        shape = (len(dy), *operation.result.shape)

    def compute(others: Values, dy: Array) -> Values:
        inputs = {name: _as_line(value, one_dimensional) for name, value in others.items()}
        gradients = layer.gradients(inputs, dy.reshape(len(dy), *layer.output_shape), "numpy")
        return {name: as_image(value, one_dimensional) for name, value in gradients.items()}

    point = {name: as_image(value, one_dimensional) for name, value in values.items()}
    upstream = dy.reshape(shape)
    y = layer.output(values, "numpy").reshape(shape)
    return GroundTruth(name, point, y, upstream, compute(point, upstream), attributes, compute, one_dimensional)


def _single_operation(layer: LibraryLayer) -> Operation | None:
    """Return the first operation of a layer if it alone determines the output's size and reads no state; else None."""
    if not layer.plan.forward:
        return None
    operation = layer.plan.forward[0]
    for tensor in operation.reads:
        if tensor and tensor.kind == "state":
            return None
    if operation.result.size != prod(layer.output_shape):
        return None
    return operation


def loss_truth(intended: DifferentiableFunction, values: Values, dy: Array) -> GroundTruth:
    """Return the correct quantities of a loss, computed by the reference."""
    return GroundTruth(
        intended.name, values, intended.output(values), dy, intended.gradients(values, dy), {}, intended.gradients
    )


def as_image(array: Array, one_dimensional: bool) -> Array:
    """Insert an axis for one-dimensional layers, (…, W) → (…, 1, W). Tied biases are unchanged."""
    if one_dimensional and array.ndim > 1:
        return array[..., None, :]
    return array


def _as_line(array: Array, one_dimensional: bool) -> Array:
    if one_dimensional and array.ndim > 1:
        return array[..., 0, :]
    return array


def nearly_equal(result: Array, candidate: Array, tolerance: float) -> bool:
    """Return whether two finite arrays have equal shapes and elements, up to a relative tolerance."""
    if result.shape != candidate.shape or not (np.isfinite(result).all() and np.isfinite(candidate).all()):
        return False
    size = max(float(np.abs(candidate).max(initial=0.0)), float(np.abs(result).max(initial=0.0)))
    return bool(np.abs(result - candidate).max(initial=0.0) <= tolerance * size)
