"""Inputs of another height, width or length than the network's, against networks built for that size."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import several
from selection import draws

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.network.fitted import Fitted

LAYERS: Any = {  # by the number of axes
    1: (cr.Conv1D, cr.BatchNorm1D, cr.MaxPool1D, cr.GlobalAveragePool1D, cr.GlobalMaxPool1D),
    2: (cr.Conv2D, cr.BatchNorm2D, cr.MaxPool2D, cr.GlobalAveragePool2D, cr.GlobalMaxPool2D),
}


def drawn(draw: np.random.Generator, axes: int, engine: str) -> cr.Sequential:
    """Return a trained network that is convolutional up to a global pooling."""
    convolution, norm, pool, *global_pools = LAYERS[axes]
    options = {"stride": int(draw.choice((1, 2))), "padding": int(draw.choice((0, 1)))}
    layers = [convolution(4, 3, **options), norm(), cr.ReLU(), pool(2), convolution(3, 2), cr.Tanh()]
    layers += [global_pools[draw.integers(2)](), cr.Dense(3), cr.Softmax()]
    shape = (int(draw.choice((1, 2))), *draw.integers(12, 16, axes).tolist())
    model = cr.Sequential(layers, shape, dtype="float64", engine=engine, seed=int(draw.integers(99)))
    model.fit(draw.normal(size=(9, *shape)), np.arange(9) % 3, progress=False, normalization="standardize")
    return model


@pytest.mark.parametrize(("engine", "examples"), [("numpy", 6), ("compiled", 1)])
def test_other_sizes_have_the_results_of_a_network_of_that_size(engine: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]))
    def check(seed: int, axes: int) -> None:
        draw = np.random.default_rng(seed)
        model = drawn(draw, axes, engine)
        for _ in range(2):
            shape = (model.input_shape[0], *draw.integers(12, 30, axes).tolist())
            x, y = draw.normal(size=(4, *shape)), np.arange(4) % 3
            same = cr.Sequential(model.layers, shape, dtype="float64", engine=engine, weights=model.weights)
            same.adopt(Fitted(model.normalization, model.loss, model.task))
            for forms in ([x, np.moveaxis(x, 1, -1)], [x[0], np.moveaxis(x[0], 0, -1)]):
                for form in forms:
                    np.testing.assert_array_equal(model.predict(form), same.predict(forms[0]))
            assert model.evaluate(x, y).figures == same.evaluate(x, y).figures
            np.testing.assert_array_equal(model.gradients(x, y).flat, same.gradients(x, y).flat)
            copy = model.with_input_shape(shape)
            model.parameters *= 1.01  # later sizes use the current weights
            np.testing.assert_array_equal(copy.predict(x), same.predict(x))

    check()


@pytest.mark.parametrize(
    ("layers", "x"),
    [
        ((cr.Conv2D(2, 3), cr.Flatten(), cr.Dense(3)), np.zeros((2, 3, 9, 8))),
        ((cr.Conv2D(2, 3), cr.GlobalMaxPool2D()), np.zeros((2, 3, 2, 8))),
        ((cr.Conv2D(2, 3), cr.GlobalMaxPool2D()), np.zeros((2, 4, 9, 8))),
        ((cr.Conv2D(2, 3), cr.GlobalMaxPool2D()), [np.zeros((3, 9, 8)), np.zeros((3, 9, 7))]),
    ],
)
def test_sizes_that_a_network_does_not_support(layers: Any, x: Any) -> None:
    model = cr.Sequential(layers, (3, 8, 8), engine="numpy")
    for call in (lambda: model.predict(x), lambda: model.evaluate(x, [0, 1])):
        with pytest.raises(ShapeError, match=r"3×8×8.*(: |found 2×4|; MaxPool)"):
            call()


def changed_layers(model: Any, x: Any, y: Any) -> set[str]:
    """Return the layers whose parameters change in a training."""
    before = {name: values.copy() for name, values in model.weights.items()}
    model.fit(x, y, batch_size=4, normalization="none", progress=False)
    return {name.rpartition(".")[0] for name, values in before.items() if (model.weights[name] != values).any()}


@settings(max_examples=draws(8), deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_only_layers_that_are_not_frozen_are_trained(seed: int, several_outputs: bool) -> None:
    draw = np.random.default_rng(seed)
    if several_outputs:
        x, y = several.batch(8, seed)
        model: Any = several.model(loss=several.LOSSES, seed=seed)
        heads = {"dense2", "dense3"}
    else:
        x, y = draw.normal(size=(8, 2, 9, 8)), draw.integers(0, 3, 8)
        layers = [cr.Conv2D(3, 2), cr.Tanh(), cr.Conv2D(2, 3), cr.Tanh(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
        model = cr.Sequential(layers, (2, 9, 8), dtype="float64", engine="numpy", seed=seed)
        heads = {"dense1"}
    trainable = {name for name in model.names if model.size(name)}
    frozen = {name for name in model.names if draw.random() < 0.5} - {min(heads)}
    for names, expected in ((("backbone",), heads), ((*frozen,), trainable - frozen), ((), trainable)):
        model.freeze(*names)
        assert changed_layers(model, x, y) == expected


@settings(max_examples=draws(8), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_appended_layers_follow_all_others(seed: int, classes: int) -> None:
    draw = np.random.default_rng(seed)
    model = cr.Sequential([cr.Flatten(), cr.Dense(5), cr.ReLU(), cr.Dense(4)], (2, 3, 4), engine="numpy", seed=seed)
    x = draw.normal(size=(6, 2, 3, 4))
    names = [f"class {number}" for number in range(classes)]
    model.fit(x, draw.integers(0, 4, 6), loss="softmax_cross_entropy", progress=False)
    appended = model.with_classes(names, append=True)
    replaced = model.with_classes(names)
    assert appended.layers[: len(model.layers)] == model.layers
    assert len(replaced.layers) == len(model.layers)
    assert replaced.layers[:-1] == model.layers[:-1]
    for twin in (appended, replaced):
        assert twin.predict(x).shape == (6, classes)
