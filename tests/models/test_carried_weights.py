"""Layers taken from a trained network carry its weights; objects accept no attribute that they do not have."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import chainrule as cr


def build(layers: list[Any], *, chain: bool, **options: Any) -> Any:
    """Return a chain or a graph of these layers in a row."""
    if chain:
        return cr.Sequential(layers, (4, 5, 6), engine="numpy", **options)
    node = start = cr.Input((4, 5, 6))
    for layer in layers:
        node = layer(node)
    return cr.Graph(start, node, engine="numpy", **options)


def test_new_layers_and_those_of_an_untrained_network_are_drawn_with_the_seed() -> None:
    layers = [cr.Conv2D(4, 3), cr.Flatten(), cr.Dense(2)]
    model = cr.Sequential(layers, (1, 6, 5), engine="numpy", seed=1)
    for source in (layers, model.layers):
        twin = cr.Sequential(source, (1, 6, 5), engine="numpy", seed=2)
        expected = cr.Sequential([cr.Conv2D(4, 3), cr.Flatten(), cr.Dense(2)], (1, 6, 5), engine="numpy", seed=2)
        assert_array_equal(twin.parameters, expected.parameters)
    model.fit(np.ones((8, 1, 6, 5)), np.arange(8) % 2, progress=False)
    assert_array_equal(cr.Sequential(layers, (1, 6, 5), engine="numpy", seed=2).parameters, expected.parameters)
    with pytest.raises(cr.ShapeError, match=r"dense1\.w of the trained network"):
        cr.Sequential(model.layers, (1, 7, 5), engine="numpy")


class Own(cr.Sequential):
    """A model with an attribute of its own."""

    def __init__(self) -> None:
        super().__init__([cr.Dense(2)], (3,), engine="numpy")
        self.extra = 1


PLAIN = cr.Sequential([cr.Dense(2)], (3,), engine="numpy")
OBJECTS: list[Any] = [PLAIN, copy.deepcopy(PLAIN), pickle.loads(pickle.dumps(PLAIN)), PLAIN.layers[0]]
OBJECTS += [cr.Adam(), cr.Step(), cr.Recipe(), cr.Augmentation(flip=True), cr.Normalization("none")]


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: type(thing).__name__)
def test_unknown_attributes_are_refused(thing: Any) -> None:
    for name in ("trainable", "something"):
        with pytest.raises(AttributeError, match=name):
            setattr(thing, name, False)


def test_models_have_known_attributes_and_those_of_derived_classes() -> None:
    for model in (Own(), pickle.loads(pickle.dumps(Own()))):
        model.extra, model.loss, model._private = 2, "mean_squared_error", 3
        assert (model.extra, model.loss, model._private) == (2, "mean_squared_error", 3)


def test_lists_are_added_to_layers() -> None:
    model = build([cr.Conv2D(4, 3), cr.GlobalAveragePool2D(), cr.Dense(3), cr.Softmax()], chain=True)
    model.fit(np.ones((6, 4, 5, 6)), np.arange(6) % 3, progress=False)
    ends = [cr.Dense(5), cr.Softmax()]
    for layers in (model.layers[:-2] + ends, [*model.layers[:-2], *ends], model.layers[:1] + model.layers[1:2] + ends):
        new = build(list(layers), chain=True)
        assert_array_equal(new.weights["conv1.w"], model.weights["conv1.w"])
        assert new.output_shape == (5,)
        notes = new.fit(np.ones((5, 4, 5, 6)), np.arange(5), progress=False).notes
        assert any(", ".join(new.inherited) in note for note in notes)
    first = build([cr.Conv2D(4, 1)] + model.layers, chain=True)  # noqa: RUF005
    assert [type(layer).__name__ for layer in first.layers[:2]] == ["Conv2D", "Conv2D"]
    assert model.layers[-1] is [*model.layers][-1]
    assert pickle.loads(pickle.dumps(model)).layers == model.layers
