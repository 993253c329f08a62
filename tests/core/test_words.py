# pyright: reportCallIssue=false, reportArgumentType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportAttributeAccessIssue=false, reportUnknownLambdaType=false
"""Words of other libraries: those that mean the same are accepted, and the others are explained."""

import inspect
import re
import traceback
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.made import classifier, stripes

import chainrule as cr
import chainrule.sklearn
from chainrule import models
from chainrule.core import words
from chainrule.layers.activations import __all__ as activations
from chainrule.network import losses
from chainrule.training import optimizers, schedules

X, Y = stripes(30)


@pytest.mark.parametrize(
    ("foreign", "own"),
    [
        (lambda: cr.Adam(lr=0.1), cr.Adam(0.1)),
        (lambda: tuple(cr.Conv2D(8, 3, activation="relu")), (cr.Conv2D(8, 3), cr.ReLU())),
        (lambda: tuple(cr.Dense(8, activation="leaky_relu")), (cr.Dense(8), cr.LeakyReLU())),
        (lambda: tuple(cr.Dense(8, activation=cr.ELU(0.5))), (cr.Dense(8), cr.ELU(0.5))),
        (lambda: tuple(cr.Dense(8, activation=cr.Tanh)), (cr.Dense(8), cr.Tanh())),
        (lambda: cr.Dense(8, activation="linear"), cr.Dense(8)),
        (lambda: losses.find("MSE"), "mean_squared_error"),
        (lambda: losses.find("SparseCategoricalCrossentropy"), "categorical_cross_entropy"),
        (lambda: cr.Sequential([cr.ReLU()], (3,)).predict([[1.0, 2, 3]], verbose=0).tolist(), [[1.0, 2, 3]]),
        (lambda: optimizers.find("RMSprop"), cr.RMSProp()),
        (lambda: schedules.find("One-Cycle"), cr.OneCycle()),
    ],
)
def test_words_that_mean_the_same(foreign: Callable[[], Any], own: Any) -> None:
    assert foreign() == own


MODEL = cr.Sequential([cr.Dense(3)], (3,))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: cr.Conv2D(3, 8, 3), r"stride.* by name; .*Conv2D\(8, 3\)"),  # PyTorch's order
        (lambda: cr.Conv2D(8, filters=3), "multiple values for argument 'filters'"),
        (lambda: cr.Dense(3, 8, True), "pass bias, initializer, activation by name$"),  # pyright: ignore
        (lambda: cr.MaxPool2D(3, 2), "stride"),
        (lambda: cr.Conv2D(8, 3, stide=2), "did you mean stride"),
        (lambda: cr.Conv2D(8, kernel=3, kernel_size=3), "kernel"),
        (lambda: cr.Conv2D(8, 3, activation="reul"), "ReLU"),
        (lambda: cr.MaxPool2D(2, activation="relu"), "layer"),
        (lambda: cr.Sequential(cr.ReLU(), (3,)), "a list of layers"),  # pyright: ignore
        (lambda: cr.Sequential(), r"expected Sequential\(layers, input_shape"),
        (lambda: cr.Sequential([cr.ReLU()]), "missing .*'input_shape'"),
        (lambda: MODEL.compile("adam", "mse"), "pass optimizer= .* to fit"),
        (lambda: cr.Normalization(), "normalization='standardize'"),
        (lambda: cr.WarmUp(100), "0.1 for 100 of 1,000 steps"),
        (lambda: cr.Conv2d, "did you mean Conv2D"),
        (lambda: cr.AdaptiveAvgPool1d, "GlobalAveragePool1D"),
        (lambda: cr.data.ImageFolder, "load"),
        (lambda: models.load_model, "chainrule.load"),
        (lambda: MODEL.get_layer, "weights"),
        (lambda: MODEL.Predict, "did you mean predict"),
        (lambda: MODEL.layers[0].weights, "model.weights"),
        (lambda: MODEL.parameters(), "optimizer="),
        (lambda: setattr(MODEL.layers[0], "features", 4), "other options"),
        (lambda: (lambda loss, accuracy: None)(*MODEL.evaluate([[1.0, 2, 3]], [0])), "evaluation.accuracy"),
        (lambda: MODEL.evaluate([[1.0, 2, 3]], [0])[1], "evaluation.loss"),
    ],
)
def test_other_words_are_explained_once(use: Callable[[], Any], message: str) -> None:
    with pytest.raises((cr.OptionError, AttributeError, TypeError), match=message) as caught:
        use()
    shown = "".join(traceback.format_exception_only(caught.value)).casefold()
    assert shown.count("did you mean") == message.count("did you mean")  # Python adds suggestions of its own


def test_fit_accepts_common_words(capsys: pytest.CaptureFixture[str]) -> None:
    results = [classifier() for _ in range(2)]
    common: dict[str, Any] = {"verbose": 0, "lr": 0.1, "optimizer": "SGD", "loss": "sparse_categorical_crossentropy"}
    results[0].fit(X, Y, **common)
    assert capsys.readouterr().err == ""
    history = results[1].fit(X, Y, learning_rate=0.1, optimizer="sgd", validation_data=(X, Y), progress=False).history
    assert history["val_loss"] == history["validation_loss"]
    assert (results[0].parameters == results[1].parameters).all()
    with pytest.raises(cr.OptionError, match="AdamW"):
        results[0].fit(X, Y, weight_decay=0.1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(cr.OptionError, match="mean the same"):
        results[0].fit(X, Y, lr=0.1, learning_rate=0.1)  # pyright: ignore[reportCallIssue]


def test_layers_with_activations_are_two_layers() -> None:
    x = cr.Input((1, 8, 8))
    graph = cr.Graph(x, cr.Dense(3, activation="softmax")(cr.Flatten()(cr.Conv2D(2, 3, activation="relu")(x))))
    layers = [cr.Conv2D(2, 3, activation="relu"), cr.Flatten(), cr.Dense(3, activation="softmax")]
    for model in (graph, cr.Sequential(layers, (1, 8, 8))):
        assert model.names == ["conv1", "relu1", "flatten1", "dense1", "softmax1"]


def test_the_table_names_what_exists() -> None:
    """Give each layer its options by all their foreign names."""
    options = {*inspect.signature(cr.Sequential.fit).parameters}
    for kind in cr.layers.NAMED.values():
        own = {*inspect.signature(kind).parameters}
        options |= own
        for foreign, names in words.vocabulary()["options"].items():
            for name in own.intersection(names.split()) - {"activation"} if foreign not in own else ():
                layer = kind(**kind.examples[-1].options)
                if hasattr(layer, name):
                    own_options = {field.name: getattr(layer, field.name) for field in fields(layer)}
                    assert (
                        kind(**{foreign if key == name else key: value for key, value in own_options.items()}) == layer
                    )
    assert {name for names in words.vocabulary()["options"].values() for name in names.split()} <= options
    assert {*words.vocabulary()["names"].values()} <= {*losses.NAMES, *activations}
    assert not words.vocabulary()["options"].keys() & words.vocabulary()["hints"].keys()


ADVICE = words.vocabulary()["advice"]


def test_every_hint_is_shown() -> None:
    for hint, foreign in ADVICE.items():
        for word in foreign.split():
            if not hasattr(cr, word):
                with pytest.raises(AttributeError, match=re.escape(hint)):
                    getattr(cr, word)
            with pytest.raises(cr.OptionError, match=re.escape(hint)):
                cr.Flatten(**{word: 1})


CODE = re.compile(r"(?:\w+=)?[\w.]*\w\([^()]*\)(?:\.\w+(?:\(\d\))?)*|\w+='[^']*'")  # f(a), f(a).b(1), a=f(b) or a='b'
NAME = re.compile(r"\b(?:chainrule|model)(?:\.\w+)+|\b[A-Z]\w*[a-z]\w*|(?<=use )(?!the )[a-z_]+")
OPTION = re.compile(r"(\w+)=(?=[ ,;]|$)")


@pytest.mark.parametrize("hint", ADVICE)
def test_names_in_hints_exist_and_their_examples_run(hint: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Run the calls of a hint, and create models and train with its options."""
    monkeypatch.chdir(tmp_path)
    layers, shape = [cr.Conv2D(2, 3), cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 5, 6)
    x, y, values = np.random.default_rng(0).random((20, *shape)), np.arange(20) % 2, cr.Input(shape)
    model = cr.Sequential(layers, shape, engine="numpy")
    model.save("digits.safetensors")
    names = {name: getattr(owner, name) for owner in (model, cr) for name in dir(owner) if not name.startswith("_")}
    names |= {"chainrule": chainrule, "model": model, "x": x, "y": y, "inputs": values, "outputs": cr.ReLU()(values)}
    names |= {"layers": layers, "input_shape": shape, "channels": 2, "filters": 3, "kernel": 3, "share": 0.1}
    names |= {"weights": model.get_weights(), "name": "shapes", "folder": "run"}
    names |= {"history": model.fit(x, y, epochs=1, progress=False), "evaluation": model.evaluate(x, y)}
    names |= {"dataset": cr.data.Dataset(x, y), "fraction": 0.2, "seed": 0}
    creating, training = (inspect.signature(call).parameters for call in (cr.Sequential, model.fit))
    others = inspect.signature(cr.layers.Layer.__call__).parameters.keys() | inspect.signature(cr.Conv2D).parameters
    assert {*OPTION.findall(hint)} <= others | creating.keys() | training.keys()
    for name in NAME.findall(hint):
        eval(name, names)
    for code in CODE.findall(hint):
        if not re.match(r"\w+=", code):
            eval(code.replace("\u2026", "x, y"), names)
        elif (options := eval(f"dict({code})", names)).keys() <= training.keys():
            model.fit(x, y, progress=False, **options)
        elif options != {"engine": "jax"}:  # which may not be installed
            cr.Sequential(layers, shape, **options)
