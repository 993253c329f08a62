"""Classic mistakes in the backward pass of an activation."""

from collections.abc import Callable

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, Catalogue, Truth
from chainrule.engines import Array
from chainrule.reference import arctan, gelu, relu, sigmoid, softmax, tanh

CATALOGUE, SOFTMAX = Catalogue("docs/derivations/activations.md"), Catalogue("docs/derivations/activations.md")
add = CATALOGUE.add

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "arctan": arctan,
    "gelu": gelu,
    "relu": relu,
}


def _at(t: Truth, x: Array) -> Array:
    """The right gradient for another input."""
    return t.compute({**t.values, "x": x}, t.dy)["x"]


@add(
    "x",
    "derivative-at-wrong-argument",
    "takes the derivative at y = f(x): it belongs at x (or, written in y, without f once more)",
)
def at_the_output(t: Truth) -> Candidates:
    if t.operation != "relu":
        yield _at(t, t.y)


@add("x", "input-for-output", "puts x where the derivative is written in y: σ' = y (1 − y), tanh' = 1 − y²")
def input_for_output(t: Truth) -> Candidates:
    if t.operation == "sigmoid":
        yield t.dy * t.x * (1 - t.x)
    if t.operation == "tanh":
        yield t.dy * (1 - t.x * t.x)


@add("x", "derivative-missing", "is dy as it came: multiply by the derivative of the activation")
def untouched(t: Truth) -> Candidates:
    yield t.dy


@add("x", "function-for-derivative", "multiplies dy by f(x): multiply by f'(x)")
def function(t: Truth) -> Candidates:
    yield t.dy * t.y


@add("x", "mask-from-wrong-tensor", "takes the mask from dy: it is x (or y) that must be above 0")
def mask_of_gradient(t: Truth) -> Candidates:
    if t.operation in ("relu", "leaky_relu"):
        yield np.where(t.dy > 0, t.dy, t.attributes.get("slope", 0.0) * t.dy)


@add("x", "mask-inverted", "lets dy through where x is below 0: it must be above 0")
def inverted(t: Truth) -> Candidates:
    if t.operation in ("relu", "leaky_relu"):
        yield np.where(t.x > 0, t.attributes.get("slope", 0.0) * t.dy, t.dy)


@add("x", "slope-forgotten", "is zero where x is below 0: there the slope lets a part of dy through")
def without_slope(t: Truth) -> Candidates:
    if t.operation == "leaky_relu":
        yield np.where(t.x > 0, t.dy, 0.0)


@add("x", "slope-without-dy", "is the slope itself where x is below 0: multiply it by dy")
def bare_slope(t: Truth) -> Candidates:
    if t.operation == "leaky_relu":
        yield np.where(t.x > 0, t.dy, t.attributes.get("slope", 0.0))


@SOFTMAX.add(
    "x",
    "softmax-off-diagonal-dropped",
    "keeps only the diagonal of the Jacobian, y (1 − y): every output depends on every input, dx = y · (dy − Σ dy·y)",
)
def diagonal(t: Truth) -> Candidates:
    yield t.dy * t.y * (1 - t.y)


@SOFTMAX.add(
    "x", "softmax-diagonal-without-square", "is dy · y: the Jacobian is diag(y) − y yᵀ, and the second part is missing"
)
def first_part(t: Truth) -> Candidates:
    yield t.dy * t.y


@SOFTMAX.add("x", "softmax-summed-over-batch", "takes the sum Σ dy·y over the whole batch: every sample has its own")
def over_batch(t: Truth) -> Candidates:
    yield t.y * (t.dy - (t.dy * t.y).sum())


@SOFTMAX.add("x", "derivative-missing", "is dy as it came: that is right only for softmax and cross-entropy in one")
def passed_on(t: Truth) -> Candidates:
    yield t.dy


@SOFTMAX.add("x", "derivative-at-wrong-argument", "applies softmax to y once more: the Jacobian is written in y itself")
def twice(t: Truth) -> Candidates:
    z = softmax(t.y)
    yield z * (t.dy - (t.dy * z).sum(axis=1, keepdims=True))


@SOFTMAX.add("y", "softmax-over-batch", "is normalised over the batch: every sample's row must add up to 1")
def wrong_axis(t: Truth) -> Candidates:
    yield softmax(t.x.T).T
    e = np.exp(t.x)
    yield e / e.sum()
