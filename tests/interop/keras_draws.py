"""Drawn layers of Keras with any options, and functional models of them.

Models have branches, gates, sums, concatenations, shared layers, and models within models that share layers, too.
"""

import inspect
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from interop.keras_models import keras

L = keras.layers
Shape = tuple[int, ...]
Step = Callable[[Random, list[Any], dict[Any, Any]], Any]  # adds a layer to a model
ACTIVATIONS = ("relu", "tanh", "selu", "leaky_relu", "hard_sigmoid", "silu", "relu6", "elu", "gelu", "sigmoid")
RARE = ("celu", "hard_tanh", "linear", "log_sigmoid")
KEEPING = ("Activation", "BatchNormalization", "LayerNormalization", "Conv2D", "DepthwiseConv2D")
# Options that keep the size, and do not enlarge rounding errors where channels are almost alike.
ALIKE = {"padding": "same", "strides": 1, "depth_multiplier": 1, "center": True, "scale": True, "epsilon": 0.1}


def _options(random: Random, kind: str, shape: Shape) -> dict[str, Any]:
    """Return a drawn value for every option that matters in inference, by name."""
    axes, dims = max(len(shape) - 1, 1), [*range(1, len(shape) + 1)]

    def sizes(most: int) -> Any:
        return random.choice((random.randint(1, most), tuple(random.randint(1, most) for _ in range(axes))))

    def is_on() -> bool:
        return random.random() < 0.5

    pairs = tuple((random.randint(0, 2), random.randint(0, 2)) for _ in range(axes))
    numbers = [round(random.uniform(0.5, 2), 3) for _ in range(shape[-1])]
    targets = ((-1,), (shape[-1], -1), (2, -1, shape[-1]), (*shape[:-1], 2, -1))
    values = {
        "units": 5,
        "filters": 4,
        "groups": random.choice((1, 2)),
        "depth_multiplier": random.randint(1, 2),
        "kernel_size": sizes(3),
        "pool_size": sizes(3),
        "strides": sizes(3),
        "dilation_rate": random.randint(1, 2),
        "padding": random.choice(("same", "valid")),
        "output_padding": random.randint(0, 2),
        "keepdims": is_on(),
        "activation": random.choice(ACTIVATIONS),
        "use_bias": is_on(),
        "epsilon": random.choice((1e-3, 1e-5)),
        "center": is_on(),
        "scale": is_on(),
        "max_value": random.choice((None, 1.5)),
        "alpha": 0.7,
        "negative_slope": random.choice((0.1, 0.2)),
        "threshold": random.choice((0.0, 0.4)),
        "shared_axes": random.choice((None, random.sample(dims, random.randint(1, len(dims))))),
        "n": random.randint(1, 4),
        "size": sizes(3),
        "interpolation": random.choice(("nearest", "bilinear")),
        "output_size": sizes(4),
        "height": random.randint(1, 9 if kind == "Resizing" else shape[0]),
        "width": random.randint(1, 9 if kind == "Resizing" else shape[-2 % len(shape)]),
        "target_shape": random.choice(targets),
        "dims": random.sample(dims, len(dims)),
        "cropping": random.choice((1, pairs if axes == 2 else pairs[0])),
        "mean": numbers,
        "variance": numbers[::-1],
        "offset": random.choice((-1.0, numbers)),
        "init_values": 0.5,
        "projection_dim": shape[-1],
    }
    of_kind = {
        "ZeroPadding1D": {"padding": values["cropping"]},
        "ZeroPadding2D": {"padding": values["cropping"]},
        "Conv1D": {"padding": random.choice(("same", "valid", "causal"))},
        "LayerNormalization": {"axis": random.choice((-1, [*range(-random.randint(1, len(shape)), 0)]))},
        "GroupNormalization": {"groups": random.choice((1, 2, -1))},
        "UnitNormalization": {"axis": random.choice((-1, dims[: random.randint(1, len(shape))]))},
        "Softmax": {"axis": random.choice(dims)},
        "Rescaling": {"scale": random.choice((1 / 127.5, numbers))},
        "Activation": {"activation": random.choice(ACTIVATIONS + RARE)},
        "Normalization": {"axis": random.choice((None, -1))},
        "ReLU": random.choice(({"threshold": 0.0}, {"negative_slope": 0.0})),  # one of both is read
    }
    return values | of_kind.get(kind, {})


def layer_class(kind: str) -> Any:
    """Return the class of a layer; ConvNeXt has one of its own; of some, Keras 3 has nothing left."""
    of_convnext = keras.src.applications.convnext.LayerScale if kind == "LayerScale" else None
    return getattr(L, kind, of_convnext)


def draw_shape(random: Random, kind: str) -> Shape:
    """Return the shape of a sample for a layer, with the channels last."""
    ranks = {"RepeatVector": 1, "Resizing": 3, "CenterCrop": 3}
    rank = 2 if "1D" in kind else 3 if "2D" in kind else ranks.get(kind, random.randint(1, 3))
    channels = 8 if "Normalization" in kind else random.choice((2, 4, 6))  # of few, some may be almost alike
    return (*(random.randint(5, 9) for _ in range(rank - 1)), channels)


def draw_layer(random: Random, kind: str, shape: Shape, **fixed: Any) -> Any:
    """Return a layer for a shape with drawn options: all without a default, about half of the others, and `fixed`."""
    make = layer_class(kind)
    known = inspect.signature(make).parameters
    while True:
        drawn = _options(random, kind, shape)
        chosen = {
            name: drawn[name]
            for name, parameter in known.items()
            if name in drawn and (parameter.default is inspect.Parameter.empty or random.random() < 0.5)
        }
        if "variance" in known and len({"mean", "variance"} & {*chosen}) == 1:
            continue  # Keras takes both or none
        chosen |= {name: value for name, value in fixed.items() if name in known}
        try:
            if 0 not in make(**chosen)(keras.Input(shape)).shape:
                return make(**chosen)
        except (ValueError, TypeError, ZeroDivisionError):  # options that exclude each other
            continue


def draw_model(random: Random, steps: Sequence[Step] | None = None) -> Any:
    """Return a model of some ten layers on drawn images, with drawn weights to come."""
    x = keras.Input((random.randint(5, 7), random.randint(5, 7), random.choice((2, 4))))
    nodes, shared = [x], dict[Any, Any]()
    for _ in range(random.randint(3, 8)):
        nodes.append(random.choice(steps or STEPS)(random, nodes, shared))
    ends = [_vector(random, node, shared) for node in nodes[1:] if node is nodes[-1] or random.random() < 0.3]
    if len(ends) > 1 and random.random() < 0.5:
        y = L.Dense(3)(L.Concatenate()(ends))
    else:
        results = [L.Dense(3)(end) for end in ends]
        y = random.choice((L.Add(), L.Average()))(results) if len(ends) > 1 else results[0]
    return keras.Model(x, random.choice((y, L.Softmax()(y))))


def _vector(random: Random, x: Any, shared: dict[Any, Any]) -> Any:
    """Return a vector of an image: its means, its largest values, or all of it, perhaps with its axes exchanged."""
    if random.random() < 0.5:
        return random.choice((L.GlobalAveragePooling2D(), L.GlobalMaxPooling2D()))(x)
    order = random.sample((1, 2, 3), 3)
    flat = L.Flatten()(L.Permute(order)(x) if random.random() < 0.5 else x)
    layer = random.choice((L.BatchNormalization(), L.ReLU(), shared.setdefault(flat.shape, L.Dense(5))))
    return layer(flat)


def _kept(random: Random, shared: dict[Any, Any], shape: Shape) -> Any:
    """Return a layer that keeps a shape, a new one or one that is used elsewhere."""
    kind = random.choice(KEEPING)
    layer = draw_layer(random, kind, shape, filters=shape[-1], **ALIKE)
    return shared.setdefault((kind, shape), layer) if random.random() < 0.4 else layer


def _new(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    x = random.choice(nodes)
    return _kept(random, shared, tuple(x.shape[1:]))(x)


def _pair(random: Random, nodes: list[Any]) -> tuple[Any, Any]:
    a = random.choice(nodes)
    return a, random.choice([node for node in nodes if node.shape == a.shape])


def _merged(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    a, b = _pair(random, nodes)
    joined = L.Concatenate(axis=random.choice((-1, 1, 2, 3)))
    return random.choice((L.Add(), L.Multiply(), L.Subtract(), L.Average(), joined))([a, b])


def _arithmetic(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    a, b = _pair(random, nodes)
    return random.choice((a + b, a * b, a - b, 3.0 - a, (a - 1) * 0.5, (a + 0.3) / 3))


def _gated(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    a, b = _pair(random, nodes)
    gate = L.Dense(a.shape[-1], activation="sigmoid")(L.GlobalAveragePooling2D()(a))
    return L.Multiply()([b, random.choice((L.Reshape((1, 1, a.shape[-1])), lambda y: y))(gate)])


def _shuffled(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    """Return an image with the channels of two groups taken in turn, or its axes exchanged."""
    x = random.choice(nodes)
    height, width, channels = x.shape[1:]
    if channels % 2:
        return L.Permute((2, 1, 3))(x)
    apart = L.Reshape((height, width, 2, channels // 2))(x)
    return L.Reshape((height, width, channels))(L.Permute((1, 2, 4, 3))(apart))


def _within(random: Random, nodes: list[Any], shared: dict[Any, Any]) -> Any:
    """Return the result of a model that is a layer of another, perhaps one that is used elsewhere."""
    x = random.choice(nodes)
    shape = tuple(x.shape[1:])
    if ("model", shape) not in shared or random.random() < 0.3:
        inner, layers = keras.Input(shape), [_kept(random, shared, shape)]
        while len(layers) < 2 or layers[1] is layers[0]:  # a file of Keras contains a layer of a Sequential only once
            layers[1:] = [_kept(random, shared, shape)]
        model = random.choice(
            (keras.Sequential([inner, *layers]), keras.Model(inner, L.Add()([inner, layers[0](inner)])))
        )
        if ("model", shape) in shared and random.random() < 0.5:
            model = keras.Sequential([keras.Input(shape), shared["model", shape], model])
        shared["model", shape] = model
    return shared["model", shape](x)


LAYERS_ALONE: tuple[Step, ...] = (_new, _new, _new, _merged, _gated, _within, _within, _shuffled)
STEPS = (*LAYERS_ALONE, _arithmetic)  # operators such as x + y are of Keras 3
