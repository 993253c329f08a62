"""Operators of many attributes, drawn with their shapes, imported and exported again, beside ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from interop.onnx_files import difference, exported
from interop.onnx_models import agree, made, theirs
from onnx import helper

COUNT = 6
Case = tuple[str | list[Any], dict[str, Any], tuple[int, ...], int]


def _shape(random: Random, axes: int = 2) -> tuple[int, ...]:
    return (3, random.choice((2, 4, 6)), *(random.randint(5, 9) for _ in range(axes)))


def _normal(random: Random, *shape: int) -> Any:
    return np.random.default_rng(random.getrandbits(32)).standard_normal(shape).astype(np.float32)


def _node(operator: str, inputs: str = "x", **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), ["y"], **attributes)


def _window(random: Random, axes: int, dilated: bool = True) -> dict[str, Any]:
    kernel = [random.randint(1, 3) for _ in range(axes)]
    result: dict[str, Any] = {"kernel_shape": kernel, "strides": [random.randint(1, 3) for _ in range(axes)]}
    if random.random() < 0.5:
        result["pads"] = [random.randint(0, max(size - 1, 0)) for size in (*kernel, *kernel)]
    elif random.random() < 0.7:
        result["auto_pad"] = random.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    if dilated and random.random() < 0.5 and result.get("auto_pad", "VALID") == "VALID":
        result["dilations"] = [random.randint(1, 2) for _ in range(axes)]
    return result


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


def pool(random: Random) -> Case:
    axes = random.choice((1, 2, 2))
    operator = random.choice(("MaxPool", "AveragePool"))
    options = _window(random, axes)
    if options.get("auto_pad", "VALID") != "VALID":  # ONNX Runtime refuses strides that skip pixels here
        options["strides"] = [min(pair) for pair in zip(options["strides"], options["kernel_shape"], strict=True)]
    if operator == "AveragePool" and "auto_pad" not in options:
        options["count_include_pad"] = random.choice((0, 1))
    return [_node(operator, **options)], {}, _shape(random, axes), 21


def clip(random: Random) -> Case:
    constants = {"low": np.float32(random.choice((-0.5, 0.0))), "high": np.float32(0.7)}
    return f"y = Clip(x, low{random.choice(('', ', high'))})", constants, _shape(random), 21


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


def padding(random: Random) -> Case:
    axes = random.choice((1, 2))
    mode = random.choice(("reflect", "edge", "wrap", "constant"))
    ends = np.array([0, 0, *(random.randint(0, 3) for _ in range(axes))] * 2)
    constants = {"p": ends} | ({"v": np.float32(1.25)} if mode == "constant" else {})
    return f't = Tanh(x) y = Pad<mode = "{mode}">({", ".join(("t", *constants))})', constants, _shape(random, axes), 21


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
        (f"y = Concat<axis = 1>({random.choice(('x, c', 'c, x', 'x, c, x'))})", (1, *shape[1:])),
        (f"y = Where({random.choice(('m, x, z', 'm, z, x', 'm, x, x'))})", shape),
        ("g = Greater(x, z) y = Where(g, x, z)", shape),
        ("g = Less(x, z) n = Not(g) y = Cast<to = 1>(n)", shape),
    )
    nodes, shape = random.choice(choices)
    return nodes, constants, shape, 21


def einsum(random: Random) -> Case:
    equation, sizes = random.choice(
        (("nchw,cd->ndhw", (4, 3)), ("nchw,dc->nhwd", (3, 4)), ("nchw,chk->nkw", (4, 5, 2)), ("nchw,wk->nkch", (6, 2)))
    )
    return f'y = Einsum<equation = "{equation}">(x, w)', {"w": _normal(random, *sizes)}, (3, 4, 5, 6), 21


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


CASES = (folded, clip, conv, conv_transpose, gemm, pool, normalization, padding, resize, joined, einsum)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("seed", range(COUNT))
def test_an_operator(case: Callable[[Random], Case], seed: int, tmp_path: Path) -> None:
    random = Random(f"{case.__name__} {seed}")
    for _ in range(3):
        nodes, constants, shape, opset = case(random)
        model, x = made(nodes, constants, ("n", *shape[1:]), opset), _normal(random, *shape)
        loaded, expected = agree(tmp_path, model, x), theirs(model, x)
        assert difference(theirs(exported(loaded), x).reshape(expected.shape), expected) <= 1e-5
