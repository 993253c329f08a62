"""Inputs of another height, width or length than the network's, against networks built for that size."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
