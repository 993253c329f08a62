"""The operators of ONNX that layers express, one family per file: each a function of a node (`call.Call`)."""

from collections.abc import Callable
from typing import Any

from chainrule.interop.onnx.call import Call
from chainrule.interop.onnx.readers import (
    activations,
    arithmetic,
    convolution,
    moving,
    normalization,
    padding,
    pooling,
    resizing,
)

OPERATORS: dict[str, Callable[[Call], Any]] = {
    name: translate
    for family in (convolution, activations, pooling, normalization, arithmetic, moving, padding, resizing)
    for name, translate in family.OPERATORS.items()
}


def described() -> list[tuple[str, str]]:
    """Return every operator, in alphabetical order, and what it becomes."""
    return [(name, _result(OPERATORS[name].__doc__ or "")) for name in sorted(OPERATORS)]


def _result(docstring: str) -> str:
    """Return the first sentence of a docstring without its verb."""
    return " ".join(docstring.split("\n\n")[0].split()).removeprefix("Return ").rstrip(".")
