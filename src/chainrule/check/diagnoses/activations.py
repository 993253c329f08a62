"""Classic mistakes in activations, including parametric ReLU, and advice on avoiding overflow."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, Catalogue, GroundTruth
from chainrule.check.report import ROUNDED
from chainrule.engines.protocol import Array
from chainrule.operations.reference.activations import sigmoid
from chainrule.operations.reference.softmax import softmax

PAGE = "activations"
USUAL_SLOPES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0)
MASKED = ("relu", "leaky_relu")


def _gradient_at(t: GroundTruth, x: Array) -> Array:
    """Return dx from the correct formula, evaluated at another input."""
    return t.compute({**t.values, "x": x}, t.dy)["x"]


def _slope(t: GroundTruth) -> float:
    """Return the slope of a leaky ReLU for x < 0; 0 for other activations."""
    return t.attributes.get("slope", 0.0)


def _other_slopes(t: GroundTruth) -> list[float]:
    """Return −s, 1 − s, 1/s and s² for the slope s of a leaky ReLU."""
    s = _slope(t)
    if t.operation == "leaky_relu" and s:
        return [-s, 1 - s, 1 / s, s * s, *USUAL_SLOPES]
    return []


def _within_one_bound(t: GroundTruth) -> list[Array]:
    if t.operation == "clip":
        return [t.x > t.attributes["low"], t.x < t.attributes["high"]]
    return []


def softmax_over_batch(x: Array) -> Candidates:
    """Yield softmax over the samples and over the whole batch, also if each row is shifted by its maximum before."""
    for shifted in (x, x - x.max(axis=1, keepdims=True)):
        powers = np.exp(shifted)
        yield powers / powers.sum(axis=0)
        yield powers / powers.sum()


def _softmax_dx(y: Array, dy: Array) -> Array:
    return y * (dy - (dy * y).sum(axis=1, keepdims=True))


ELEMENTWISE = Catalogue(PAGE)


@ELEMENTWISE.mistake(
    ROUNDED, "differs by 2·10⁻⁵, because γ and α are rounded: γ = 1.0507009873554805, α = 1.6732632423543772", "y"
)
def _rounded(t: GroundTruth) -> Candidates:
    if t.operation == "selu":
        for alpha in (1.6733, 1.67326):
            yield 1.0507 * np.where(t.x > 0, t.x, alpha * np.expm1(t.x))


@ELEMENTWISE.mistake("activation-missing", "equals x: apply the activation", "y")
def _activation_missing(t: GroundTruth) -> Candidates:
    yield t.x


@ELEMENTWISE.mistake(
    "derivative-at-wrong-argument",
    "evaluates the derivative at y = f(x): evaluate it at x (or write it in terms of y, without applying f again)",
    "x",
)
def _derivative_at_wrong_argument(t: GroundTruth) -> Candidates:
    if t.operation not in ("relu", "clip"):
        yield _gradient_at(t, t.y)


@ELEMENTWISE.mistake(
    "input-for-output", "uses x where the derivative is in terms of y: σ' = y (1 − y), tanh' = 1 − y²", "x"
)
def _input_for_output(t: GroundTruth) -> Candidates:
    if t.operation == "sigmoid":
        yield t.dy * t.x * (1 - t.x)
    if t.operation == "tanh":
        yield t.dy * (1 - t.x * t.x)


@ELEMENTWISE.mistake("derivative-missing", "equals dy: multiply dy by the derivative of the activation", "x")
def _derivative_missing(t: GroundTruth) -> Candidates:
    if t.operation != "hard_sigmoid":
        yield t.dy


@ELEMENTWISE.mistake("square-missing", "multiplies dy by 1 − y: the derivative of tanh is 1 − y²", "x")
def _square_missing(t: GroundTruth) -> Candidates:
    if t.operation == "tanh":
        yield t.dy * (1 - t.y)


@ELEMENTWISE.mistake("function-for-derivative", "multiplies dy by f(x): multiply it by f'(x)", "x")
def _function_for_derivative(t: GroundTruth) -> Candidates:
    yield t.dy * t.y


@ELEMENTWISE.mistake(
    "mask-from-wrong-tensor", "masks by the sign of dy: mask by the sign of x (or y), which must be above 0", "x"
)
def _mask_from_wrong_tensor(t: GroundTruth) -> Candidates:
    if t.operation in MASKED:
        yield np.where(t.dy > 0, t.dy, _slope(t) * t.dy)


@ELEMENTWISE.mistake("mask-inverted", "passes dy where x is below 0: pass it where x is above 0", "x")
def _mask_inverted(t: GroundTruth) -> Candidates:
    if t.operation in MASKED:
        yield np.where(t.x > 0, _slope(t) * t.dy, t.dy)


@ELEMENTWISE.mistake("slope-forgotten", "is zero where x is below 0: there it must be slope · dy", "x")
def _slope_forgotten(t: GroundTruth) -> Candidates:
    if t.operation == "leaky_relu":
        yield np.where(t.x > 0, t.dy, 0.0)


@ELEMENTWISE.mistake(
    "slope-wrong", "has a different slope than the output where x is below 0: there it must be slope · dy", "x"
)
def _slope_wrong(t: GroundTruth) -> Candidates:
    for slope in _other_slopes(t):
        yield np.where(t.x > 0, t.dy, slope * t.dy)


@ELEMENTWISE.mistake("slope-without-dy", "equals the slope where x is below 0: multiply the slope by dy", "x")
def _slope_without_dy(t: GroundTruth) -> Candidates:
    if t.operation == "leaky_relu":
        yield np.where(t.x > 0, t.dy, _slope(t))


@ELEMENTWISE.mistake(
    "bound-forgotten", "passes dy beyond one of the bounds: it must be 0 where x ≤ low and where x ≥ high", "x"
)
def _bound_forgotten(t: GroundTruth) -> Candidates:
    for inside in _within_one_bound(t):
        yield np.where(inside, t.dy, 0.0)


@ELEMENTWISE.mistake(
    "product-rule-term-missing", "lacks a term of the product rule: the derivative of x·g(x) is g(x) + x·g'(x)", "x"
)
def _one_term(t: GroundTruth) -> Candidates:
    if t.operation == "silu":
        s = sigmoid(t.x)
        yield t.dy * s
        yield t.dy * t.x * s * (1 - s)
    if t.operation == "hard_swish":
        yield t.dy * np.clip(t.x + 3, 0, 6) / 6
    if t.operation in ("exact_gelu", "gelu"):
        weight = np.divide(t.y, t.x, out=np.full_like(t.x, 0.5), where=t.x != 0)
        yield t.dy * weight
        yield _gradient_at(t, t.x) - t.dy * weight


@ELEMENTWISE.mistake(
    "inner-slope-wrong", "has a wrong derivative of x + c x³, the argument of tanh: it is 1 + 3 c x²", "x"
)
def _wrong_inner_slopes(t: GroundTruth) -> Candidates:
    """Yield gradients of GELU with a factor missing in the derivative of the cubic polynomial, c = 0.044715."""
    if t.operation == "gelu":
        outer, both = _one_term(t)
        square = 0.044715 * t.x**2
        for factor in ((1 + square) / (1 + 3 * square), 1 / (1 + 3 * square), np.sqrt(np.pi / 2)):
            yield outer + both * factor


@ELEMENTWISE.mistake("constant-forgotten", "multiplies dy by y where x ≤ 0: the derivative there is α eˣ = y + α", "x")
def _constant_forgotten(t: GroundTruth) -> Candidates:
    if t.operation == "elu":
        yield np.where(t.x > 0, t.dy, t.dy * t.y)


@ELEMENTWISE.mistake(
    "exponent-sign", "multiplies dy by 1/(1 + eˣ): the derivative is 1/(1 + e⁻ˣ), which tends to 1 for large x", "x"
)
def _exponent_sign(t: GroundTruth) -> Candidates:
    if t.operation == "softplus":
        yield t.dy * sigmoid(-t.x)


@ELEMENTWISE.mistake("scale-forgotten", "passes dy unchanged where −3 < x < 3: the slope there is 1/6, not 1", "x")
def _scale_forgotten(t: GroundTruth) -> Candidates:
    if t.operation == "hard_sigmoid":
        yield np.where(abs(t.x) < 3, t.dy, 0.0)
        yield t.dy


SOFTMAX = Catalogue(PAGE)


@SOFTMAX.mistake(
    "softmax-off-diagonal-dropped",
    "uses only the diagonal of the Jacobian, y (1 − y): every output depends on every input, so dx = y (dy − Σ dy·y)",
    "x",
)
def _softmax_off_diagonal_dropped(t: GroundTruth) -> Candidates:
    yield t.dy * t.y * (1 - t.y)


@SOFTMAX.mistake(
    "softmax-diagonal-without-square", "is dy · y: the Jacobian is diag(y) − y yᵀ, so subtract y · Σ dy·y as well", "x"
)
def _softmax_diagonal_without_square(t: GroundTruth) -> Candidates:
    yield t.dy * t.y


@SOFTMAX.mistake(
    "softmax-summed-over-batch", "sums dy·y over the whole batch: sum over the classes of each sample", "x"
)
def _softmax_summed_over_batch(t: GroundTruth) -> Candidates:
    yield t.y * (t.dy - (t.dy * t.y).sum())


@SOFTMAX.mistake(
    "derivative-missing",
    "equals dy: that is right only for softmax fused with cross-entropy; dx = y (dy − Σ dy·y)",
    "x",
)
def _softmax_derivative_missing(t: GroundTruth) -> Candidates:
    yield t.dy


@SOFTMAX.mistake(
    "derivative-at-wrong-argument", "applies softmax to y again: write the Jacobian in terms of y itself", "x"
)
def _softmax_derivative_at_wrong_argument(t: GroundTruth) -> Candidates:
    yield _softmax_dx(softmax(t.y), t.dy)


@SOFTMAX.mistake("softmax-over-batch", "is normalized over the batch: normalize each row, so that it sums to 1", "y")
def _softmax_over_batch(t: GroundTruth) -> Candidates:
    return softmax_over_batch(t.x)


def _channel_sums(values: Array) -> Array:
    """Return the sum over samples and positions for each channel."""
    return values.sum(axis=(0, *range(2, values.ndim)))


PRELU = Catalogue("prelu")


@PRELU.mistake("slope-forgotten", "is zero where x is below 0: there it must be slope · dy", "x")
def _prelu_slope_forgotten(t: GroundTruth) -> Candidates:
    yield np.where(t.x > 0, t.dy, 0.0)


@PRELU.mistake("derivative-missing", "equals dy: multiply dy by the slope where x is below 0", "x")
def _prelu_derivative_missing(t: GroundTruth) -> Candidates:
    yield t.dy


@PRELU.mistake("mask-missing", "sums dy · x over all positions: only those where x ≤ 0 depend on the slope", "slope")
def _mask_missing(t: GroundTruth) -> Candidates:
    yield _channel_sums(t.dy * t.x)


@PRELU.mistake("input-forgotten", "sums dy where x ≤ 0: multiply it by x", "slope")
def _input_forgotten(t: GroundTruth) -> Candidates:
    yield _channel_sums(t.dy * (t.x <= 0))


@PRELU.mistake(
    "positions-not-summed", "is not summed over the positions: the slope of a channel is used at all positions", "slope"
)
def _positions_not_summed(t: GroundTruth) -> Candidates:
    if t.x.ndim > 2:
        yield (t.dy * np.minimum(t.x, 0)).sum(axis=0)


REMEDIES = {
    "softmax": "subtract the largest element of each row before taking eˣ, which does not change the result",
    "softmax_cross_entropy": "subtract the largest element m of each row before taking eˣ, and take no logarithm of a "
    "probability, which may be 0: log p = x − m − log Σ eˣ⁻ᵐ",
    "sigmoid": "use 1/(1 + e⁻ˣ) where x ≥ 0 and eˣ/(1 + eˣ) where x < 0",
    "tanh": "use np.tanh, or write it with e⁻²|ˣ|",
    "gelu": "use np.tanh",
    "exact_gelu": "use math.erfc or scipy.special.ndtr",
}


def overflow(operation: str | None) -> str:
    """Return the message about overflow for large inputs, with advice for the operation (None if it is unknown)."""
    remedy = REMEDIES.get(operation or "", "write it so that no exponent is above 0")
    return f"overflows for inputs around ±1,000 (eˣ is infinite above 709): {remedy}"
