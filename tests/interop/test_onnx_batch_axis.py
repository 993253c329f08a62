"""Graphs of ONNX that drop the batch axis, keep it, or mix the samples of a batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, ours, theirs
from onnx import helper

from chainrule.errors import FormatError

NODE = helper.make_node
SHAPE = ("n", 4, 6, 6)


def weights(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


TWO_SAMPLES = {"s": np.array([0]), "e": np.array([2]), "a": np.array([0])}
MIXED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "the first samples": ([NODE("Slice", [*"tsea"], ["y"])], TWO_SAMPLES),
    "the last samples": (
        [NODE("Slice", [*"tsea"], ["y"])],
        TWO_SAMPLES | {"s": np.array([-9]), "e": np.array([2**40])},
    ),
    "one sample": ([NODE("Gather", ["t", "s"], ["y"])], TWO_SAMPLES),
    "all samples as one": ([NODE("Flatten", ["t"], ["y"], axis=0)], {}),
    "entries as samples": ([NODE("Flatten", ["t"], ["y"], axis=4)], {}),
    "all entries in a row": ([NODE("Reshape", ["t", "s"], ["y"])], {"s": np.array([1, -1])}),
    "an axis that is there for one sample alone": (
        [NODE("Squeeze", ["t"], ["s"]), NODE("Softmax", ["s"], ["y"], axis=1)],
        {},
    ),
    "parts of an axis that is the first for one sample alone": (
        [NODE("Squeeze", ["t"], ["s"]), NODE("Split", ["s", "p"], ["y", "z"], axis=0)],
        {"p": np.array([1, 3])},  # valid for 1 sample, whose first axis is the one of 4, and for 4
    ),
    "slopes with more axes": ([NODE("PRelu", ["t", "p"], ["y"])], {"p": np.full((1,) * 5, 2, np.float32)}),
    "a mean over the samples": ([NODE("ReduceMean", ["t", "s"], ["y"])], TWO_SAMPLES),
    "twice the samples": ([NODE("Concat", ["t", "t"], ["y"], axis=0)], {}),
    "an axis before the samples": ([NODE("Unsqueeze", ["t", "s"], ["y"])], TWO_SAMPLES),
    "a power with more axes": ([NODE("Pow", ["t", "p"], ["y"])], {"p": np.full((1,) * 5, 2, np.float32)}),
    "a bound with more axes": ([NODE("Max", ["t", "p"], ["y"])], {"p": np.full((1,) * 5, 2, np.float32)}),
    "a factor that is the batch size": (
        [NODE("Shape", ["t"], ["n"], end=1), NODE("Cast", ["n"], ["f"], to=1), NODE("Div", ["t", "f"], ["y"])],
        {},
    ),
}


@pytest.mark.parametrize("what", MIXED)
def test_samples_that_are_mixed_are_refused(what: str, tmp_path: Path) -> None:
    nodes, constants = MIXED[what]
    nodes = [NODE("Tanh", ["x"], ["t"]), *nodes]
    with pytest.raises(FormatError):
        ours(tmp_path, made(nodes, constants, SHAPE, 18))


ONE = (1, 3, 4, 1)
DROPPED: dict[str, tuple[list[Any], dict[str, Any], tuple[Any, ...]]] = {
    "dense": ([NODE("Squeeze", ["x"], ["s"]), NODE("MatMul", ["s", "w"], ["y"])], {"w": weights(4, 2)}, ONE),
    "constant that brings it back": (
        [NODE("Squeeze", ["x"], ["s"]), NODE("Add", ["s", "w"], ["a"]), NODE("Softmax", ["a"], ["y"], axis=1)],
        {"w": weights(1, 1, 4)},
        ONE,
    ),
    "mean with the input": ([NODE("Squeeze", ["x"], ["s"]), NODE("Mean", ["s", "x"], ["y"])], {}, (1, 3, 4)),
    "itself": ([NODE("Squeeze", ["x"], ["s"]), NODE("Add", ["s", "r"], ["y"])], {}, (1, 3, 4)),
    "axis that comes back": (
        [NODE("Squeeze", ["x"], ["s"]), NODE("Unsqueeze", ["s", "a"], ["u"]), NODE("Softmax", ["u"], ["y"], axis=1)],
        {"a": np.array([0])},
        ONE,
    ),
    "shape without it": (
        [NODE("Reshape", ["x", "t"], ["s"]), NODE("Softmax", ["s"], ["y"], axis=0)],
        {"t": np.array([4, 3])},
        ONE,
    ),
}


@pytest.mark.parametrize("what", DROPPED)
def test_a_batch_axis_of_one_may_be_dropped(what: str, tmp_path: Path) -> None:
    nodes, constants, shape = DROPPED[what]
    if what == "itself":
        nodes = [NODE("Relu", ["x"], ["r"]), *nodes]
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    agree(tmp_path, made(nodes, constants, shape, 18), x)


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_squeeze_keeps_an_open_batch_axis_where_axes_count_from_the_end(samples: int, tmp_path: Path) -> None:
    nodes = [NODE("Squeeze", ["x"], ["s"]), NODE("Softmax", ["s"], ["y"], axis=-1)]
    x = np.random.default_rng(3).standard_normal((samples, 3, 4, 1)).astype(np.float32)
    agree(tmp_path, made(nodes, {}, ("n", 3, 4, 1)), x)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_slice_of_all_samples_is_the_input(size: int, tmp_path: Path) -> None:
    """Up to the number that Shape gives, and to the two numbers that exporters write for the end."""
    nodes = [NODE("Shape", ["x"], ["n"], end=1), NODE("Slice", ["x", "z", "n", "z"], ["a"])]
    nodes += [NODE("Slice", ["a", "z", "short", "z"], ["b"]), NODE("Slice", ["b", "z", "long", "z"], ["c"])]
    constants = {"z": np.array([0]), "short": np.array([2**31 - 1]), "long": np.array([2**63 - 1])}
    x = np.random.default_rng(4).standard_normal((size, 3)).astype(np.float32)
    agree(tmp_path, made([*nodes, NODE("Tanh", ["c"], ["y"])], constants, ("n", 3)), x)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_constant_repeated_for_every_sample(size: int, tmp_path: Path) -> None:
    nodes = [NODE("Shape", ["x"], ["n"], end=1), NODE("Concat", ["n", "k"], ["t"], axis=0)]
    nodes += [NODE("Expand", ["c", "t"], ["e"]), NODE("MatMul", ["x", "w"], ["m"]), NODE("Add", ["m", "e"], ["y"])]
    x = np.random.default_rng(5).standard_normal((size, 3)).astype(np.float32)
    constants = {"k": np.array([4]), "c": weights(4), "w": weights(3, 4)}
    assert agree(tmp_path, made(nodes, constants, ("n", 3)), x).names == ["dense1"]


def test_a_file_for_one_sample_that_leaves_the_batch_size_open(tmp_path: Path) -> None:
    """ONNX Runtime refuses more samples; here each of them is computed as it would be alone."""
    nodes = [NODE("Reshape", ["x", "t"], ["r"]), NODE("Softmax", ["r"], ["y"])]
    model = made(nodes, {"t": np.array([1, 12])}, ("n", 3, 4))
    x = np.random.default_rng(6).standard_normal((2, 3, 4)).astype(np.float32)
    loaded = agree(tmp_path, model, x[:1])
    np.testing.assert_allclose(loaded.predict(x)[1:], theirs(model, x[1:]), rtol=1e-5)


@pytest.mark.parametrize("last", [1, 4])
def test_slopes_are_aligned_with_the_last_axis(last: int, tmp_path: Path) -> None:
    x = np.random.default_rng(7).standard_normal((2, 4, 4)).astype(np.float32)
    model = made([NODE("PRelu", ["x", "s"], ["y"])], {"s": weights(*(4, last)[: 2 if last == 1 else 1])}, ("n", 4, 4))
    agree(tmp_path, model, x)
