"""Trainings to draw from: kinds of networks and data, forms of the same data, and options of `fit`."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from training.made import Doubled, Squares

import chainrule as cr
from chainrule.errors import ChainruleError

N = 12
DRAW = np.random.default_rng(0)
IMAGES, VECTORS = DRAW.random((N, 1, 4, 5)).astype(np.float32), DRAW.normal(size=(N, 6))
BYTES = DRAW.integers(0, 256, (N, 1, 4, 5)).astype(np.uint8)
BYTES[0, 0, 0, :2] = 0, 255  # the limits by which other dtypes are scaled
LABELS = np.arange(N) % 4 % 3  # twice as many of class 0
NUMBERS = 50 + 20 * DRAW.normal(size=(N, 2))
MAP = (LABELS[:, None, None] + np.arange(20).reshape(4, 5)) % 3
Create = Callable[..., cr.Sequential | cr.Graph]


class Objects:
    """A value with ``__array__``, which returns an array of objects."""

    def __init__(self, array: np.ndarray) -> None:
        self.rows = array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.rows, dtype or object)


def each(function: Callable[[Any], Any], values: Any) -> Any:
    """Apply a function to an array, or to each array of several inputs or targets."""
    return (
        {name: function(array) for name, array in values.items()} if isinstance(values, Mapping) else function(values)
    )


def rows(values: Any, part: Any) -> Any:
    return each(lambda array: array[part], values)


def mapped(array: np.ndarray) -> np.ndarray:
    """Return the array as a mapped file."""
    with tempfile.TemporaryFile() as file:
        result = np.memmap(file, array.dtype, "w+", shape=array.shape)
    result[:] = array
    return result


def chain(*layers: Any, shape: tuple[int, ...] = (6,), **defaults: Any) -> Create:
    def create(**options: Any) -> cr.Sequential:
        return cr.Sequential(layers, shape, **defaults | options)

    return create


def graph(*, inputs: bool, outputs: bool) -> Create:
    """Return a function that creates a network with several inputs or outputs."""

    def create(**options: Any) -> cr.Graph:
        image, vector = cr.Input((1, 4, 5), name="image"), cr.Input((6,), name="vector")
        features = cr.Tanh()(cr.Dense(4)(cr.Flatten()(image)))
        joined = cr.Concatenate()(features, vector) if inputs else features
        ends, size = {"kind": cr.Softmax()(cr.Dense(3)(joined))}, cr.Dense(2)(joined)
        loss: Any = ["categorical_cross_entropy", "mean_squared_error"] if outputs else "mean_squared_error"
        x = [image, vector] if inputs else image
        all_options: dict[str, Any] = {"loss": loss, **options}
        return cr.Graph(x, ends | {"size": size} if outputs else size, **all_options)

    return create


PLANE: dict[str, Any] = {"shape": (1, 4, 5)}
MSE: dict[str, Any] = {"loss": "mean_squared_error"}
SEVERAL, BOTH = {"image": BYTES, "vector": VECTORS}, {"kind": LABELS, "size": NUMBERS}
CONVOLUTION = cr.Conv2D(2, 2), cr.BatchNorm2D(), cr.Flatten()
KINDS: dict[str, tuple[Create, Any, Any]] = {  # network, inputs, targets
    "classes": (chain(*CONVOLUTION, cr.Dense(3), cr.Softmax(), **PLANE), BYTES, LABELS),
    "logits": (chain(cr.Dense(4), cr.Dropout(0.3), cr.Dense(3)), VECTORS, np.eye(3)[LABELS]),
    "names": (chain(cr.Dense(3), cr.Softmax()), VECTORS, np.array(list("012"))[LABELS]),
    "binary": (chain(cr.Dense(1), cr.Sigmoid()), VECTORS, LABELS % 2),
    "multi-label": (chain(cr.Dense(3), cr.Sigmoid()), VECTORS, (LABELS[:, None] >= np.arange(3)).astype(float)),
    "regression": (chain(cr.Dense(2), **MSE), VECTORS, NUMBERS),
    "bounded": (chain(cr.Dense(2), cr.Tanh(), **MSE), VECTORS, np.tanh(NUMBERS - 50)),
    "signal": (chain(cr.Conv1D(3, 1), cr.Softmax(), shape=(2, 3)), VECTORS.reshape(N, 2, 3), MAP[:, 0, :3]),
    "map": (chain(cr.Conv2D(3, 1), cr.Softmax(), **PLANE), IMAGES, MAP),
    "binary map": (chain(cr.Conv2D(1, 1), cr.Sigmoid(), **PLANE), IMAGES, MAP % 2),
    "images": (chain(cr.Conv2D(1, 3, padding="same"), **MSE, **PLANE), IMAGES, 300 * IMAGES),
    "whitened": (chain(cr.Conv2D(4, 2, initializer="whiten"), cr.Flatten(), cr.Dense(3), **PLANE), IMAGES, LABELS),
    "custom layer": (chain(cr.Dense(3), Doubled(), cr.Softmax()), VECTORS, LABELS),
    "custom loss": (chain(cr.Dense(2), loss=Squares), VECTORS, NUMBERS),
    "inputs": (graph(inputs=True, outputs=False), SEVERAL, NUMBERS),
    "outputs": (graph(inputs=False, outputs=True), BYTES, BOTH),
    "inputs and outputs": (graph(inputs=True, outputs=True), SEVERAL, BOTH),
}
FORMS: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "arrays": lambda x, y: (x, y),
    "data set": lambda x, y: (cr.Dataset(x, y, tuple("012")),),
    "mapped": lambda x, y: (each(mapped, x), each(mapped, y)),
    "objects": lambda x, y: (each(Objects, x), each(Objects, y)),
    "lists": lambda x, y: (each(np.ndarray.tolist, x), each(np.ndarray.tolist, y)),
}


def stop(trainer: Any, epoch: Any) -> bool:
    """End training after an epoch, as a callback."""
    return True


DEFAULTS: dict[str, Any] = {"epochs": 2, "batch_size": 6, "optimizer": "momentum", "learning_rate": 0.01}
OPTIONS: dict[str, Any] = {
    "epochs": 3, "batch_size": 4, "optimizer": "rmsprop", "learning_rate": 0.02, "loss": "huber",
    "loss_weights": [1, 0.5], "sample_weight": np.linspace(0.5, 2, N), "validation_split": 0.3,
    "callbacks": stop, "patience": 1, "seed": 7,
    "schedule": "cosine", "normalization": "standardize", "augmentation": "shift=1", "label_smoothing": 0.1,
    "standardize_targets": True, "class_weight": {0: 2.0}, "ignore_label": 1, "gradient_accumulation_steps": 2,
    "shards": 2, "ema_decay": 0.5, "clip_norm": 1e-3,
}  # fmt: skip


def state(model: Any) -> tuple[Any, ...]:
    arrays = model.parameters.tobytes(), model.statistics.tobytes()
    return *arrays, model.normalization, str(model.loss), model.task, model.classes, model.target_scaling


def outputs(model: Any, x: Any) -> list[np.ndarray]:
    """Return the output, or each of several outputs."""
    predicted = model.predict(x)
    return [*predicted.values()] if isinstance(predicted, dict) else [predicted]


def fitted(kind: str, data: tuple[Any, ...], engine: str, options: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Return a trained network and its history; None if the training is refused and changed nothing."""
    model = KINDS[kind][0](engine=engine)
    before = state(model)
    try:
        history = model.fit(*data, progress=False, **{**DEFAULTS, "standardize_targets": None, **options})
    except ChainruleError:
        assert state(model) == before
        return None
    return model, history


def trained(kind: str, form: str, engine: str, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the state, the losses and the epochs of a training; None if it is refused."""
    try:
        result = fitted(kind, FORMS[form](*KINDS[kind][1:]), engine, options)
    except ChainruleError:  # a `Dataset` has images and classes
        return None
    if result is None:
        return None
    model, history = result
    return state(model), history.losses.tolist(), [replace(epoch, seconds=0) for epoch in history.epochs]
