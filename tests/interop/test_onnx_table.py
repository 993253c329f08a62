"""The table of operators, executed: each operator with each of its inputs and each value of its attributes.

What ONNX Runtime computes of a variable and of a constant is computed here. Other operators are refused by name.
"""

import re
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from interop.onnx_files import newest_opset
from interop.onnx_models import made, ours, theirs
from numerical import assert_close
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, NotImplemented

from chainrule.errors import FormatError
from chainrule.interop.onnx.folding import COSTS, FOLDED
from chainrule.interop.onnx.messages import MIN_IMPORT_OPSET
from chainrule.interop.onnx.operators import OPERATORS, quantization
from chainrule.interop.onnx.operators.shapes import MOVING

# Of each operator: its first opset if an older form follows, its inputs, the attributes of all its nodes, and the
# inputs or attributes of further nodes. Nodes with ! are refused, and those with * only read variables.
TABLE = """
Abs (x)
Add (x, v); (x, number); (image, x); (by_channel, x); (x, row); (v, x)
And (p, q); (p, true)
Atan (x)
AveragePool (x) kernel_shape = [3, 2]; auto_pad = "SAME_UPPER"; auto_pad = "SAME_LOWER", strides = [2, 3]; auto_pad =
    "VALID"; auto_pad = "NOTSET"; strides = [2, 3], ceil_mode = 1; dilations = [1, 2]!; pads = [1, 0, 1, 1]; pads = [1,
    0, 1, 1], count_include_pad = 1; pads = [1, 1, 1, 1], strides = [2, 3], count_include_pad = 1, ceil_mode = 1
BatchNormalization (x, channels, channels, channels, positive); epsilon = 0.1; momentum = 0.5; training_mode = 0
Cast (x) to = 1; (p); to = 11; to = 9; (p) to = 9; to = 7!
Celu (x); alpha = 0.4
Clip:11 (x, low, high); (x, low); (x, "", high); (x)
Clip (x); min = -0.3; max = 0.4
Concat (x, v) axis = 1; axis = -1; axis = 2
Conv (x, kernel); (x, kernel, three); kernel_shape = [3, 2]; auto_pad = "SAME_UPPER", strides = [2, 3]; auto_pad =
    "VALID"; auto_pad = "SAME_LOWER"; strides = [2, 1]; dilations = [1, 2]; pads = [1, 0, 0, 2]; (x, grouped) group =
    2
ConvTranspose (x, kernel_t); (x, kernel_t, three); kernel_shape = [3, 2]; strides = [2, 3]; dilations = [1, 2]; pads =
    [1, 0, 0, 1]; strides = [2, 3], output_padding = [1, 2]; strides = [2, 3], output_shape = [12, 13]; strides = [2,
    1], auto_pad = "SAME_UPPER"; strides = [1, 2], auto_pad = "SAME_LOWER"; auto_pad = "VALID"; (x, grouped_t) group =
    2
DepthToSpace (x) blocksize = 2; mode = "CRD"; mode = "DCR"
Div (x, u); (x, number); (number, u); (x, by_channel); (image, u)
Dropout:12 (x); (x, number); (x, number, false); (x, zero, true); seed = 1; (x, number, true)!
Dropout (x); ratio = 0.3
Elu (x); alpha = 0.4
Equal:11 (x, w); (x, zero)
Erf (x)
Exp (x)
Expand (x, target); (column, target5)
Flatten (x); axis = 1; axis = -3
Gather (x, index) axis = 1; axis = 2; axis = -1; (x, indices) axis = 3; (x, table) axis = 2
Gelu (x); approximate = "tanh"; approximate = "none"
Gemm (r, matrix, two); (r, matrix); (r, matrix, number); alpha = 0.5; (r, matrix, two) beta = 0.5; (r, matrix_t)
    transB = 1; (r, matrix, two1) beta = 2.0; transA = 0
GlobalAveragePool (x)
GlobalMaxPool (x)
Greater (x, w); (x, zero); (zero, x)
GreaterOrEqual:11 (x, w); (x, zero)
GroupNormalization:21 (x, channels, positive) num_groups = 2; epsilon = 0.1; num_groups = 4; stash_type = 1
GroupNormalization:18 (x, two, two) num_groups = 2
HardSigmoid (x); alpha = 0.3; beta = 0.4; alpha = 0.16666667
HardSwish (x)
Identity (x)
InstanceNormalization (x, channels, positive); epsilon = 0.1
IsNaN (root)
LRN (x) size = 3; alpha = 0.1; beta = 0.5; bias = 2.0
LayerNormalization (x, row, row); (x, row); epsilon = 0.1; (x, last, last) axis = 2; (x, image, image) axis = -3;
    stash_type = 1
LeakyRelu (x); alpha = 0.3
Less (x, w); (x, zero)
LessOrEqual:11 (x, w); (x, zero)
Log (u)
LogSoftmax:13 (x); axis = 1; axis = -2
LogSoftmax (x); axis = 2
MatMul (x, square); (square6, x); (x, row); (r, matrix)
Max (x, v); (x); (x, number); (x, v, image, number); (by_channel, x)
MaxPool (x) kernel_shape = [3, 2]; auto_pad = "SAME_UPPER"; auto_pad = "SAME_LOWER", strides = [2, 3]; auto_pad =
    "VALID"; auto_pad = "NOTSET"; strides = [2, 3], ceil_mode = 1; dilations = [1, 2]!; pads = [1, 0, 1, 1];
    storage_order = 0; strides = [1, 2], pads = [0, 1, 1, 0], ceil_mode = 1
Mean (x, v); (x); (x, v, image)
MeanVarianceNormalization (x) axes = [2, 3]; axes = [1, 2, 3]; axes = [3, 1]; axes = [0, 2, 3]!
Min (x, v); (x); (x, number); (x, v, image, number)
Mish (x)
Mul (x, v); (x, number); (image, x); (by_channel, x); (x, row)
Neg (x)
Not (p)
Or (p, q); (p, true)
PRelu (x, number); (x, by_channel); (x, image)
Pad:18 (x, pads2, number, axes2)
Pad:11 (x, pads); (x, pads, number); mode = "reflect"; mode = "edge"; (x, crop)*; (x, channel_pads); mode = "constant"
Pad:19 (x, pads) mode = "wrap"
Pad (x) pads = [0, 0, 1, 2, 0, 0, 0, 1]; value = 0.7; mode = "edge"; mode = "reflect"
Pow (x, power2); (x, power3); (u, half); (u, minus); (x, one); (half, x)
Reciprocal (u)
ReduceL1:18 (x, axes2); (x)!; (x, axis1); keepdims = 0, noop_with_empty_axes = 0; (x) noop_with_empty_axes = 1
ReduceL1 (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0; axes = [1, 3]
ReduceL2:18 (x, axes2); (x, axis1); keepdims = 0; noop_with_empty_axes = 1
ReduceL2 (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0
ReduceMax:18 (x, axes2); (x, axis1); keepdims = 0; noop_with_empty_axes = 1; (x, outer)
ReduceMax (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0
ReduceMean:18 (x, axes2); (x, axis1); keepdims = 0; noop_with_empty_axes = 1; (x, outer)
ReduceMean (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0
ReduceMin:18 (x, axes2); (x, axis1); keepdims = 0; noop_with_empty_axes = 1
ReduceMin (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0
ReduceSum:13 (x, axes2); (x, axis1); keepdims = 0; noop_with_empty_axes = 1; (x, outer)
ReduceSum (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0
ReduceSumSquare:18 (x, axes2); (x, axis1); keepdims = 0; noop_with_empty_axes = 1
ReduceSumSquare (x) axes = [2, 3]; axes = [1]; axes = [-1], keepdims = 0
Relu (x)
Reshape (x, flat); (x, merged); (x, other); (x, kept) allowzero = 0
Resize:18 (x, "", "", sizes2) axes = [2, 3]; keep_aspect_ratio_policy = "not_larger"!; mode = "linear";
    keep_aspect_ratio_policy = "not_smaller"!; keep_aspect_ratio_policy = "stretch"; antialias = 1, mode = "linear"!
Resize:13 (x, "", scales); RESIZED; mode = "cubic"!; exclude_outside = 1, mode = "cubic"!; cubic_coeff_a = -0.5, mode
    = "cubic"!; coordinate_transformation_mode = "tf_crop_and_resize", extrapolation_value = 1.0!
Resize:11 (x, nothing, scales); mode = "linear"
Resize (x, scales); mode = "linear"
Round (x)
Selu (x); alpha = 1.5; gamma = 0.9
Shrink (x); lambd = 0.3; bias = 0.2
Sigmoid (x)
Sign (x)
Slice:10 (x, first, stop, axes2); (x, start, stop, axes2); (x, start, stop, axes2, steps); (x, stop, start, axes2,
    back); (x, start, far, axes2, steps)
Slice (x) starts = [1, 0], ends = [3, -2], axes = [3, 1]
Softmax:13 (x); axis = 1; axis = -2
Softmax (x); axis = 2
Softplus (x)
Softsign (x)
SpaceToDepth (even) blocksize = 2; mode = "DCR"; mode = "CRD"
Split:18 (x, parts) axis = 1; (x) num_outputs = 2, axis = 2
Split:13 (x, parts) axis = 1
Split (x) axis = 1; split = [1, 3]
Sqrt (u)
Squeeze:13 (pooled, axis2)
Squeeze (pooled) axes = [2]
Sub (x, v); (x, number); (image, x); (by_channel, x); (x, row)
Sum (x, v); (x); (x, v, image)
Swish (x); alpha = 0.5
Tanh (x)
ThresholdedRelu (x); alpha = 0.3
Tile (x, repeats)
Transpose (x) perm = [0, 2, 3, 1]; perm = [0, 3, 2, 1]
Unsqueeze:13 (x, axis1); (x, axis2)
Unsqueeze (x) axes = [1]
Upsample (x, whole); mode = "linear"
Where (p, x, v); (p, x, number); (p, number, image); (true, x, v)
Xor (p, q); (p, true)
"""

RULES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
MODES = ('mode = "linear"', *(f'nearest_mode = "{rounding}"' for rounding in ROUNDINGS))
RESIZED = [f'{mode}, coordinate_transformation_mode = "{rule}"' for mode, rule in product(MODES, RULES)]
VALUES = """
    v = Sigmoid(x) w = Relu(x) s = Mul(x, x) u = Add(s, one) r = Flatten(x) p = Greater(x, zero) q = Less(x, number)
    root = Sqrt(x) even = MaxPool<kernel_shape = [1, 2]>(x) pooled = MaxPool<kernel_shape = [6, 1]>(x)
    column = MaxPool<kernel_shape = [1, 5]>(x)
"""
SHAPE = (4, 6, 5)
REFUSED, MARKS = "!", ("!", "*")
DRAW = np.random.default_rng(0)
SIZES: dict[str, Any] = {
    "x": (2, *SHAPE),
    "image": SHAPE,
    "last": (6, 5),
    "row": 5,
    "channels": 4,
    "two": 2,
    "by_channel": (4, 1, 1),
    "kernel": (3, 4, 3, 2),
    "grouped": (6, 2, 3, 2),
    "kernel_t": (4, 3, 3, 2),
    "three": 3,
    "grouped_t": (4, 2, 3, 2),
    "matrix": (120, 2),
    "matrix_t": (2, 120),
    "square": (5, 3),
    "square6": (3, 6),
    "two1": (1, 2),
}
NUMBERS = {
    "one": 1,
    "zero": 0,
    "number": 0.4,
    "low": -0.3,
    "high": 0.2,
    "power2": 2,
    "power3": 3,
    "half": 0.5,
    "minus": -1.5,
}
INTEGERS: dict[str, Any] = {
    "target": [1, 4, 6, 5],
    "target5": [1, 4, 6, 5],
    "index": 2,
    "indices": [2, 0],
    "table": [[0, -1]],
    "parts": [1, 3],
    "pads": [0, 0, 1, 2, 0, 0, 0, 1],
    "crop": [0, 0, -1, 0, 0, 0, 1, -2],
    "channel_pads": [0, 1, 0, 0, 0, 2, 0, 0],
    "pads2": [1, 0, 2, 1],
    "axes2": [2, 3],
    "axis1": [1],
    "axis2": [2],
    "outer": [1, 3],
    "repeats": [1, 2, 1, 3],
    "flat": [0, -1],
    "merged": [0, 0, 30],
    "other": [-1, 20, 6],
    "kept": [0, 6, 4, 5],
    "sizes2": [9, 7],
    "first": [1, 0],
    "start": [1, -3],
    "stop": [3, 100],
    "far": [-1, -1],
    "steps": [2, 1],
    "back": [-1, -2],
    "one_row": [1, -1],
}
CONSTANTS: dict[str, Any] = {
    **{name: DRAW.standard_normal(size).astype(np.float32) for name, size in SIZES.items()},
    **{name: np.float32(value) for name, value in NUMBERS.items()},
    **{name: np.array(value) for name, value in INTEGERS.items()},
    "positive": np.float32([1, 1.5, 2, 3]),
    "shares": np.float32([0.1, 0.3, 0.6]),
    "true": np.array(True),
    "false": np.array(False),
    "scales": np.float32([1, 1, 0.5, 1.4]),
    "whole": np.float32([1, 1, 2, 3]),
    "nothing": np.float32([]),
}
X = CONSTANTS.pop("x")
# Operators whose results are elements of their operands, or truth values, also read NaN, infinities and equal numbers.
EXACT = {*MOVING} - {"Expand", "Squeeze", "SpaceToDepth"}  # which read maxima here
EXACT |= {"Where", "IsNaN", "And", "Or", "Xor", "Not"}
EXACT |= {"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"}
SPECIAL = np.where(DRAW.random(X.shape) < 0.3, DRAW.choice((np.nan, np.inf, -np.inf, 0), X.shape), X).astype("f4")


class Line(NamedTuple):
    """A line of the table: an operator, its first opset, and the inputs, the attributes and the mark of each node."""

    operator: str
    opset: int
    nodes: list[tuple[str, dict[str, str], str]]


def lines() -> list[Line]:
    parsed: list[Line] = []
    for line in TABLE.replace("\n    ", " ").strip().splitlines():
        name, opset, inputs, rest = re.findall(r"(\w+):?(\d*) (\(.*?\))(.*)", line)[0]
        base, *fields = rest.replace("RESIZED", "; ".join(RESIZED)).split(";")
        nodes = [(inputs, attributes(base), "")]
        for field in fields:
            others = re.match(r" (\(.*?\))", field)
            nodes.append((others[1] if others else inputs, attributes(base) | attributes(field), field[-1]))
        parsed.append(Line(name, int(opset or 0), nodes))
    return parsed


def attributes(text: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+) = (\[.*?\]|".*?"|[^,!]+)', text))


LINES = lines()
SCHEMAS = [schema for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""]


def opsets(line: Line) -> list[int]:
    """Return the first opset of a line and, unless a line with a later form precedes it, the newest one."""
    first = max(line.opset, MIN_IMPORT_OPSET, min(x.since_version for x in SCHEMAS if x.name == line.operator))
    is_newest = line.opset == max(other.opset for other in LINES if other.operator == line.operator)
    return [first, newest_opset()] if is_newest and line.operator != "Upsample" else [first]


def computed(model: bytes, x: Any) -> Any:
    """Return what ONNX Runtime computes or, for operators that it does not have yet, the package onnx."""
    try:
        return theirs(model, x)
    except NotImplemented:
        return ReferenceEvaluator(onnx.load_model_from_string(model)).run(None, {"x": x})[0]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.operator}:{line.opset}")
def test_a_line(line: Line, tmp_path: Path) -> None:
    """Nodes that the first opset does not have are left out there."""
    for opset, (inputs, options, mark) in product(opsets(line), line.nodes):
        shown = f"<{', '.join(f'{name} = {value}' for name, value in options.items())}>" if options else ""
        node = f"{'z, rest' if line.operator == 'Split' else 'z'} = {line.operator}{shown}{inputs}"
        of_variable = f"{VALUES} {node} y = Cast<to = 1>(z)"
        of_constant = re.sub(r"\bx\b", "c", of_variable.replace("y = Cast<", "f = Cast<"))
        of_constant += " g = Flatten(x) h = Reshape(f, one_row) y = Concat<axis = 1>(g, h)"
        cases: list[Any] = [(of_variable, "N", SPECIAL if line.operator in EXACT else X), (of_constant, 1, X[:1])]
        for nodes, batch, x in cases[:1] if mark in MARKS else cases:
            model = made(nodes, CONSTANTS | {"c": X[1:]}, (batch, *SHAPE), opset)
            try:
                expected = computed(model, x)
            except (Fail, InvalidGraph):
                assert opset < newest_opset()
                assert (inputs, options) != line.nodes[0][:2]
                continue
            if mark == REFUSED:
                with pytest.raises(FormatError, match=f": {line.operator} "):
                    ours(tmp_path, model)
                continue
            actual = ours(tmp_path, model).predict(x).reshape(expected.shape)
            assert_close(actual, expected, 1000, magnitude=1e-3, name=(node, opset))


UNNAMED = {"seed", "saturate", "round_mode"}  # attributes without effect on floats in inference


@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - {operator.name for operator in quantization.OPERATORS}))
def test_all_attributes_are_in_the_table(name: str) -> None:
    """And all inputs, and the docstring of a reader names the layers."""
    nodes = [node for line in LINES if line.operator == name for node in line.nodes]
    schema = newest_schema(name)
    assert schema.attributes.keys() <= UNNAMED.union(*(options for _, options, _ in nodes))
    assert max(inputs.count(",") + 1 for inputs, _, _ in nodes) >= min(len(schema.inputs), 5)
    assert re.match(r"Return \S", OPERATORS[name].read.__doc__ or "")


def newest_schema(name: str) -> Any:
    return max((schema for schema in SCHEMAS if schema.name == name), key=lambda schema: schema.since_version)


@pytest.mark.parametrize("name", sorted({schema.name for schema in SCHEMAS} - {*FOLDED, *OPERATORS}))
def test_other_operators_are_refused_by_name(name: str, tmp_path: Path) -> None:
    """Unless they read constants that the package onnx computes."""
    with pytest.raises(FormatError, match=f": {name} "):
        ours(tmp_path, made([helper.make_node(name, ["x"], ["y"])], {}, ("N", *SHAPE)))
    schema = newest_schema(name)
    if name in COSTS and len(schema.inputs) == 1 and not any(each.required for each in schema.attributes.values()):
        source = {"EyeLike": "square", "Acosh": "positive"}.get(name, "shares")
        nodes = f"n = {name}({source}) f = Cast<to = 1>(n) m = ReduceMax<keepdims = 0>(f) y = Add(x, m)"
        model = made(nodes, CONSTANTS, (1, *SHAPE), newest_opset())
        assert_close(ours(tmp_path, model).predict(X[:1]), computed(model, X[:1]))
