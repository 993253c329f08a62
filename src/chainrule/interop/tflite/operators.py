"""Translations of the operators of TensorFlow Lite to Keras layers. Kernels have the shape (C_out, KH, KW, C_in)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.interop.tflite.operator import FUNCTIONS, TfliteOperator, Translation

PADDINGS = ("same", "valid")
REDUCTIONS = {"MEAN": "Mean", "SUM": "Sum", "REDUCE_MAX": "Max", "REDUCE_MIN": "Min", "REDUCE_PROD": "Prod"}
BOOLEANS = 6  # TensorType


def _bias(operator: TfliteOperator, index: int = 2) -> dict[str, Array]:
    if operator.input(index) < 0:
        return {}
    return {"bias": operator.required(index)}


def _window(options: Any) -> dict[str, Any]:
    """Return strides and padding of a convolution."""
    return {"strides": [options.StrideH(), options.StrideW()], "padding": PADDINGS[options.Padding()]}


def _dilated_window(operator: TfliteOperator) -> dict[str, Any]:
    """Return strides, padding and dilation of a convolution. Between blocks of an image, it is dilated."""
    options = operator.options
    blocks = operator.blocks
    window = _window(options)
    if blocks and (window["strides"] != [1, 1] or window["padding"] != "valid" or not {*blocks} <= {1, 2}):
        raise operator.unsupported(f"{window} in blocks of SPACE_TO_BATCH_ND", "strides 1 and no padding")
    rows = options.DilationHFactor() * blocks.get(1, 1)
    columns = options.DilationWFactor() * blocks.get(2, 1)
    window["dilation_rate"] = [rows, columns]
    return window


def conv_2d(operator: TfliteOperator) -> None:
    """Add Conv2D."""
    w = operator.required(1)
    filters, *size, channels = w.shape
    groups = operator.shape(0)[-1] // channels
    named = {"filters": filters, "kernel_size": size, "groups": groups, **_dilated_window(operator)}
    arrays = {"kernel": np.moveaxis(w, 0, -1), **_bias(operator)}
    operator.add("Conv2D", arrays, **named)


def depthwise_conv_2d(operator: TfliteOperator) -> None:
    """Add DepthwiseConv2D."""
    w = operator.required(1)
    channels = operator.shape(0)[-1]
    size = w.shape[1:3]
    multiplier = w.shape[3] // channels
    named = {"kernel_size": [*size], "depth_multiplier": multiplier, **_dilated_window(operator)}
    arrays = {"kernel": w.reshape(*size, channels, multiplier), **_bias(operator)}
    operator.add("DepthwiseConv2D", arrays, **named)


def transpose_conv(operator: TfliteOperator) -> None:
    """Add Conv2DTranspose. Its inputs are the shape of the result, the kernel, the image and the bias."""
    w = operator.required(1)
    filters, *size, _ = w.shape
    arrays = {"kernel": np.moveaxis(w, 0, -2), **_bias(operator, 3)}
    operator.add("Conv2DTranspose", arrays, filters=filters, kernel_size=size, **_window(operator.options))


def fully_connected(operator: TfliteOperator) -> None:
    """Add Dense. Unless the number of axes is kept, the axes of a sample are merged, or positions become rows."""
    w = operator.required(1)
    shape = operator.shape(0)
    sources = operator.results()
    if operator.graph.shape(operator.output)[0] != shape[0]:
        operator.graph.rows[operator.output] = shape[0]
    elif len(shape) > 2 and not operator.options.KeepNumDims():
        merged = operator.graph.add(f"{operator.name}_input", "Reshape", {"target_shape": [w.shape[1]]}, sources)
        sources = [merged]
    operator.add("Dense", {"kernel": w.T, **_bias(operator)}, sources, units=len(w))


def pool(kind: str) -> Translation:
    """Return the translation of pooling."""

    def translate(operator: TfliteOperator) -> None:
        options = operator.options
        window = [options.FilterHeight(), options.FilterWidth()]
        operator.add(kind, pool_size=window, **_window(options))
        grid = operator.graph.grid(operator.output)
        if kind == "AveragePooling2D" and grid is not None:
            _round_ties_away_from_zero(operator, grid, window[0] * window[1])

    return translate


def _round_ties_away_from_zero(operator: TfliteOperator, grid: Mapping[str, float], count: int) -> None:
    """Add Rescaling that moves means halfway between two integers away from the integer 0, as LiteRT rounds them.

    The distance of a mean from the integer 0 grows by a share that is too small to change the rounding of other means.
    With floats, rounding errors would decide ties, which are frequent.

    count   number of integers in a window; the means are multiples of 1/count
    """
    share = 1 / (300 * count)
    offset = share * grid["scale"] * grid["zero"]
    operator.add_after("Rescaling", scale=1 + share, offset=offset)


def function(operator: TfliteOperator) -> None:
    """Add a function of keras.ops without options."""
    operator.add(FUNCTIONS[operator.code], sources=operator.sources())


def squared_difference(operator: TfliteOperator) -> None:
    """Add Subtract and Square."""
    operator.add("Subtract", sources=operator.sources())
    operator.add_after("Square")


def cast(operator: TfliteOperator) -> None:
    """Add Cast to truth values, or to floats."""
    dtype = "float32"
    if operator.graph.kind(operator.output) == BOOLEANS:
        dtype = "bool"
    operator.add("Cast", dtype=dtype)


def reduction(operator: TfliteOperator) -> None:
    """Add a reduction over constant axes."""
    axes = operator.numbers(1)
    keepdims = bool(operator.options.KeepDims())
    operator.add(REDUCTIONS[operator.code], axis=axes, keepdims=keepdims)


def reshape(operator: TfliteOperator) -> None:
    """Add Reshape to the shape of the result. Positions of samples that become rows stay where they are."""
    before = operator.shape(0)
    shape = operator.graph.shape(operator.output)
    rows = operator.graph.rows
    batch = rows.pop(operator.output, before[0])
    if shape[0] != batch:
        if shape != (math.prod(before[:-1]), before[-1]):
            raise operator.unsupported(f"{before} to {shape}", "the same batch axis")
        operator.alias()
        rows[operator.output] = batch
        return
    blocks = operator.graph.blocks.get(operator.output, {})
    target = [size * blocks.get(axis, 1) for axis, size in enumerate(shape) if axis > 0]
    operator.add("Reshape", target_shape=target)


def prelu(operator: TfliteOperator) -> None:
    """Add PReLU."""
    slopes = operator.required(1)
    slopes = slopes.reshape((1,) * (len(operator.shape(0)) - 1 - slopes.ndim) + slopes.shape)
    shared = [axis for axis, size in enumerate(slopes.shape, 1) if size == 1]
    operator.add("PReLU", {"alpha": slopes}, shared_axes=shared)


def space_to_batch(operator: TfliteOperator) -> None:
    """Add Pad, and record the blocks: following convolutions are dilated."""
    counts = operator.numbers(1)
    pads = operator.required(2).tolist()
    rest = len(operator.shape(0)) - 1 - len(counts)
    operator.add("Pad", pad_width=[[0, 0], *pads, *[[0, 0]] * rest])
    operator.graph.blocks[operator.output] = dict(enumerate(counts, 1))


def batch_to_space(operator: TfliteOperator) -> None:
    """Add GetItem for the elements that are not cropped; the blocks end."""
    counts = operator.numbers(1)
    crops = operator.required(2).tolist()
    if operator.blocks != dict(enumerate(counts, 1)):
        raise operator.unsupported(f"blocks {counts}", f"those of SPACE_TO_BATCH_ND before it, {operator.blocks}")
    _, *sizes = operator.graph.shape(operator.output)
    index = [slice(None)]
    for (first, _), size in zip(crops, sizes, strict=False):
        index.append(slice(first, first + size))
    del operator.graph.blocks[operator.output]
    operator.add("GetItem", index=index)


def resize(mode: str) -> Translation:
    """Return the translation of resizing of images."""

    def translate(operator: TfliteOperator) -> None:
        options = operator.options
        rows, columns = operator.numbers(1)
        _, height, width, *_ = operator.shape(0)
        is_whole = rows % height == 0 and columns % width == 0
        is_usual = options.HalfPixelCenters() or (mode == "nearest" and is_whole)
        if options.AlignCorners() or not is_usual:
            raise operator.unsupported("another alignment", "half_pixel_centers")
        operator.add("Resize", size=[rows, columns], interpolation=mode)

    return translate


def simple(kind: str, **options: Any) -> Translation:
    """Return the translation to a function of keras.ops with these options."""
    return lambda operator: operator.add(kind, **options)


def with_constant(kind: str, option: str) -> Translation:
    """Return the translation to a function of keras.ops, with the second input as an option."""
    return lambda operator: operator.add(kind, **{option: operator.required(1).tolist()})


def along_axis(kind: str) -> Translation:
    """Return the translation to a function of all inputs along an axis."""

    def translate(operator: TfliteOperator) -> None:
        operator.add(kind, sources=operator.sources(), axis=operator.options.Axis())

    return translate


def split(operator: TfliteOperator) -> None:
    """Add Split into the parts of the outputs. SPLIT reads the axis before the value, SPLIT_V after the sizes."""
    axis_input = 0 if operator.code == "SPLIT" else 2
    axis = int(operator.required(axis_input))
    sizes = [operator.graph.shape(output)[axis] for output in operator.outputs]
    operator.add("Split", indices_or_sections=np.cumsum(sizes)[:-1].tolist(), axis=axis)


def blocks(operator: TfliteOperator) -> None:
    """Add Reshape, Permute and Reshape, which move blocks of pixels to channels, or channels to blocks."""
    _, height, width, _ = operator.shape(0)
    size = operator.options.BlockSize()
    _, *target = operator.graph.shape(operator.output)
    if operator.code == "DEPTH_TO_SPACE":
        pixels = [height, width, size, size]
    else:
        pixels = [height // size, size, width // size, size]
    operator.add("Reshape", target_shape=[*pixels, -1])
    operator.add_after("Permute", dims=[1, 3, 2, 4, 5])
    operator.add_after("Reshape", target_shape=target)


def pad(operator: TfliteOperator) -> None:
    """Add Pad with zeros, another number, or copies of elements."""
    options: dict[str, Any] = {}
    if operator.code == "MIRROR_PAD":
        options["mode"] = "symmetric" if operator.options.Mode() else "reflect"
    elif operator.code == "PADV2":
        options["constant_values"] = float(operator.required(2).reshape(()))
    operator.add("Pad", pad_width=operator.required(1).tolist(), **options)


def softmax(operator: TfliteOperator) -> None:
    """Add Softmax along the last axis."""
    if operator.options.Beta() != 1:
        raise operator.unsupported(f"beta {operator.options.Beta()}", "1")
    operator.add("Softmax", axis=-1)


def leaky_relu(operator: TfliteOperator) -> None:
    """Add LeakyRelu."""
    operator.add("LeakyRelu", negative_slope=round(float(operator.options.Alpha()), 9))


def gelu(operator: TfliteOperator) -> None:
    """Add Gelu."""
    operator.add("Gelu", approximate=bool(operator.options.Approximate()))


def strided_slice(operator: TfliteOperator) -> None:
    """Add GetItem, with an index or a range for each axis."""
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
    _get_item(operator, entries)


def slice_(operator: TfliteOperator) -> None:
    """Add GetItem, with a range for each axis."""
    entries: list[int | slice] = []
    for begin, size in zip(operator.numbers(1), operator.numbers(2), strict=True):
        end = None if size < 0 else begin + size
        entries.append(slice(begin, end))
    _get_item(operator, entries)


def _get_item(operator: TfliteOperator, entries: Sequence[int | slice]) -> None:
    """Add GetItem. A range of the batch axis must contain all samples that the file specifies."""
    if operator.graph.shape(operator.output)[:1] != operator.shape(0)[:1] or not isinstance(entries[0], slice):
        raise operator.unsupported("a range of samples", "all samples")
    operator.add("GetItem", index=[slice(None), *entries[1:]])


OPERATORS: dict[str, Translation] = {
    **dict.fromkeys(FUNCTIONS, function),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(
        ("QUANTIZE", "DEQUANTIZE", "DENSIFY"), TfliteOperator.alias
    ),  # they change only how numbers are stored
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), reshape),
    "PRELU": prelu,
    "SPACE_TO_BATCH_ND": space_to_batch,
    "BATCH_TO_SPACE_ND": batch_to_space,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": pool("MaxPooling2D"),
    "AVERAGE_POOL_2D": pool("AveragePooling2D"),
    "RESIZE_BILINEAR": resize("bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": resize("nearest"),
    "CONCATENATION": along_axis("Concatenate"),
    "PACK": along_axis("Stack"),
    "UNPACK": along_axis("Unstack"),
    "GATHER": along_axis("Take"),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), split),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), blocks),
    "CAST": cast,
    "SQUARED_DIFFERENCE": squared_difference,
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), pad),
    "TILE": with_constant("Tile", "repeats"),
    "REVERSE_V2": with_constant("Flip", "axis"),
    "L2_NORMALIZATION": simple("UnitNormalization", axis=-1),
    "SOFTMAX": softmax,
    "LEAKY_RELU": leaky_relu,
    "GELU": gelu,
    "STRIDED_SLICE": strided_slice,
    "SLICE": slice_,
    "LOG_SOFTMAX": simple("LogSoftmax", axis=-1),
    "ELU": simple("Elu"),
    "TRANSPOSE": with_constant("Transpose", "axes"),
}
