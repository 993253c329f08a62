"""Layers taken from a trained network carry its weights; objects accept no attribute that they do not have."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr

KINDS = [
    lambda: cr.Conv2D(4, 3, padding="same"),
    lambda: cr.BatchNorm2D(),
    lambda: cr.PReLU(),
    lambda: cr.Conv2D(4, 1, bias=False),
    lambda: cr.GroupNorm(2),
]


def build(layers: list[Any], *, chain: bool, **options: Any) -> Any:
    """Return a chain or a graph of these layers in a row."""
    if chain:
        return cr.Sequential(layers, (4, 5, 6), engine="numpy", **options)
    node = start = cr.Input((4, 5, 6))
    for layer in layers:
        node = layer(node)
    return cr.Graph(start, node, engine="numpy", **options)


def trained(random: np.random.Generator, folder: Path) -> tuple[Any, np.ndarray]:
    """Return a trained network, a chain or a graph in which a layer is applied twice, and its data."""
    layers: list[Any] = [KINDS[random.integers(len(KINDS))]() for _ in range(4)]
    x = random.integers(0, 256, (40, 4, 5, 6)).astype("uint8")
    x = x if random.random() < 0.5 else (x * random.choice([3, 0.01]) - 7).astype("f4")
    chain = random.random() < 0.5
    end = [*layers[: not chain], cr.GlobalAveragePool2D(), cr.Dense(3), cr.Softmax()]
    model = build([*layers, *end], chain=chain)
    model.fit(x, np.arange(40) % 3, learning_rate=0.05, epochs=2, progress=False)
    if random.random() < 0.5:
        model.save(folder / "trained.safetensors")
        return cr.load(folder / "trained.safetensors", engine="numpy"), x
    return random.choice([lambda: model, lambda: copy.deepcopy(model), lambda: pickle.loads(pickle.dumps(model))])(), x


@pytest.mark.parametrize("seed", range(10))
def test_layers_of_a_trained_network_carry_its_weights(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    model, x = trained(random, tmp_path)
    before, expected = model.get_weights(), model.predict(x)
    layers, chain = list(model.layers)[:-2], model.wiring.is_chain
    cut = build(layers, chain=chain, seed=seed)
    new = build([*layers, cr.Dense(3), cr.Softmax()], chain=chain, seed=seed)
    head = {name: before[name] for name in ("dense1.w", "dense1.b")}
    last = cr.Sequential([cr.Dense(3), cr.Softmax()], (4,), engine="numpy", weights=head)
    assert_allclose(last.predict(cut.predict(x)), expected, rtol=1e-4, atol=1e-6)
    assert not np.array_equal(new.weights["dense1.w"], head["dense1.w"])
    notes = new.fit(x, np.arange(40) % 3, learning_rate=0.05, progress=False).notes
    assert new.inherited
    assert any(", ".join(new.inherited) in note for note in notes)
    for name, value in model.weights.items():
        assert_array_equal(value, before[name])


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
    first = build([cr.Conv2D(4, 1)] + model.layers, chain=True)  # noqa: RUF005
    assert [type(layer).__name__ for layer in first.layers[:2]] == ["Conv2D", "Conv2D"]
    assert model.layers[-1] is [*model.layers][-1]
    assert pickle.loads(pickle.dumps(model)).layers == model.layers
