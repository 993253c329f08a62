"""Uses of the classes of correct homework. A mutant is wrong if its results differ from those of the original class."""

from collections.abc import Callable
from operator import attrgetter
from types import ModuleType
from typing import Any

import numpy as np
from check.mutants import Run

from chainrule.engines.protocol import Array

Arguments = Callable[[np.random.Generator], tuple[int, ...]]
Inputs = Callable[[np.random.Generator, tuple[int, ...]], Array]


def layer(kind: str, arguments: Arguments, parameters: dict[str, str], inputs: Inputs, results: str = "") -> Run:
    """Return a test that uses an object of a layer class twice, forward and backward.

    arguments   draws the arguments of the constructor
    parameters  parameter → its gradient, by name
    inputs      draws x
    results     other attributes to compare
    """

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        given = arguments(generator)
        one, found = getattr(code, kind)(*given), list[Any]()
        for name in parameters:
            holder, _, last = name.rpartition(".")
            value = generator.normal(size=np.shape(attrgetter(name)(one)))
            setattr(attrgetter(holder)(one) if holder else one, last, value)
        for _ in range(2):
            x = inputs(generator, given)
            passed = x.copy()
            y = one.forward(passed)
            dy = generator.normal(size=np.shape(y))
            upstream = dy.copy()
            found += [np.array(y), np.array(one.backward(upstream)), upstream, passed]
            found += [np.array(attrgetter(name)(one)) for name in (*parameters.values(), *results.split())]
        return found + ([one.forward(inputs(generator, given), True)] if results else [])

    return run


def loss(kind: str, targets: Callable[[np.random.Generator], Array]) -> Run:
    """Return a test that uses an object of a loss class twice."""

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        one, found = getattr(code, kind)(), list[Any]()
        for _ in range(2):
            p, t = generator.normal(size=(4, 3)), targets(generator)
            given = p.copy(), t.copy()
            found += [np.ravel(one.forward(*given)), one.backward(), *given]
        return found

    return run


def _images(channels: int | None) -> Inputs:
    return lambda generator, arguments: generator.normal(
        size=(3, arguments[0] if channels is None else channels, *generator.integers(6, 9, 2))
    )


def _row(features: int) -> Inputs:
    return lambda generator, _: generator.normal(1, 2, size=(4, features))


OWN = {"W": "dLdW", "b": "dLdb"}
INNER = {f"conv2d_stride1.{name}": f"conv2d_stride1.{gradient}" for name, gradient in OWN.items()}
CLASSES: dict[str, Run] = {
    "Linear": layer("Linear", lambda generator: (5, int(generator.integers(2, 6))), OWN, _row(5)),
    "Sigmoid": layer("Sigmoid", lambda _: (), {}, lambda generator, _: generator.normal(0, 30, size=(4, 5))),
    "MSELoss": loss("MSELoss", lambda generator: generator.normal(size=(4, 3))),
    "CrossEntropyLoss": loss("CrossEntropyLoss", lambda generator: generator.integers(0, 3, 4)),
    "BatchNorm1d": layer("BatchNorm1d", lambda _: (5,), {"BW": "dLdBW", "Bb": "dLdBb"}, _row(5), "running_M running_V"),
    "Conv2d_stride1": layer(
        "Conv2d_stride1", lambda generator: (2, 3, int(generator.integers(1, 4))), OWN, _images(None)
    ),
    "MaxPool2d_stride1": layer("MaxPool2d_stride1", lambda generator: (int(generator.integers(1, 4)),), {}, _images(2)),
    "Conv2d": layer(
        "Conv2d", lambda generator: (2, 3, *map(int, generator.integers((1, 1, 0), (4, 2, 3)))), INNER, _images(None)
    ),
}


def methods_of(code: ModuleType, kind: str) -> tuple[str, ...]:
    """Return the names of the methods to change: CLASS.METHOD."""
    there = ("__init__", "forward", "backward")
    return tuple(f"{kind}.{name}" for name in there if name in vars(getattr(code, kind)))
