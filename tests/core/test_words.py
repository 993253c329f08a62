"""Words of other libraries: hints for options, and names that mean the same."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.sklearn
from chainrule.core import words
from chainrule.layers.activations import __all__ as activations
from chainrule.models.options import ModelOptions
from chainrule.network import losses
from chainrule.training import optimizers, schedules
from chainrule.training.recipe import RecipeOptions


@pytest.mark.parametrize(
    ("foreign", "own"),
    [
        (lambda: tuple(cr.Conv2D(8, 3, activation="relu")), (cr.Conv2D(8, 3), cr.ReLU())),
        (lambda: tuple(cr.Dense(8, activation="leaky_relu")), (cr.Dense(8), cr.LeakyReLU())),
        (lambda: tuple(cr.Dense(8, activation=cr.ELU(0.5))), (cr.Dense(8), cr.ELU(0.5))),
        (lambda: tuple(cr.Dense(8, activation=cr.Tanh)), (cr.Dense(8), cr.Tanh())),
        (lambda: cr.Dense(8, activation="linear"), cr.Dense(8)),
        (lambda: losses.find("MSE"), "mean_squared_error"),
        (lambda: losses.find("SparseCategoricalCrossentropy"), "categorical_cross_entropy"),
        (lambda: optimizers.find("RMSprop"), cr.RMSProp()),
        (lambda: schedules.find("One-Cycle"), cr.OneCycle()),
    ],
)
def test_words_that_mean_the_same(foreign: Callable[[], Any], own: Any) -> None:
    assert foreign() == own


def model() -> cr.Sequential:
    return cr.Sequential([cr.Dense(3), cr.Softmax()], (3,), engine="numpy")


X, Y = np.eye(3), np.arange(3)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: cr.Conv2D(3, 8, 3), r"stride.* by name; .*Conv2D\(8, 3\)"),  # PyTorch's order
        (lambda: cr.Dense(3, 8, True), "pass bias, initializer by name$"),
        (lambda: cr.MaxPool2D(3, 2), "stride"),
        (lambda: cr.Conv2D(8, 3, stide=2), "did you mean stride"),
        (lambda: cr.Conv2D(8, kernel_size=3), "Conv2D has no option kernel_size: use kernel$"),
        (lambda: cr.MaxPool2D(pool_size=2), "use window$"),
        (lambda: cr.Dense(units=8), "use features$"),
        (lambda: cr.Dropout(p=0.5), "use rate$"),
        (lambda: cr.Adam(lr=0.1), "Adam has no option lr: use learning_rate$"),
        (lambda: cr.SGD(0.1, momentum=0.9), r"Momentum\(momentum=0.9\)"),
        (lambda: cr.Conv2D(8, 3, activation="reul"), "ReLU"),
        (lambda: cr.MaxPool2D(2, activation="relu"), "layer"),
        (lambda: cr.Sequential(cr.ReLU(), (3,)), "a list of layers"),
        (lambda: cr.Sequential([cr.ReLU()]), "missing a required argument: 'input_shape'"),
        (lambda: cr.Sequential([cr.ReLU()], (3,), device="cuda"), "engine='jax'"),
        (lambda: model().predict(X, verbose=0), "nothing is printed"),
        (lambda: model().fit(X, Y, verbose=0), "use progress$"),
        (lambda: model().fit(X, Y, weight_decay=0.1), "AdamW"),
        (lambda: model().fit(X, Y, lr=0.1, learning_rate=0.1), "no option lr"),
        (lambda: model().fit(X, Y, schedul="cosine"), "did you mean schedule"),
        (lambda: model().evaluate(X, Y, return_dict=True), "dictionary"),
        (lambda: cr.Recipe(tol=0.1), "every epoch that is better"),
        (lambda: cr.WarmUp(100), "0.1 for 100 of 1,000 steps"),
        (lambda: setattr(model(), "trainable", False), "no attribute 'trainable'"),
        (lambda: cr.Conv2d, "no attribute 'Conv2d'"),
        (lambda: (lambda loss, accuracy: None)(*model().evaluate(X, Y)), "evaluation.accuracy"),
        (lambda: model().evaluate(X, Y)[1], "evaluation.loss"),
    ],
)
def test_other_words_are_explained(use: Callable[[], Any], message: str) -> None:
    with pytest.raises((cr.OptionError, AttributeError, TypeError), match=message):
        use()


def test_layers_with_activations_are_two_layers() -> None:
    x = cr.Input((1, 8, 8))
    graph = cr.Graph(x, cr.Dense(3, activation="softmax")(cr.Flatten()(cr.Conv2D(2, 3, activation="relu")(x))))
    layers = [cr.Conv2D(2, 3, activation="relu"), cr.Flatten(), cr.Dense(3, activation="softmax")]
    for network in (graph, cr.Sequential(layers, (1, 8, 8))):
        assert network.names == ["conv1", "relu1", "flatten1", "dense1", "softmax1"]


def options_of_fit() -> set[str]:
    return {*inspect.signature(cr.Sequential.fit).parameters} | {*RecipeOptions.__annotations__}


def test_the_table_names_what_exists() -> None:
    options = {*options_of_fit(), "model"}  # of commands
    for kind in (*cr.layers.NAMED.values(), *optimizers.NAMED.values()):
        options |= {*inspect.signature(kind).parameters}
    assert {name for names in words.vocabulary()["options"].values() for name in names.split()} <= options
    assert {*words.vocabulary()["names"].values()} <= {*losses.NAMES, *activations}


ADVICE = words.vocabulary()["advice"]


CODE = re.compile(r"(?:\w+=)?[\w.]*\w\([^()]*\)(?:\.\w+(?:\(\d\))?)*|\w+='[^']*'")  # f(a), f(a).b(1), a=f(b) or a='b'
OPTION = re.compile(r"(\w+)=(?=[ ,;]|$)")


@pytest.mark.parametrize("hint", ADVICE)
def test_examples_in_hints_run(hint: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Run the calls of a hint, and create models and train with its options."""
    monkeypatch.chdir(tmp_path)
    layers, shape = [cr.Conv2D(2, 3), cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 5, 6)
    x, y = np.random.default_rng(0).random((20, *shape)), np.arange(20) % 2
    network = cr.Sequential(layers, shape, engine="numpy")
    names = {name: getattr(owner, name) for owner in (network, cr) for name in dir(owner) if not name.startswith("_")}
    names |= {"chainrule": chainrule, "cr": cr, "model": network, "x": x, "y": y, "share": 0.1, "folder": "run"}
    names |= {"f": lambda image, target, generator: (image, target)}
    training = options_of_fit()
    others = {*inspect.signature(cr.layers.Layer.__call__).parameters, *inspect.signature(cr.Conv2D).parameters}
    assert {*OPTION.findall(hint)} <= others | {*ModelOptions.__annotations__} | training | {"input_shape", "layers"}
    for code in CODE.findall(hint):
        if not re.match(r"\w+=", code):
            eval(code, names)
        elif (options := eval(f"dict({code})", names)).keys() <= training:
            network.fit(x, y, progress=False, **options)
        elif options != {"engine": "jax"}:  # which may not be installed
            cr.Sequential(layers, shape, **options)
