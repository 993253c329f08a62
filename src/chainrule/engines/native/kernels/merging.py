"""Operations that merge branches, compiled. The equations are in reference/merging.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.native.calls import declaration, in_c
from chainrule.engines.native.kernels.registry import (
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
from chainrule.operations import definitions


@pointwise(CHEAP_FROM, epilogues={"rectify": always})
@in_c
def add(a, b, y, rectify=False):
    """Compute y = a + b, followed by a ReLU if `rectify`."""


@operation(like(0))
@in_c
def add_dx(dy, dx):
    """Copy dy."""


@pointwise(CHEAP_FROM)
@in_c
def multiply(a, b, y):
    """Compute y = a · b."""


def _has_factor_per_image(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether b has one element for each image of a (`simplifying.simplify`)."""
    return arrays[1].shape != arrays[0].shape


@operation(like(0), piece=2, shared_from=CHEAP_FROM, fits=_has_factor_per_image)
@in_c
def multiply_images(a, b, y):
    """Compute y = a · b, where b (N, C, 1, 1) has one factor for each image of a (N, C, H, W)."""


@pointwise(CHEAP_FROM)
@in_c
def maximum(a, b, y):
    """Compute y = max(a, b). NaN propagates."""


@pointwise(CHEAP_FROM)
@in_c
def minimum(a, b, y):
    """Compute y = min(a, b). NaN propagates."""


def _define() -> None:
    """Declare and register the kernels that the formulas of merging.toml define."""
    for name in definitions.pointwise():
        entry = definitions.entry(name)
        arrays = [tensor["name"] for tensor in (*entry["reads"], *entry["writes"])]
        globals()[name] = pointwise(CHEAP_FROM)(declaration(name, __name__, arrays))


_define()


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *attributes["shape"])])
@in_c
def broadcast(x, y):
    """Repeat x along its axes of size 1. Elements along the last axes are copied together, as a run, or repeated."""


@operation(lambda arrays, attributes: [(arrays[0].shape[0], *attributes["shape"])])
@in_c
def broadcast_dx(dy, dx):
    """Add the elements of dy to those of dx that were repeated, in the order of dy."""


def _whole(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape of a concatenation, given one of its parts."""
    x, axis = arrays[0].shape, attributes["axis"] + 1
    return [(*x[:axis], attributes["whole"], *x[axis + 1 :])]


@operation(_whole, joins=("concatenate",))
@in_c
def place(x, y, axis=0, offset=0, whole=0):
    """Copy x into y, a concatenation of samples along an axis.

    axis    axis of a sample
    offset  index in y of the start of x, along this axis
    whole   size of y along this axis
    """


@partwise("place")
def concatenate(shapes: Sequence[tuple[int, ...]], attributes: Attributes) -> list[dict[str, Any]]:
    """Return the attributes of the calls of `place` that write the parts of a concatenation."""
    axis, parts, offset = attributes.get("axis", 0), list[dict[str, Any]](), 0
    whole = sum(shape[axis + 1] for shape in shapes)
    for shape in shapes:
        parts.append({"axis": axis, "offset": offset, "whole": whole})
        offset += shape[axis + 1]
    return parts
