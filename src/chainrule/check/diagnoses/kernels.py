"""Quantities of a convolutional layer from which its classic mistakes are built."""

from collections.abc import Iterator

import numpy as np

from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import GroundTruth
from chainrule.engines.protocol import Array


def slide_of(t: GroundTruth) -> SlidingWindow:
    """Return the geometry of the sliding kernel."""
    return SlidingWindow.of(t.attributes, t.x.shape[2:], t.values["w"].shape[2:])


def turned(w: Array) -> Array:
    """Return a kernel rotated by 180°."""
    return w[:, :, ::-1, ::-1]


def flipped(t: GroundTruth) -> bool:
    """Return whether the layer is a true convolution."""
    return bool(t.attributes.get("flip"))


def slid_kernel(t: GroundTruth) -> Array:
    """Return the kernel in the orientation in which it is slid: rotated for a true convolution."""
    return turned(t.values["w"]) if flipped(t) else t.values["w"]


def dilated(t: GroundTruth) -> bool:
    """Return whether the layer has a dilation other than 1."""
    return tuple(slide_of(t).dilation) != (1, 1)


def exchanged_axes(w: Array) -> Iterator[Array]:
    """Yield the kernel with rows and columns swapped, in its own shape."""
    C_out, C, KH, KW = w.shape
    yield w.swapaxes(2, 3).reshape(w.shape)
    yield np.ascontiguousarray(w).reshape(C_out, C, KW, KH).swapaxes(2, 3)
