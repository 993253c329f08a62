"""Parametric ReLU."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.core.plan import Builder, Tensor
from chainrule.layers.base import Layer, Parameter, Shape, as_image, example

__all__ = ["PReLU"]


@dataclass(frozen=True)
class PReLU(Layer):
    """Parametric rectified linear unit: a leaky ReLU with one learnt slope per channel.

    y = x where x > 0, else slope·x;  dx = dy where x > 0, else slope·dy;  dslope = Σ dy min(0, x)

    The initial slope is 0.25.

    Shapes   (C, H, W), (C, W) or (F,), unchanged
    Source   He et al. 2015; reference/prelu.py
    """

    kind: ClassVar[str] = "prelu"
    keeps_positions: ClassVar[bool] = True
    examples = (example(), example((7,)))

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the slopes, (C,)."""
        return (Parameter("slope", shape[:1], "zeros", values=np.full(shape[:1], 0.25)),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y, dslope and dx."""
        output = builder.activation("y", x.shape)
        x, y, slope = as_image(x), as_image(output), builder.parameter("slope")
        builder.forward("prelu", (x, slope), (y,))
        builder.backward("prelu_dw", (y.gradient(), x), (slope.gradient(),))
        builder.backward("prelu_dx", (y.gradient(), x, slope), (x.gradient(),))
        return output
