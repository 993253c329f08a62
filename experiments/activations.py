"""The activations and their derivatives, computed by the reference engine, for docs/derivations/activations.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.layers.activations import EXAMPLES
from chainrule.operations import reference

NAMES = (*EXAMPLES, "softmax")
OTHERS = (0.0, 1.0)  # the other inputs of the plotted softmax


@dataclass(frozen=True, eq=False)
class Curves:
    """An activation at points x (S,): its outputs by name, and their derivatives with respect to x."""

    name: str
    title: str
    y: dict[str, NDArray[Any]]
    slope: dict[str, NDArray[Any]]

    def lines(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield each output and its derivative, with a name such as y or dy/dx."""
        for name, values in self.y.items():
            yield name, values
            yield f"d{name}/dx", self.slope[name]


def curves(x: NDArray[np.float64]) -> Iterator[Curves]:
    """Yield the curves of every activation; for softmax, the three outputs as functions of the first input."""
    for *_, layer in EXAMPLES.values():
        options = layer.attributes()
        y = getattr(reference, layer.kind)(x, **options)
        saved = y if layer.keeps == "y" else x
        slope = getattr(reference, f"{layer.kind}_dx")(np.ones_like(x), saved, **options)
        title = ", ".join([type(layer).__name__, *(f"{option} {value:g}" for option, value in options.items())])
        yield Curves(layer.kind, title, {"y": y}, {"y": slope})
    yield _softmax(x)


def _softmax(x: NDArray[np.float64]) -> Curves:
    y = reference.softmax(np.stack([x, *(np.full_like(x, other) for other in OTHERS)], axis=1))
    slopes = [reference.softmax_dx(np.broadcast_to(row, y.shape), y)[:, 0] for row in np.eye(y.shape[1])]
    names = [f"y{k}" for k in range(y.shape[1])]
    title = f"Softmax of (x, {', '.join(f'{other:g}' for other in OTHERS)})"
    return Curves("softmax", title, dict(zip(names, y.T, strict=True)), dict(zip(names, slopes, strict=True)))
