"""Convolutional layers: two-dimensional, one-dimensional and transposed.

All three use cross-correlation and the gradients of cross-correlation (reference/convolution.py). A one-dimensional
input is treated as an image of height 1. True convolution rotates the kernel by 180°. The forward operation of a
transposed convolution is the input gradient of a cross-correlation.
"""

from dataclasses import KW_ONLY, dataclass, field
from math import prod
from typing import ClassVar

from chainrule.core import shapes
from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import PaddingLike
from chainrule.errors import ShapeError
from chainrule.layers import initializers
from chainrule.layers.base import Layer, Parameter, Shape, check_choice, check_whole, example

__all__ = ["Conv1D", "Conv2D", "ConvTranspose2D"]

BIASES = (True, False, "untied")


@dataclass(frozen=True)
class _Convolution(Layer):
    """Base class of convolutional layers with one or two spatial axes. The emitted operations always have two."""

    filters: int
    kernel: int | tuple[int, ...]
    _: KW_ONLY
    stride: int | tuple[int, ...] = 1
    padding: PaddingLike = "valid"
    dilation: int | tuple[int, ...] = 1
    groups: int = 1
    bias: bool | str = True
    initializer: str = "glorot_uniform"

    axes: ClassVar[int] = 2
    takes_activation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "filters", self.filters)
        check_whole(self, "groups", self.groups)
        check_choice(self, "bias", self.bias, BIASES)
        initializers.find(self.initializer, f"{type(self).__name__} initializer")
        self._padding((8,) * self.axes)  # checks all numbers

    def _numbers(self, option: str) -> tuple[int, ...]:
        return shapes.per_axis(f"{type(self).__name__}: {option}", getattr(self, option), self.axes)

    def _padding(self, size: Shape) -> tuple[shapes.Pair, ...]:
        """Return the padding (before, after) of each spatial axis for an image of ``size``."""
        axes = self._numbers("kernel"), self._numbers("stride"), self._numbers("dilation")
        return shapes.resolve_padding(f"{type(self).__name__}: padding", self.padding, size, *axes)

    def _check(self, shape: Shape, name: str) -> None:
        self._expect(shape, name, self.axes + 1, "(C, H, W)" if self.axes == 2 else "(C, W)")
        if shape[0] % self.groups or self.filters % self.groups:
            raise ShapeError(
                f"{type(self).__name__} {name!r}: {shape[0]} channels and {self.filters} filters "
                f"do not divide into {self.groups} groups"
            )

    def _kernel_shape(self, channels: int) -> Shape:
        return (self.filters, channels // self.groups, *self._numbers("kernel"))

    def _bias_shape(self, output: Shape) -> Shape:
        return output if self.bias == "untied" else output[:1]

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the kernels w and, unless ``bias=False``, b: one bias per filter, or per output element if untied."""
        w = self._kernel_shape(shape[0])
        fans = self._fans(w)
        learnt = [Parameter("w", w, self.initializer, fans)]
        if self.bias:
            learnt.append(Parameter("b", self._bias_shape(self.output_shape(shape, name)), "zeros", fans))
        return tuple(learnt)

    def _fans(self, w: Shape) -> initializers.Fans:
        return initializers.Fans(prod(w[1:]), w[0] * prod(w[2:]))

    def _attributes(self, padding: tuple[shapes.Pair, ...], flip: bool) -> dict[str, object]:
        """Return the operations' attributes. A one-dimensional layer gets an additional vertical axis of size 1."""
        lift = 2 - self.axes
        return {
            "stride": (1,) * lift + self._numbers("stride"),
            "padding": ((0, 0),) * lift + padding,
            "dilation": (1,) * lift + self._numbers("dilation"),
            "groups": self.groups,
            "flip": flip,
        }

    def _lifted(self, tensor: Tensor) -> Tensor:
        """Return a view of a one-dimensional layer's tensor as an image: (…, W) → (…, 1, W)."""
        return tensor if self.axes == 2 else tensor.viewed((*tensor.shape[:-1], 1, tensor.shape[-1]))


@dataclass(frozen=True)
class _CrossCorrelation(_Convolution):
    """Base class of layers that slide kernels over an image; ``convolution=True`` rotates the kernels by 180°."""

    convolution: bool = field(default=False, kw_only=True)

    kind: ClassVar[str] = "conv"

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (filters, H', W') with H' = ⌊(H + p − d(K−1) − 1)/s⌋ + 1."""
        self._check(shape, name)
        size = shape[1:]
        kernel = self._numbers("kernel")
        dilation = self._numbers("dilation")
        padding = self._padding(size)
        reach = tuple(map(shapes.extent, kernel, dilation))
        what = "kernel"
        if reach != kernel:
            what = f"kernel {shapes.text(kernel)} dilated to"
        shapes.check_fits(f"{type(self).__name__} {name!r}", what, reach, size, padding)
        axes = zip(size, kernel, self._numbers("stride"), padding, dilation, strict=True)
        return (self.filters, *(shapes.output_size(*axis) for axis in axes))

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = w ⋆ x + b;  db = Σ dy,  dw = x ⋆ dy,  dx = the full convolution of dy with w."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        w = self._lifted(builder.parameter("w"))
        b = builder.parameter("b") if self.bias else None
        image = self._lifted(x)
        result = self._lifted(y)
        options = self._attributes(self._padding(x.shape[1:]), self.convolution)
        lifted_b = self._lifted(b) if b is not None and self.bias == "untied" else b
        builder.forward("cross_correlate", (image, w, lifted_b), (result,), **options)
        dy = result.gradient()
        if lifted_b is not None:
            builder.backward("bias_gradient", (dy,), (lifted_b.gradient(),), untied=self.bias == "untied")
        builder.backward("cross_correlate_dw", (image, dy), (w.gradient(),), kernel=w.shape[2:], **options)
        builder.backward("cross_correlate_dx", (dy, w), (image.gradient(),), size=image.shape[1:], **options)
        return y


@dataclass(frozen=True)
class Conv2D(_CrossCorrelation):
    """Two-dimensional convolutional layer: slide ``filters`` kernels over (C, H, W).

    kernel       KH = KW, or (KH, KW)
    stride       distance between adjacent windows in pixels: a number or (vertical, horizontal)
    padding      "valid", "same", "full", a number of pixels, (vertical, horizontal), or ((top, bottom), (left, right))
    dilation     distance between adjacent kernel elements in pixels
    groups       number of groups of channels and filters; each filter reads only the channels of its own group
    bias         True: one per filter; "untied": one per output element; False: none
    initializer  initializer of the kernels (initializers.py); biases are initialized to 0
    convolution  True: rotate the kernel by 180°, as in the mathematical definition of convolution

    y[o,i,j] = b[o] + Σ_{c,u,v} x̄[c, s·i + d·u, s·j + d·v] · w[o,c,u,v]        x̄: x padded with zeros

    >>> Conv2D(8, 3, stride=2, padding="same").output_shape((3, 28, 28), "conv1")
    (8, 14, 14)

    Shapes   (C, H, W) → (filters, H', W'), H' = ⌊(H + p_top + p_bottom − d(KH − 1) − 1)/s⌋ + 1
    Errors   ShapeError when the kernel does not fit the padded image, or groups do not divide channels and filters
    Source   VanillaCNN eq. 13–14, 17–18; numpy-cnn eq. 8; Venchislaw; reference/convolution.py
    """

    examples = (
        example((3, 6, 7), filters=4, kernel=(3, 2)),
        example((2, 6, 7), filters=3, kernel=(2, 3), stride=(2, 3), padding=((1, 0), (0, 2))),
        example((2, 5, 6), filters=3, kernel=(3, 2), stride=2, padding="same"),
        example((3, 3, 4), filters=2, kernel=(2, 3), padding="full"),
        example((3, 5, 6), filters=2, kernel=(2, 3), dilation=(3, 2), padding=(1, 2)),
        example((4, 4, 5), filters=6, kernel=(2, 3), groups=2, stride=(1, 2)),
        example((2, 4, 5), filters=3, kernel=(3, 2), bias="untied", padding=((1, 0), (0, 0))),
        example((2, 4, 5), filters=3, kernel=(3, 2), convolution=True, padding=(1, 0), stride=(2, 1), bias=False),
    )


@dataclass(frozen=True)
class Conv1D(_CrossCorrelation):
    """One-dimensional convolutional layer. The options are those of `Conv2D`, for one axis.

    Shapes   (C, W) → (filters, W'), W' = ⌊(W + p_left + p_right − d(KW − 1) − 1)/s⌋ + 1
    """

    axes: ClassVar[int] = 1
    examples = (
        example((3, 9), filters=4, kernel=3, stride=2, padding=((2, 1),), dilation=2),
        example((2, 5), filters=3, kernel=2, bias="untied", convolution=True, padding="same"),
    )


@dataclass(frozen=True)
class ConvTranspose2D(_Convolution):
    """Transposed convolution: the input gradient of a cross-correlation, used as a forward operation to enlarge images.

    The options describe this cross-correlation, as in `Conv2D`. A stride of 2 therefore doubles the size (exactly, with
    "same" padding), and padding crops the output. A strided cross-correlation maps several input sizes to the same
    output size. ``output_padding`` selects one of these sizes: it adds rows and columns at the end.

    x[c,i,j] is added to y[o, s·i + d·u − p, s·j + d·v − p] with weight w[c,o,u,v];  w (C_in, filters/groups, KH, KW)

    Shapes   (C, H, W) → (filters, H', W'), H' = s(H − 1) + d(KH − 1) + 1 − p_top − p_bottom + output_padding
    Errors   ShapeError when the padding crops everything, or no cross-correlation maps the output to the input size
    Source   Dumoulin and Visin 2016, section 4; VanillaCNN eq. 38 is the same computation as a gradient
    """

    output_padding: int | tuple[int, ...] = field(default=0, kw_only=True)

    kind: ClassVar[str] = "convt"
    examples = (
        example((3, 3, 2), filters=2, kernel=(3, 2), stride=(2, 3)),
        example((2, 2, 3), filters=4, kernel=(3, 2), stride=2, padding=((1, 0), (0, 1)), output_padding=1, groups=2),
        example((3, 2, 3), filters=2, kernel=2, dilation=(2, 1), bias="untied"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        extra = shapes.per_axis("ConvTranspose2D: output_padding", self.output_padding, 2, least=0)
        if any(cells >= step for cells, step in zip(extra, self._numbers("stride"), strict=True)):
            raise ShapeError(
                f"ConvTranspose2D: output_padding {self.output_padding!r} must be below the stride {self.stride!r}"
            )

    def _kernel_shape(self, channels: int) -> Shape:
        return (channels, self.filters // self.groups, *self._numbers("kernel"))

    def _fans(self, w: Shape) -> initializers.Fans:
        return initializers.Fans(w[0] * prod(w[2:]), prod(w[1:]))

    def _crop(self, size: Shape) -> tuple[shapes.Pair, ...]:
        """Return the padding of the underlying cross-correlation. For "same", the image has s·H rows."""
        strides = self._numbers("stride")
        return self._padding(tuple(cells * step for cells, step in zip(size, strides, strict=True)))

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (filters, H', W') with H' = s(H − 1) + d(K − 1) + 1 − p + output_padding; with "same", s·H."""
        self._check(shape, name)
        image = shape[1:]
        kernel = self._numbers("kernel")
        strides = self._numbers("stride")
        dilation = self._numbers("dilation")
        extra = shapes.per_axis("output_padding", self.output_padding, 2, least=0)
        crop = self._crop(image)
        sizes = list[int]()
        for axis, size in enumerate(image):
            if self.padding == "same":
                whole = size * strides[axis]
            else:
                whole = shapes.transposed_size(size, kernel[axis], strides[axis], crop[axis], dilation[axis])
            sizes.append(whole + extra[axis])
        if min(sizes) < 1:
            raise ShapeError(
                f"ConvTranspose2D {name!r}: padding {self.padding!r} crops the whole {shapes.text(sizes)} output"
            )
        back = tuple(map(shapes.output_size, sizes, kernel, strides, crop, dilation))
        if back != image:
            what = f"its {shapes.text(sizes)} output belongs to a {shapes.text(back)} input, not {shapes.text(image)}"
            raise ShapeError(f"ConvTranspose2D {name!r}: {what}; choose another output_padding or padding")
        return (self.filters, *sizes)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = wᵀ x + b;  db = Σ dy,  dw = dy ⋆ x,  dx = w ⋆ dy. The operations are those of `Conv2D`."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        w = builder.parameter("w")
        dy = y.gradient()
        options = self._attributes(self._crop(x.shape[1:]), False)
        spread = builder.activation("spread", y.shape) if self.bias else y
        builder.forward("cross_correlate_dx", (x, w), (spread,), size=y.shape[1:], **options)
        if self.bias:
            b = builder.parameter("b")
            builder.forward("add_bias", (spread, b), (y,))
            builder.backward("bias_gradient", (dy,), (b.gradient(),), untied=self.bias == "untied")
        builder.backward("cross_correlate_dw", (dy, x), (w.gradient(),), kernel=w.shape[2:], **options)
        builder.backward("cross_correlate", (dy, w, None), (x.gradient(),), **options)
        return y
