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


CASES = (folded, padding, resize)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("seed", range(COUNT))
def test_an_operator(case: Callable[[Random], Case], seed: int, tmp_path: Path) -> None:
    random = Random(f"{case.__name__} {seed}")
    for _ in range(3):
        nodes, constants, shape, opset = case(random)
        model, x = made(nodes, constants, ("n", *shape[1:]), opset), _normal(random, *shape)
        loaded, expected = agree(tmp_path, model, x), theirs(model, x)
        assert difference(theirs(exported(loaded), x).reshape(expected.shape), expected) <= 1e-5
