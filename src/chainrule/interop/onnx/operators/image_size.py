"""Operators that change the size of images: padding and resampling."""

import itertools
from typing import Any, cast

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import Pair, resampling_weights
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.arithmetic import scale_and_shift
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.shapes import slice_axis
from chainrule.interop.onnx.operators.windows import image, restore_rank, simplify

REPEATING_MODES = ("edge", "reflect", "wrap")  # of ONNX and of numpy.pad
MAX_SLICES = 128  # repeated elements along an axis; each may become a Slice
NEAREST_RULES = (  # coordinates and rounding; for whole factors, each of them repeats every pixel
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
    ("pytorch_half_pixel", "round_prefer_ceil"),
)


def read_pad(call: Call) -> Feature:
    """Return Pad2D, Crop2D for negative pads, or Concatenate of Slices for the modes edge, reflect and wrap."""
    x = call.batched_input()
    borders, mode, value = _border_sizes(call, len(x.shape)), call.text("mode", "constant"), _fill_value(call)
    if not any(map(any, borders)):
        return x
    if any(borders[0]):
        raise call.unsupported(f"pads {borders[0]} of the batch axis", "padding of other axes only")
    if mode in REPEATING_MODES:
        for axis, (before, after) in enumerate(borders):
            x = _pad_with_repeats(call, x, axis, mode, before, after)
        return x
    if mode != "constant" or not np.isfinite(value):
        raise call.unsupported(
            f"mode {mode!r}, value {value}", f"a finite number, or one of {', '.join(REPEATING_MODES)}"
        )
    if any(borders[1]) or len(borders) not in (3, 4):
        raise call.unsupported(
            f"pads {borders} of {len(borders)} axes", "around the positions of (N, C, H, W) or (N, C, W)"
        )
    y = _pad_with_zeros(call, x, borders)
    if not value:
        return y
    cropped_shape = [size + sum(min(amount, 0) for amount in pair) for size, pair in zip(x.shape, borders, strict=True)]
    amounts = [tuple(max(amount, 0) for amount in pair) for pair in borders]
    border = np.pad(np.zeros((1, *cropped_shape[1:])), amounts, constant_values=value)
    return scale_and_shift(call, y, np.array(1.0), border)


def _pad_with_zeros(call: Call, x: Feature, borders: list[Pair]) -> Feature:
    """Return an image with zeros added at its sides. Where `borders` is negative, the image is cropped."""
    sides = ((0, 0),) * (4 - len(borders)) + tuple(borders[2:])
    y = image(call, x)
    for kind, option, sign in (("Crop2D", "cropping", -1), ("Pad2D", "padding", 1)):
        amounts = tuple(tuple(max(sign * amount, 0) for amount in side) for side in sides)
        y = call.layer(kind, y, **{option: amounts}) if any(map(any, amounts)) else y
    return restore_rank(call, y, x)


def _pad_with_repeats(call: Call, x: Feature, axis: int, mode: str, before: int, after: int) -> Feature:
    """Return a value padded along an axis with copies of its own elements.

    axis            index in the file, where the batch axis is axis 0
    mode            one of REPEATING_MODES
    before, after   numbers of elements to add
    """
    if (before, after) == (0, 0):
        return x
    size = x.shape[axis]
    if min(before, after) < 0 or before + after > MAX_SLICES or (mode == "reflect" and size == 1):
        raise call.unsupported(
            f"pads {before}, {after} of an axis of {size}, mode {mode!r}", f"0 to {MAX_SLICES} elements"
        )
    entries: list[int] = np.asarray(np.pad(np.arange(size), (before, after), cast("Any", mode))).tolist()
    starts = [
        0,
        *(position for position in range(1, len(entries)) if entries[position] - entries[position - 1] != 1),
        len(entries),
    ]
    runs = [(entries[start], entries[stop - 1] + 1) for start, stop in itertools.pairwise(starts)]
    return call.layer("Concatenate", *(slice_axis(call, x, axis, *run) for run in runs), axis=axis - 1)


def _border_sizes(call: Call, rank: int) -> list[Pair]:
    """Return the numbers of elements added before and after each axis; negative numbers crop."""
    pads = call.input_or_attribute("pads", 1, 11) or call.integers("paddings", [])
    axes = call.integer_input(3) if call.opset >= 18 and call.has_input(3) else [*range(rank)]
    if len(pads) != 2 * len(axes):
        raise call.unsupported(f"pads {pads}", f"{2 * len(axes)} numbers")
    borders = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        borders[call.normalize_axis(axis, rank)] = (pads[index], pads[index + len(axes)])
    return borders


def _fill_value(call: Call) -> float:
    if call.opset < 11:
        return call.real("value", 0.0)
    value: Array | None = call.constant(2) if call.has_input(2) else None
    return float(value.reshape(-1)[0]) if value is not None and value.size else 0.0


def write_pad(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Pad with zeros."""
    amounts = graph.integer_constant((0, *operation.attributes["before"], 0, *operation.attributes["after"]))
    return graph.node("Pad", graph.view(operation.reads[0]), amounts, shape=operation.writes[0].shape)


def read_resize(call: Call) -> Feature:
    """Return UpSample2D."""
    x = call.batched_input()
    factors = _scale_factors(call, x)
    if all(factor == 1 for factor in factors):
        return x
    if factors[:2] != [1, 1] or len(factors) not in (3, 4):
        raise call.unsupported(f"factors {factors}", "factors for the positions of (N, C, H, W) or (N, C, W)")
    factor = simplify((*[1] * (4 - len(factors)), *factors[2:]))
    y = call.layer("UpSample2D", image(call, x), factor=factor, mode=_interpolation(call))
    return restore_rank(call, y, x)


def _scale_factors(call: Call, x: Feature) -> list[int]:
    """Return a whole factor for each axis in the file, from the scales or sizes of the node."""
    shape, axes = x.shape, call.integers("axes", range(len(x.shape)))
    if call.opset < 10:
        values = call.constant(1).reshape(-1).tolist() if call.has_input(1) else list(call.reals("scales"))
    elif call.has_input(3):
        sizes = call.integer_input(3)
        if (policy := call.text("keep_aspect_ratio_policy", "stretch")) != "stretch":
            raise call.unsupported(f"keep_aspect_ratio_policy {policy!r}", "'stretch'")
        if len(sizes) != len(axes):
            raise call.unsupported(f"sizes {sizes}", f"{len(axes)} sizes")
        values = [size / shape[call.normalize_axis(axis, len(shape))] for size, axis in zip(sizes, axes, strict=True)]
    else:
        values = call.constant(2 if call.opset >= 11 else 1).reshape(-1).tolist()
    if len(values) != len(axes) or any(factor < 1 or factor != int(factor) for factor in values):
        raise call.unsupported(f"factors {values[:8]}", f"{len(axes)} whole numbers of at least 1")
    factors = [1] * len(shape)
    for axis, factor in zip(axes, values, strict=True):
        factors[call.normalize_axis(axis, len(shape))] = int(factor)
    return factors


def _interpolation(call: Call) -> str:
    """Return "nearest" or "bilinear"; FormatError for a mode that samples other positions than UpSample2D."""
    mode = call.text("mode", "nearest")
    coordinates = call.text("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    rounding = call.text("nearest_mode", "round_prefer_floor" if call.opset >= 11 else "floor")
    if mode == "nearest" and (coordinates, rounding) in NEAREST_RULES:
        return "nearest"
    if mode in ("linear", "bilinear") and coordinates in ("half_pixel", "pytorch_half_pixel"):
        return "bilinear"
    raise call.unsupported(
        f"mode {mode!r}, {coordinates}, {rounding}", "nearest by whole factors, or linear with half_pixel"
    )


def write_resize(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Resize, or a MatMul and a Transpose for each axis if the mode is "average".

    Resize cannot express averages over windows of unequal sizes.
    """
    x, outputs, mode = graph.view(operation.reads[0]), operation.attributes["outputs"], operation.attributes["mode"]
    if mode == "average":
        return _write_average(graph, x, outputs)
    scales = np.array(
        [1, 1, *(output_size / size for output_size, size in zip(outputs, x.shape[1:], strict=True))], np.float32
    )
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    linear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    name, shape = graph.constant(scales, f"{graph.layer}.scales"), operation.writes[0].shape
    return graph.node("Resize", x, "", name, shape=shape, **(nearest if mode == "nearest" else linear))


def _write_average(graph: GraphWriter, x: GraphResult, outputs: tuple[int, ...]) -> GraphResult:
    """Return averages over windows.

    For each spatial axis: multiply along the last axis by a matrix of weights, and transpose the spatial axes.
    """
    for output_size in reversed(outputs):
        channels, rows, columns = x.shape
        matrix = np.zeros((columns, output_size), graph.network.dtype)
        for i in range(output_size):
            for column, weight in resampling_weights("average", columns, output_size, i):
                matrix[column, i] = weight
        name = graph.constant(matrix, f"{graph.layer}.means")
        x = graph.node("MatMul", x, name, shape=(channels, rows, output_size))
        x = graph.node("Transpose", x, shape=(channels, output_size, rows), perm=(0, 1, 3, 2))
    return x


OPERATORS = (
    Operator("Pad", read_pad, {"pad": write_pad}),
    Operator("Resize", read_resize, {"resample": write_resize}),
    Operator("Upsample", read_resize),
)
