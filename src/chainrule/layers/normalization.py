"""Normalization layers: batch, group, instance, layer and local response normalization."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import OptionError, ShapeError
from chainrule.layers.base import Layer, Parameter, Shape, as_image, check_whole, example

__all__ = ["BatchNorm1D", "BatchNorm2D", "GroupNorm", "InstanceNorm2D", "LayerNorm", "LocalResponseNorm"]


@dataclass(frozen=True)
class BatchNorm2D(Layer):
    """Batch normalization: normalize each channel to mean 0 and variance 1 over the batch, then scale by γ and add β.

    momentum  weight m of a batch in the running statistics (used in inference): running ← (1−m)·running + m·batch
    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the channel over the whole batch (inference: running statistics)

    Shapes   (C, H, W) or (F,), unchanged
    Errors   ShapeError for an input of another shape; OptionError unless 0 < momentum ≤ 1 and epsilon > 0
    Source   Ioffe and Szegedy 2015; reference/normalization.py
    """

    _: KW_ONLY
    momentum: float = 0.1
    epsilon: float = 1e-5

    kind: ClassVar[str] = "norm"
    keeps_positions: ClassVar[bool] = True
    axes: ClassVar[int] = 2
    examples = (example(), example((4,), epsilon=1e-3))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.momentum <= 1 or self.epsilon <= 0:
            raise OptionError(f"{self.describe()}: expected 0 < momentum ≤ 1 and epsilon > 0")

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the shape of the input; ShapeError for an unsupported shape."""
        if len(shape) not in (1, self.axes + 1):
            accepted = "(C, H, W)" if self.axes == 2 else "(C, W)"
            raise ShapeError(
                f"{type(self).__name__} {name!r}: expected an input {accepted} or (F,), found {text(shape)}"
            )
        return shape

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ, β, the running mean and the running variance, each of shape (C,)."""
        channels = shape[:1]
        return (
            Parameter("gamma", channels, "ones"),
            Parameter("beta", channels, "zeros"),
            Parameter("running_mean", channels, "zeros", trained=False),
            Parameter("running_variance", channels, "ones", trained=False),
        )

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit normalization with the batch's statistics or, in inference and if frozen, the running statistics."""
        output = builder.activation("y", x.shape)
        image = as_image(x)
        y = as_image(output)
        gamma = builder.parameter("gamma")
        beta = builder.parameter("beta")
        running = (builder.parameter("running_mean"), builder.parameter("running_variance"))
        epsilon = float(self.epsilon)
        if not builder.training or builder.is_frozen("gamma", "beta"):
            builder.forward("batch_norm_inference", (image, gamma, beta, *running), (y,), epsilon=epsilon)
            reads = (y.gradient(), gamma, running[1])
            builder.backward("batch_norm_inference_dx", reads, (image.gradient(),), epsilon=epsilon)
            return output
        mean = builder.statistic("mean", image.shape[:1])
        variance = builder.statistic("variance", image.shape[:1])
        builder.forward("batch_norm", (image, gamma, beta), (y, mean, variance), epsilon=epsilon, scope="batch")
        dy = y.gradient()
        gradients = (gamma.gradient(), beta.gradient())
        builder.backward("batch_norm_dw", (dy, image, mean, variance), gradients, epsilon=epsilon, scope="batch")
        builder.backward(
            "batch_norm_dx", (dy, image, gamma, mean, variance), (image.gradient(),), epsilon=epsilon, scope="batch"
        )
        count = {"count": ("batch", math.prod(image.shape[1:]))}
        builder.deferred(
            "running_statistics",
            (mean, variance, *running),
            running,
            momentum=float(self.momentum),
            runtime=count,
            scope="batch",
        )
        return output


@dataclass(frozen=True)
class BatchNorm1D(BatchNorm2D):
    """`BatchNorm2D` for inputs (C, W) or (F,)."""

    axes: ClassVar[int] = 1
    examples = (example((3, 7)),)


# -------------------------------------------------------------------------------------------------- groups of channels


class _SampleNorm(Layer):
    """Base class of the normalizations of groups of channels in each sample, which have the option `epsilon`."""

    kind: ClassVar[str] = "norm"
    epsilon: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epsilon <= 0:
            raise OptionError(f"{self.describe()}: expected epsilon > 0")

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ and β, each of shape (C,)."""
        return Parameter("gamma", shape[:1], "ones"), Parameter("beta", shape[:1], "zeros")

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit the normalization of each group."""
        y = builder.activation("y", x.shape)
        _emit_group_norm(builder, as_image(x), as_image(y), self._groups(x.shape[0]), epsilon=self.epsilon)
        return y

    def _groups(self, channels: int) -> int:
        """Return the number of groups."""
        return channels


@dataclass(frozen=True)
class GroupNorm(_SampleNorm):
    """Group normalization: normalize each group of channels per sample, then scale by γ and add β per channel.

    groups    number of equally sized groups of adjacent channels; 1: normalize the whole sample
    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the sample's group, in training and in inference

    Shapes   (C, H, W), (C, W) or (F,), unchanged
    Errors   ShapeError when the groups do not divide the channels; OptionError unless groups ≥ 1 and epsilon > 0
    Source   Wu and He 2018; reference/normalization.py
    """

    groups: int
    _: KW_ONLY
    epsilon: float = 1e-5

    examples = (example((6, 3, 4), groups=2), example((9,), groups=3, epsilon=1e-3))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "groups", self.groups)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; raise ShapeError if the channels cannot be divided into equal groups."""
        if shape[0] % self.groups:
            raise ShapeError(f"GroupNorm {name!r}: {self.groups} groups do not divide the {shape[0]} channels")
        return shape

    def _groups(self, channels: int) -> int:
        return self.groups


@dataclass(frozen=True)
class InstanceNorm2D(_SampleNorm):
    """Instance normalization: normalize each channel per sample to mean 0 and variance 1, then scale by γ and add β.

    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the sample's channel: `GroupNorm` with one channel per group

    Shapes   (C, H, W), unchanged
    Errors   ShapeError for an input of another shape; OptionError unless epsilon > 0
    Source   Ulyanov et al. 2016; reference/normalization.py
    """

    _: KW_ONLY
    epsilon: float = 1e-5

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; raise ShapeError if it is not that of an image."""
        self._expect(shape, name, 3, "(C, H, W)")
        return shape


@dataclass(frozen=True)
class LayerNorm(_SampleNorm):
    """Layer normalization: normalize each row along the last axis, then scale by γ and add β per entry.

    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the row; γ and β at the entry's index in the row

    Shapes   (F,), (T, F) or (C, H, F), unchanged; a vector is one row
    Errors   OptionError unless epsilon > 0
    Source   Ba et al. 2016; reference/normalization.py
    """

    _: KW_ONLY
    epsilon: float = 1e-5

    keeps_positions: ClassVar[bool] = True
    examples = (example(), example((7,), epsilon=1e-3))

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ and β, each of shape (F,)."""
        return super().parameters(shape[-1:], name)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit group normalization of the flattened sample, with one group per row; all rows share γ and β."""
        y = builder.activation("y", x.shape)
        flat = (math.prod(x.shape),)
        rows = math.prod(x.shape[:-1])
        _emit_group_norm(builder, x.viewed(flat), y.viewed(flat), rows, epsilon=self.epsilon, shared=True)
        return y


def _emit_group_norm(
    builder: Builder, x: Tensor, y: Tensor, groups: int, *, epsilon: float, shared: bool = False
) -> None:
    """Emit y and the gradients dγ, dβ and dx, which depend on the statistics of each group.

    shared   whether all groups use the same γ and β
    """
    gamma = builder.parameter("gamma")
    beta = builder.parameter("beta")
    mean = builder.activation("mean", (groups,))
    variance = builder.activation("variance", (groups,))
    options = {"groups": groups, "shared": shared, "epsilon": float(epsilon)}
    builder.forward("group_norm", (x, gamma, beta), (y, mean, variance), **options)
    dy = y.gradient()
    gradients = (gamma.gradient(), beta.gradient())
    builder.backward("group_norm_dw", (dy, x, mean, variance), gradients, **options)
    builder.backward("group_norm_dx", (dy, x, gamma, mean, variance), (x.gradient(),), **options)


# ----------------------------------------------------------------------------------------------- adjacent channels


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """Local response normalization: divide each value by a power of the mean square in adjacent channels.

    size    number of channels in a window; odd, so that the window is centered on its channel
    alpha   weight of the mean square
    beta    exponent
    k       constant added to the weighted mean square

    y = x / (k + alpha/size · Σ x²)^beta, the sum over the window

    Shapes   (C, H, W) or (C, W), unchanged
    Errors   ShapeError for an input of another shape; OptionError unless size is odd and k, alpha and beta are positive
    Source   Krizhevsky et al. 2012; reference/normalization.py
    """

    size: int
    _: KW_ONLY
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    kind: ClassVar[str] = "lrn"
    examples = (
        example((4, 3, 5), size=3, alpha=0.5),
        example((6, 5), size=5, alpha=0.3, beta=1.2, k=2.0),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "size", self.size)
        if self.size % 2 == 0:
            raise OptionError(
                f"LocalResponseNorm: size {self.size}: expected an odd number; PyTorch and ONNX disagree on others"
            )
        if min(self.alpha, self.beta, self.k) <= 0:
            raise OptionError(f"{self.describe()}: expected alpha, beta and k above 0")

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; raise ShapeError for a vector."""
        if len(shape) < 2:
            raise ShapeError(f"LocalResponseNorm {name!r}: expected an input (C, H, W) or (C, W), found {text(shape)}")
        return shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y and dx."""
        output = builder.activation("y", x.shape)
        x = as_image(x)
        y = as_image(output)
        options = {"size": self.size, "alpha": float(self.alpha), "beta": float(self.beta), "k": float(self.k)}
        builder.forward("local_response_norm", (x,), (y,), **options)
        builder.backward("local_response_norm_dx", (y.gradient(), x), (x.gradient(),), **options)
        return output
