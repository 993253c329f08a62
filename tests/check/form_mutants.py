"""Uses of the code in `forms`. A mutant is wrong if its results differ from those of the correct file."""

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
from check.mutants import Run

RATE = 0.25
Draw = Callable[[np.random.Generator], Any]


def updating(
    kind: str, arguments: tuple[Any, ...], shape: tuple[int, ...], rate: bool = True, hot: bool = False
) -> Run:
    """Return a test of a layer that updates its parameters: outputs, dx, and all arrays after each call.

    hot   whether a single element of dy is not 0
    """

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        layer, results = getattr(code, kind)(*arguments), list[Any]()
        for name, value in sorted(vars(layer).items()):
            if isinstance(value, np.ndarray):
                setattr(layer, name, generator.normal(size=value.shape))
        for scale in (1, 1, 600):
            x = scale * generator.normal(size=shape)
            y = layer.forward(x.copy())
            dy = generator.normal(size=np.shape(y))
            if hot:
                dy = dy * (np.arange(dy.size).reshape(dy.shape) == generator.integers(dy.size))
            backward = getattr(layer, "backward", None) or layer.backprop
            dx = backward(dy.copy(), RATE) if rate else backward(dy.copy())
            results += [y.copy(), np.zeros(1) if dx is None else dx]
            results += [value for _, value in _parameters(layer)]
        return results

    return run


def _parameters(layer: Any) -> Iterator[tuple[str, np.ndarray]]:
    for name in ("weights", "bias", "kernels", "biases", "filters"):
        if hasattr(layer, name):
            yield name, getattr(layer, name).copy()


def functions(
    forward: str,
    backward: str,
    draw: Draw,
    cached: bool = False,
    options: tuple[Any, ...] = (),
    backward_options: tuple[Any, ...] = (),
) -> Run:
    """Return a test of a pair of functions.

    draw              draws the arguments of forward: x and the parameters
    options           options of forward, and of backward if there is no cache
    backward_options  options of backward after the cache
    """

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        x, *parameters = draw(generator)
        y = getattr(code, forward)(x.copy(), *parameters, *options)
        y, cache = y if cached else (y, None)
        dy = generator.normal(size=np.shape(y))
        second = [cache, *backward_options] if cached else [x, *parameters[:1], *options]
        gradients = getattr(code, backward)(dy.copy(), *second)
        return [y, *(gradients if isinstance(gradients, tuple) else (gradients,))]

    return run


def _both(runs: Iterable[Run]) -> Run:
    """Return a test that performs several tests."""
    tests = list(runs)
    return lambda code, generator: [result for test in tests for result in test(code, generator)]


def _arrays(*shapes: tuple[int, ...]) -> Draw:
    return lambda generator: [generator.normal(size=shape) for shape in shapes]


def _of_one(forward: str, derivative: str, of_output: bool = False) -> Run:
    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        x = generator.normal(size=(4, 5))
        y = getattr(code, forward)(x)
        return [y, getattr(code, derivative)(y if of_output else x)]

    return run


def _of_loss(forward: str, derivative: str) -> Run:
    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        values = generator.uniform(0.1, 0.9, (2, 5, 4))
        return [getattr(code, name)(*values) for name in (forward, derivative)]

    return run


HYPER = {"stride": 2, "pad": 1, "f": 3}
# form → function or class → functions or methods to change, and the test
USES: dict[str, dict[str, tuple[tuple[str, ...], Run]]] = {
    "updates": {
        "Dense": (("Dense.forward", "Dense.backward"), updating("Dense", (5, 3), (5, 1))),
        "Convolutional": (
            ("Convolutional.forward", "Convolutional.backward"),
            updating("Convolutional", ((2, 6, 6), 3, 4), (2, 6, 6)),
        ),
        "Softmax": (("Softmax.forward", "Softmax.backward"), updating("Softmax", (), (6, 1))),
    },
    "single": {
        "Conv3x3": (("Conv3x3.forward", "Conv3x3.backprop"), updating("Conv3x3", (4,), (7, 7))),
        "MaxPool2": (("MaxPool2.forward", "MaxPool2.backprop"), updating("MaxPool2", (), (6, 8, 3), rate=False)),
        "Softmax": (("Softmax.forward", "Softmax.backprop"), updating("Softmax", (7, 4), (7,), hot=True)),
    },
    "functions": {
        "convolution": (
            ("convolution", "convolutionBackward"),
            functions("convolution", "convolutionBackward", _arrays((2, 7, 7), (4, 2, 3, 3), (4, 1)), options=(2,)),
        ),
        "maxpool": (
            ("maxpool", "maxpoolBackward"),
            functions("maxpool", "maxpoolBackward", _arrays((5, 7, 9)), options=(3, 2)),
        ),
        "sigmoid": (("sigmoid_prime",), _of_one("sigmoid", "sigmoid_prime")),
        "tanh": (("tanh_derivative",), _of_one("tanh", "tanh_derivative", True)),
        "relu": (("relu", "relu_backward"), functions("relu", "relu_backward", _arrays((4, 5)), cached=True)),
        "mse": (("mse", "mse_prime"), _of_loss("mse", "mse_prime")),
    },
    "channels_last": {
        "conv_forward": (
            ("conv_forward", "conv_backward"),
            _both(
                functions(
                    "conv_forward",
                    "conv_backward",
                    _arrays((2, 7, 9, 3), (3, 3, 3, 4), (1, 1, 1, 4)),
                    cached=True,
                    options=(options,),
                )
                for options in (HYPER, {"stride": 1, "pad": 2})
            ),
        ),
        "pool_forward": (
            ("pool_forward", "pool_backward"),
            _both(
                functions("pool_forward", "pool_backward", _arrays((2, 7, 9, 3)), True, (HYPER, mode), (mode,))
                for mode in ("max", "average")
            ),
        ),
    },
}
