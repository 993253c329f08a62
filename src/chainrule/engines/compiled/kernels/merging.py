"""Operations that merge branches, compiled. The equations are in reference/merging.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.registry import (
    CHEAP_FROM,
    Attributes,
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


@operation(lambda arrays, attributes: [(*arrays[0].shape, *attributes["size"])])
@kernel
def expand_positions(x, y, size=(1, 1)):
    """Write the value of each channel to all of its positions."""
    source = x.reshape(x.size)
    cells = y.size // max(x.size, 1)
    result = y.reshape(y.size)
    for k in range(source.size):
        for p in range(k * cells, (k + 1) * cells):
            result[p] = source[k]


@operation(lambda arrays, attributes: [arrays[0].shape[:2]])
@kernel
def expand_positions_dx(dy, dx):
    """Sum dy over the positions of each channel."""
    result = dx.reshape(dx.size)
    cells = dy.size // max(dx.size, 1)
    upstream = dy.reshape(dy.size)
    for k in range(result.size):
        total = dx.dtype.type(0)
        for p in range(k * cells, (k + 1) * cells):
            total += upstream[p]
        result[k] = total


@operation(lambda arrays, attributes: [(arrays[0].shape[0], attributes["channels"], *arrays[0].shape[1:])])
@kernel
def expand_channels(x, y, channels=1):
    """Copy the map (H, W) of each sample to every channel of y."""
    count, cells = x.shape[0], x.shape[1] * x.shape[2]
    source, result = x.reshape(x.size), y.reshape(y.size)
    for row in range(count * channels):
        source_map = source[row // channels * cells : (row // channels + 1) * cells]
        target = result[row * cells : (row + 1) * cells]
        for p in range(cells):
            target[p] = source_map[p]


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *arrays[0].shape[2:])])
@kernel
def expand_channels_dx(dy, dx):
    """Sum dy over the channels, separately for each position. Channels are added one after the other."""
    count, channels, cells = dy.shape[0], dy.shape[1], dy.shape[2] * dy.shape[3]
    upstream, result = dy.reshape(dy.size), dx.reshape(dx.size)
    result[:] = 0
    for row in range(count * channels):
        source = upstream[row * cells : (row + 1) * cells]
        target = result[row // channels * cells : (row // channels + 1) * cells]
        for p in range(cells):
            target[p] += source[p]


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
