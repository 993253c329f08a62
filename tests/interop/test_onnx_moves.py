"""Drawn moves of elements, with infinities and NaN among them, as ONNX Runtime computes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.onnx_files import exported
from interop.onnx_models import made, ours, theirs
from onnx import helper
from selection import draws

import chainrule as cr

SAMPLE = (3, 4)


def drawn_moves(seed: int) -> bytes:
    """Return a graph that selects, repeats, permutes and reshapes elements of each sample several times."""
    draw, nodes, constants = np.random.default_rng(seed), list[Any](), dict[str, Any]()
    shape = (5, *SAMPLE)

    def constant(numbers: Any) -> str:
        name = f"c{len(constants)}"
        constants[name] = np.array(numbers, np.int64)
        return name

    def add(operator: str, *inputs: str, **attributes: Any) -> None:
        source = f"v{len(nodes) - 1}" if nodes else "x"
        nodes.append(helper.make_node(operator, [source, *inputs], [f"v{len(nodes)}"], **attributes))

    for _ in range(draw.integers(1, 5)):
        axis = int(draw.integers(1, len(shape)))
        size = shape[axis]
        match draw.integers(5):
            case 0:
                indices = draw.integers(-size, size, draw.integers(1, 5))
                add("Gather", constant(indices), axis=axis)
                shape = (*shape[:axis], len(indices), *shape[axis + 1 :])
            case 1:
                order = [0, *(1 + draw.permutation(len(shape) - 1)).tolist()]
                add("Transpose", perm=order)
                shape = tuple(shape[k] for k in order)
            case 2:
                start, step = int(draw.integers(size)), int(draw.choice((-1, 1, 2)))
                count = len(range(size)[start::step])
                add(
                    "Slice",
                    constant([start]),
                    constant([-100 if step < 0 else 100]),
                    constant([axis]),
                    constant([step]),
                )
                shape = (*shape[:axis], count, *shape[axis + 1 :])
            case 3 if len(shape) < 5:
                count = int(draw.integers(2, 4))
                add("Unsqueeze", constant([axis]))
                shape = (*shape[:axis], 1, *shape[axis:])
                add("Expand", constant([count if k == axis else 1 for k in range(len(shape))]))
                shape = (*shape[:axis], count, *shape[axis + 1 :])
            case _:
                total = int(np.prod(shape[1:]))
                rows = int(draw.choice([k for k in range(1, total + 1) if total % k == 0]))
                add("Reshape", constant([0, rows, -1]))
                shape = (5, rows, total // rows)
    nodes.append(helper.make_node("Neg", [nodes[-1].output[0]], ["y"]))
    return made(nodes, constants, ("N", *SAMPLE))


def special_batch(seed: int) -> Any:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(5, *SAMPLE))
    return np.where(draw.random(x.shape) < 0.2, draw.choice([np.nan, np.inf, -np.inf], x.shape), x).astype(np.float32)


def moves_of(model: Any) -> int:
    return sum(layer.kind not in ("reshape", "flatten") for layer in model.layers)


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)


@settings(max_examples=draws(30))
@given(seed=st.integers(0, 2**32))
def test_elements_are_moved(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In the file, in the file that is written of the imported network, and when this is imported again."""
    folder, model, x = tmp_path_factory.mktemp("moved"), drawn_moves(seed), special_batch(seed)
    loaded, expected = ours(folder, model), theirs(model, x)
    same(loaded.predict(x), expected)
    written = exported(loaded)
    same(theirs(written, x), expected)
    again = ours(folder, written)
    same(again.predict(x), expected)
    assert moves_of(again) <= moves_of(loaded)


@pytest.mark.parametrize("seed", range(3))
def test_the_compiled_engine_moves(seed: int, tmp_path: Path) -> None:
    model, x = drawn_moves(seed), special_batch(seed)
    same(ours(tmp_path, model, "compiled").predict(x), theirs(model, x))


@settings(max_examples=draws(20))
@given(seed=st.integers(0, 2**32))
def test_repeated_values_are_written(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A value that is repeated along drawn axes is read by a sum, by a convolution and as an output."""
    draw = np.random.default_rng(seed)
    x = cr.Input((2, 3, 4))
    axes = [axis for axis in range(3) if draw.random() < 0.5]
    single = x
    for axis in axes:
        single = cr.Slice(axis, 0, 1)(single)
    repeated = cr.Broadcast((2, 3, 4))(cr.Tanh()(single))
    total = cr.Add()(x, single) if axes else x
    y = cr.Concatenate()(repeated, cr.Conv2D(2, 1)(cr.ReLU()(repeated)), total)
    model = cr.Graph(x, y, engine="numpy")
    x_values, folder = draw.normal(size=(5, 2, 3, 4)).astype(np.float32), tmp_path_factory.mktemp("repeated")
    written, expected = exported(model), model.predict(x_values)
    np.testing.assert_allclose(theirs(written, x_values), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours(folder, written).predict(x_values), expected, rtol=1e-5, atol=1e-6)
