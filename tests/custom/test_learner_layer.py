"""The forms of a learner's code, and the messages when it cannot be used."""

import copy
from inspect import signature
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal

from chainrule.custom import calls, tensors
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.errors import StudentError

X = np.random.default_rng(0).normal(size=(2, 3))
DY = np.random.default_rng(1).normal(size=(2, 4))
W = np.random.default_rng(2).normal(size=(4, 3))
B = np.arange(4.0)
Y = X @ W.T + B  # the gradients of y = W x + b, by hand
DX, GRADIENTS = DY @ W, {"w": DY.T @ X, "b": DY.sum(0)}


def forward(x, w, b):
    return x @ w.T + b


def backward(dy, x, w, b):
    return dy @ w, dy.T @ x, dy.sum(0)


def backward_by_name(dy, x, w):
    return {"dx": dy @ w, "dw": dy.T @ x, "db": dy.sum(0)}


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


class Lazy(Dense):
    """Creates parameters in the first forward call."""

    def __init__(self):
        self.w = None

    def forward(self, x):
        if self.w is None:
            super().__init__()
        return super().forward(x)


class Slots:
    __slots__ = ("b", "db", "depth", "dw", "dx", "w", "x")

    __init__, forward, backward = Dense.__init__, Dense.forward, Dense.backward


class Lists(Dense):
    """Uses lists for everything."""

    def __init__(self):
        self.w, self.b = W.tolist(), B.tolist()

    def forward(self, x):
        self.x = x.tolist()
        return [[np.dot(w, row) + b for w, b in zip(self.w, self.b, strict=True)] for row in self.x]

    def backward(self, dy):
        dx, dw, db = backward(dy, *map(np.array, (self.x, self.w, self.b)))
        self.dw, self.db = dw.tolist(), db.tolist()
        return dx.tolist()


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


MODULE = ModuleType("homework.dense")
MODULE.forward, MODULE.backward = forward, backward

SOURCES = [
    Dense, Dense(), Lazy, Slots, Lists, InPlace,
    dense(backward=lambda self, dy: backward_by_name(dy, self.x, self.w)),
    dense(backward=lambda self, dy: (dy @ self.w, {"w": dy.T @ self.x, "b": dy.sum(0)})),
    MODULE, (forward, backward), [forward, backward_by_name], (forward, lambda dy, *rest: backward(dy, *rest)),
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=range(len(SOURCES)))
def test_a_layer_may_be_written_in_every_form(source) -> None:
    is_class = not isinstance(source, ModuleType | tuple | list)
    learner_layer = LearnerLayer(source, parameters=None if is_class else {"w": W, "b": B})
    x, dy = X.copy(), DY.copy()
    assert_close(learner_layer.explore(x), Y)
    assert sorted(learner_layer.names) == ["b", "w"]
    assert_array_equal(learner_layer.parameters["w"], W)
    for _ in range(2):
        dx, gradients = learner_layer.backward(dy)
        assert_close(dx, DX)
        for name, expected in GRADIENTS.items():
            assert_close(gradients[name], expected)
        assert_close(learner_layer.forward(x), Y)
    assert_array_equal(x, X)
    assert_array_equal(dy, DY)
    learner_layer.set("w", 2 * W)
    learner_layer.set("b", 0 * B)
    assert_close(learner_layer.forward(x), 2 * X @ W.T)
    assert_array_equal(learner_layer.parameters["w"], 2 * W)


def test_the_first_backward_leaves_the_state_of_its_own_forward() -> None:
    learner_layer = LearnerLayer(Dense)
    learner_layer.forward(X)
    for _ in range(3):
        assert_close(learner_layer.backward(DY)[1]["w"], GRADIENTS["w"])


def test_a_single_number_is_a_parameter_too() -> None:
    class Slope:
        a = 0.25

        def forward(self, x):
            self.x = x
            return np.where(x > 0, x, self.a * x)

        def backward(self, dy):
            self.da = (dy * np.minimum(self.x, 0)).sum()
            return np.where(self.x > 0, 1, self.a) * dy

    learner_layer = LearnerLayer(Slope)
    learner_layer.explore(X)
    learner_layer.set("a", 0.5)
    assert_array_equal(learner_layer.forward(X), np.where(X > 0, X, 0.5 * X))
    assert_close(learner_layer.backward(X)[1]["a"], (X * np.minimum(X, 0)).sum())


def test_complex_numbers_pass() -> None:
    assert LearnerLayer(Dense).forward(X + 1e-20j).dtype == np.complex128


def test_functions_keep_their_options() -> None:
    ones = np.ones(3)

    def scaled(x, w=ones, factor=2):
        return factor * w * x

    learner_layer = LearnerLayer(
        (scaled, lambda dy, x, y, w, factor=2: (factor * w * dy, (factor * x * dy).sum(0))), "scaled"
    )
    assert_array_equal(learner_layer.forward(X), 2 * X)
    assert learner_layer.names == ("w",)
    assert_close(learner_layer.backward(X)[1]["w"], 2 * (X * X).sum(0))


@pytest.mark.parametrize("name", sorted({*signature(calls.call).parameters, *signature(tensors.call).parameters}))
def test_a_parameter_may_have_the_name_of_an_argument_of_the_caller(name: str) -> None:
    """Calls pass the learner's arguments by name through functions that have arguments of their own."""
    defined: dict[str, Any] = {}
    exec(
        f"def forward(x, {name}): return x @ {name}.T\ndef backward(dy, x, {name}): return dy @ {name}, dy.T @ x",
        defined,
    )
    renamed = LearnerLayer((defined["forward"], defined["backward"]), parameters={name: W})
    assert_array_equal(renamed.forward(X), X @ W.T)
    dx, gradients = renamed.backward(DY)
    assert_array_equal(dx, DX)
    assert_array_equal(gradients[name], GRADIENTS["w"])


def test_a_copy_has_an_object_of_its_own() -> None:
    original = LearnerLayer(Dense)
    original.explore(X)
    copied = copy.deepcopy(original)
    copied.set("w", 0 * W)
    assert_array_equal(original.parameters["w"], W)
    assert_close(copied.forward(X), np.broadcast_to(B, (2, 4)))


def run(source) -> LearnerLayer:
    learner_layer = LearnerLayer(source, parameters={"w": W, "b": B} if isinstance(source, tuple) else None)
    learner_layer.forward(X)
    learner_layer.backward(DY)
    return learner_layer


def fails(self, dy):
    return np.zeros((3, 3)) @ dy


FAILS = fails.__code__.co_firstlineno + 1
METHODS = [  # a method of a dense layer, and the message
    ("__init__", lambda self, features: None, r"Broken needs arguments: \(features\); pass"),
    ("__init__", lambda self: 1 / 0, r"Broken: ZeroDivisionError: division by zero \(line \d+"),
    ("forward", lambda self, x: setattr(self, "x", x), r"Broken\.forward returned None: is its return missing\?"),
    ("forward", lambda self: 1, r"Broken\.forward cannot be called: TypeError: .*takes 1 pos"),
    ("forward", lambda self, x: "y", "forward returned not an array of numbers but str"),
    ("forward", lambda self, x: [[1], [1, 2]], "forward returned not an array of numbers: "),
    ("backward", lambda self, dy: None, r"Broken\.backward returned None"),
    ("backward", lambda self, dy: dy, r"backward: dx has the shape 2×4, and x 2×3"),
    ("backward", fails, rf"backward: ValueError: the inner sizes .* \(line {FAILS} of "),
    ("backward", lambda self, dy: W.dot(dy), "backward: ValueError: the inner sizes 3 and 2 of a"),
    ("backward", lambda self, dy: exit(3), r"Broken\.backward: SystemExit: 3"),
    ("backward", lambda self, dy: (), "returned an empty tuple; expected dx"),
    ("backward", lambda self, dy: {"dw": dy}, "returned a dictionary without 'dx': dw"),
    ("backward", lambda self, dy: {"dx": self.x, 3: dy}, "a dictionary with the key 3"),
    ("backward", lambda self, dy: (self.x, {"dv": dy}), "'dv', which belongs to no parameter of"),
    ("backward", lambda self, dy: (self.x, {"dw": dy}), r"dw has the shape 2×4, and w 4×3"),
    ("backward", lambda self, dy: (self.x, {"dw": None}), r"backward: dw is None"),
]
MISUSES = [
    (lambda: LearnerLayer(object()), r"object has no forward\(x\)"),
    (lambda: LearnerLayer(type("Half", (), {"forward": forward})), r"Half has no backward\(dy\)"),
    (lambda: LearnerLayer((forward, 3)), r"expected two functions, \(forward, backward\), found"),
    (lambda: LearnerLayer(ModuleType("empty")), "empty has no function forward"),
    (lambda: LearnerLayer((lambda *x: x, backward)), "forward has no named arguments"),
    (lambda: LearnerLayer((forward, backward)).forward(X), "forward needs w, b: pass initial values by name"),
    (lambda: run((forward, lambda dy, x, cache: dy)), "backward has an unknown argument 'cache'; known: x, y, w, b"),
    (lambda: run((forward, lambda dy, x: (dy, dy))), r"backward returned 2 values; expected dx, dw, db, or dx and"),
    (lambda: LearnerLayer(Dense).backward(DY), "Dense: backward before forward"),
    (lambda: LearnerLayer(Dense).set("v", 0), "Dense has no parameter 'v'; known: none"),
    (lambda: run(Dense).set("x", 0), "Dense has no parameter 'x'; known: w, b"),
    *((lambda name=name, method=method: run(dense(**{name: method})), message) for name, method, message in METHODS),
]


@pytest.mark.parametrize(("misuse", "message"), MISUSES, ids=[message for _, message in MISUSES])
def test_misuse_is_refused_in_one_line(misuse, message: str) -> None:
    with pytest.raises(StudentError, match=message) as caught:
        misuse()
    assert "\n" not in str(caught.value)


def test_a_gradient_that_is_left_out_later_is_refused() -> None:
    thing = Dense()
    learner_layer = run(thing)
    thing.backward = lambda dy: setattr(thing, "db", None) or DX
    with pytest.raises(StudentError, match="no gradient of b: expected it in db, or returned"):
        learner_layer.backward(DY)


def test_an_instance_needs_no_class_of_its_own() -> None:
    double = SimpleNamespace(forward=lambda x: 2 * x, backward=lambda dy: 2 * dy)
    learner_layer = LearnerLayer(double, "double")
    assert_array_equal(learner_layer.explore(X), 2 * X)
    assert learner_layer.names == ()
    assert learner_layer.kind == "SimpleNamespace"
