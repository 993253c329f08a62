"""Operations that merge branches, compiled. The equations are in reference/merging.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.registry import (
    CHEAP_FROM,
    Attributes,
    Conditions,
    Shapes,
    always,
    like,
    operation,
    partwise,
    pointwise,
)
from chainrule.operations import definitions, generator
from chainrule.operations.scalar_code import pointwise_kernel_source


@pointwise(CHEAP_FROM, epilogues={"rectify": always})
@kernel
def add(a, b, y, rectify=False):
    """Compute y = a + b, followed by a ReLU if `rectify`."""
    first, second, result = a.reshape(a.size), b.reshape(b.size), y.reshape(y.size)
    zero = y.dtype.type(0)
    for k in range(result.size):
        v = first[k] + second[k]
        result[k] = zero if rectify and v <= zero else v


@operation(like(0))
@kernel
def add_dx(dy, dx):
    """Copy dy."""
    source, result = dy.reshape(dy.size), dx.reshape(dx.size)
    for k in range(result.size):
        result[k] = source[k]


@pointwise(CHEAP_FROM)
@kernel
def multiply(a, b, y):
    """Compute y = a · b."""
    first, second, result = a.reshape(a.size), b.reshape(b.size), y.reshape(y.size)
    for k in range(result.size):
        result[k] = first[k] * second[k]


def _has_factor_per_image(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether b has one element for each image of a (`simplifying.simplify`)."""
    return arrays[1].shape != arrays[0].shape


@operation(like(0), piece=2, shared_from=CHEAP_FROM, fits=_has_factor_per_image)
@kernel
def multiply_images(a, b, y):
    """Compute y = a · b, where b (N, C, 1, 1) has one factor for each image of a (N, C, H, W)."""
    images, factors, result = a.reshape(a.size), b.reshape(b.size), y.reshape(y.size)
    cells = result.size // factors.size
    for c in range(factors.size):
        factor = factors[c]
        for k in range(c * cells, (c + 1) * cells):
            result[k] = images[k] * factor


@pointwise(CHEAP_FROM)
@kernel
def maximum(a, b, y):
    """Compute y = max(a, b). NaN propagates."""
    first, second, result = a.reshape(a.size), b.reshape(b.size), y.reshape(y.size)
    for k in range(result.size):
        v = second[k] if first[k] < second[k] else first[k]
        result[k] = v if second[k] == second[k] else second[k]


@pointwise(CHEAP_FROM)
@kernel
def minimum(a, b, y):
    """Compute y = min(a, b). NaN propagates."""
    first, second, result = a.reshape(a.size), b.reshape(b.size), y.reshape(y.size)
    for k in range(result.size):
        v = second[k] if second[k] < first[k] else first[k]
        result[k] = v if second[k] == second[k] else second[k]


def _define() -> None:
    """Define and register the kernels that the formulas of merging.toml define."""
    generator.define({name: pointwise_kernel_source(name) for name in definitions.pointwise()}, "kernel", globals())
    for name in definitions.pointwise():
        globals()[name] = pointwise(CHEAP_FROM)(kernel(globals()[name]))


_define()


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *attributes["shape"])])
@kernel
def broadcast(x, y):
    """Repeat x along its axes of size 1. Elements along the last axes are copied together, as a run, or repeated."""
    source, target = x.reshape(x.size), y.reshape(y.size)
    axis, length = _repeated_run(x.shape, y.shape)
    step = 1 if x.shape[axis] == y.shape[axis] else 0
    for run in range(target.size // length):
        source_start, target_start = _repeated_start(run, axis, x.shape, y.shape), run * length
        for k in range(length):
            target[target_start + k] = source[source_start + k * step]


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *attributes["shape"])])
@kernel
def broadcast_dx(dy, dx):
    """Add the elements of dy to those of dx that were repeated, in the order of dy."""
    upstream, result = dy.reshape(dy.size), dx.reshape(dx.size)
    axis, length = _repeated_run(dx.shape, dy.shape)
    result[:] = 0
    for run in range(upstream.size // length):
        start, target_start = run * length, _repeated_start(run, axis, dx.shape, dy.shape)
        if dx.shape[axis] == dy.shape[axis]:
            for k in range(length):
                result[target_start + k] += upstream[start + k]
        else:
            total = result[target_start]
            for k in range(length):
                total += upstream[start + k]
            result[target_start] = total


@inlined
def _repeated_run(inside, outside):
    """Return the first of the last axes that are all repeated, or all equal, and the product of their sizes.

    inside, outside  shapes of an array before and after its repetition, including the batch axis
    """
    axis = len(outside) - 1
    length, is_equal = outside[axis], inside[axis] == outside[axis]
    while axis > 1 and (inside[axis - 1] == outside[axis - 1]) == is_equal:
        axis -= 1
        length *= outside[axis]
    return axis, length


@inlined
def _repeated_start(run, axis, inside, outside):
    """Return the offset of the elements that a run repeats; `axis` is the first axis of the run."""
    offset, step = 0, 1
    for other in range(axis, len(inside)):
        step *= inside[other]
    for other in range(axis - 1, 0, -1):
        index = run % outside[other]
        offset += (index if index < inside[other] else 0) * step
        step *= inside[other]
        run //= outside[other]
    return offset + run * step


def _whole(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape of a concatenation, given one of its parts."""
    x, axis = arrays[0].shape, attributes["axis"] + 1
    return [(*x[:axis], attributes["whole"], *x[axis + 1 :])]


@operation(_whole, joins=("concatenate",))
@kernel
def place(x, y, axis=0, offset=0, whole=0):
    """Copy x into y, a concatenation of samples along an axis.

    axis    axis of a sample
    offset  index in y of the start of x, along this axis
    whole   size of y along this axis
    """
    outer, inner = x.shape[0], 1
    for other in range(axis):
        outer *= x.shape[other + 1]
    for other in range(axis + 2, x.ndim):
        inner *= x.shape[other]
    length = inner * x.shape[axis + 1]
    source, result = x.reshape(x.size), y.reshape(y.size)
    for row in range(outer):
        begin = (row * whole + offset) * inner
        target = result[begin : begin + length]
        part = source[row * length : (row + 1) * length]
        for p in range(length):
            target[p] = part[p]


@partwise("place")
def concatenate(shapes: Sequence[tuple[int, ...]], attributes: Attributes) -> list[dict[str, Any]]:
    """Return the attributes of the calls of `place` that write the parts of a concatenation."""
    axis, parts, offset = attributes.get("axis", 0), list[dict[str, Any]](), 0
    whole = sum(shape[axis + 1] for shape in shapes)
    for shape in shapes:
        parts.append({"axis": axis, "offset": offset, "whole": whole})
        offset += shape[axis + 1]
    return parts
