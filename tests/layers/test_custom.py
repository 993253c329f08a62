"""A learner's own layers in a model: they train like built-in ones, alone and among others, on every engine."""

import copy
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.engines import fallback
from chainrule.engines.loader import NAMES
from chainrule.training.optimizers import NAMED

X = np.random.default_rng(0).standard_normal((12, 2, 6, 5))
Y = np.random.default_rng(1).integers(0, 3, 12)


class MyReLU:
    calls = 0  # of all objects

    def forward(self, x):
        MyReLU.calls += 1
        self.mask = x > 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class MyDense:
    """Creates its parameters in the first call, when the input length is known."""

    def __init__(self, features=3):
        self.features, self.w = features, None

    def forward(self, x):
        if self.w is None:
            self.w = np.random.default_rng(2).normal(0, 0.1, (self.features, x.shape[1]))
            self.b = np.zeros(self.features)
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, dy):
        self.dw, self.db = dy.T @ self.x, dy.sum(0)
        return dy @ self.w


def forward(x, w, b):
    return x @ w.T + b


def backward(dy, x, w, b):
    return dy @ w, dy.T @ x, dy.sum(0)


FUNCTIONS = ModuleType("mydense")
FUNCTIONS.forward, FUNCTIONS.backward = forward, backward
CALLS = "y = forward(x, w, b); dx, dw, db = backward(dy, x, w, b)"
FIRST = np.random.default_rng(2).normal(0, 0.1, (3, 48))


def mixed(dense, ending=None, relu=None, **options) -> cr.Sequential:
    layers = [cr.Conv2D(4, 3), relu or MyReLU(), cr.Flatten(), dense, ending or cr.Softmax()]
    return cr.Sequential(layers, (2, 6, 5), **{"engine": "numpy", "dtype": "float64", **options})


def ours(**options) -> cr.Sequential:
    return mixed(cr.Dense(3), relu=cr.ReLU(), **options)


def trained(model: cr.Sequential, optimizer: str = "adam", **options) -> np.ndarray:
    model.fit(X, Y, epochs=3, batch_size=5, optimizer=optimizer, progress=False, **options)
    return model.parameters


def begun_alike(own: cr.Sequential, **options) -> cr.Sequential:
    """Copy the initial weights of a learner's model to our layers."""
    twin = ours(**options)
    twin.parameters[:] = own.parameters
    return twin


@pytest.mark.parametrize(
    ("engine", "dtype", "optimizer"),
    [
        *(("numpy", "float64", optimizer) for optimizer in NAMED),
        *((engine, dtype, "adam") for engine in NAMES for dtype in ("float32", "float64")),
    ],
)
def test_own_layers_train_as_ours_do(engine: str, dtype: str, optimizer: str) -> None:
    """Include layers in the form of functions."""
    functions = cr.CustomLayer(FUNCTIONS, CALLS, w=FIRST, b=np.zeros(3))
    own = mixed(MyDense if dtype == "float64" else functions, engine=engine, dtype=dtype)
    twin = begun_alike(own, dtype=dtype)
    np.testing.assert_array_equal(own.weights["student2.w"], FIRST.astype(dtype))
    assert_close(trained(own, optimizer), trained(twin, optimizer))
    assert not np.array_equal(own.weights["student2.w"], FIRST)
    assert_close(own.predict(X), twin.predict(X))
    assert own.predict(X).dtype == dtype
    assert own.evaluate(X, Y).accuracy == twin.evaluate(X, Y).accuracy


@pytest.mark.parametrize(("engine", "said"), [("compiled", 1), ("numpy", 0)])
def test_training_says_once_that_it_is_not_compiled(engine: str, said: int, capsys: pytest.CaptureFixture[str]) -> None:
    fallback.say_once.cache_clear()
    model = mixed(MyDense, engine=engine)
    model.predict(X)
    assert "one by one" not in capsys.readouterr().err
    for _ in range(2):
        trained(model)
    line = "chainrule: MyReLU (own), MyDense (own): operations run one by one, not as a compiled program\n"
    assert capsys.readouterr().err.count(line) == said


def test_a_file_is_refused_and_weights_can_be_carried_over(tmp_path) -> None:
    model = mixed(MyDense)
    trained(model)
    with pytest.raises(cr.StudentError, match="MyReLU is custom code, which is not saved"):
        model.save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
    other = mixed(MyDense, seed=5)
    other.set_weights(model.weights)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_predictions_within_a_step_do_not_spoil_it() -> None:
    """Run the same objects forward between a step's forward and backward."""

    def squares(p: np.ndarray, t: np.ndarray) -> float:
        return 0.5 * ((p - t) ** 2).sum(1).mean()

    def slope(p: np.ndarray, t: np.ndarray) -> np.ndarray:
        model.predict(-2 * X[:7])
        return (p - t) / len(p)

    model = mixed(MyDense, cr.Tanh())
    quiet = copy.deepcopy(model)
    model.fit(X, np.eye(3)[Y], loss=(squares, slope), progress=False)
    quiet.fit(X, np.eye(3)[Y], loss="half_squared_error", progress=False)
    assert_close(model.parameters, quiet.parameters)


def changed(change: Callable[[np.ndarray], np.ndarray]) -> type[MyReLU]:
    """Return a class whose results are changed."""

    class Changed(MyReLU):
        def forward(self, x):
            return change(super().forward(x))

        def backward(self, dy):
            return np.ones(self.mask.shape)

    return Changed


BAD = [
    (
        changed(lambda y: y.sum(axis=(1, 2, 3))),
        "Changed 'student1': forward returned the shape 2 for 2 samples of 4×4×3; expected 2×…",
    ),
    (
        changed(lambda y: y if len(y) == 2 else y[:, :1]),
        "Changed: forward returned the shape 5×1×4×3 for 5×4×4×3; expected 5×4×4×3",
    ),
    (changed(lambda y: y * (1j if len(y) > 2 else 1)), "Changed: returned complex numbers for real inputs"),
    (changed(lambda y: y / (len(y) == 2)), "y of student1 is not finite (Changed.forward)"),
    (lambda x: x, "layer 2 is not a layer but"),
    (cr.ReLU, "layer 2 is not a layer but"),
    ((forward, backward), "forward: state how the functions are called"),
    *((other, "layer 2 is not a layer but") for other in ((forward, 3), (forward, backward, forward))),
    (cr.Dense(3), "expected an input vector"),
]


@pytest.mark.parametrize(("layer", "message"), BAD, ids=[message for _, message in BAD])
def test_objects_that_are_no_layers_are_refused(layer, message: str) -> None:
    layers = [cr.Conv2D(4, 3), layer, cr.Flatten(), MyDense, cr.Softmax()]
    with pytest.raises(cr.ChainruleError) as caught:
        trained(cr.Sequential(layers, (2, 6, 5), engine="numpy"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
