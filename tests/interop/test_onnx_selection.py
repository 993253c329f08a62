"""Selections, comparisons and constants: drawn graphs with NaN and infinities, as ONNX Runtime computes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.onnx_files import exported
from interop.onnx_models import made, ours, theirs
from onnx import TensorProto, helper
from selection import draws

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0)
SHAPES = ((), (4,), (3, 1), (1, 4), (1, 3, 4))  # of constants, for values (N, 3, 4)


class Drawn:
    """Nodes of a graph on x (N, 3, 4). All values have the shape of x or (N, 3, 1)."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.draw, self.nodes, self.constants = draw, list[Any](), {"last": np.array([2])}

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self) -> str:
        shape = SHAPES[self.draw.integers(len(SHAPES))]
        values = np.where(self.draw.random(shape) < 0.4, self.draw.choice(SPECIAL, shape), self.draw.normal(size=shape))
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values, np.float32)
        return name

    def test(self, depth: int) -> str:
        operator = self.draw.choice(
            ("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal", "IsNaN", "And", "Not")
        )
        if operator == "IsNaN":
            return self.node(operator, self.value(depth - 1))
        if operator in ("And", "Not"):
            return self.node(operator, *(self.test(depth - 1) for _ in range(1 + (operator == "And"))))
        return self.node(operator, *self.operands(depth - 1, is_exact=True))

    def operands(self, depth: int, *, is_exact: bool) -> Any:
        """Return two values, the second of which may be a constant, in any order."""
        second = self.constant() if self.draw.random() < 0.5 else self.value(depth, is_exact=is_exact)
        return self.draw.permutation([self.value(depth, is_exact=is_exact), second])

    def value(self, depth: int, *, is_exact: bool = False) -> str:
        """Return a value; one without rounding errors if it is compared."""
        if depth <= 0:
            return "x"
        kind = self.draw.choice(
            ("Where", "ReduceSum") if is_exact else ("Where", "ReduceSum", "Log", "Sqrt", "Exp", "Div")
        )
        if kind == "Where":
            return self.node("Where", self.test(depth - 1), *self.operands(depth - 1, is_exact=is_exact))
        x = self.value(depth - 1, is_exact=is_exact)
        if kind == "Div":
            return self.node("Div", x, self.node("Relu", self.value(depth - 1)))
        if kind == "ReduceSum":
            return self.node("ReduceSum", x, "last", keepdims=1)
        return self.node(kind, x)


def drawn_graph(seed: int) -> bytes:
    """Return a graph with the sum of a selection and the truth value that selects."""
    drawn = Drawn(np.random.default_rng(seed))
    test = drawn.test(2)
    selected = drawn.node("Where", test, drawn.value(1), drawn.constant())
    cast = drawn.node("Cast", test, to=TensorProto.FLOAT)
    drawn.nodes.append(helper.make_node("Add", [selected, cast], ["y"]))
    return made(drawn.nodes, drawn.constants, ("N", 3, 4))


def special_batch(seed: int) -> Any:
    """Return whole numbers, which are often equal, and some that are not finite."""
    draw = np.random.default_rng(seed)
    x = np.round(draw.normal(size=(3, 3, 4)))
    return np.where(draw.random(x.shape) < 0.3, draw.choice(SPECIAL, x.shape), x).astype(np.float32)


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=draws(20))
@given(seed=st.integers(0, 2**32))
def test_what_is_not_selected_has_no_effect(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In the file, in the file that is written of the imported network, and when this is imported again."""
    folder, model, x = tmp_path_factory.mktemp("selected"), drawn_graph(seed), special_batch(seed)
    loaded, expected = ours(folder, model), theirs(model, x)
    with np.errstate(all="ignore"):
        same(loaded.predict(x), expected)
        written = exported(loaded)
        same(theirs(written, x), expected)
        same(ours(folder, written).predict(x), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_compiled_engine_selects(seed: int, tmp_path: Path) -> None:
    model, x = drawn_graph(seed), special_batch(seed)
    same(ours(tmp_path, model, "compiled").predict(x), theirs(model, x))


@pytest.mark.parametrize(
    "nodes",
    [
        "p = Pad(x, borders, infinite) y = MaxPool<kernel_shape = [2, 2]>(p)",
        "m = Add(x, mask) y = Softmax<axis = -1>(m)",
        "t = Trilu<upper = 1>(ones, one) m = Where(truth, x, t) y = Exp(m)",
    ],
)
def test_infinite_constants(nodes: str, tmp_path: Path) -> None:
    mask = np.triu(np.full((4, 4), -np.inf, np.float32), 1)
    constants = {"borders": np.array([0, 0, 1, 2, 0, 0, 1, 0]), "infinite": np.float32(-np.inf), "mask": mask}
    more = {"ones": np.ones((4, 4), np.float32), "one": np.array(1), "truth": np.isfinite(mask)}
    model, x = made(nodes, constants | more, ("N", 2, 4, 4)), np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    same(ours(tmp_path, model).predict(x.astype(np.float32)), theirs(model, x.astype(np.float32)))
