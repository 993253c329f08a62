"""Classic mistakes in the backward pass of a transposed convolution."""

from chainrule.check.diagnoses.convolution_kernels import exchanged_channels
from chainrule.check.diagnoses.kernels import turned
from chainrule.check.diagnoses.truth import catalogue

CATALOGUE = catalogue(
    "convolution",
    ("x", "kernel-rotated",
     "equals the right answer for a kernel rotated by 180°: the input gradient of a transposed convolution is the "
     "cross-correlation of dy with the unrotated kernel",
     lambda t: [t.compute({**t.values, "w": turned(t.values["w"])}, t.dy)["x"]]),
    ("w", "kernel-gradient-rotated", "is rotated by 180°: correlate dy with x, without any rotation",
     lambda t: [turned(t.gradients["w"])]),
    ("w", "channels-transposed", "has filters and channels swapped: dw has the shape (C_in, C_out, KH, KW)",
     exchanged_channels),
)  # fmt: skip
