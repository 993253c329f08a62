"""Operators that read a value at equally spaced positions along its axes."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import WHOLE_IMAGE, Line, resampling_line, resampling_weights
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.windows import image, restore_rank, simplify

EVERY: Line = (1, 0, 1)
MAX_DENOMINATOR = 4096  # of scale factors
RESIZING = {  # mode of a layer → attributes of Resize, for whole factors
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}
MAX_COMPARED = 1 << 16  # pixels of one axis; files choose the size


class Positions(NamedTuple):
    """The number of elements that are read along an axis, and the numbers (a, b, c) of their positions (a·i + b)/c."""

    outputs: int
    line: Line


class Resizing(NamedTuple):
    """The size of a result along an axis, and the scale factor."""

    size: int
    scale: Fraction


def read_resize(call: Call) -> Feature:
    """Return UpSample2D for whole factors, otherwise Resample2D."""
    x = call.batched_input()
    y = image(call, x)
    mode, rounding = _interpolation(call)
    resizings = _resizings(call, x)
    for size, resizing in zip(x.shape[:2], resizings, strict=False):
        if resizing != (size, 1):
            raise call.unsupported(f"factor {float(resizing.scale):g} for samples or channels", "1")
    rows, columns = y.node.shape[1:]
    axes = [Positions(rows, EVERY)] * (4 - len(x.shape))
    for size, resizing in zip(x.shape[2:], resizings[2:], strict=True):
        line = EVERY if resizing == (size, 1) else _line(call, size, resizing, mode, rounding)
        axes.append(Positions(resizing.size, line))
    row_factor = _whole_factor(mode, rows, axes[0])
    column_factor = _whole_factor(mode, columns, axes[1])
    if row_factor == column_factor == 1:
        return x
    if row_factor is not None and column_factor is not None:
        y = call.layer("UpSample2D", y, factor=simplify((row_factor, column_factor)), mode=mode)
    else:
        (height, row_line), (width, column_line) = axes
        y = call.layer("Resample2D", y, outputs=(height, width), rows=row_line, columns=column_line, mode=mode)
    return restore_rank(call, y, x)


def _whole_factor(mode: str, size: int, positions: Positions) -> int | None:
    """Return the factor with which UpSample2D reads the same pixels with the same weights; None if there is none."""
    count, line = positions
    if count % size or count > MAX_COMPARED:
        return None
    for i in range(count):
        if resampling_weights(mode, size, count, i, line) != resampling_weights(mode, size, count, i):
            return None
    return count // size


def _interpolation(call: Call) -> tuple[str, str]:
    """Return "nearest" with the rule for rounding, or "bilinear" or "cubic" with "floor"."""
    mode = call.choice("mode", "nearest", "linear", "bilinear")
    if call.integer("antialias", 0) or call.integer("exclude_outside", 0):
        raise call.unsupported("antialias or exclude_outside 1", "0")
    if mode == "nearest":
        default = "round_prefer_floor" if call.opset >= 11 else "floor or ceil"
        return mode, call.text("nearest_mode", default)
    return "bilinear", "floor"


def _resizings(call: Call, x: Feature) -> list[Resizing]:
    """Return the size of the result and the scale factor along each axis."""
    if call.attribute("axes") is not None:
        raise call.unsupported(f"axes {call.integers('axes')}", "sizes or factors for all axes")
    if call.opset >= 11 and call.has_input(3):
        return _requested_sizes(call, x.shape)
    return _requested_factors(call, x.shape)


def _requested_sizes(call: Call, before: Sequence[int]) -> list[Resizing]:
    """Return the sizes of the input `sizes` and their factors."""
    sizes = call.integer_input(3)
    if len(sizes) != len(before) or min(sizes, default=1) < 1:
        raise call.unsupported(f"sizes {sizes}", f"{len(before)} sizes above 0")
    scales = [*map(Fraction, sizes, before)]
    call.choice("keep_aspect_ratio_policy", "stretch")
    return [*map(Resizing, sizes, scales)]


def _requested_factors(call: Call, before: Sequence[int]) -> list[Resizing]:
    """Return the factors of the input or attribute `scales`, and the sizes that they give, rounded down."""
    values = _scale_factors(call)
    if len(values) != len(before):
        raise call.unsupported(f"{len(values)} factors", f"{len(before)} factors")
    resizings: list[Resizing] = []
    for value, size in zip(values, before, strict=True):
        scale = _fraction(call, value)
        resizings.append(Resizing(math.floor(size * scale), scale))
        if resizings[-1].size < 1:
            raise call.unsupported(f"factor {value} for a size of {size}", "results of at least one element")
    return resizings


def _scale_factors(call: Call) -> list[float]:
    return call.constant(2 if call.opset >= 11 else 1).reshape(-1).tolist()


def _fraction(call: Call, value: float) -> Fraction:
    """Return the simplest fraction that is rounded to a float32 number."""
    if not (math.isfinite(value) and value > 0):
        raise call.unsupported(f"factor {value}", "a finite number above 0")
    for largest in (1, 2, 4, 8, 16, 64, 256, 1024, MAX_DENOMINATOR):
        simple = Fraction(value).limit_denominator(largest)
        if np.float32(float(simple)) == np.float32(value):
            return simple
    raise call.unsupported(f"factor {value}", f"a fraction with a denominator of at most {MAX_DENOMINATOR}")


def _line(call: Call, size: int, resizing: Resizing, mode: str, rounding: str) -> Line:
    """Return the numbers (a, b, c) of the positions (a·i + b)/c that Resize reads along an axis, for outputs i.

    A layer in mode "nearest" reads the element ⌊(a·i + b)/c⌋. The other ways of rounding are written as such floors.
    For whole numbers p = a·i + b and c > 0:

        ⌈p/c⌉                     = ⌊(p + c − 1)/c⌋
        p/c + ½ rounded down      = ⌊(2p + c)/2c⌋           round_prefer_ceil: halves are rounded up
        p/c − ½ rounded up        = ⌊(2p + c − 1)/2c⌋       round_prefer_floor: halves are rounded down

    Enlarging two elements to four with half_pixel reads −1/4, 1/4, 3/4 and 5/4: (a, b, c) = (2, −1, 4).
    """
    step, start = _coordinates(call, size, resizing)
    c = math.lcm(step.denominator, start.denominator)  # the smallest divisor for which a and b are whole
    a = int(step * c)
    b = int(start * c)
    if mode != "nearest":
        return a, b, c  # the exact position: the layer interpolates
    if rounding == "floor or ceil":  # before opset 11, ONNX Runtime rounds up in smaller images
        rounding = "ceil" if resizing.scale < 1 else "floor"
    lines = {
        "floor": (a, b, c),
        "ceil": (a, b + c - 1, c),
        "round_prefer_floor": (2 * a, 2 * b + c - 1, 2 * c),
        "round_prefer_ceil": (2 * a, 2 * b + c, 2 * c),
    }
    if rounding not in lines:
        raise call.unsupported(f"nearest_mode {rounding!r}", "floor, ceil, round_prefer_floor or round_prefer_ceil")
    return lines[rounding]


def _coordinates(call: Call, size: int, resizing: Resizing) -> tuple[Fraction, Fraction]:
    """Return the distance of the positions that Resize reads along an axis, and the first position."""
    count, scale = resizing
    rule = call.text("coordinate_transformation_mode", "half_pixel" if call.opset >= 11 else "asymmetric")
    step = 1 / scale
    half = Fraction(1, 2)
    zero = Fraction(0)
    is_single = count == 1
    centered = (step - 1) * half
    if rule == "asymmetric":
        return step, zero
    if is_single and rule in ("pytorch_half_pixel", "align_corners"):
        return zero, zero
    if rule in ("half_pixel", "pytorch_half_pixel"):
        return step, centered
    if rule == "align_corners":
        return Fraction(size - 1, count - 1), zero
    raise call.unsupported(f"coordinate_transformation_mode {rule!r}", "half_pixel, align_corners or asymmetric")


def write_resize(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Resize for whole factors or aligned corners, and Gather for other single pixels.

    Other positions, and averages over windows of unequal sizes, become a MatMul for each axis.
    """
    x = graph.view(operation.reads[0])
    outputs = operation.attributes["outputs"]
    mode = operation.attributes["mode"]
    _, *sizes = x.shape
    axes = [*zip(sizes, outputs, strict=True)]
    lines: list[Line] = []
    for line, axis in zip(operation.attributes.get("lines", WHOLE_IMAGE), axes, strict=True):
        lines.append(resampling_line(mode, line, *axis))
    attributes = _resize_attributes(mode, lines, axes)
    if attributes is None and mode == "nearest":
        return _write_gathers(graph, x, outputs, lines)
    if attributes is None:
        return _write_matrices(graph, x, mode, outputs, lines)
    scales = [1, 1, *(count / size for size, count in axes)]
    constant = graph.constant(np.array(scales, np.float32), f"{graph.layer}.scales")
    return graph.node("Resize", x, None, constant, shape=operation.result.shape, **attributes)


def _resize_attributes(mode: str, lines: list[Line], axes: list[tuple[int, int]]) -> dict[str, str] | None:
    """Return the attributes of a Resize that reads the positions of the lines; None if there is none."""
    if mode not in RESIZING:
        return None
    are_usual = True
    are_aligned = mode == "bilinear"
    for line, (size, count) in zip(lines, axes, strict=True):
        if count % size:
            return None
        are_usual &= _is_same(line, resampling_line(mode, (0, 0, 0), size, count))
        are_aligned &= _is_same(line, (size - 1, 0, max(count - 1, 1)))
    if are_usual:
        return RESIZING[mode]
    if are_aligned:
        return {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return None


def _is_same(line: Line, other: Line) -> bool:
    """Return whether two lines have the same positions."""
    a, b, c = line
    other_a, other_b, other_c = other
    return a * other_c == other_a * c and b * other_c == other_b * c


def _write_gathers(graph: GraphWriter, x: GraphResult, outputs: tuple[int, ...], lines: list[Line]) -> GraphResult:
    """Return the nearest pixels along each axis whose pixels change."""
    for axis, (output_size, line) in enumerate(zip(outputs, lines, strict=True), 1):
        size = x.shape[axis]
        pixels: list[int] = []
        for i in range(output_size):
            ((pixel, _), *_) = resampling_weights("nearest", size, output_size, i, line)
            pixels.append(pixel)
        if pixels != [*range(size)]:
            shape = (*x.shape[:axis], output_size, *x.shape[axis + 1 :])
            x = graph.node("Gather", x, graph.integer_constant(pixels), shape=shape, axis=axis + 1)
    return x


def _write_matrices(
    graph: GraphWriter, x: GraphResult, mode: str, outputs: tuple[int, ...], lines: list[Line]
) -> GraphResult:
    """Return weighted sums along both axes.

    For each spatial axis: multiply along the last axis by a matrix of weights, and transpose the spatial axes.
    """
    for output_size, line in zip(reversed(outputs), reversed(lines), strict=True):
        channels, rows, columns = x.shape
        matrix = np.zeros((columns, output_size), graph.network.dtype)
        for i in range(output_size):
            for column, weight in resampling_weights(mode, columns, output_size, i, line):
                matrix[column, i] += weight
        name = graph.constant(matrix, f"{graph.layer}.weights")
        x = graph.node("MatMul", x, name, shape=(channels, rows, output_size))
        x = graph.node("Transpose", x, shape=(channels, output_size, rows), perm=(0, 1, 3, 2))
    return x


OPERATORS = (
    Operator("Resize", read_resize, {"resample": write_resize}),
    Operator("Upsample", read_resize),
)
