"""What a classic mistake starts from: the true quantities of one operation on one probe."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.check.report import Diagnosis
from chainrule.check.subjects import LayerSubject, LossSubject, Values
from chainrule.engines import Array


@dataclass(frozen=True)
class Truth:
    """One operation on one probe, in the symbols of reference/.

    operation   the first forward operation of the layer ("" for one that only reshapes), or the loss
    values      x (p and t of a loss) and the parameters
    y, dy       the output, and what comes from above
    gradients   the right ones, by tensor
    attributes  of the operation
    compute     the right gradients for other values and another dy
    line        of a one-dimensional layer, whose arrays have got a vertical axis here
    """

    operation: str
    values: Values
    y: Array
    dy: Array
    gradients: Values
    attributes: Mapping[str, Any]
    compute: Callable[[Values, Array], Values]
    line: bool = False

    @property
    def x(self) -> Array:
        """The input."""
        return next(iter(self.values.values()))

    def right(self, tensor: str) -> Array:
        """What belongs in a tensor: y, or the gradient of a tensor."""
        return self.y if tensor == "y" else self.gradients[tensor]


Candidates: TypeAlias = Iterable[Array]


@dataclass(frozen=True)
class Mistake:
    """A classic mistake: whose result it spoils, what is said about it, and what it would have computed.

    build   every form in which the mistake is met
    """

    tensor: str
    diagnosis: Diagnosis
    build: Callable[[Truth], Candidates]


class Catalogue:
    """The mistakes of a family of operations, in the order in which they are written down."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.mistakes: list[Mistake] = []

    def add(self, tensors: str, name: str, says: str) -> Callable[[Callable[[Truth], Candidates]], Any]:
        """Register what a mistake would have computed in place of these tensors (names with spaces between)."""

        def register(build: Callable[[Truth], Candidates]) -> Any:
            for tensor in tensors.split():
                self.mistakes.append(Mistake(tensor, Diagnosis(name, says, self.page), build))
            return build

        return register


SLIDING = ("cross_correlate", "cross_correlate_dx", "max_pool", "average_pool")


def of_layer(subject: LayerSubject, values: Values, dy: Array) -> Truth:
    """The truth about a layer, by the reference."""
    forward = subject.plan.forward
    operation = forward[0].name if forward else ""
    line = operation in SLIDING and len(subject.shape) == 2

    def compute(others: Values, dy: Array) -> Values:
        given = {name: _lowered(value, line) for name, value in others.items()}
        found = subject.gradients(given, dy.reshape(len(dy), *subject.output_shape), "reference")
        return {name: lifted(value, line) for name, value in found.items()}

    point = {name: lifted(value, line) for name, value in values.items()}
    shape = (len(dy), *(forward[0].writes[0].shape if forward else subject.output_shape))
    above, y = dy.reshape(shape), subject.output(values, "reference").reshape(shape)
    attributes = dict(forward[0].attributes) if forward else {}
    return Truth(operation, point, y, above, compute(point, above), attributes, compute, line)


def of_loss(subject: LossSubject, values: Values, dy: Array) -> Truth:
    """The truth about a loss, by the reference."""
    right = LossSubject(subject.name, engine="reference")
    return Truth(subject.name, values, right.forward(values), dy, right.gradients(values, dy), {}, right.gradients)


def lifted(array: Array, line: bool) -> Array:
    """(…, W) → (…, 1, W) for what belongs to a line; the biases of filters are left as they are."""
    return array[..., None, :] if line and array.ndim > 1 else array


def _lowered(array: Array, line: bool) -> Array:
    return array[..., 0, :] if line and array.ndim > 1 else array


def same(found: Array, candidate: Array, tolerance: float) -> bool:
    """Return whether two arrays have one shape and one finite value up to a relative tolerance."""
    if found.shape != candidate.shape or not (np.isfinite(found).all() and np.isfinite(candidate).all()):
        return False
    size = max(float(np.abs(candidate).max(initial=0.0)), float(np.abs(found).max(initial=0.0)))
    return bool(np.abs(found - candidate).max(initial=0.0) <= tolerance * size)
