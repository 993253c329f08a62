"""The names of layers in other libraries, declared on the layers' classes for import, export, tests and benchmarks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Peer:
    """The operator or class of another library that computes the same function as a layer.

    name       its name
    renamed    our option or parameter → its name there, where the names differ
    fixed      further options there, and the values with which both functions are equal
    opset      first ONNX opset with this operator; 0: every supported opset

    Parameters have one number for each channel. Options that are not in a file have the defaults of our layer.
    """

    name: str
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    opset: int = 0

    def translated(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the peer's options for those of a layer, by their names there."""
        return {**{self.renamed.get(name, name): value for name, value in options.items()}, **self.fixed}

    def read(self, layer: type[Any], value: Callable[[str, Any], float]) -> dict[str, float]:
        """Return the options of a layer. `value` receives an option's name there and its default."""
        return {
            option.name: value(self.renamed.get(option.name, option.name), option.default) for option in fields(layer)
        }


def description(layer: type[object], parameters: Sequence[str]) -> str:
    """Describe what a peer is translated to: the layer, and the elements that share one number of its parameters."""
    numbers = " and ".join(f"one {name}" for name in parameters)
    return f"Return {layer.__name__}{numbers and f' with {numbers} for each channel, or for each element'}."


@dataclass(frozen=True)
class Peers:
    """The peers of a layer, and further names of its function. The layer emits one operation, named like its `kind`.

    onnx       ONNX operator
    keras      Keras layer
    torch      module of torch.nn with the same options in the same order; in lower case, a function of torch
    functions  Keras activation functions without arguments
    classes    lower-case names of a learner's class that is recognized as this layer with default options
    """

    onnx: Peer | None = None
    keras: Peer | None = None
    torch: Peer | None = None
    functions: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
