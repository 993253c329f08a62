"""Every operator with drawn attributes and shapes, imported and exported again, beside ONNX Runtime."""

from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from interop.onnx_files import difference, exported
from interop.onnx_models import agree, made, theirs
from onnx import helper

COUNT = 6
Case = tuple[list[Any], dict[str, Any], tuple[int, ...], int]


def _shape(random: Random, axes: int = 2) -> tuple[int, ...]:
    return (3, random.choice((2, 4, 6)), *(random.randint(5, 9) for _ in range(axes)))


def _normal(random: Random, *shape: int) -> Any:
    return np.random.default_rng(random.getrandbits(32)).standard_normal(shape).astype(np.float32)


def _node(operator: str, inputs: str = "x", **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), ["y"], **attributes)


def _window(random: Random, axes: int, dilated: bool = True) -> dict[str, Any]:
    kernel = [random.randint(1, 3) for _ in range(axes)]
    found: dict[str, Any] = {"kernel_shape": kernel, "strides": [random.randint(1, 3) for _ in range(axes)]}
    if random.random() < 0.5:
        found["pads"] = [random.randint(0, max(size - 1, 0)) for size in (*kernel, *kernel)]
    elif random.random() < 0.7:
        found["auto_pad"] = random.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    if dilated and random.random() < 0.5 and found.get("auto_pad", "VALID") == "VALID":
        found["dilations"] = [random.randint(1, 2) for _ in range(axes)]
    return found


def conv(random: Random) -> Case:
    axes = random.choice((1, 2, 2))
    shape, window = _shape(random, axes), _window(random, axes)
    groups = random.choice((1, 2, shape[1]))
    constants = {"w": _normal(random, 2 * groups, shape[1] // groups, *window["kernel_shape"])}
    constants |= {"b": _normal(random, 2 * groups)} if random.random() < 0.5 else {}
    return [_node("Conv", " ".join(("x", *constants)), group=groups, **window)], constants, shape, 21


def conv_transpose(random: Random) -> Case:
    axes = random.choice((1, 2, 2))
    shape, groups = _shape(random, axes), random.choice((1, 2))
    kernel = [random.randint(2, 3) for _ in range(axes)]
    window: dict[str, Any] = {"kernel_shape": kernel, "strides": [random.randint(1, 2) for _ in range(axes)]}
    if random.random() < 0.5:
        window["pads"] = [random.randint(0, 1) for _ in range(2 * axes)]
    constants = {"w": _normal(random, shape[1], 2, *kernel), "b": _normal(random, 2 * groups)}
    return [_node("ConvTranspose", "x w b", group=groups, **window)], constants, shape, 21


def gemm(random: Random) -> Case:
    turned = random.choice((0, 1))
    constants = {"w": _normal(random, *((5, 7) if turned else (7, 5))), "c": _normal(random, random.choice((1, 5)))}
    options = {"alpha": random.choice((1.0, 0.5)), "beta": random.choice((1.0, 2.0)), "transB": turned}
    return [_node("Gemm", random.choice(("x w c", "x w")), **options)], constants, (3, 7), 21


def matmul(random: Random) -> Case:
    constants = {"w": _normal(random, 7, 5), "b": _normal(random, *random.choice(((5,), (1, 5), (1,))))}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), _node("Add", random.choice(("m b", "b m")))]
    return nodes, constants, (3, *random.choice(((), (4,), (4, 6))), 7), 21


def pool(random: Random) -> Case:
    axes = random.choice((1, 2, 2))
    operator = random.choice(("MaxPool", "AveragePool"))
    options = _window(random, axes)
    if options.get("auto_pad", "VALID") != "VALID":  # ONNX Runtime refuses strides that skip pixels here
        options["strides"] = [min(pair) for pair in zip(options["strides"], options["kernel_shape"], strict=True)]
    if operator == "AveragePool" and "auto_pad" not in options:
        options["count_include_pad"] = random.choice((0, 1))
    return [_node(operator, **options)], {}, _shape(random, axes), 21


def whole(random: Random) -> Case:
    shape = _shape(random, random.choice((1, 2)))
    return [_node(random.choice(("GlobalAveragePool", "GlobalMaxPool")))], {}, shape, 21


def reduce(random: Random) -> Case:
    axes = random.choice(((2, 3), (2,), (3,), (-1, -2), (1,), (1, 3), (1, 2, 3)))
    keep = 1 if len(axes) == 3 else random.choice((0, 1))
    names = ("Mean", "Max", "Min", "Sum", "L1", "L2", "SumSquare", "LogSumExp", "Prod")
    operator = f"Reduce{random.choice(names)}"
    if operator == "ReduceSum":
        return [_node(operator, "x axes", keepdims=keep)], {"axes": np.array(axes)}, _shape(random), 13
    return [_node(operator, "x axes", keepdims=keep)], {"axes": np.array(axes)}, _shape(random), 21


def activation(random: Random) -> Case:
    operator, options = random.choice(
        (
            *[(name, {}) for name in ("Relu", "Sigmoid", "Tanh", "Atan", "HardSwish", "Softplus", "Elu", "Selu")],
            ("LeakyRelu", {"alpha": 0.2}),
            ("Elu", {"alpha": 0.7}),
            ("Celu", {"alpha": random.choice((1.0, 1.4))}),
            ("Gelu", {"approximate": "tanh"}),
            ("Gelu", {}),
            ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
            ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
            *[(name, {}) for name in ("Abs", "Erf", "Exp", "Mish", "Neg", "Sign", "Softsign")],
            ("ThresholdedRelu", {"alpha": 0.3}),
            ("Shrink", {"lambd": 0.4, "bias": 0.2}),
            ("Selu", {"alpha": 0.5, "gamma": 2.0}),
        )
    )
    return [_node(operator, **options)], {}, _shape(random, random.choice((0, 1, 2))), 22 if operator == "Gelu" else 21


def clip(random: Random) -> Case:
    constants = {"low": np.float32(random.choice((-0.5, 0.0))), "high": np.float32(0.7)}
    if random.random() < 0.3:
        return [_node("Clip", min=-0.3, max=0.4)], {}, _shape(random), 10
    return [_node("Clip", random.choice(("x low high", "x low")))], constants, _shape(random), 21


def softmax(random: Random) -> Case:
    shape = random.choice(((3, 7), (3, 5, 1, 1), (3, 1, 6), (3, 4, 6), (3, 2, 4, 5)))
    return [_node("Softmax", axis=random.randint(1, len(shape) - 1))], {}, shape, random.choice((11, 21))


def normalization(random: Random) -> Case:
    operators = ["BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization"]
    operator, shape = random.choice(operators), _shape(random, random.choice((1, 2, 2)))
    channels = shape[-1] if operator == "LayerNormalization" else shape[1]
    constants = {"scale": _normal(random, channels), "shift": _normal(random, channels)}
    names = "x scale shift"
    if operator == "BatchNormalization":
        constants |= {"mean": _normal(random, channels), "var": abs(_normal(random, channels)) + 0.3}
        names += " mean var"
    options = {"num_groups": 2} if operator == "GroupNormalization" else {}
    return [_node(operator, names, epsilon=1e-3, **options)], constants, shape, 21


def local_response(random: Random) -> Case:
    options = random.choice(({}, {"alpha": 0.1, "beta": 0.6, "bias": 1.5}))
    return [_node("LRN", size=random.choice((3, 5)), **options)], {}, _shape(random), 21


def prelu(random: Random) -> Case:
    shape = _shape(random)
    slopes = random.choice(((shape[1], 1, 1), (1, *shape[2:]), shape[1:], (1,)))
    return [_node("PRelu", "x slope")], {"slope": abs(_normal(random, *slopes))}, shape, 21


def constant(random: Random) -> Case:
    shape = _shape(random)
    sizes = ((), (1,), (shape[1], 1, 1), (1, shape[1], 1, 1), (shape[-1],), shape[1:], (shape[2], 1))
    value = _normal(random, *random.choice(sizes))
    operator = random.choice(("Add", "Sub", "Mul", "Div"))
    order = "c x" if operator != "Div" and random.random() < 0.5 else "x c"
    return [_node(operator, order)], {"c": value + np.sign(value)}, shape, 21


def whole_constant(random: Random) -> Case:
    shape = _shape(random)
    return [_node(random.choice(("Add", "Sub")), "x c")], {"c": _normal(random, *shape[1:])}, shape, 21


def branches(random: Random) -> Case:
    shape, operator = _shape(random), random.choice(("Add", "Mul", "Sub", "Sum", "Concat"))
    shape = random.choice((shape, (*shape[:2], 1, 1), (3, 1, *shape[2:])))
    first = random.choice(("GlobalAveragePool", "Tanh")) if operator in ("Add", "Mul") else "Tanh"
    nodes = [helper.make_node(first, ["x"], ["a"]), helper.make_node("Sigmoid", ["x"], ["b"])]
    return [*nodes, _node(operator, "a b", **({"axis": 1} if operator == "Concat" else {}))], {}, shape, 21


IMAGES = (3, 4, 5, 6)
MOVES: tuple[tuple[str, dict[str, Any], dict[str, Any], int], ...] = (
    ("Flatten", {}, {}, 21),
    ("Reshape", {}, {"s": np.array([0, -1])}, 21),
    ("Reshape", {}, {"s": np.array([0, 5, -1])}, 21),
    ("Transpose", {"perm": [0, 2, 3, 1]}, {}, 21),
    ("Transpose", {"perm": [0, 1, 3, 2]}, {}, 21),
    ("Transpose", {"perm": [0, 3, 2, 1]}, {}, 21),
    ("Slice", {}, {"s": np.array([1, 0]), "e": np.array([-1, 4]), "k": np.array([2, 1])}, 21),
    ("Slice", {"starts": [1], "ends": [99], "axes": [3]}, {}, 9),
    ("Slice", {}, {"s": np.array([1, 0]), "e": np.array([9, 9]), "k": np.array([2, 3]), "j": np.array([2, 3])}, 21),
    ("Slice", {}, {"s": np.array([-1]), "e": np.array([-9]), "k": np.array([3]), "j": np.array([-2])}, 21),
    ("Pad", {}, {"p": np.array([0, 1, 0, 0, 0, 2, 0, 0]), "v": np.float32(0.5)}, 21),
    ("Gather", {"axis": 3}, {"i": np.array([[3, 0], [1, 1]])}, 21),
    ("Tile", {}, {"r": np.array([1, 2, 1, 3])}, 21),
    ("Pad", {}, {"p": np.array([0, 0, 1, 2, 0, 0, 0, 3])}, 21),
    ("Pad", {}, {"p": np.array([0, 0, -1, 2, 0, 0, 1, -2])}, 21),
    ("Gather", {"axis": 1}, {"i": np.array(1)}, 21),
    ("Round", {}, {}, 21),
    ("Gather", {"axis": 2}, {"i": np.array([2, 3])}, 21),
    ("Unsqueeze", {}, {"a": np.array([1])}, 21),
    ("Einsum", {"equation": "nchw->nwch"}, {}, 21),
    ("Dropout", {}, {}, 21),
    ("Identity", {}, {}, 21),
)


def moving(random: Random, number: int) -> Case:
    operator, options, constants, opset = MOVES[number]
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), _node(operator, " ".join(("t", *constants)), **options)]
    return nodes, constants, IMAGES, opset


def comparison(random: Random) -> Case:
    """Comparison of numbers with zero, which half of them are equal to."""
    operator = random.choice(("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"))
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node(operator, random.choice(("rz", "zr")), ["c"])]
    return [*nodes, _node("Cast", "c", to=1)], {"z": np.float32(0)}, _shape(random), 21


def padding(random: Random) -> Case:
    axes = random.choice((1, 2))
    mode = random.choice(("reflect", "edge", "wrap", "constant"))
    ends = np.array([0, 0, *(random.randint(0, 3) for _ in range(axes))] * 2)
    constants = {"p": ends} | ({"v": np.float32(1.25)} if mode == "constant" else {})
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), _node("Pad", " ".join(("t", *constants)), mode=mode)]
    return nodes, constants, _shape(random, axes), 21


def blocks(random: Random) -> Case:
    size, rest, first = random.randint(1, 3), random.randint(1, 3), helper.make_node("Tanh", ["x"], ["t"])
    if random.random() < 0.4:
        return [first, _node("SpaceToDepth", "t", blocksize=size)], {}, (3, rest, 2 * size, 3 * size), 21
    mode = random.choice(("DCR", "CRD"))
    return [first, _node("DepthToSpace", "t", blocksize=size, mode=mode)], {}, (3, rest * size**2, 2, 3), 21


def resize(random: Random) -> Case:
    shape, mode = _shape(random), random.choice(("nearest", "linear"))
    rules = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
    options = {"mode": mode, "coordinate_transformation_mode": random.choice(rules)}
    if mode == "nearest":
        options["nearest_mode"] = random.choice(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"))
    if random.random() < 0.5:
        scales = np.array([1, 1, *(random.choice((0.5, 0.75, 1, 1.5, 2, 3)) for _ in range(2))], np.float32)
        return [helper.make_node("Resize", ["x", "", "s"], ["y"], **options)], {"s": scales}, shape, 21
    options["keep_aspect_ratio_policy"] = random.choice(("stretch", "not_larger", "not_smaller"))
    sizes = np.array([random.choice((1, random.randint(2, 15))) for _ in range(2)])
    return [helper.make_node("Resize", ["x", "", "", "s"], ["y"], axes=[2, 3], **options)], {"s": sizes}, shape, 21


def joined(random: Random) -> Case:
    """Concatenation with constants, a selection by a constant, and comparisons."""
    shape = _shape(random)
    constants: dict[str, Any] = {"c": _normal(random, 1, 2, *shape[2:]), "m": _normal(random, *shape[2:]) > 0}
    constants["z"] = np.float32(0.3)
    choices = (
        ([_node("Concat", random.choice(("x c", "c x", "x c x")), axis=1)], (1, *shape[1:])),
        ([_node("Where", random.choice(("m x z", "m z x", "m x x")))], shape),
        ([helper.make_node("Greater", ["x", "z"], ["g"]), _node("Where", "g x z")], shape),
        (
            [
                helper.make_node("Less", ["x", "z"], ["g"]),
                helper.make_node("Not", ["g"], ["n"]),
                _node("Cast", "n", to=1),
            ],
        )
        * 1
        + (shape,),
    )
    nodes, shape = random.choice(choices)
    return nodes, constants, shape, 21


def norm_pool(random: Random) -> Case:
    operator = random.choice(("LpPool", "GlobalLpPool", "LpNormalization"))
    options: dict[str, Any] = {"p": random.choice((1, 2))}
    if operator == "LpPool":
        options |= {"kernel_shape": [2, 3], "strides": [random.randint(1, 2)] * 2}
    return [_node(operator, **options | ({"axis": 1} if operator == "LpNormalization" else {}))], {}, _shape(random), 21


def einsum(random: Random) -> Case:
    equation, sizes = random.choice(
        (("nchw,cd->ndhw", (4, 3)), ("nchw,dc->nhwd", (3, 4)), ("nchw,chk->nkw", (4, 5, 2)), ("nchw,wk->nkch", (6, 2)))
    )
    return [_node("Einsum", "x w", equation=equation)], {"w": _normal(random, *sizes)}, (3, 4, 5, 6), 21


def folded(random: Random) -> Case:
    """Constants that other operators compute than those of layers."""
    shape = _shape(random)
    gain, channels = _normal(random, 1, shape[1], 1, 1), np.array(1)
    norm = [abs(_normal(random, shape[1])) for _ in range(4)]
    operator, *inputs = random.choice(
        [("Sin",), ("Softmax",), ("Erf",), ("CumSum", channels), ("ReduceMax", channels[None])]
        if random.random() < 0.5
        else [("BatchNormalization", *norm), ("Trilu",), ("Clip", np.float32(0))]
    )
    constants = {"g": gain, **{f"c{k}": value for k, value in enumerate(inputs)}}
    return [helper.make_node(operator, [*constants], ["s"]), _node("Mul", "x s")], constants, shape, 21


CASES: tuple[Any, ...] = (folded, conv, conv_transpose, gemm, matmul, pool, whole, reduce, activation, clip, softmax)
CASES += (normalization, local_response, prelu, constant, whole_constant, branches, comparison, padding, blocks, resize)
CASES += (joined, norm_pool, einsum)
NAMED = {case.__name__: case for case in CASES}
MOVING = {f"{number} {MOVES[number][0]}": partial(moving, number=number) for number in range(len(MOVES))}


@pytest.mark.parametrize(("name", "seed"), [*product(NAMED, range(COUNT)), *product(MOVING, [0])])
def test_an_operator(name: str, seed: int, tmp_path: Path) -> None:
    random, case = Random(f"{name} {seed}"), (NAMED | MOVING)[name]
    for _ in range(3):
        nodes, constants, shape, opset = case(random)
        open_shape = ("n", *shape[1:]) if opset > 9 else shape
        model, x = made(nodes, constants, open_shape, opset), _normal(random, *shape)
        loaded, expected = agree(tmp_path, model, x), theirs(model, x)
        assert difference(theirs(exported(loaded), x).reshape(expected.shape), expected) <= 1e-5
