"""`Sequential` as users use it: build, inspect, train, evaluate, predict, save, load."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from training.made import stripes

import chainrule as cr
from chainrule.layers import Layer


def small(**options) -> cr.Sequential:
    layers = [cr.Conv2D(4, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, input_shape=(1, 8, 8), **{"engine": "numpy", **options})


def test_notebook_views_are_tables_and_pictures() -> None:
    model = small(name="<b>model</b>")
    history = model.fit(*stripes(40), progress=False)
    assert "&lt;b&gt;" in model._repr_html_()
    assert "Conv2D(4, 3)" in model._repr_html_()
    assert "data:image/png;base64," in history._repr_html_()
    x, y = stripes(9)
    batch = cr.Dataset(x, y.astype(np.int64), ("a", "b", "c"))
    assert "data:image/png;base64," in batch._repr_html_()


@pytest.mark.parametrize("package", ["chainrule", "chainrule.data", "chainrule.plotting"])
def test_import_is_light(package: str) -> None:
    heavy = ("llvmlite", "jax", "matplotlib", "PIL", "rich", "click", "ssl", "http", "tarfile", "platformdirs")
    code = f"import sys, {package}; print([name for name in {heavy} if name in sys.modules])"
    actual = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert actual.stdout.strip() == "[]"


def test_every_public_name_can_be_had_and_is_documented() -> None:
    for name in cr.__all__:
        thing = getattr(cr, name)
        assert name == "__version__" or thing.__doc__, name
    for name in cr.data.__all__:
        assert getattr(cr.data, name).__doc__, name
        assert name in dir(cr.data)
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = cr.nothing_like_this


def ending(*last: Layer) -> cr.Sequential:
    return cr.Sequential([cr.Flatten(), *last], (1, 8, 8), engine="numpy")


X, Y = stripes(12)
# what is done, the error, and a part of its message
REFUSED: list[tuple[Any, type[Exception], str]] = [
    *((lambda size=size: small().predict(X, batch_size=size), cr.OptionError, "batch.size") for size in (0, True)),
    (lambda: small().evaluate(X[0, 0], Y[:1]), cr.ShapeError, r"found 8×8; for one sample pass x\[None\]"),
    (lambda: small().predict(X[0, :, 1:]), cr.ShapeError, "expected a batch of shape N×1×8×8, found 1×7×8"),
    (lambda: small().predict("nowhere.png"), cr.DataError, r"nowhere.png: cannot be read"),
    (lambda: cr.load(None), cr.OptionError, "expected .*the name of a file or folder"),  # pyright: ignore
    (lambda: small().fit(X, Y, run=cr.Run(3)), cr.OptionError, "expected .*the name of a file"),  # pyright: ignore
    (lambda: small().predict(object()), cr.ChainruleError, "expected numbers, found object"),
    (
        lambda: ending(cr.Dense(3)).fit(X, Y, loss="categorical_cross_entropy"),
        cr.OptionError,
        r"expects probabilities: end with Softmax\(\) or Sigmoid\(\), not with Dense",
    ),
    (
        lambda: ending(cr.Dense(1), cr.Sigmoid()).fit(X, 0 * Y, loss="categorical_cross_entropy"),
        cr.OptionError,
        "needs one output per class: for yes or no, train Sigmoid",
    ),
    (lambda: ending(cr.Softmax()).fit(X, Y), cr.OptionError, "nothing to train"),
    *(
        (lambda act=act: act(ending(cr.Dense(3), cr.Softmax()))(X, Y, loss="bce"), cr.OptionError, "end with Sigmoid")
        for act in (lambda model: model.fit, lambda model: model.evaluate)
    ),
    (
        lambda: ending(cr.Dense(2)).fit(X, np.linspace(0, 1, 12)),
        cr.DataError,
        r"shape \(12,\); numbers for 2 outputs have the shape \(N, 2\)",
    ),
    *(
        (lambda kind=kind: small().fit(X, Y, normalization=kind), cr.OptionError, "normalization .*: expected|unknown")
        for kind in (False, "scaled")
    ),
    (lambda: small(classes=["one"]), cr.OptionError, "1 names of classes for 3 outputs"),
    *(
        (lambda shape=shape: cr.Sequential([cr.Dense(3)], shape), cr.ShapeError, r"input_shape .*: expected")
        for shape in (3, None)
    ),
    (lambda: small().fit(X, Y, optimizer=cr.SGD(1e39)), cr.NotFiniteError, "learning rate"),
]


@pytest.mark.parametrize(("use", "error", "message"), REFUSED)
def test_impossible_uses_are_refused_in_one_line(use: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        use()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ([cr.Dense(3), cr.Softmax()], "categorical_cross_entropy"),
        ([cr.Dense(3)], "softmax_cross_entropy"),
        ([cr.Dense(3), cr.BatchNorm1D()], "softmax_cross_entropy"),
        ([cr.Dense(3), cr.Sigmoid()], "binary_cross_entropy"),
        ([cr.Dense(1), cr.Sigmoid()], "binary_cross_entropy"),
        ([cr.Dense(1)], "mean_squared_error"),
    ],
)
def test_a_model_for_which_no_loss_is_chosen_has_one_that_it_can_be_trained_with(last: list[Any], loss: str) -> None:
    model = cr.Sequential([cr.Flatten(), *last], (1, 8, 8), engine="numpy")
    x, y = stripes(12)
    model.fit(x, y if model.output_shape[-1] > 1 else y == 1, epochs=1, progress=False)
    assert model.loss == loss
