"""Trials that test the tutorials' claims: small networks, grouped by question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule import zoo
from chainrule.data.dataset import Dataset
from chainrule.layers import (
    Arctan,
    AveragePool2D,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
)
from chainrule.training.optimizers import SGD, Adam, Momentum, Optimizer

Build = Callable[[int], list[Layer]]


def unchanged(images: Dataset) -> Dataset:
    """Return the images unchanged."""
    return images


@dataclass(frozen=True)
class Trial:
    """A network and its training.

    question    claim under test
    setting     variant, as shown in the table
    layers      function from the number of classes to the layers
    data        a known data set
    optimizers  optimizers to try; the one with the best mean accuracy over the seeds is shown
    changed     function that preprocesses the training and test images
    shifts      shifts of the test images to the right, in pixels; the table contains a row for each
    """

    question: str
    setting: str
    layers: Build
    data: str = "mnist"
    optimizers: tuple[Optimizer, ...] = (Adam(0.003),)
    changed: Callable[[Dataset], Dataset] = unchanged
    shifts: tuple[int, ...] = (0,)


def two_blocks(pool: Callable[[], Sequence[Layer]] = lambda: [MaxPool2D(2)], padding: str = "valid") -> Build:
    """Return a function that builds two blocks of a 3×3 convolution, ReLU and pooling, then a dense layer."""

    def build(classes: int) -> list[Layer]:
        layers: list[Layer] = []
        for filters in (16, 32):
            layers += [Conv2D(filters, 3, padding=padding, initializer="lecun_uniform"), ReLU()]
            layers += pool()
        return [*layers, Flatten(), Dense(classes, initializer="lecun_uniform"), Softmax()]

    return build


def one_block(filters: int, kernel: int) -> Build:
    """Return a function that builds a convolution, ReLU, max pooling and a dense layer."""
    return lambda classes: [
        Conv2D(filters, kernel, initializer="lecun_uniform"),
        *(ReLU(), MaxPool2D(2), Flatten()),
        *(Dense(classes, initializer="lecun_uniform"), Softmax()),
    ]


def numpy_cnn_with(activation: Layer) -> Build:
    """Return a function that builds numpy-cnn with another activation, and Glorot initialization, which suits all."""

    def build(classes: int) -> list[Layer]:
        layers = [activation if isinstance(layer, ReLU) else layer for layer in zoo.find("numpy-cnn").layers(classes)]
        return [
            replace(layer, initializer="glorot_uniform") if isinstance(layer, Conv2D | Dense) else layer
            for layer in layers
        ]

    return build


def vanilla_cnn_with(pool: Callable[[], Layer]) -> Build:
    """Return a function that builds VanillaCNN with another pooling layer and a softmax."""

    def build(classes: int) -> list[Layer]:
        layers = zoo.find("vanilla-cnn").layers(classes)[:-1]
        return [*(pool() if isinstance(layer, AveragePool2D) else layer for layer in layers), Softmax()]

    return build


def perceptron(hidden: int) -> Build:
    """Return a function that builds a perceptron with one hidden layer of ReLUs."""
    return lambda classes: [
        *(Flatten(), Dense(hidden, initializer="lecun_uniform"), ReLU()),
        *(Dense(classes, initializer="lecun_uniform"), Softmax()),
    ]


def global_average(classes: int) -> list[Layer]:
    """Build two blocks with global average pooling, so that the last layer receives no information about positions."""
    return [*two_blocks()(classes)[:-3], GlobalAveragePool2D(), Dense(classes), Softmax()]


def shuffle_pixels(images: Dataset) -> Dataset:
    """Apply the same random permutation to the pixels of every image."""
    order = np.random.default_rng(0).permutation(int(np.prod(images.shape[1:])))
    flat = images.x.reshape(*images.x.shape[:2], -1)
    return replace(images, x=np.ascontiguousarray(flat[..., order]).reshape(images.x.shape))


def crop(images: Dataset) -> Dataset:
    """Crop 28×28 images to the central 20×20 pixels, so that digits reach the edges."""
    return replace(images, x=np.ascontiguousarray(images.x[:, :, 4:-4, 4:-4]))


def _pooling() -> list[Trial]:
    kinds: dict[str, Build] = {
        "max pooling": two_blocks(),
        "average pooling": two_blocks(lambda: [AveragePool2D(2)]),
        "no pooling": two_blocks(list),
    }
    rates = (Adam(0.003), Adam(0.01))
    relus = [
        Trial("pooling", f"ReLU, {kind}", build, data, rates[:1] if kind == "no pooling" else rates)
        for data in ("mnist", "fashion-mnist", "cifar10")
        for kind, build in kinds.items()
    ]
    pools: dict[str, Callable[[], Layer]] = {"max": lambda: MaxPool2D(2), "average": lambda: AveragePool2D(2)}
    return relus + [
        Trial("pooling", f"sigmoid, {kind} pooling", vanilla_cnn_with(pool), data, (Adam(0.01), Adam(0.03)))
        for data in ("mnist", "fashion-mnist")
        for kind, pool in pools.items()
    ]


def _activation() -> list[Trial]:
    kinds: tuple[Layer, ...] = (ReLU(), Arctan(), Sigmoid())
    rules = {"SGD": (SGD(0.1), SGD(0.3), SGD(1.0)), "Adam": (Adam(0.003), Adam(0.01))}
    return [
        Trial("activation", f"{type(kind).__name__}, {rule}", numpy_cnn_with(kind), optimizers=rates)
        for rule, rates in rules.items()
        for kind in kinds
    ]


def _optimizer() -> list[Trial]:
    rules = {
        "SGD": (SGD(0.1), SGD(0.3)),
        "momentum": (Momentum(0.01), Momentum(0.03)),
        "Adam": (Adam(0.003), Adam(0.01)),
    }
    build = zoo.find("numpy-cnn").layers
    return [Trial("optimizer", rule, build, optimizers=rates) for rule, rates in rules.items()]


def _parameters() -> list[Trial]:
    kinds: dict[str, Build] = {
        "CNN: VanillaCNN, ReLU for sigmoid": lambda classes: [
            ReLU() if isinstance(layer, Sigmoid) else layer
            for layer in vanilla_cnn_with(lambda: AveragePool2D(2))(classes)
        ],
        "CNN: two blocks": two_blocks(),
        "MLP: 5 hidden": perceptron(5),
        "MLP: 16 hidden": perceptron(16),
        "MLP: 128 hidden": perceptron(128),
        "MLP: 512 hidden": perceptron(512),
    }
    return [
        Trial("parameters", kind, build, data, (Adam(0.003), Adam(0.01)))
        for data in ("mnist", "fashion-mnist")
        for kind, build in kinds.items()
    ]


def _order() -> list[Trial]:
    kinds = {"CNN": two_blocks(), "MLP": perceptron(128)}
    return [
        trial
        for kind, build in kinds.items()
        for trial in (
            Trial("order", f"{kind}, pixels as they are", build),
            Trial("order", f"{kind}, pixels shuffled", build, changed=shuffle_pixels),
        )
    ]


def _position() -> list[Trial]:
    kinds: dict[str, Build] = {"CNN": two_blocks(), "CNN, global average": global_average, "MLP": perceptron(128)}
    return [Trial("position", kind, build, shifts=(0, 1, 2, 4)) for kind, build in kinds.items()]


def _padding() -> list[Trial]:
    return [
        Trial("padding", f"{name}, {padding}", two_blocks(padding=padding), changed=changed)
        for name, changed in {"28×28": unchanged, "digits cut to 20×20": crop}.items()
        for padding in ("valid", "same", "full")
    ]


def _kernels() -> list[Trial]:
    many = [Trial("kernels", f"{filters} of 5×5", one_block(filters, 5)) for filters in (1, 4, 16)]
    return many + [Trial("kernels", f"8 of {size}×{size}", one_block(8, size)) for size in (3, 5, 7, 11)]


TRIALS: dict[str, Callable[[], list[Trial]]] = {
    "pooling": _pooling,
    "activation": _activation,
    "parameters": _parameters,
    "order": _order,
    "position": _position,
    "padding": _padding,
    "kernels": _kernels,
    "optimizer": _optimizer,
}
