"""Classic mistakes in the backward pass of an activation."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array
from chainrule.reference import sigmoid, softmax

CATALOGUE, SOFTMAX = (
    MistakeCatalogue("activations"),
    MistakeCatalogue("activations"),
)
add = CATALOGUE.add


def _at(t: GroundTruth, x: Array) -> Array:
    """Return the right gradient for another input."""
    return t.compute({**t.values, "x": x}, t.dy)["x"]


@add("x", "derivative-at-wrong-argument")
def at_the_output(t: GroundTruth) -> Candidates:
    """Evaluates the derivative at y = f(x): evaluate it at x (or write it in terms of y, without applying f again)."""
    if t.operation not in ("relu", "clip"):
        yield _at(t, t.y)


@add("x", "input-for-output")
def input_for_output(t: GroundTruth) -> Candidates:
    """Uses x where the derivative is in terms of y: σ' = y (1 − y), tanh' = 1 − y²."""
    if t.operation == "sigmoid":
        yield t.dy * t.x * (1 - t.x)
    if t.operation == "tanh":
        yield t.dy * (1 - t.x * t.x)


@add("x", "derivative-missing")
def untouched(t: GroundTruth) -> Candidates:
    """Equals dy: multiply dy by the derivative of the activation."""
    if t.operation != "hard_sigmoid":  # "scale-forgotten"
        yield t.dy


@add("x", "function-for-derivative")
def function(t: GroundTruth) -> Candidates:
    """Multiplies dy by f(x): multiply it by f'(x)."""
    yield t.dy * t.y


@add("x", "mask-from-wrong-tensor")
def mask_of_gradient(t: GroundTruth) -> Candidates:
    """Masks by the sign of dy: mask by the sign of x (or y), which must be above 0."""
    if t.operation in ("relu", "leaky_relu"):
        yield np.where(t.dy > 0, t.dy, t.attributes.get("slope", 0.0) * t.dy)


@add("x", "mask-inverted")
def inverted(t: GroundTruth) -> Candidates:
    """Passes dy where x is below 0: pass it where x is above 0."""
    if t.operation in ("relu", "leaky_relu"):
        yield np.where(t.x > 0, t.attributes.get("slope", 0.0) * t.dy, t.dy)


@add("x", "slope-forgotten")
def without_slope(t: GroundTruth) -> Candidates:
    """Is zero where x is below 0: there it must be slope · dy."""
    if t.operation == "leaky_relu":
        yield np.where(t.x > 0, t.dy, 0.0)


@add("x", "slope-without-dy")
def bare_slope(t: GroundTruth) -> Candidates:
    """Is the slope alone where x is below 0: multiply it by dy."""
    if t.operation == "leaky_relu":
        yield np.where(t.x > 0, t.dy, t.attributes.get("slope", 0.0))


@add("x", "bound-forgotten")
def without_bound(t: GroundTruth) -> Candidates:
    """Passes dy beyond one of the bounds: it must be 0 where x ≤ low and where x ≥ high."""
    if t.operation == "clip":
        yield np.where(t.x > t.attributes["low"], t.dy, 0.0)
        yield np.where(t.x < t.attributes["high"], t.dy, 0.0)


@add("x", "product-rule-term-missing")
def one_term(t: GroundTruth) -> Candidates:
    """Has one term of the product rule: x·g(x) has the derivative g(x) + x·g'(x)."""
    if t.operation == "silu":
        s = sigmoid(t.x)
        yield t.dy * s
        yield t.dy * t.x * s * (1 - s)
    if t.operation == "hard_swish":
        yield t.dy * np.clip(t.x + 3, 0, 6) / 6
    if t.operation == "exact_gelu":
        weight = np.divide(t.y, t.x, out=np.full_like(t.x, 0.5), where=t.x != 0)
        yield t.dy * weight
        yield _at(t, t.x) - t.dy * weight


@add("x", "constant-forgotten")
def without_alpha(t: GroundTruth) -> Candidates:
    """Multiplies dy by y where x ≤ 0: the derivative there is α eˣ = y + α."""
    if t.operation == "elu":
        yield np.where(t.x > 0, t.dy, t.dy * t.y)


@add("x", "exponent-sign")
def reversed_sigmoid(t: GroundTruth) -> Candidates:
    """Multiplies dy by 1/(1 + eˣ): the derivative is 1/(1 + e⁻ˣ), which tends to 1 for large x."""
    if t.operation == "softplus":
        yield t.dy * sigmoid(-t.x)


@add("x", "scale-forgotten")
def without_sixth(t: GroundTruth) -> Candidates:
    """Passes dy unchanged where −3 < x < 3: the slope there is 1/6, not 1."""
    if t.operation == "hard_sigmoid":
        yield np.where(abs(t.x) < 3, t.dy, 0.0)
        yield t.dy


@SOFTMAX.add("x", "softmax-off-diagonal-dropped")
def diagonal(t: GroundTruth) -> Candidates:
    """Uses only the diagonal of the Jacobian, y (1 − y): every output depends on every input, so dx = y (dy − Σ
    dy·y)."""
    yield t.dy * t.y * (1 - t.y)


@SOFTMAX.add("x", "softmax-diagonal-without-square")
def first_part(t: GroundTruth) -> Candidates:
    """Is dy · y: the Jacobian is diag(y) − y yᵀ, so subtract y · Σ dy·y as well."""
    yield t.dy * t.y


@SOFTMAX.add("x", "softmax-summed-over-batch")
def over_batch(t: GroundTruth) -> Candidates:
    """Sums dy·y over the whole batch: sum over the classes of each sample."""
    yield t.y * (t.dy - (t.dy * t.y).sum())


@SOFTMAX.add("x", "derivative-missing")
def passed_on(t: GroundTruth) -> Candidates:
    """Equals dy: that is right only for softmax fused with cross-entropy; dx = y (dy − Σ dy·y)."""
    yield t.dy


@SOFTMAX.add("x", "derivative-at-wrong-argument")
def twice(t: GroundTruth) -> Candidates:
    """Applies softmax to y again: write the Jacobian in terms of y itself."""
    z = softmax(t.y)
    yield z * (t.dy - (t.dy * z).sum(axis=1, keepdims=True))


@SOFTMAX.add("y", "softmax-over-batch")
def wrong_axis(t: GroundTruth) -> Candidates:
    """Is normalised over the batch: normalise each row, so that it sums to 1."""
    yield softmax(t.x.T).T
    e = np.exp(t.x)
    yield e / e.sum()
