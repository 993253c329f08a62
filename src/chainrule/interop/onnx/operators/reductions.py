"""Reductions over axes, such as sums, maxima and norms, and pooling over all positions."""

import math
from collections.abc import Iterable, Sequence

from chainrule.core.arrays import Shape
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.pooling import write_average_pool, write_max_pool
from chainrule.interop.onnx.operators.terms import ScaledTerm, unary

OVER = " over axes of a sample"
GLOBAL = {"AveragePool2D": "GlobalAveragePool2D", "MaxPool2D": "GlobalMaxPool2D"}


def _over_positions(x: ScaledTerm, kind: str = "SumPool2D") -> ScaledTerm:
    batched = x.call.with_batch_axis(x.feature)
    return over(ScaledTerm(x.call, batched), range(2, len(batched.shape)), kind)


def _reduced(x: ScaledTerm, kind: str = "SumPool2D", *, keep: bool | None = None) -> ScaledTerm:
    """Return the mean, maximum or sum of a value over the axes that its node selects.

    keep   whether the axes remain, with size 1; None: as the node requests
    """
    axes = _axes(x.call, x.feature)
    if axes is None:
        return x
    if keep is None:
        keep = x.call.integer("keepdims", 1) != 0
    return over(x, axes, kind, keep=keep)


def _axes(call: Call, x: Feature) -> list[int] | None:
    """Return the axes that a node reduces, in increasing order; None for no axes."""
    rank = len(x.shape)
    since = 13 if call.operation.operator == "ReduceSum" else 18
    axes = call.input_or_attribute("axes", 1, since)
    if axes:
        return sorted(call.normalize_axis(axis, rank) for axis in axes)
    if call.integer("noop_with_empty_axes", 0):
        return None
    return [*range(rank)]


def _remaining(shape: Shape, axes: Sequence[int], *, keep: bool) -> tuple[int, ...]:
    """Return a shape after reduction of some axes, which remain with size 1 if `keep`."""
    remaining: list[int] = []
    for axis, size in enumerate(shape):
        if axis not in axes:
            remaining.append(size)
        elif keep:
            remaining.append(1)
    return tuple(remaining)


def over(term: ScaledTerm, file_axes: Iterable[int], kind: str, *, keep: bool = True) -> ScaledTerm:
    """Return the mean, maximum or sum over axes.

    The layers pool images, so the value is reshaped to (axes before, reduced axes, axes after). Over the last two axes
    of a sample (C, H, W), a global pooling is enough. Over the first axis, the sample becomes (1, C, H·W), and a window
    has C rows. Axes that are not adjacent are first moved to the end.

    file_axes   indices in the file, in increasing order, where the batch axis has index 0
    kind        layer that pools: AveragePool2D, MaxPool2D or SumPool2D
    keep        whether the axes remain, with size 1
    """
    call = term.call
    x, axes = call.sample_axes(term.feature, [*file_axes])
    if not axes:
        return term
    remaining = _remaining(x.node.shape, axes, keep=keep)
    if not remaining and not x.batched:
        raise call.unsupported(f"axes {axes} of {x.shape}", "at least one remaining axis, or keepdims")
    first = axes[0]
    last = axes[-1]
    if axes != [*range(first, last + 1)]:  # a window needs adjacent axes
        rank = len(x.node.shape)
        others = [axis for axis in range(rank) if axis not in axes]
        x = x.permuted([*others, *axes])
        first = len(others)
        last = rank - 1
    shape = x.node.shape
    before = math.prod(shape[:first])
    reduced = shape[first : last + 1]
    after = math.prod(shape[last + 1 :])
    count = math.prod(reduced)
    if after == 1 and kind in GLOBAL:
        positions = reduced if len(reduced) == 2 else (1, count)
        y = call.layer(GLOBAL[kind], call.reshape(x, (before, *positions)))
    else:
        y = call.layer(kind, call.reshape(x, (before, count, after)), window=(count, 1))
    if not remaining:
        return ScaledTerm(call, call.reshape(y, (1,), scalar=True))
    return ScaledTerm(call, call.reshape(y, remaining, scalar=False))


def _maximum(x: ScaledTerm) -> ScaledTerm:
    return _over_positions(x, "MaxPool2D")


def _mean(x: ScaledTerm) -> ScaledTerm:
    return _over_positions(x, "AveragePool2D")


OPERATORS = (
    Operator("GlobalMaxPool", unary(GLOBAL["MaxPool2D"], _maximum), {"max_pool": write_max_pool}),
    Operator("GlobalAveragePool", unary(GLOBAL["AveragePool2D"], _mean), {"average_pool": write_average_pool}),
    Operator(
        "ReduceMean", unary(f"AveragePool2D{OVER}, or GlobalAveragePool2D", lambda x: _reduced(x, "AveragePool2D"))
    ),
    Operator("ReduceMax", unary(f"MaxPool2D{OVER}, or GlobalMaxPool2D", lambda x: _reduced(x, "MaxPool2D"))),
    Operator("ReduceMin", unary("−1 times the maximum of −x", lambda x: -_reduced(-x, "MaxPool2D"))),
    Operator("ReduceSum", unary(f"SumPool2D{OVER}", _reduced)),
    Operator("ReduceL1", unary("the sum of absolute values", lambda x: _reduced(x.layer("Abs")))),
    Operator("ReduceL2", unary("Sqrt of the sum of squares", lambda x: _reduced(x * x).layer("Sqrt"))),
    Operator("ReduceSumSquare", unary("the sum of squares", lambda x: _reduced(x * x))),
)
