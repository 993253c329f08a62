"""Classic mistakes that can occur in any layer."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations, product
from math import prod
from typing import TypeAlias

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, Mistake, nearly_equal
from chainrule.check.report import Diagnosis
from chainrule.engines.protocol import Array

SIGN = Diagnosis("sign", "has the wrong sign")
BATCH = Diagnosis(
    "batch-division-doubled",
    "has an extra factor 1/N: dy already includes the division by the batch size, so only sum",
)
DOUBLED = Diagnosis("gradient-doubled", "is twice the right answer")
HALVED = Diagnosis("gradient-halved", "is half the right answer")
FACTOR = "constant-factor"  # name of the diagnosis for a multiple of the right answer
ZERO = Diagnosis("gradient-zero", "is zero everywhere")
UPSTREAM = Diagnosis(
    "upstream-forgotten", "equals the right answer for a dy of all ones: multiply by the upstream gradient dy"
)
UNSUMMED = Diagnosis(
    "batch-not-summed", "is not summed over the batch: every sample uses the same parameters, so sum over n"
)
LEFT_OUT = Diagnosis("samples-left-out", "is right for one sample and 0 for all others: process the whole batch")
EXCHANGED = Diagnosis(
    "gradients-exchanged", "is the gradient of another tensor: swap the two where they are returned or stored"
)
REORDERED = Diagnosis(
    "axes-reordered",
    "has the right numbers in the wrong order: an axis was moved or reversed, or reshape was used instead of transpose",
)
DECAYED = Diagnosis(
    "weight-decay-added",
    "contains a multiple of the parameter: add weight decay in the optimizer, or to the loss as well",
)
CLIPPED = Diagnosis("clipped", "is computed from clipped numbers: clip gradients in the optimizer, not in backward")
RETURNED = Diagnosis(
    "return-in-loop",
    "contains only the first pass of a loop: unindent the return, which ends the function in the first iteration",
)
AVERAGED = Diagnosis(
    "averaged", "is the mean over samples and positions, or over positions: every use of the tensor adds up"
)
SHIFTED = Diagnosis("index-off-by-one", "is shifted by one position along an axis: check the first and last index")
FIXED = Diagnosis(
    "index-fixed", "reads one index instead of all, such as channel 0 for every channel: use the index of the loop"
)
HEIGHT_ONLY = Diagnosis(
    "height-only", "covers as many columns of windows as rows: loop over the width, not over the height"
)
TRUNCATED = Diagnosis("truncated", "contains whole numbers only: create its array in the dtype of x, not of integers")
UPDATED_FIRST = Diagnosis(
    "parameters-updated-first", "is computed with parameters that backward has already updated: compute dx before"
)
RATES = (0.5, 0.1, 0.01, 0.001, 1.0)  # learning rates of a backward that updates parameters
DECAYS = tuple(factor * 10.0**-exponent for exponent in range(6) for factor in (1, 2, 5))
BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0)
UNPAIRED = (SIGN, BATCH, ZERO, DOUBLED, HALVED)  # never combined with other mistakes


def mistakes(tensor: str) -> list[Mistake]:
    """Return the general mistakes in the gradient of a tensor, or in y."""
    builds = [*COMMON]
    if tensor != "y":
        builds += [*OF_GRADIENTS, *([(LEFT_OUT, _one_sample)] if tensor in ("x", "p") else [(DECAYED, _decayed)])]
        # a bias has its own mistakes of averaging
        if tensor != "b":
            builds += [(AVERAGED, _averages)]
        if tensor not in ("x", "p", "b"):
            builds += [(UNSUMMED, _samples)]
    return [Mistake(diagnosis, partial(build, tensor)) for diagnosis, build in builds]


def constant_factor(pairs: Sequence[tuple[Array, Array]], tolerance: float) -> Diagnosis | None:
    """Return the diagnosis of results that are all the same multiple of the right ones, or None.

    pairs  (right result, result) for each test case
    """
    right, result = pairs[0]
    if right.shape != result.shape or not np.isfinite(result).all():
        return None
    factor = float((right * result).sum() / max(float((right * right).sum()), 1e-300))
    if not factor or not all(nearly_equal(result, factor * right, tolerance) for right, result in pairs):
        return None
    if not nearly_equal(np.array(factor), np.array(float(f"{factor:.3g}")), tolerance):
        return None  # a constant in code has few digits
    message = f"is {factor:.4g} times the right answer: a constant such as a learning rate belongs elsewhere"
    return Diagnosis(FACTOR, message)


def vague(tensor: str) -> list[Mistake]:
    """Return the mistakes that are tried only if no other explains a result."""
    return [Mistake(diagnosis, partial(build, tensor)) for diagnosis, build in VAGUE]


def _fixed(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the result with one index instead of all along an axis, and the gradient for such a dy, x or parameter."""
    yield from _frozen(t.expected(tensor))
    if tensor != "y":
        for dy in _frozen(t.dy):
            yield t.compute(t.values, dy)[tensor]
        for name, array in t.values.items():
            for frozen in _frozen(array):
                yield t.compute({**t.values, name: frozen}, t.dy)[tensor]


def _frozen(array: Array) -> Candidates:
    """Yield an array with its first index instead of all others along each axis."""
    for axis in range(array.ndim):
        yield np.broadcast_to(array.take([0], axis), array.shape)


def _permuted(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the correct result with its axes in every order, in the resulting shape and in its original shape.

    Axes are also reversed, one at a time.
    """
    expected = t.expected(tensor)
    for axis in range(expected.ndim):
        yield np.flip(expected, axis)
    for axes in permutations(range(expected.ndim)):
        yield expected.transpose(axes)
        yield expected.transpose(axes).reshape(expected.shape)


def _multiplied(factor: float, tensor: str, t: GroundTruth) -> Candidates:
    return [factor * t.expected(tensor)]


def _truncated(tensor: str, t: GroundTruth) -> Candidates:
    whole = np.trunc(t.expected(tensor))
    if whole.any():
        return [whole]
    return []


def _after_update(tensor: str, t: GroundTruth) -> Candidates:
    """Yield dx with the parameters after a step along their gradients, or along the means of these."""
    gradients = dict[str, Array]()
    for name, gradient in t.gradients.items():
        if name not in ("x", "p"):
            gradients[name] = gradient
    if tensor != "x" or not gradients:
        return
    for rate, count in product(RATES, (1, len(t.x))):
        updated = {name: t.values[name] - rate / count * gradient for name, gradient in gradients.items()}
        yield t.compute({**t.values, **updated}, t.dy)[tensor]


def _without_upstream(tensor: str, t: GroundTruth) -> Candidates:
    if t.dy.size > 1:
        yield t.compute(t.values, np.ones_like(t.dy))[tensor]


def _clipped(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradient for a clipped dy, and the clipped gradient."""
    for bound in BOUNDS:
        if t.dy.size > 1:
            yield t.compute(t.values, np.clip(t.dy, -bound, bound))[tensor]
        yield np.clip(t.expected(tensor), -bound, bound)


def _first(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradients for the first sample, channel, row, and window of dy, and for combinations of them."""
    if t.dy.ndim < 3:
        return
    corners = ((0,) * count for count in range(2, t.dy.ndim + 1))
    rows = ((slice(None), slice(None), *(0,) * count) for count in range(1, t.dy.ndim - 1))
    for place in (*corners, *rows):
        part = np.zeros_like(t.dy)
        part[place] = t.dy[place]
        yield t.compute(t.values, part)[tensor]


def _square(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradient for as many columns of dy as there are rows, if there are more columns than rows."""
    if t.dy.ndim > 3 and t.dy.shape[3] > t.dy.shape[2] > 1:
        dy = t.dy.copy()
        dy[..., dy.shape[2] :] = 0
        yield t.compute(t.values, dy)[tensor]


def _averages(tensor: str, t: GroundTruth) -> Candidates:
    positions = prod(t.dy.shape[2:])
    return [t.expected(tensor) / count for count in (positions, positions * len(t.x)) if positions > 2]


def _shifts(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradient moved by one element along each long axis, cyclically or with zeros."""
    expected = t.expected(tensor)
    for axis, size in enumerate(expected.shape):
        if size <= 2:
            continue
        for step, vacated in ((1, 0), (-1, -1)):
            moved = np.roll(expected, step, axis)
            yield moved
            inside = moved.copy()
            np.moveaxis(inside, axis, 0)[vacated] = 0  # what came from the other end
            yield inside


def _decayed(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradient with a multiple of the parameter added."""
    for factor in DECAYS:
        for sign in (1, -1):
            yield t.expected(tensor) + sign * factor * t.values[tensor]


def _one_sample(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradient with all samples set to zero except the first or the last."""
    expected = t.expected(tensor)
    for kept in (0, len(expected) - 1):
        yield expected * (np.arange(len(expected)) == kept).reshape(-1, *(1 for _ in expected.shape[1:]))


def _other_gradients(tensor: str, t: GroundTruth) -> Candidates:
    """Yield the gradients with respect to other tensors."""
    for other, gradient in t.gradients.items():
        if other != tensor:
            yield gradient


def _samples(tensor: str, t: GroundTruth) -> Candidates:
    """Yield gradients of single samples: stacked, stacked without axes of length 1, the last, and the first."""
    if "batch_norm" in t.operations:
        return
    gradients = list[Array]()
    for n in range(len(t.x)):
        gradients.append(t.compute({**t.values, "x": t.x[n : n + 1]}, t.dy[n : n + 1])[tensor])
    yield np.stack(gradients)
    yield np.stack([gradient.squeeze() for gradient in gradients])
    yield gradients[-1]
    yield gradients[0]


Build: TypeAlias = Callable[[str, GroundTruth], Candidates]  # tensor, correct quantities
COMMON: tuple[tuple[Diagnosis, Build], ...] = ((SIGN, partial(_multiplied, -1.0)), (ZERO, partial(_multiplied, 0.0)))
OF_GRADIENTS: tuple[tuple[Diagnosis, Build], ...] = (
    (DOUBLED, partial(_multiplied, 2.0)),
    (HALVED, partial(_multiplied, 0.5)),
    (BATCH, lambda tensor, t: [t.expected(tensor) / len(t.x)]),
    (UPSTREAM, _without_upstream),
    (CLIPPED, _clipped),
    (RETURNED, _first),
    (HEIGHT_ONLY, _square),
    (EXCHANGED, _other_gradients),
    (TRUNCATED, _truncated),
    (UPDATED_FIRST, _after_update),
)
VAGUE = ((FIXED, _fixed), (SHIFTED, _shifts), (REORDERED, _permuted))  # tried last: other mistakes have similar results
