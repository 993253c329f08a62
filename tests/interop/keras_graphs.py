"""Drawn functional models of Keras: branches, gates, shared layers, sums, concatenations, models within models."""

from random import Random
from typing import Any

from interop.keras_models import keras

L = keras.layers


def draw_model(random: Random) -> Any:
    """Return a model of some ten layers on drawn images, with drawn weights to come."""
    channels = random.choice((2, 4))
    x = keras.Input((random.randint(5, 7), random.randint(5, 7), channels))
    nodes, shared = [x], dict[Any, Any]()
    for _ in range(random.randint(3, 8)):
        nodes.append(_layer(random, nodes, shared))
    y = _joined(random, nodes[1:])
    return keras.Model(x, random.choice((y, L.Softmax()(y))))


def _joined(random: Random, nodes: list[Any]) -> Any:
    """Return a vector that depends on several results."""
    ends = [random.choice((_flat, _mean))(random, node) for node in nodes if node is nodes[-1] or random.random() < 0.3]
    if len(ends) > 1 and random.random() < 0.5:
        return L.Dense(3)(L.Concatenate()(ends))
    results = [L.Dense(3)(end) for end in ends]
    return random.choice((L.Add(), L.Average()))(results) if len(ends) > 1 else results[0]


def _flat(random: Random, x: Any) -> Any:
    return random.choice((lambda y: y, L.BatchNormalization(), L.ReLU()))(L.Flatten()(x))


def _mean(random: Random, x: Any) -> Any:
    return random.choice((L.GlobalAveragePooling2D(), L.GlobalMaxPooling2D()))(x)


def _layer(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    a = random.choice(nodes)
    b = random.choice([node for node in nodes if node.shape == a.shape])
    shape = tuple(a.shape[1:])
    kind = random.randint(0, 11)
    if kind == 0:
        return L.Activation(random.choice(("relu", "tanh", "silu", "hard_sigmoid")))(a)
    if kind == 1:
        return random.choice((L.Add(), L.Multiply(), L.Subtract(), L.Average()))([a, b])
    if kind == 2:
        gate = L.Dense(shape[-1], activation="sigmoid")(L.GlobalAveragePooling2D()(a))
        return L.Multiply()([b, random.choice((L.Reshape((1, 1, shape[-1])), lambda y: y))(gate)])
    if kind == 3:
        return L.Add()([b, L.Conv2D(1, 1)(a)])
    if kind == 4:
        return L.BatchNormalization()(a)
    if kind == 5:
        layer = shared.setdefault(shape[-1], L.Conv2D(shape[-1], 3, padding="same", activation="tanh"))
        return layer(a)
    if kind == 6:
        return L.Concatenate(axis=random.choice((-1, 1, 2, 3)))([a, b])
    if kind == 7:
        return random.choice((a + b, a * b, a - b, 3.0 - a, (a - 1) * 0.5, (a + 0.3) / 3))
    if kind == 8:
        return _shuffled(a, shape)
    if kind == 9:
        return _within(random, shared, shape)(a)
    if kind == 10:
        return L.LayerNormalization()(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(a))
    return L.Conv2D(random.randint(1, 4), random.choice((1, 3)), padding="same")(a)


def _shuffled(x: Any, shape: tuple[int, ...]) -> Any:
    """Return an image with the channels of two groups taken in turn, or its axes exchanged."""
    if shape[-1] % 2:
        return L.Permute((2, 1, 3))(x)
    apart = L.Reshape((*shape[:2], 2, shape[2] // 2))(x)
    return L.Reshape(shape)(L.Permute((1, 2, 4, 3))(apart))


def _within(random: Random, shared: dict[Any, Any], shape: tuple[int, ...]) -> Any:
    """Return a model that is a layer of another, perhaps one that is there already."""
    if ("model", shape) not in shared:
        x = keras.Input(shape)
        convolution = L.SeparableConv2D(shape[-1], 3, padding="same")
        row = keras.Sequential([keras.Input(shape), convolution, L.BatchNormalization(), L.PReLU(shared_axes=[1, 2])])
        shared["model", shape] = random.choice((row, keras.Model(x, L.Add()([L.Conv2D(shape[-1], 1)(x), row(x)]))))
    return shared["model", shape]
