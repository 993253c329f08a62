"""Classic mistakes in the backward pass of a transposed convolution."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue

CATALOGUE = MistakeCatalogue("convolution")
add = CATALOGUE.add


@add("x", "kernel-rotated")
def rotated(t: GroundTruth) -> Candidates:
    """Equals the right answer for a kernel rotated by 180°: the input gradient of a transposed convolution is the
    cross-correlation of dy with the unrotated kernel."""
    yield t.compute({**t.values, "w": t.values["w"][:, :, ::-1, ::-1]}, t.dy)["x"]


@add("w", "kernel-gradient-rotated")
def turned_gradient(t: GroundTruth) -> Candidates:
    """Is rotated by 180°: correlate dy with x, without any rotation."""
    yield t.gradients["w"][:, :, ::-1, ::-1]


@add("w", "channels-transposed")
def exchanged_channels(t: GroundTruth) -> Candidates:
    """Has filters and channels swapped: dw has the shape (C_in, C_out, KH, KW)."""
    other = t.gradients["w"].transpose(1, 0, 2, 3)
    yield other
    yield np.ascontiguousarray(other).reshape(t.gradients["w"].shape)
