"""Batch normalization."""

import math
from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import OptionError, ShapeError
from chainrule.layers.base import Layer, Parameter, Shape, as_image


@dataclass(frozen=True)
class BatchNorm2D(Layer):
    """Batch normalization: each channel gets mean 0 and variance 1 over the batch, then the scale γ and the shift β.

    momentum  weight of the batch in the running statistics, which inference uses: running ← (1−m)·running + m·batch
    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the channel over the whole batch (inference: running statistics)

    Shapes   (C, H, W) or (F,), unchanged
    Errors   ShapeError for an input of another shape; OptionError unless 0 < momentum ≤ 1 and epsilon > 0
    Source   Ioffe and Szegedy 2015; reference/normalization.py
    """

    momentum: float = 0.1
    epsilon: float = 1e-5

    kind: ClassVar[str] = "norm"
    axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.momentum <= 1 or not 0 < self.epsilon < math.inf:
            raise OptionError(f"{self.describe()}: expected 0 < momentum ≤ 1 and epsilon > 0")

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; ShapeError when it is not accepted."""
        if len(shape) not in (1, self.axes + 1):
            taken = "(C, H, W)" if self.axes == 2 else "(C, W)"
            raise ShapeError(f"{type(self).__name__} {name!r}: expected an input {taken} or (F,), found {text(shape)}")
        return shape

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ and β, and the running mean and variance, all (C,)."""
        channels = shape[:1]
        return (
            Parameter("gamma", channels, "ones"),
            Parameter("beta", channels, "zeros"),
            Parameter("running_mean", channels, "zeros", trained=False),
            Parameter("running_variance", channels, "ones", trained=False),
        )

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit normalization by batch statistics in training, by running ones in inference or if it is frozen."""
        given = builder.activation("y", x.shape)
        x, y = as_image(x), as_image(given)
        gamma, beta = builder.parameter("gamma"), builder.parameter("beta")
        running = (builder.parameter("running_mean"), builder.parameter("running_variance"))
        epsilon = float(self.epsilon)
        if not builder.training or builder.is_frozen("gamma", "beta"):
            builder.forward("batch_norm_inference", (x, gamma, beta, *running), (y,), epsilon=epsilon)
            reads = (y.gradient(), gamma, running[1])
            builder.backward("batch_norm_inference_dx", reads, (x.gradient(),), epsilon=epsilon)
            return given
        mean, variance = builder.statistic("mean", x.shape[:1]), builder.statistic("variance", x.shape[:1])
        builder.forward("batch_norm", (x, gamma, beta), (y, mean, variance), epsilon=epsilon, scope="batch")
        dy = y.gradient()
        gradients = (gamma.gradient(), beta.gradient())
        builder.backward("batch_norm_dw", (dy, x, mean, variance), gradients, epsilon=epsilon, scope="batch")
        builder.backward(
            "batch_norm_dx", (dy, x, gamma, mean, variance), (x.gradient(),), epsilon=epsilon, scope="batch"
        )
        count = {"count": ("batch", math.prod(x.shape[1:]))}
        builder.deferred(
            "running_statistics",
            (mean, variance, *running),
            running,
            momentum=float(self.momentum),
            runtime=count,
            scope="batch",
        )
        return given


@dataclass(frozen=True)
class BatchNorm1D(BatchNorm2D):
    """`BatchNorm2D` for inputs (C, W) or (F,)."""

    axes: ClassVar[int] = 1
