"""ONNX operators, one family per file: conversion of nodes to layers, and of a plan's operations to nodes.

`OPERATORS` lists all of them. It selects the reader of a node and the writer of an operation, and the command
`chainrule import --operators` prints it.

Docstrings of readers and writers name what they add: "Return Conv2D" in a `read_…` function means that it adds a Conv2D
layer and returns its result, and "Return Conv" in a `write_…` function that it adds a Conv node. The command prints the
first paragraph of each reader's docstring, without "Return".
"""

from chainrule.interop.onnx.operators import (
    activations,
    arithmetic,
    convolution,
    image_size,
    normalization,
    pooling,
    shapes,
)
from chainrule.interop.onnx.operators.operator import Operator, Reader, Writer

FAMILIES = (convolution, activations, pooling, normalization, arithmetic, shapes, image_size)
OPERATORS: dict[str, Operator] = {operator.name: operator for family in FAMILIES for operator in family.OPERATORS}
READERS: dict[str, Reader] = {name: operator.read for name, operator in OPERATORS.items() if operator.read is not None}
WRITERS: dict[str, Writer] = {name: write for operator in OPERATORS.values() for name, write in operator.write.items()}


def described() -> list[tuple[str, str, str]]:
    """Return every operator in alphabetical order: name, what it is read as, and the operations it is written for."""
    return [
        (name, _result(operator.read.__doc__ or "") if operator.read else "", ", ".join(operator.write))
        for name, operator in sorted(OPERATORS.items())
    ]


def _result(docstring: str) -> str:
    """Return the first sentence of a docstring without its verb."""
    return " ".join(docstring.split("\n\n")[0].split()).removeprefix("Return ").rstrip(".")
