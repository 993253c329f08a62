"""Quantities of a convolutional layer from which its classic mistakes are built."""

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import GroundTruth
from chainrule.engines import Array


def slide_of(t: GroundTruth) -> SlidingWindow:
    """Return the geometry of the sliding kernel."""
    return SlidingWindow.of(t.attributes, t.x.shape[2:], t.values["w"].shape[2:])


def groups_of(t: GroundTruth) -> int:
    """Return the number of groups."""
    return int(t.attributes.get("groups", 1))


def slid_kernel(t: GroundTruth) -> Array:
    """Return the kernel in the orientation in which it is slid: rotated for a true convolution."""
    w = t.values["w"]
    return w[:, :, ::-1, ::-1] if t.attributes.get("flip") else w


def bias_of(t: GroundTruth) -> Array | None:
    """Return the bias; None if there is none."""
    return t.values.get("b")


def tied_bias(t: GroundTruth) -> Array | None:
    """Return the bias if it is tied, and so fits an output of any size, else None."""
    b = t.values.get("b")
    return b if b is None or b.ndim == 1 else None


def undilated(t: GroundTruth) -> Iterator[SlidingWindow]:
    """Yield the geometry with dilation 1, if the layer has another."""
    if tuple(t.attributes.get("dilation", (1, 1))) != (1, 1):
        yield slide_of(t).replace(dilation=(1, 1))


def exchanged_axes(w: Array) -> Iterator[Array]:
    """Yield the kernel with rows and columns swapped, in its own shape."""
    C_out, C, KH, KW = w.shape
    yield w.swapaxes(2, 3).reshape(w.shape)
    yield np.ascontiguousarray(w).reshape(C_out, C, KW, KH).swapaxes(2, 3)


def single_filters(t: GroundTruth) -> Iterator[Array]:
    """Yield the kernel with all filters but one of each group (the last, the first) set to zero."""
    w, groups = slid_kernel(t), groups_of(t)
    for place in (-1, 0):
        kept = np.zeros_like(w).reshape(groups, -1, *w.shape[1:])
        kept[:, place] = w.reshape(kept.shape)[:, place]
        yield kept.reshape(w.shape)
