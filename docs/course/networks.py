"""The networks of the live pages in the lessons, with their images and targets.

A block in a lesson contains the name of a network and the address of the page:

    ```{live-page} whole
    #/network/backward/conv1.dw[0,0,1,1]?sample=0
    ```
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import chainrule as cr

SEVEN = [[0, 1, 1, 1, 0], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 1, 0, 0, 0]]
ONE = [[0, 0, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]


class LiveNetwork(NamedTuple):
    """A model with a few images (N, C, H, W), and their labels (N,) or targets (N, K)."""

    model: cr.Sequential | cr.Graph
    images: NDArray[np.float32]
    targets: NDArray[np.float64] | NDArray[np.int64]


def neuron() -> LiveNetwork:
    """Return the neuron of lesson 1. Its two inputs are an image of two pixels."""
    model = cr.Sequential(
        [cr.Flatten(), cr.Dense(1), cr.Sigmoid()], (1, 1, 2), loss="half_squared_error", name="neuron"
    )
    _set(model, {"dense1.w": [[1, -2]], "dense1.b": [1]})
    return _with(model, [[[[3, 2]]], [[[1, 1]]]], [[1], [0]])


def correlation() -> LiveNetwork:
    """Return the image and the kernel of lessons 2 and 3."""
    model = cr.Sequential([cr.Conv2D(1, 2), cr.Flatten()], (1, 3, 3), loss="half_squared_error", name="correlation")
    _set(model, {"conv1.w": [[[[1, 2], [-1, 0]]]], "conv1.b": [0]})
    return _with(model, [[[[1, 6, 2], [5, 3, 1], [7, 0, 4]]]], [[7, 8, 2, 2]])


def switches() -> LiveNetwork:
    """Return ReLU and max pooling on the map of lesson 4."""
    layers = [cr.ReLU(), cr.MaxPool2D(2), cr.Flatten()]
    model = cr.Sequential(layers, (1, 4, 4), loss="half_squared_error", name="switches")
    x = np.array([[1, 5, 2, 0], [3, 4, 1, 6], [7, 0, 2, 2], [1, 2, 2, 1]]) - 3
    return _with(model, [[x]], [[1, 1, 1, -4]])


def decision() -> LiveNetwork:
    """Return the dense layer of lesson 5. Its two inputs are an image of two pixels."""
    model = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 1, 2), name="decision")
    _set(model, {"dense1.w": [[1, -2], [-1, 2], [2, -4]], "dense1.b": np.log([1, 2, 5])})
    return _with(model, [[[[2, 1]]]], [1])


def whole() -> LiveNetwork:
    """Return the network of lesson 6."""
    layers = [cr.Conv2D(1, 2), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    model = cr.Sequential(layers, (1, 5, 5), classes=["seven", "one"], name="whole")
    _set(model, {"conv1.w": [[[[1, 2], [-1, 0]]]], "conv1.b": [-1]})
    _set(model, {"dense1.w": [[1, 0, -1, 1], [-1, 1, 1, 0]], "dense1.b": [0, 0]})
    return _with(model, [[SEVEN], [ONE]], [0, 1])


def training() -> LiveNetwork:
    """Return an untrained network like that of lesson 7, with sevens and ones at nine positions of an 8×8 image."""
    layers = [cr.Conv2D(4, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    model = cr.Sequential(layers, (1, 8, 8), classes=["seven", "one"], name="training")
    positions = [(top, left) for top in (0, 1, 3) for left in (0, 2, 3)]
    images = np.zeros((2 * len(positions), 1, 8, 8))
    for index, (top, left) in enumerate(positions):
        for label, digit in enumerate((SEVEN, ONE)):
            images[2 * index + label, 0, top : top + 5, left : left + 5] = digit
    return _with(model, images, [0, 1] * len(positions))


def residual() -> LiveNetwork:
    """Return the residual block of lesson 8."""
    image = cr.Input((1, 3, 3))
    branch = cr.Conv2D(1, 3, padding=1, bias=False)(image)
    model = cr.Graph(image, cr.Flatten()(cr.Add()(image, branch)), loss="half_squared_error", name="residual")
    _set(model, {"conv1.w": [[[[0, 0, 0], [0, 3, 0], [0, 0, 0]]]]})
    return _with(model, [[[[0, 0, 0], [0, 2, 0], [0, 0, 0]]]], [[0, 0, 0, 0, 3, 0, 0, 0, 0]])


def normalized() -> LiveNetwork:
    """Return the layer normalization of lesson 10. Its samples are images of one row."""
    model = cr.Sequential(
        [cr.LayerNorm(epsilon=4), cr.Flatten()], (1, 1, 4), loss="half_squared_error", name="normalized"
    )
    _set(model, {"norm1.gamma": [3, 3, 6, 6], "norm1.beta": [100, 100, 0, 0]})
    return _with(model, [[[[1, 3, 5, 7]]], [[[6, 6, 6, 6]]]], [[88, 99, 2, 3], [100, 96, 0, 0]])


def stacked() -> LiveNetwork:
    """Return the two convolutions of lesson 11, whose gradients count paths."""
    layers = [cr.Conv2D(1, 3), cr.Conv2D(1, 3), cr.Flatten()]
    model = cr.Sequential(layers, (1, 7, 7), loss="half_squared_error", name="stacked")
    _set(model, {"conv1.w": np.ones((1, 1, 3, 3)), "conv2.w": np.ones((1, 1, 3, 3)), "conv1.b": [0], "conv2.b": [0]})
    return _with(model, np.ones((1, 1, 7, 7)), [9 * [80]])


NETWORKS: dict[str, Callable[[], LiveNetwork]] = {
    function.__name__: function
    for function in (neuron, correlation, switches, decision, whole, training, residual, normalized, stacked)
}


def _set(model: cr.Sequential | cr.Graph, values: dict[str, object]) -> None:
    for name, value in values.items():
        model.weights[name][...] = np.asarray(value)


def _with(model: cr.Sequential | cr.Graph, images: object, targets: object) -> LiveNetwork:
    array = np.asarray(targets)
    return LiveNetwork(model, np.asarray(images, np.float32), array if array.ndim == 1 else array.astype(np.float64))
