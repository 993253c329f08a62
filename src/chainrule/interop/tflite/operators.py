"""Translations of the operators of TensorFlow Lite to ONNX operators. Kernels have the shape (C_out, KH, KW, C_in)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.operator_call import Feature
from chainrule.interop.onnx.tensors import BOOLEAN, FLOAT32
from chainrule.interop.tflite import quantization
from chainrule.interop.tflite.operator import LIMITS, Results, TfliteOperator, Translation

PADDINGS = ("SAME_UPPER", None)  # by Padding
MIRRORS: tuple[Any, ...] = ("reflect", "symmetric")  # by MirrorPadMode
REDUCTIONS = {"MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin"}
BOOLEANS = 6  # TensorType
SMALLEST_SQUARES = 1e-24  # lower limit of the sum of squares in L2_NORMALIZATION


def _bias(operator: TfliteOperator, index: int = 2) -> Array | None:
    if operator.input(index) < 0:
        return None
    return operator.required(index)


def _window(options: Any) -> dict[str, Any]:
    """Return strides and padding of a convolution or a pooling."""
    return {"strides": [options.StrideH(), options.StrideW()], "auto_pad": PADDINGS[options.Padding()]}


def _dilated_window(operator: TfliteOperator) -> dict[str, Any]:
    """Return strides, padding and dilation of a convolution. Between blocks of an image, it is dilated."""
    options = operator.options
    blocks = operator.blocks
    window = _window(options)
    if blocks and (window["strides"] != [1, 1] or window["auto_pad"] is not None or not {*blocks} <= {1, 2}):
        raise operator.unsupported(f"{window} in blocks of SPACE_TO_BATCH_ND", "strides 1 and no padding")
    rows = options.DilationHFactor() * blocks.get(1, 1)
    columns = options.DilationWFactor() * blocks.get(2, 1)
    return {**window, "dilations": [rows, columns]}


def _image(operator: TfliteOperator) -> Feature:
    """Return the first result among the inputs with the channels on axis 1."""
    return operator.moved_axis(operator.x, -1, 1)


def _activated_image(operator: TfliteOperator, y: Feature) -> Feature:
    """Return a result with the channels on the last axis, after the fused activation."""
    return operator.activated(operator.moved_axis(y, 1, -1))


def conv_2d(operator: TfliteOperator) -> Feature:
    """Return Conv."""
    w = operator.required(1)
    groups = operator.shape(0)[-1] // w.shape[-1]
    window = _dilated_window(operator)
    y = operator.convolved(_image(operator), np.moveaxis(w, 0, -1), _bias(operator), groups, **window)
    return _activated_image(operator, y)


def depthwise_conv_2d(operator: TfliteOperator) -> Feature:
    """Return Conv with a group for each channel, for a kernel (1, KH, KW, C_out)."""
    w = np.moveaxis(operator.required(1), 0, 2)
    window = _dilated_window(operator)
    y = operator.convolved(_image(operator), w, _bias(operator), operator.shape(0)[-1], **window)
    return _activated_image(operator, y)


def transpose_conv(operator: TfliteOperator) -> Feature:
    """Return ConvTranspose. Its inputs are the shape of the result, the kernel, the image and the bias."""
    w = np.moveaxis(operator.required(1), 0, -2)
    window = _window(operator.options)
    y = operator.transposed(_image(operator), w, _bias(operator, 3), dilations=[1, 1], **window)
    return _activated_image(operator, y)


def fully_connected(operator: TfliteOperator) -> Feature:
    """Return Gemm. Unless the number of axes is kept, the axes of a sample are merged, or positions become rows."""
    w = operator.required(1)
    shape = operator.shape(0)
    x = operator.x
    if operator.graph.shape(operator.output)[0] != shape[0]:
        operator.graph.rows[operator.output] = shape[0]
    elif len(shape) > 2 and not operator.options.KeepNumDims():
        x = operator.moved(x, lambda indices: indices.reshape(len(indices), w.shape[1]))
    return operator.activated(operator.dense(x, w.T, _bias(operator)))


def pool(kind: str) -> Translation:
    """Return the translation of pooling."""

    def translate(operator: TfliteOperator) -> Feature:
        options = operator.options
        window = [options.FilterHeight(), options.FilterWidth()]
        y = _activated_image(operator, operator.op(kind, _image(operator), kernel_shape=window, **_window(options)))
        grid = operator.graph.grid(operator.output)
        if kind == "AveragePool" and grid is not None:
            return _with_ties_away_from_zero(operator, y, grid, window[0] * window[1])
        return y

    return translate


def _with_ties_away_from_zero(operator: TfliteOperator, y: Feature, grid: Mapping[str, float], count: int) -> Feature:
    """Return means with those halfway between two integers moved away from the integer 0, as LiteRT rounds them.

    The distance of a mean from the integer 0 grows by a share that is too small to change the rounding of other means.
    With floats, rounding errors would decide ties, which are frequent.

    count   number of integers in a window; the means are multiples of 1/count
    """
    share = 1 / (300 * count)
    return operator.affine(y, 1 + share, share * grid["scale"] * grid["zero"])


def function(operator: TfliteOperator) -> Feature:
    """Return an element-wise operator of ONNX, or several in a row."""
    first, *others = NAMES.tflite[operator.code].split()
    y = operator.op(first, *operator.aligned(operator.operands()))
    for name in others:
        y = operator.op(name, y)
    return operator.activated(y)


def limited(operator: TfliteOperator) -> Feature:
    """Return Clip to the limits in the name of the operator."""
    return operator.clipped(operator.x, *LIMITS[operator.code])


def square(operator: TfliteOperator) -> Feature:
    """Return x · x."""
    return operator.op("Mul", operator.x, operator.x)


def squared_difference(operator: TfliteOperator) -> Feature:
    """Return Sub, and the product of the result with itself."""
    difference = operator.op("Sub", *operator.aligned(operator.operands()))
    return operator.op("Mul", difference, difference)


def cast(operator: TfliteOperator) -> Feature:
    """Return Cast to truth values, or to floats."""
    kind = FLOAT32
    if operator.graph.kind(operator.output) == BOOLEANS:
        kind = BOOLEAN
    return operator.op("Cast", operator.x, to=kind)


def alias(operator: TfliteOperator) -> Results:
    """Return the first input: the operator only changes how its numbers are stored. Constants are rounded."""
    constant = operator.constant(0)
    if constant is None:
        return operator.x
    grid = operator.graph.grid(operator.output)
    numbers = constant.astype(np.float32)
    if grid is None:
        return numbers
    return quantization.rounded(numbers, grid)


def reduction(operator: TfliteOperator) -> Feature:
    """Return a reduction over constant axes of a sample."""
    rank = len(operator.x.shape)
    axes = sorted({axis % rank for axis in operator.numbers(1)})
    if 0 in axes:
        raise operator.unsupported(f"axis {operator.numbers(1)}", "axes of a sample")
    keeps_axes = bool(operator.options.KeepDims())
    return operator.reduced(REDUCTIONS[operator.code], operator.x, axes, keeps_axes=keeps_axes)


def reshape(operator: TfliteOperator) -> Feature:
    """Return Reshape to the shape of the result. Positions of samples that become rows stay where they are."""
    before = operator.shape(0)
    shape = operator.graph.shape(operator.output)
    rows = operator.graph.rows
    batch = rows.pop(operator.output, before[0])
    if shape[0] != batch:
        if shape != (math.prod(before[:-1]), before[-1]):
            raise operator.unsupported(f"{before} to {shape}", "the same batch axis")
        rows[operator.output] = batch
        return operator.x
    blocks = operator.graph.blocks.get(operator.output, {})
    target = [size * blocks.get(axis, 1) for axis, size in enumerate(shape) if axis > 0]
    return operator.moved(operator.x, lambda indices: indices.reshape(len(indices), *target))


def prelu(operator: TfliteOperator) -> Feature:
    """Return PRelu."""
    slopes = operator.required(1)
    slopes = slopes.reshape((1,) * (len(operator.shape(0)) - 1 - slopes.ndim) + slopes.shape)
    return operator.with_slopes(operator.x, slopes)


def space_to_batch(operator: TfliteOperator) -> Feature:
    """Return Pad, and record the blocks: following convolutions are dilated."""
    counts = operator.numbers(1)
    pairs = np.zeros((len(operator.shape(0)), 2), int)
    pairs[1 : 1 + len(counts)] = operator.required(2)
    operator.graph.blocks[operator.output] = dict(enumerate(counts, 1))
    return operator.padded(operator.x, pairs)


def batch_to_space(operator: TfliteOperator) -> Feature:
    """Return Slice, for the elements that are not cropped; the blocks end."""
    counts = operator.numbers(1)
    if operator.blocks != dict(enumerate(counts, 1)):
        raise operator.unsupported(f"blocks {counts}", f"those of SPACE_TO_BATCH_ND before it, {operator.blocks}")
    _, *sizes = operator.graph.shape(operator.output)
    ranges = [slice(None)]
    for (first, _), size in zip(operator.required(2).tolist(), sizes, strict=False):
        ranges.append(slice(first, first + size))
    del operator.graph.blocks[operator.output]
    return operator.moved(operator.x, lambda indices: indices[tuple(ranges)])


def resize(mode: str) -> Translation:
    """Return the translation of resizing of images."""

    def translate(operator: TfliteOperator) -> Feature:
        coordinates = "asymmetric"
        if operator.options.AlignCorners():
            coordinates = "align_corners"
        elif operator.options.HalfPixelCenters():
            coordinates = "half_pixel"
        y = operator.resized(_image(operator), operator.numbers(1), mode, coordinates)
        return operator.moved_axis(y, 1, -1)

    return translate


def _axis(operator: TfliteOperator, rank: int) -> int:
    """Return the option that is an axis of a sample."""
    axis = int(operator.options.Axis())
    if not -rank < axis < rank or axis == 0:
        raise operator.unsupported(f"axis {axis}", "an axis of a sample")
    return axis % rank


def concatenation(operator: TfliteOperator) -> Feature:
    """Return Concat."""
    return operator.activated(operator.joined(operator.operands(), _axis(operator, len(operator.x.shape))))


def pack(operator: TfliteOperator) -> Feature:
    """Return Concat along a new axis."""
    axis = _axis(operator, len(operator.x.shape) + 1)
    parts = [operator.expanded(value, axis) for value in operator.operands()]
    return operator.joined(parts, axis)


def unpack(operator: TfliteOperator) -> list[Feature]:
    """Return the elements along an axis, without the axis."""
    axis = _axis(operator, len(operator.x.shape))
    return operator.moved_parts(operator.x, lambda indices: [*np.moveaxis(indices, axis, 0)])


def gather(operator: TfliteOperator) -> Feature:
    """Return Gather of elements at constant positions."""
    axis = _axis(operator, len(operator.x.shape))
    positions = operator.required(1)
    if operator.options.BatchDims():
        raise operator.unsupported(f"batch_dims {operator.options.BatchDims()}", "0")
    return operator.moved(operator.x, lambda indices: np.take(indices, positions, axis))


def split(operator: TfliteOperator) -> list[Feature]:
    """Return the parts of the outputs. SPLIT reads the axis before the value, SPLIT_V after the sizes."""
    axis_input = {"SPLIT": 0, "SPLIT_V": 2}[operator.code]
    axis = int(operator.required(axis_input))
    sizes = [operator.graph.shape(output)[axis] for output in operator.outputs]
    ends = np.cumsum(sizes)[:-1].tolist()
    return operator.moved_parts(operator.x, lambda indices: np.split(indices, ends, axis))


def blocks(operator: TfliteOperator) -> Feature:
    """Return DepthToSpace or SpaceToDepth, which move channels to blocks of pixels, or blocks to channels."""
    name = operator.code.title().replace("_", "")
    return operator.moved_axis(operator.op(name, _image(operator), blocksize=operator.options.BlockSize()), 1, -1)


def pad(operator: TfliteOperator) -> Feature:
    """Return Pad with zeros, another number, or copies of elements."""
    pairs = operator.required(1)
    if operator.code == "MIRROR_PAD":
        operator.reserve(operator.x, math.prod((pairs.sum(1) + 1).tolist()))
        mode = MIRRORS[int(operator.options.Mode())]
        return operator.moved(operator.x, lambda indices: np.pad(indices, pairs, mode))
    value = 0.0
    if operator.code == "PADV2":
        value = float(operator.required(2).reshape(()))
    return operator.padded(operator.x, pairs, value)


def tile(operator: TfliteOperator) -> Feature:
    """Return Tile."""
    counts = operator.numbers(1)
    operator.reserve(operator.x, math.prod(counts))
    return operator.moved(operator.x, lambda indices: np.tile(indices, counts))


def reverse(operator: TfliteOperator) -> Feature:
    """Return the elements along axes in reverse order."""
    axes = tuple(operator.numbers(1))
    return operator.moved(operator.x, lambda indices: np.flip(indices, axes))


def transpose(operator: TfliteOperator) -> Feature:
    """Return Transpose."""
    order = operator.numbers(1)
    return operator.moved(operator.x, lambda indices: indices.transpose(order))


def l2_normalization(operator: TfliteOperator) -> Feature:
    """Return x divided by its norm along the last axis."""
    return operator.activated(operator.normalized(operator.x, [len(operator.x.shape) - 1], SMALLEST_SQUARES))


def softmax(operator: TfliteOperator) -> Feature:
    """Return Softmax along the last axis."""
    if operator.options.Beta() != 1:
        raise operator.unsupported(f"beta {operator.options.Beta()}", "1")
    return operator.op("Softmax", operator.x, axis=-1)


def log_softmax(operator: TfliteOperator) -> Feature:
    """Return LogSoftmax along the last axis."""
    return operator.op("LogSoftmax", operator.x, axis=-1)


def leaky_relu(operator: TfliteOperator) -> Feature:
    """Return LeakyRelu."""
    return operator.layer(operator.x, "LeakyReLU", slope=round(float(operator.options.Alpha()), 9))


def gelu(operator: TfliteOperator) -> Feature:
    """Return Gelu."""
    if operator.options.Approximate():
        return operator.layer(operator.x, "GELU")
    return operator.layer(operator.x, "ExactGELU")


def strided_slice(operator: TfliteOperator) -> Feature:
    """Return Slice, with an index or a range for each axis."""
    options = operator.options
    if options.EllipsisMask() or options.NewAxisMask():
        raise operator.unsupported("an ellipsis or a new axis", "ranges of existing axes")
    ranges = zip(operator.numbers(1), operator.numbers(2), operator.numbers(3), strict=True)
    entries: list[int | slice] = []
    for axis, (begin, end, stride) in enumerate(ranges):
        bit = 1 << axis
        if options.ShrinkAxisMask() & bit:
            entries.append(begin)
            continue
        first = None if options.BeginMask() & bit else begin
        last = None if options.EndMask() & bit else end
        entries.append(slice(first, last, stride))
    return _selected(operator, entries)


def slice_(operator: TfliteOperator) -> Feature:
    """Return Slice, with a range for each axis."""
    entries: list[int | slice] = []
    for begin, size in zip(operator.numbers(1), operator.numbers(2), strict=True):
        end = None if size < 0 else begin + size
        entries.append(slice(begin, end))
    return _selected(operator, entries)


def _selected(operator: TfliteOperator, entries: Sequence[int | slice]) -> Feature:
    """Return elements at indices. A range of the batch axis must contain all samples that the file specifies."""
    if operator.graph.shape(operator.output)[:1] != operator.shape(0)[:1] or not isinstance(entries[0], slice):
        raise operator.unsupported("a range of samples", "all samples")
    index = (slice(None), *entries[1:])
    return operator.moved(operator.x, lambda indices: indices[index])


OPERATORS: dict[str, Translation] = {
    **dict.fromkeys(NAMES.tflite, function),
    **dict.fromkeys(LIMITS, limited),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), alias),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), reshape),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), split),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), blocks),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), pad),
    "AVERAGE_POOL_2D": pool("AveragePool"),
    "BATCH_TO_SPACE_ND": batch_to_space,
    "CAST": cast,
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "GATHER": gather,
    "GELU": gelu,
    "L2_NORMALIZATION": l2_normalization,
    "LEAKY_RELU": leaky_relu,
    "LOG_SOFTMAX": log_softmax,
    "MAX_POOL_2D": pool("MaxPool"),
    "PACK": pack,
    "PRELU": prelu,
    "RESIZE_BILINEAR": resize("bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": resize("nearest"),
    "REVERSE_V2": reverse,
    "SLICE": slice_,
    "SOFTMAX": softmax,
    "SPACE_TO_BATCH_ND": space_to_batch,
    "SQUARE": square,
    "SQUARED_DIFFERENCE": squared_difference,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
    "TRANSPOSE": transpose,
    "TRANSPOSE_CONV": transpose_conv,
    "UNPACK": unpack,
}
