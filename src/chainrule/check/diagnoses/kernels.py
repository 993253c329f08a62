"""A convolutional layer's quantities, as its mistakes need them."""

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnoses.sliding import Slide
from chainrule.check.diagnoses.truth import Truth
from chainrule.engines import Array


def slide_of(t: Truth) -> Slide:
    """How the kernel moves."""
    return Slide.of(t.attributes, t.x.shape[2:], t.values["w"].shape[2:])


def groups_of(t: Truth) -> int:
    """The number of groups."""
    return int(t.attributes.get("groups", 1))


def slid_kernel(t: Truth) -> Array:
    """The kernel as it lies on the picture."""
    w = t.values["w"]
    return w[:, :, ::-1, ::-1] if t.attributes.get("flip") else w


def bias_of(t: Truth) -> Array | None:
    """The bias, if there is one."""
    return t.values.get("b")


def tied_bias(t: Truth) -> Array | None:
    """The bias if it fits an output of any size."""
    b = t.values.get("b")
    return b if b is None or b.ndim == 1 else None


def undilated(t: Truth) -> Iterator[Slide]:
    """How the kernel would move with dilation 1, if it has another."""
    if tuple(t.attributes.get("dilation", (1, 1))) != (1, 1):
        yield slide_of(t).but(dilation=(1, 1))


def exchanged_axes(w: Array) -> Iterator[Array]:
    """The kernel with rows and columns exchanged, in the shape that it had."""
    C_out, C, KH, KW = w.shape
    yield w.swapaxes(2, 3).reshape(w.shape)
    yield np.ascontiguousarray(w).reshape(C_out, C, KW, KH).swapaxes(2, 3)


def single_filters(t: Truth) -> Iterator[Array]:
    """The kernel with all filters but one (the last, the first of each group) set to zero."""
    w, groups = slid_kernel(t), groups_of(t)
    for place in (-1, 0):
        kept = np.zeros_like(w).reshape(groups, -1, *w.shape[1:])
        kept[:, place] = w.reshape(kept.shape)[:, place]
        yield kept.reshape(w.shape)
