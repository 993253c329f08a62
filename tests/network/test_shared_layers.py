"""A graph over nodes or layers of a trained network has its weights and scaling; what is ambiguous is refused."""

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from selection import draws

import chainrule as cr
from chainrule.errors import OptionError

Array = np.ndarray[Any, Any]
LABELS = np.arange(30) % 3
OPTIONS: dict[str, Any] = {"engine": "numpy"}


def backbone(draw: np.random.Generator, node: Any) -> Any:
    """Apply drawn layers to a node; some share parameters."""
    shared = cr.Conv2D(3, 3, padding="same")
    for _ in range(int(draw.integers(1, 4))):
        layer = (shared, cr.Conv2D(3, 3, padding="same"), cr.BatchNorm2D(), cr.PReLU())[draw.integers(4)]
        node = layer(node)
    return cr.GlobalAveragePool2D()(cr.Add()(node, shared(node)))


def images(draw: np.random.Generator) -> Array:
    pixels = draw.integers(0, 256, (30, 3, 5, 6)).astype("uint8")
    return pixels if draw.random() < 0.5 else (pixels * draw.choice([3, 0.01]) - 7).astype("f4")


def head_of(model: Any, features: Array, name: str = "dense1") -> Array:
    """Return the outputs of a dense layer of a model, followed by softmax, for the inputs of this layer."""
    weights = {f"dense1.{own}": model.weights[f"{name}.{own}"] for own in ("w", "b")}
    return cr.Sequential([cr.Dense(3), cr.Softmax()], features.shape[1:], weights=weights, **OPTIONS).predict(features)


def fitted(source: Any, result: Any, x: Any, **options: Any) -> Any:
    model = cr.Graph(source, result, **OPTIONS, **options)
    model.fit(x, LABELS, epochs=2, learning_rate=0.05, progress=False)
    return model


@pytest.mark.parametrize("seed", range(draws(6)))
def test_hidden_nodes_have_the_weights_of_the_trained_network(seed: int) -> None:
    draw = np.random.default_rng(seed)
    source, x = cr.Input((3, 5, 6)), images(draw)
    hidden = backbone(draw, source)
    result = cr.Softmax()(cr.Dense(3)(hidden))
    earlier = cr.Graph(source, hidden, seed=seed, **OPTIONS).get_weights()
    model = fitted(source, result, x, seed=seed)
    features = cr.Graph(source, hidden, dtype=str(draw.choice(["float32", "float64"])), **OPTIONS)
    assert_close(head_of(model, features.predict(x)), model.predict(x), 1000)
    assert any(not np.array_equal(values, earlier[name]) for name, values in features.weights.items())
    both = cr.Graph(source, {"y": result, "features": hidden}, **OPTIONS).predict(x)
    assert_close(both["y"], model.predict(x), 1000)
    # Networks share no memory: a network keeps what it has, and one that is built later has the later weights.
    kept = features.predict(x)
    model.fit(x, LABELS, epochs=1, learning_rate=0.05, progress=False)
    assert_array_equal(features.predict(x), kept)
    later = cr.Graph(source, hidden, **OPTIONS)
    assert_close(head_of(model, later.predict(x)), model.predict(x), 1000)
    model.reset(seed)
    drawn = cr.Graph(source, hidden, seed=seed, **OPTIONS)
    assert not drawn.inherited
    for name, values in drawn.weights.items():
        assert_array_equal(values, earlier[name])


def test_each_of_several_inputs_keeps_its_normalization() -> None:
    draw = np.random.default_rng(1)
    first, second = cr.Input((4,), "a"), cr.Input((2,), "b")
    branches = [cr.ReLU()(cr.Dense(5)(node)) for node in (first, second)]
    hidden = cr.Concatenate()(*branches)
    x = {"a": draw.normal(70, 3, (30, 4)), "b": draw.normal(-0.1, 0.01, (30, 2))}
    model = fitted([first, second], cr.Softmax()(cr.Dense(3)(hidden, name="dense9")), x)
    together = cr.Graph([first, second], hidden, **OPTIONS).predict(x)
    apart = [
        cr.Graph(node, branch, **OPTIONS).predict(values)
        for node, branch, values in zip((first, second), branches, x.values(), strict=True)
    ]
    assert_close(head_of(model, together, "dense9"), model.predict(x), 1000)
    assert_close(np.concatenate(apart, 1), together)


def classifier() -> tuple[Any, Any, Any, Array]:
    """Return an input, a hidden node, an output and images."""
    draw = np.random.default_rng(3)
    source = cr.Input((3, 5, 6))
    hidden = cr.GlobalAveragePool2D()(cr.ReLU()(cr.Conv2D(4, 3)(source)))
    return source, hidden, cr.Softmax()(cr.Dense(3)(hidden)), images(draw)


def test_different_weights_of_two_networks_are_refused() -> None:
    source, hidden, result, x = classifier()
    first = fitted(source, result, x)
    other = cr.Softmax()(cr.Dense(3)(hidden))
    second = cr.Graph(source, other, **OPTIONS)
    assert_array_equal(second.weights["conv1.w"], first.weights["conv1.w"])
    second.freeze("conv*")
    second.fit(x, LABELS, learning_rate=0.05, progress=False)
    assert_array_equal(cr.Graph(source, hidden, **OPTIONS).weights["conv1.w"], first.weights["conv1.w"])
    second.freeze()
    second.fit(x, LABELS, learning_rate=0.05, progress=False)
    with pytest.raises(OptionError, match="conv1"):
        cr.Graph(source, hidden, **OPTIONS)
    known = {name: values for name, values in second.weights.items() if name.startswith("conv")}
    assert_array_equal(cr.Graph(source, hidden, weights=known, **OPTIONS).weights["conv1.w"], known["conv1.w"])


def test_a_layer_brings_its_weights_to_other_nodes() -> None:
    random = np.random.default_rng(4)
    x, y = random.normal(90, 7, (30, 4)), random.normal(1000, 20, 30)
    layer, first, second = cr.Dense(4), cr.Input((4,)), cr.Input((4,))
    model = cr.Graph(first, cr.Dense(1)(cr.Tanh()(layer(first))), **OPTIONS)
    model.fit(x, y, progress=False)
    twice = cr.Graph(second, layer(layer(second)), **OPTIONS)
    w, b = (model.weights[f"dense1.{name}"] for name in "wb")
    z = (x - model.normalization.origin) * model.normalization.gain
    assert_close(twice.predict(x), (z @ w.T + b) @ w.T + b, roundings=100)
    copied = cr.Graph(second, copy.deepcopy(layer)(second), **OPTIONS)
    stored = cr.Graph(second, pickle.loads(pickle.dumps(layer))(second), **OPTIONS)
    for network in (copied, stored):
        assert_array_equal(network.weights["dense1.w"], w)


def test_assigned_weights_are_remembered_and_untrained_networks_are_released() -> None:
    source, hidden, result, _ = classifier()
    model = cr.Graph(source, result, **OPTIONS)
    model.set_weights({name: values + 1 for name, values in model.get_weights().items()})
    expected = model.weights["conv1.w"].copy()
    del model
    assert_array_equal(cr.Graph(source, hidden, **OPTIONS).weights["conv1.w"], expected)
    features = weakref.ref(cr.Graph(source, hidden, **OPTIONS).parameters)
    cr.Graph(source, hidden, **OPTIONS)  # only the last network is kept before it is trained
    gc.collect()
    assert features() is None


def test_outputs_keep_their_unit() -> None:
    source, hidden, _, x = classifier()
    result, head = cr.Dense(1)(hidden), cr.Softmax()(cr.Dense(3)(hidden))
    model = cr.Graph(source, result, loss="mean_squared_error", **OPTIONS)
    model.fit(x, 1000.0 + 50 * LABELS, progress=False)
    outputs = cr.Graph(source, {"a": head, "b": result, "c": hidden}, **OPTIONS).predict(x)
    assert_close(outputs["b"], model.predict(x), roundings=100)
    assert_close(outputs["c"], cr.Graph(source, hidden, **OPTIONS).predict(x))
    assert_close(outputs["a"].sum(1), np.ones(30), roundings=10)
