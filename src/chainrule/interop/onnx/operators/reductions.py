"""Reductions over axes, such as sums, maxima and norms, and pooling over all positions."""

import math
from collections.abc import Callable

from chainrule.interop.assembly import MAX_FLOAT32, permuted
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.arithmetic import combine, p_norm
from chainrule.interop.onnx.operators.comparison import clip
from chainrule.interop.onnx.operators.constants import rescale
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.pooling import write_average_pool, write_max_pool

MAX_FACTORS = 64  # of ReduceProd
SMALLEST = 2.0**-126  # replaces a norm of 0
GLOBAL = {"AveragePool2D": "GlobalAveragePool2D", "MaxPool2D": "GlobalMaxPool2D"}


def read_global(kind: str) -> Callable[[Call], Feature]:
    """Return the reader of pooling over all positions, which keeps their axes with size 1."""

    def read(call: Call) -> Feature:
        x = call.batched_input()
        return reduce_axes(call, x, list(range(2, len(x.shape))), kind, keep=True)

    read.__doc__ = f"Return {GLOBAL[kind]}."
    return read


def read_reduction(kind: str) -> Callable[[Call], Feature]:
    """Return the reader of a reduction that a pooling layer computes."""

    def read(call: Call) -> Feature:
        return _reduced(call, kind, call.feature())

    read.__doc__ = f"Return {kind} over axes of a sample{', or ' + GLOBAL[kind] if kind in GLOBAL else ''}."
    return read


def _reduced(call: Call, kind: str, x: Feature, *, keep: bool | None = None) -> Feature:
    """Return the mean, maximum or sum of a value over the axes that a node selects.

    keep   whether the axes remain, with size 1; None: as the node requests
    """
    axes = _axes(call, x)
    if axes is None:
        return x
    return reduce_axes(call, x, axes, kind, keep=call.integer("keepdims", 1) != 0 if keep is None else keep)


def _axes(call: Call, x: Feature) -> list[int] | None:
    """Return the axes that a node reduces, in increasing order; None for no axes."""
    axes = call.input_or_attribute("axes", 1, 13 if call.operation.operator == "ReduceSum" else 18)
    if not axes and call.integer("noop_with_empty_axes", 0):
        return None
    return sorted(call.normalize_axis(axis, len(x.shape)) for axis in axes or range(len(x.shape)))


def reduce_axes(call: Call, x: Feature, axes: list[int], kind: str, *, keep: bool) -> Feature:
    """Return the mean, maximum or sum over axes of a sample.

    axes   indices in the file, in increasing order, where the batch axis has index 0
    keep   whether the axes remain, with size 1
    """
    x, axes = call.sample_axes(x, axes)
    shape = x.node.shape
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape) if keep or axis not in axes)
    if not axes:
        return x
    if not kept and not x.batched:
        raise call.unsupported(f"axes {axes} of {x.shape}", "at least one remaining axis, or keepdims")
    scalar, kept = not kept, kept or (1,)
    if axes != list(range(axes[0], axes[-1] + 1)):
        others = [axis for axis in range(len(shape)) if axis not in axes]
        x = x.with_node(permuted(x.node, [*others, *axes]))
        shape, axes = x.node.shape, [*range(len(others), len(shape))]
    before, size, after = shape[: axes[0]], shape[axes[0] : axes[-1] + 1], shape[axes[-1] + 1 :]
    if math.prod(after) == 1 and kind in GLOBAL:
        positions = size if len(size) == 2 else (1, math.prod(size))
        y = call.layer(GLOBAL[kind], call.reshape(x, (math.prod(before), *positions)))
        return call.reshape(y, kept, scalar=scalar)
    stacked = call.reshape(x, (math.prod(before), math.prod(size), math.prod(after)))
    return call.reshape(call.layer(kind, stacked, window=(math.prod(size), 1)), kept, scalar=scalar)


def read_min(call: Call) -> Feature:
    """Return −1 times the maximum of −x."""
    return rescale(call, _reduced(call, "MaxPool2D", rescale(call, call.feature(), -1.0)), -1.0)


def read_l1(call: Call) -> Feature:
    """Return the sum of absolute values."""
    return _reduced(call, "SumPool2D", call.layer("Abs", call.feature()))


def read_sum_square(call: Call) -> Feature:
    """Return the sum of squares."""
    x = call.feature()
    return _reduced(call, "SumPool2D", call.layer("Multiply", x, x))


def read_l2(call: Call) -> Feature:
    """Return Sqrt of the sum of squares."""
    return call.layer("Sqrt", read_sum_square(call))


def read_log_sum(call: Call) -> Feature:
    """Return Log of the sum."""
    return call.layer("Log", _reduced(call, "SumPool2D", call.feature()))


def read_log_sum_exp(call: Call) -> Feature:
    """Return m + log Σ exp(x − m), where m is the maximum."""
    x = call.feature()
    if _axes(call, x) is None:
        return x
    highest = _reduced(call, "MaxPool2D", x, keep=True)
    exponentials = call.layer("Exp", combine(call, "Add", x, rescale(call, highest, -1.0)))
    total = call.layer("Log", _reduced(call, "SumPool2D", exponentials))
    return call.layer("Add", total, call.reshape(highest, total.node.shape, scalar=total.scalar))


def read_global_lp_pool(call: Call) -> Feature:
    """Return the p-th root of the sum of |x| to the power of p over all positions."""
    x = call.batched_input()
    axes = list(range(2, len(x.shape)))
    return p_norm(call, x, lambda y: reduce_axes(call, y, axes, "SumPool2D", keep=True))


def read_product(call: Call) -> Feature:
    """Return the product of Slices."""
    x = call.feature()
    keep = call.integer("keepdims", 1) != 0
    for file_axis in _axes(call, x) or ():
        x, (axis,) = call.sample_axes(x, [file_axis])
        size = x.node.shape[axis]
        if size > MAX_FACTORS:
            raise call.unsupported(f"{size} factors", f"at most {MAX_FACTORS}")
        parts = [call.layer("Slice", x, axis=axis, start=number, stop=number + 1) for number in range(size)]
        x = call.layer("Multiply", *parts) if size > 1 else x
    removed = [axis - x.batched for axis in _axes(call, call.feature()) or ()]
    if keep or not removed:
        return x
    shape = [size for axis, size in enumerate(x.node.shape) if axis not in removed]
    if not shape and not x.batched:
        raise call.unsupported(f"all axes of {call.feature().shape}", "at least one remaining axis, or keepdims")
    return call.reshape(x, shape or (1,), scalar=not shape)


def read_lp_normalization(call: Call) -> Feature:
    """Return x divided by its norm along an axis."""
    x = call.feature()
    axis = call.axis("axis", -1, len(x.shape))
    norm = p_norm(call, x, lambda y: reduce_axes(call, y, [axis], "SumPool2D", keep=True))
    x = x if x.batched == norm.batched else x.as_sample()
    return combine(call, "Multiply", x, call.layer("Reciprocal", clip(call, norm, SMALLEST, MAX_FLOAT32)))


OPERATORS = (
    Operator("GlobalMaxPool", read_global("MaxPool2D"), {"max_pool": write_max_pool}),
    Operator("GlobalAveragePool", read_global("AveragePool2D"), {"average_pool": write_average_pool}),
    Operator("GlobalLpPool", read_global_lp_pool),
    Operator("ReduceMean", read_reduction("AveragePool2D")),
    Operator("ReduceMax", read_reduction("MaxPool2D")),
    Operator("ReduceSum", read_reduction("SumPool2D")),
    Operator("ReduceMin", read_min),
    Operator("ReduceProd", read_product),
    Operator("ReduceL1", read_l1),
    Operator("ReduceL2", read_l2),
    Operator("ReduceSumSquare", read_sum_square),
    Operator("ReduceLogSum", read_log_sum),
    Operator("ReduceLogSumExp", read_log_sum_exp),
    Operator("LpNormalization", read_lp_normalization),
)
