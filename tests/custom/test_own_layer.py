"""A user's own layer in training: its forms, its contract, and the messages when it cannot be used."""

import copy
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.custom.own_layer import OwnLayer
from chainrule.errors import StudentError

X = np.random.default_rng(0).normal(size=(2, 3))
DY = np.random.default_rng(1).normal(size=(2, 4))
W = np.random.default_rng(2).normal(size=(4, 3))
B = np.arange(4.0)
Y = X @ W.T + B  # the gradients of y = W x + b, by hand
GRADIENTS = {"x": DY @ W, "w": DY.T @ X, "b": DY.sum(0)}


def forward(x, w, b):
    return x @ w.T + b


def backward(dy, x, w, b):
    return dy @ w, dy.T @ x, dy.sum(0)


class Dense:
    """Stores gradients beside the parameters, and x beside dx, which does not make x a parameter."""

    def __init__(self):
        self.w, self.b = W.copy(), B.copy()
        self.depth = 3

    def forward(self, x):
        self.x = x
        return forward(x, self.w, self.b)

    def backward(self, dy):
        self.dx, self.dw, self.db = backward(dy, self.x, self.w, self.b)
        return self.dx


def dense(**methods):
    """Return a dense layer with other methods."""
    return type("Broken", (Dense,), methods)


class InPlace(Dense):
    """Overwrites its inputs and returns its own buffers."""

    def forward(self, x):
        self.buffer = super().forward(x.copy())
        x[:] = 0
        return self.buffer

    def backward(self, dy):
        self.buffer[:] = 0
        dx = super().backward(dy)
        dy[:] = 0
        return dx


class Other:
    """Has names that only a contract can state."""

    def __init__(self, count):
        self.theory, self.practice, self.found = np.ones((count, 3)), np.ones(count), {}

    def run(self, x):
        self.x = x
        return forward(x, self.theory, self.practice)

    def pull(self, dy):
        dx, self.found["t"], self.found["p"] = backward(dy, self.x, self.theory, self.practice)
        return dx


CONTRACT = (
    "self = layer(4); self.theory = w; self.practice = b; y = self.run(x); dx = self.pull(dy); dw = self.found['t']; "
    "db = self.found['p']"
)
MODULE = ModuleType("homework.dense")
MODULE.forward, MODULE.backward = forward, backward
SOURCES = [
    *(Dense, Dense(), InPlace, MODULE, (forward, backward), (Other, CONTRACT)),
    dense(backward=lambda self, dy: backward(dy, self.x, self.w, self.b)),
    dense(backward=lambda self, dy: dict(zip(("dx", "dw", "db"), backward(dy, self.x, self.w, self.b), strict=True))),
]


@pytest.mark.parametrize("source", SOURCES, ids=range(len(SOURCES)))
def test_a_layer_may_be_written_in_every_form(source: Any) -> None:
    contract = None
    if isinstance(source, tuple) and source[1] == CONTRACT:
        source, contract = source
    needs_values = isinstance(source, ModuleType | tuple) or contract is not None
    layer = OwnLayer(source, {"w": W, "b": B} if needs_values else {}, contract)
    x, dy = X.copy(), DY.copy()
    assert_close(layer.explore(x), Y)
    assert sorted(layer.names) == ["b", "w"]
    assert_array_equal(layer.values["w"], W)
    for scale in (1, 1, 2):
        values = {name: scale * value for name, value in layer.values.items()}
        assert_close(layer.forward(x, values), scale * Y)
        for name, gradient in zip(("x", *values), layer.backward(dy, x, values), strict=True):
            assert_close(gradient, GRADIENTS[name] * (scale if name == "x" else 1))
    assert_array_equal(x, X)
    assert_array_equal(dy, DY)


def test_backward_belongs_to_its_own_forward() -> None:
    layer = OwnLayer(Dense, {})
    layer.explore(X)
    layer.forward(-X, layer.values)
    assert_close(layer.backward(DY, X, layer.values)[1], GRADIENTS["w"])


def test_a_copy_has_an_object_of_its_own() -> None:
    original = OwnLayer(Dense, {})
    original.explore(X)
    copied = copy.deepcopy(original)
    copied.forward(X, {"w": 0 * W, "b": B})
    assert_close(original.forward(X, original.values), Y)


def run(source: Any, **values: Any) -> None:
    layer = OwnLayer(source, values)
    layer.explore(X)
    layer.backward(DY, X, layer.values)


MISUSES = [
    (lambda: run(object()), r"object has no forward\(x\)"),
    (lambda: run(type("Half", (), {"forward": Dense.forward})), r"Half has no backward\(dy\)"),
    (lambda: run((forward, backward)), "forward needs w, b: pass initial values by name"),
    (lambda: run(dense(__init__=lambda self: 1 / 0)), r"ZeroDivisionError: division by zero \(line \d+"),
    (lambda: run(dense(forward=lambda self, x: setattr(self, "x", x) or "y")), "forward returned no array of numbers"),
    (
        lambda: run(dense(backward=lambda self, dy: dy @ np.ones((3, 3)))),
        r"the inner sizes 3 and 4 of .* \(line \d+ of ",
    ),
    (lambda: run(dense(backward=lambda self, dy: exit(3))), r"SystemExit: 3"),
    (
        lambda: run(dense(backward=lambda self, dy: dy @ self.w)),
        "no gradient of w: expected it in dw, or state contract=",
    ),
]


@pytest.mark.parametrize(("misuse", "message"), MISUSES, ids=[message for _, message in MISUSES])
def test_misuse_is_refused_in_one_line(misuse, message: str) -> None:
    with pytest.raises(StudentError, match=message) as caught:
        misuse()
    assert "\n" not in str(caught.value)
