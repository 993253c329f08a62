"""Names of layers in weight files: those that somebody chose identify layers, and those that were numbered do not."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from interop.onnx_models import made, ours, theirs
from numerical import assert_close
from onnx import helper
from safetensors.numpy import save_file

import chainrule as cr
from chainrule.errors import FormatError


def convolutions(order: tuple[str, str]) -> bytes:
    """Return a graph of two convolutions with constants of these names, in this order of application."""
    draw = np.random.default_rng(0)
    constants = {name: draw.normal(size=(3, 3, 3, 3)).astype(np.float32) for name in order}
    nodes = [
        helper.make_node("Conv", ["x", order[0]], ["a"], pads=[1] * 4),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Conv", ["b", order[1]], ["y"], pads=[1] * 4),
    ]
    return made(nodes, constants, ("N", 3, 6, 5))


@pytest.mark.parametrize("way", ["imported", "saved", "exported"])
def test_names_that_nobody_chose_are_not_matched(way: str, tmp_path: Path) -> None:
    """The module conv2 is applied first, but it is called conv1 in a network whose file has no names."""
    tensors = {f"conv{number}.weight": np.full((3, 3, 3, 3), number, np.float32) for number in (1, 2)}
    save_file(tensors, tmp_path / "w.safetensors")
    named = ours(tmp_path, convolutions(("conv2.weight", "conv1.weight")))
    nameless = ours(tmp_path, convolutions(("onnx::Conv_40", "onnx::Conv_41")))
    models = [named, nameless]
    for number, model in enumerate(models):
        if way == "saved":
            model.save(tmp_path / f"{number}.safetensors")
            models[number] = cr.load(tmp_path / f"{number}.safetensors", engine="numpy")
        if way == "exported":
            cr.export_onnx(model, tmp_path / f"{number}.onnx")
            models[number] = cr.load(tmp_path / f"{number}.onnx", engine="numpy")
    assert [*models[0].load_weights(tmp_path / "w.safetensors").values()] == ["conv2.weight", "conv1.weight"]
    with pytest.raises(FormatError, match="no common names"):
        models[1].load_weights(tmp_path / "w.safetensors")
    models[1].load_weights(tmp_path / "w.safetensors", {"conv1": "conv2", "conv2": "conv1"})
    np.testing.assert_array_equal(models[1].weights["conv1.w"], 2)


@pytest.mark.parametrize("factor", ["alpha", "resweight", "res_scale", "weight", "gamma", "scale"])
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1), (1,)], ids=str)
def test_a_factor_loads_or_is_refused(factor: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """A tensor of the file is never left out, with a constant of the network in its place."""
    draw, name = np.random.default_rng(0), f"block.{factor}"
    shapes = {"stem.weight": (3, 3, 1, 1), name: shape}
    own, others = ({key: draw.normal(size=size).astype(np.float32) for key, size in shapes.items()} for _ in range(2))
    nodes = [
        helper.make_node("Conv", ["x", "stem.weight"], ["a"]),
        helper.make_node("Mul", ["a", name], ["b"]),
        helper.make_node("Add", ["x", "b"], ["y"]),
    ]
    network = ours(tmp_path, made(nodes, own, ("N", 3, 4, 5)))
    save_file(others, tmp_path / "w.safetensors")
    x = draw.normal(size=(2, 3, 4, 5)).astype(np.float32)
    try:
        network.load_weights(tmp_path / "w.safetensors")
    except FormatError:
        assert shape == (1,)
        assert factor in ("weight", "gamma", "scale")
        return
    assert_close(network.predict(x), theirs(made(nodes, others, ("N", 3, 4, 5)), x), 1e3)


def test_batch_normalization_that_an_export_folded_is_named(tmp_path: Path) -> None:
    network = ours(tmp_path, convolutions(("conv1.weight", "conv2.weight")))
    shapes = {f"conv{number}.weight": (3, 3, 3, 3) for number in (1, 2)}
    shapes |= dict.fromkeys(("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"), (3,))
    save_file({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, tmp_path / "w.safetensors")
    with pytest.raises(FormatError, match=r"bn .*PRESERVE"):
        network.load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("names", [("slopes.weight", "alpha"), ("weight", "beta")])
def test_parameters_of_the_outermost_module_and_a_slope_for_all_channels(names: Any, tmp_path: Path) -> None:
    """As in a module of PyTorch with `nn.PReLU()` and a parameter of its own; `nn.PReLU` alone has no name."""
    draw = np.random.default_rng(0)
    shapes = dict(zip(names, [(1,), (3, 1, 1)], strict=True))
    own, others = ({key: draw.normal(size=size).astype(np.float32) for key, size in shapes.items()} for _ in range(2))
    nodes = [helper.make_node("PRelu", ["x", names[0]], ["a"]), helper.make_node("Mul", ["a", names[1]], ["y"])]
    if names[0] == "weight":
        nodes = [helper.make_node("PRelu", ["x", "weight"], ["y"])]
        others.pop("beta")
    contents: list[bytes] = []
    for weights in (own, others):
        content = onnx.ModelProto.FromString(made(nodes, weights, ("N", 3, 4, 5)))
        content.producer_name = "pytorch"
        contents.append(content.SerializeToString())
    network = ours(tmp_path, contents[0])
    network.load_weights(others)
    x = draw.normal(size=(2, 3, 4, 5)).astype(np.float32)
    assert_close(network.predict(x), theirs(contents[1], x), 1e3)
