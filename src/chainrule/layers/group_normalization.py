"""Normalization within each sample: of groups of channels, of every channel, of the last axis."""

import math
from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.errors import OptionError, ShapeError
from chainrule.layers.base import Layer, Parameter, Shape, as_image, check_whole


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalization: each group of channels of a sample gets mean 0 and variance 1, then the channels γ and β.

    groups    number of groups, each of as many neighbouring channels; with 1 the whole sample is normalized
    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the sample's group, in training and inference alike

    Shapes   (C, H, W), (C, W) or (F,), unchanged
    Errors   ShapeError when the groups do not divide the channels; OptionError unless groups ≥ 1 and epsilon > 0
    Source   Wu and He 2018; reference/group_normalization.py
    """

    groups: int
    epsilon: float = 1e-5

    kind: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "groups", self.groups)
        _check_epsilon(self, self.epsilon)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; ShapeError when the groups do not divide the channels."""
        if shape[0] % self.groups:
            raise ShapeError(f"GroupNorm {name!r}: {self.groups} groups do not divide the {shape[0]} channels")
        return shape

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ and β, (C,)."""
        return _scale_and_shift(shape[0])

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit normalization of the groups."""
        y = builder.activation("y", x.shape)
        _emit(builder, as_image(x), as_image(y), groups=self.groups, shared=False, epsilon=self.epsilon)
        return y


@dataclass(frozen=True)
class InstanceNorm2D(Layer):
    """Instance normalization: each channel of a sample gets mean 0 and variance 1, then the scale γ and the shift β.

    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the sample's channel: `GroupNorm` with one channel a group

    Shapes   (C, H, W), unchanged
    Errors   ShapeError for an input of another shape; OptionError unless epsilon > 0
    Source   Ulyanov et al. 2016; reference/group_normalization.py
    """

    epsilon: float = 1e-5

    kind: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_epsilon(self, self.epsilon)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; ShapeError when it is not an image."""
        self._expect(shape, name, 3, "(C, H, W)")
        return shape

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ and β, (C,)."""
        return _scale_and_shift(shape[0])

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit normalization of the channels."""
        y = builder.activation("y", x.shape)
        _emit(builder, x, y, groups=x.shape[0], shared=False, epsilon=self.epsilon)
        return y


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalization: each row along the last axis gets mean 0 and variance 1, then its entries γ and β.

    epsilon   added to the variance

    y = γ (x − μ)/√(σ² + ε) + β      μ, σ² of the row; γ and β of the entry's place in it

    Shapes   (F,), (T, F) or (C, H, F), unchanged; a vector is one row
    Errors   OptionError unless epsilon > 0
    Source   Ba et al. 2016; reference/group_normalization.py
    """

    epsilon: float = 1e-5

    kind: ClassVar[str] = "norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_epsilon(self, self.epsilon)

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return γ and β, (F,)."""
        return _scale_and_shift(shape[-1])

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit normalization of the flat sample, with a group for each row; all rows share γ and β."""
        y = builder.activation("y", x.shape)
        flat, rows = (math.prod(x.shape),), math.prod(x.shape[:-1])
        _emit(builder, x.viewed(flat), y.viewed(flat), groups=rows, shared=True, epsilon=self.epsilon)
        return y


def _check_epsilon(layer: Layer, epsilon: float) -> None:
    if not 0 < epsilon < math.inf:
        raise OptionError(f"{layer.describe()}: expected epsilon > 0")


def _scale_and_shift(count: int) -> tuple[Parameter, ...]:
    return Parameter("gamma", (count,), "ones"), Parameter("beta", (count,), "zeros")


def _emit(builder: Builder, x: Tensor, y: Tensor, *, groups: int, shared: bool, epsilon: float) -> None:
    """Emit y, and dγ, dβ and dx, which read the statistics that each sample keeps of its groups."""
    gamma, beta = builder.parameter("gamma"), builder.parameter("beta")
    mean, variance = builder.activation("mean", (groups,)), builder.activation("variance", (groups,))
    options = {"groups": groups, "shared": shared, "epsilon": float(epsilon)}
    builder.forward("group_norm", (x, gamma, beta), (y, mean, variance), **options)
    dy, gradients = y.gradient(), (gamma.gradient(), beta.gradient())
    builder.backward("group_norm_dw", (dy, x, mean, variance), gradients, **options)
    builder.backward("group_norm_dx", (dy, x, gamma, mean, variance), (x.gradient(),), **options)
