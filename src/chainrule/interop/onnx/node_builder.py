"""Translation of layers of other formats by the readers of ONNX operators.

Keras and TensorFlow Lite have the channels on the last axis. Their values keep these axes: a layer moves the channels
to axis 1 and back, and moves that cancel leave no layers in the network.
"""

import math
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import FormatError, OptionError, ShapeError, quoted
from chainrule.interop.assembly import MAX_FLOAT32, Assembly, reshaped
from chainrule.interop.onnx.graph_writer import attribute
from chainrule.interop.onnx.messages import OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature, Value
from chainrule.interop.onnx.operators import READERS
from chainrule.interop.onnx.operators.moved_elements import materialized
from chainrule.interop.onnx.operators.shapes import MOVING
from chainrule.interop.onnx.operators.terms import scale_and_shift

BATCH = 2  # samples in the shapes of values; every layer must treat them equally
OPSET = 18
T = TypeVar("T")


class NodeBuilder:
    """Builds the nodes of a layer or operator of a file.

    kind         kind of the layer in the file, such as Conv2D
    name         name of the layer in the file
    layer_name   name of the layer in the network
    """

    def __init__(self, kind: str, name: str, layer_name: str, assembly: Assembly) -> None:
        self.kind = kind
        self.name = name
        self.layer_name = layer_name
        self.assembly = assembly

    def unsupported(self, actual: str, expected: str) -> FormatError:
        """Return the error for an unsupported layer."""
        return FormatError(f"{self.kind} {quoted(self.name)}: {actual}; expected {expected}")

    @contextmanager
    def named_errors(self) -> Generator[None]:
        """Turn errors of layers and of NumPy into errors that name this layer."""
        try:
            yield
        except (ShapeError, OptionError, FormatError) as error:
            message = str(error)
            if message.startswith(f"{self.kind} "):  # the message already contains the layer
                raise FormatError(message) from None
            message = re.sub(r"^\w+( '\w+')?: ", "", message)
            raise self.unsupported(message, "what a layer of chainrule allows") from None
        except (TypeError, ValueError, IndexError, OverflowError) as error:  # of NumPy
            raise self.unsupported(f"invalid options ({error})", "valid ones") from None

    def reserve(self, x: Feature, count: int) -> None:
        """Charge `count` times the elements of a value to the budget of the file."""
        self.assembly.budget.write(4 * math.prod(x.shape) * max(count, 0), self.kind)

    def op(
        self, operator: str, *values: Value | None, weights: Sequence[str] = (), part: str = "", **attributes: Any
    ) -> Feature:
        """Return the result of an ONNX operator.

        weights      names of its last inputs, which are weights of the layer
        part         end of the layer's name, for one of several layers with weights
        attributes   attributes of the node; None: omitted
        """
        names = [""] * (len(values) - len(weights)) + [f"{self.layer_name}{part}.{name}" for name in weights]
        options = [attribute(name, value) for name, value in attributes.items() if value is not None]
        call = self._call(operator, names)
        call.operation.attributes = options
        if operator not in MOVING:
            values = tuple(materialized(value) if isinstance(value, Feature) else value for value in values)
        result = READERS[operator](Call(call.operation, values, OPSET, self.assembly, open_batch=True))
        assert isinstance(result, Feature)
        return result

    def _call(self, operator: str, inputs: Sequence[str] = ()) -> Call:
        node = OnnxNode([*inputs], [self.layer_name], self.name, operator)
        return Call(node, [], OPSET, self.assembly, open_batch=True)

    def moved(self, x: Feature, move: Callable[[Array], Array]) -> Feature:
        """Return a value whose elements are moved as a function moves those of an array."""
        return self.moved_parts(x, lambda indices: [move(indices)])[0]

    def moved_parts(self, x: Feature, move: Callable[[Array], Sequence[Array]]) -> list[Feature]:
        """Return the parts into which a function moves the elements of an array."""
        call = self._call(self.kind, [""])
        call.charge(4 * math.prod(x.shape))
        return [replace(x, indices=part, moved_by=call) for part in move(x.element_indices)]

    def moved_axis(self, x: Feature, source: int, target: int) -> Feature:
        """Return a value with an axis moved to another place."""
        return self.moved(x, lambda indices: np.moveaxis(indices, source, target))

    def affine(self, x: Feature, scale: Array | float, shift: Array | float = 0.0) -> Feature:
        """Return scale · x + shift for constants that training does not change."""
        constants: list[Array] = []
        for value in (scale, shift):
            constant = np.asarray(value, np.float64)
            if constant.size == 1:
                constant = constant.reshape(())
            constants.append(constant)
        return scale_and_shift(self._call("Mul"), materialized(x), *constants)

    def clipped(self, x: Feature, low: float, high: float) -> Feature:
        """Return x clipped to [low, high]."""
        x = materialized(x)
        return x.with_node(self.assembly.clip(x.node, low, high))

    def layer(self, x: Feature, kind: str, **options: object) -> Feature:
        """Return a layer of chainrule without weights, which reads one value."""
        x = materialized(x)
        return x.with_node(self.assembly.apply(kind, x.node, **options))

    # ------------------------------------------------------------------ operators with the channels on another axis

    def convolved(
        self, x: Feature, w: Array, bias: Array | None, groups: int = 1, *, part: str = "", **window: Any
    ) -> Feature:
        """Return Conv of a value whose channels are on axis 1, for a kernel (…, C_in/groups, C_out)."""
        return self._with_weights("Conv", x, np.moveaxis(w, (-1, -2), (0, 1)), bias, part=part, group=groups, **window)

    def transposed(self, x: Feature, w: Array, bias: Array | None, shape: Sequence[int], **window: Any) -> Feature:
        """Return ConvTranspose of a value whose channels are on axis 1, for a kernel (…, C_out, C_in).

        shape   sizes of the result along the axes of the image
        """
        options: dict[str, Any] = {"output_shape": shape, "auto_pad": "SAME_UPPER", **window}
        return self._with_weights("ConvTranspose", x, np.moveaxis(w, (-1, -2), (0, 1)), bias, **options)

    def dense(self, x: Feature, w: Array, bias: Array | None, *, is_shared: bool = False) -> Feature:
        """Return Gemm for a matrix (F_in, F_out) or, if a sample has several axes, Conv with a kernel of size 1.

        If the elements of the sample were only permuted, as by Flatten, the rows of the matrix are permuted instead.

        is_shared   whether the layer is also applied to other values
        """
        last = len(x.shape) - 1
        if last == 1 and x.indices is not None and not is_shared:
            sample = x.indices[0]
            if np.array_equal(np.sort(sample), np.arange(math.prod(x.node.shape))):
                w = w[np.argsort(sample)]
                x = x.with_node(reshaped(x.node, sample.shape))
        if last > 1:
            kernel = w.reshape(*[1] * (last - 1), *w.shape)
            return self.moved_axis(self.convolved(self.moved_axis(x, last, 1), kernel, bias), 1, last)
        return self._with_weights("Gemm", x, w.T, bias, transB=1)

    def _with_weights(self, operator: str, x: Feature, w: Array, bias: Array | None, **options: Any) -> Feature:
        """Return the result of an ONNX operator that reads a value, weights and perhaps a bias."""
        if bias is None:
            return self.op(operator, x, w, weights=["weight"], **options)
        return self.op(operator, x, w, bias, weights=["weight", "bias"], **options)

    def reduced(self, operator: str, x: Feature, axes: Sequence[int], *, keeps_axes: bool) -> Feature:
        """Return a reduction over axes, with the channels on axis 1 unless they are among the axes."""
        last = len(x.shape) - 1
        if last in axes or last == 1:
            return self.op(operator, x, np.array(axes), keepdims=int(keeps_axes))
        moved_axes = [axis + 1 for axis in axes]
        y = self.op(operator, self.moved_axis(x, last, 1), np.array(moved_axes), keepdims=int(keeps_axes))
        return self.moved_axis(y, 1, -1)

    def normalized(self, x: Feature, axes: Sequence[int], smallest: float) -> Feature:
        """Return x divided by its Euclidean norm along axes, for a lower limit of the sum of squares."""
        squares = self.op("ReduceSumSquare", x, np.array(axes), keepdims=1)
        return self.op("Div", x, self.op("Sqrt", self.clipped(squares, smallest, MAX_FLOAT32)))

    def with_slopes(self, x: Feature, slopes: Array) -> Feature:
        """Return PRelu for slopes in the shape of a sample, with axes of size 1 that share them."""
        last = len(x.shape) - 1
        y = self.op("PRelu", self.moved_axis(x, last, 1), np.moveaxis(slopes, -1, 0), weights=["weight"])
        return self.moved_axis(y, 1, last)

    def expanded(self, value: Value, axis: int) -> Value:
        """Return a value or a constant with a new axis of size 1."""
        if isinstance(value, Feature):
            return self.moved(value, lambda indices: np.expand_dims(indices, axis))
        return np.expand_dims(value, axis)

    def joined(self, parts: Sequence[Value], axis: int) -> Feature:
        """Return Concat along an axis, as that of the channels. Constants are equal for all samples."""
        moved: list[Value] = []
        for part in parts:
            if isinstance(part, Feature):
                moved.append(self.moved_axis(part, axis, 1))
            else:
                moved.append(np.moveaxis(np.broadcast_to(part, (BATCH, *part.shape[1:])), axis, 1))
        return self.moved_axis(self.op("Concat", *moved, axis=1), 1, axis)

    def padded(self, x: Feature, pairs: Array, value: float = 0.0) -> Feature:
        """Return Pad along all axes; negative numbers remove elements.

        pairs   number of elements before and after each axis (rank, 2)
        """
        free = [axis for axis in range(1, len(pairs)) if not pairs[axis].any()]
        channels = len(pairs) - 1
        if free:
            channels = free[-1]
        order = [0, channels, *(axis for axis in range(1, len(pairs)) if axis != channels)]
        image = self.moved(x, lambda indices: indices.transpose(order))
        y = self.op("Pad", image, pairs[order].T.reshape(-1), np.array(value))
        return self.moved(y, lambda indices: indices.transpose(np.argsort(order)))

    def resized(self, x: Feature, size: Sequence[int], mode: str, coordinates: str | None = None) -> Feature:
        """Return Resize of a value whose channels are on axis 1.

        mode          "nearest" or "bilinear"
        coordinates   coordinate_transformation_mode of ONNX; None: half_pixel
        """
        sizes = np.array([BATCH, x.shape[1], *size])
        mode = {"bilinear": "linear"}.get(mode, mode)
        rounding = "round_prefer_ceil"
        if coordinates == "asymmetric":
            rounding = "floor"
        return self.op(
            "Resize",
            *(x, None, None, sizes),
            mode=mode,
            nearest_mode=rounding,
            coordinate_transformation_mode=coordinates,
        )

    def aligned(self, values: Sequence[Value]) -> list[Value]:
        """Return operands with as many axes each: axes of size 1 follow the batch axis."""
        rank = max(len(value.shape) for value in values if isinstance(value, Feature))
        operands: list[Value] = []
        for value in values:
            if isinstance(value, Feature) and len(value.shape) < rank:
                batch, *sizes = value.shape
                shape = (batch, *[1] * (rank - len(value.shape)), *sizes)
                value = self.moved(value, lambda indices, shape=shape: indices.reshape(shape))
            operands.append(value)
        return operands
