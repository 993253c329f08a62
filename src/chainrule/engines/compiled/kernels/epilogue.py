"""What the kernels of a cross-correlation have in common, and do to their sums before they write them.

These are the bias, a normalization in inference, and the activation that follows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.layout import correlate_shape
from chainrule.engines.compiled.kernels.registry import SHARED_FROM, always, operation


class Bend(NamedTuple):
    """The least and the largest result, −∞ and ∞ for none, and what those are multiplied by that are not positive.

    That is 1 unless a leaky ReLU follows: seldom, so that kernels do it by itself.
    """

    least: Any
    most: Any
    part: Any


class Ending(NamedTuple):
    """The last steps of sums: they start from `plus`, or, if scaled, are multiplied by `times` first, and are bent.

    plus, times  for each filter or lane
    """

    plus: Any
    times: Any
    scaled: bool
    bend: Any


@inlined
def bend_of(rectify, capped, leak, like):
    """Return how a kernel's epilogues bend its results: a `capped` of 0 stands for none, and a leak of 1."""
    least = like.dtype.type(0 if rectify or capped > 0 else -np.inf)
    return Bend(least, like.dtype.type(capped if capped > 0 else np.inf), like.dtype.type(leak))


@kernel
def leak_row(row, part):
    """Multiply the entries of a row that are not positive by a part, unless that is 1."""
    if part != 1:
        for p in range(row.size):
            row[p] = row[p] if row[p] > 0 else part * row[p]


@inlined
def scales_of(b, scaled, y):
    """Return what is added to the sums of each filter of y, and what they are multiplied with before.

    b is None, the biases, or, if scaled, the addends of all filters and then their factors.
    """
    filters = y.shape[1]
    if b is None:
        return np.zeros(filters, y.dtype), np.ones(filters, y.dtype)
    if scaled:
        return b[:filters], b[filters:]
    return b, np.ones(filters, y.dtype)


@inlined
def is_untied(b, scaled, y):
    """Return whether every position of every filter of y has a bias of its own."""
    return b is not None and not scaled and b.size > y.shape[1]


def has_tied_bias(arrays: Sequence[Any]) -> bool:
    """Return whether a filter has one bias at most, and no factor."""
    return arrays[2] is None or len(arrays[2].shape) == 1


def has_no_factors(arrays: Sequence[Any]) -> bool:
    """Return whether filters have no factors given together with their biases."""
    return arrays[2] is None or len(arrays[2].shape) != 2


EPILOGUES: Mapping[str, Callable[[Sequence[Any]], bool]] = {
    "scaled": has_tied_bias,
    "rectify": always,
    "capped": always,
    "leak": always,
}


def correlation(**facts: Any) -> Callable[[Any], Any]:
    """Register a kernel of a cross-correlation, y = w ⋆ x + b; facts as in `KernelEntry`.

    It computes all of y for every sample of a block, or a thread's rows or filters of one image. Beside x, w, b and y
    it has some of these arguments:

    stride, padding, dilation, groups, flip    as in `reference.convolution.cross_correlate`
    scaled           b holds addends and factors of the filters: y = (w ⋆ x)·factor + addend
    rectify          set y to 0 where it is not positive, as the ReLU that follows would
    capped           the same, and to this where it is larger, unless it is 0
    leak             multiply y by this where it is not positive, as the leaky ReLU that follows would
    pooled           write only the largest of each 2×2 results
    first, last      the first row of y, and the one after the last; −1: all rows
    lowest, highest  the first filter, and the one after the last; −1: all filters
    """
    return operation(correlate_shape, **{"flat": ("b",), "shared_from": SHARED_FROM, "epilogues": EPILOGUES, **facts})
