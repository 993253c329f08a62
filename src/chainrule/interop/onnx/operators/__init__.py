"""ONNX operators, one family per file: conversion of nodes to layers, and of a plan's operations to nodes.

`OPERATORS` lists all operators, with the reader of their nodes and the writers of operations. The command
`chainrule import --operators` prints the list.

The docstrings of readers and writers name what the function adds. "Return Conv2D" in a `read_…` function means that the
function adds a Conv2D layer and returns the layer's result. "Return Conv" in a `write_…` function means that the
function adds a Conv node and returns the node's result. The command prints the first paragraph of each reader's
docstring, without "Return".
"""

from collections.abc import Callable

from chainrule.interop.onnx.operators import (
    activations,
    arithmetic,
    comparison,
    convolution,
    dense,
    joining,
    normalization,
    padding,
    pooling,
    quantization,
    reductions,
    resampling,
    shapes,
)
from chainrule.interop.onnx.operators.operator import Operator, Reader, Writer

FAMILIES = (
    *(convolution, dense, activations, pooling, reductions, normalization, arithmetic),
    *(comparison, shapes, joining, padding, resampling, quantization),
)
OPERATORS: dict[str, Operator] = {}
READERS: dict[str, Reader] = {}
WRITERS: dict[str, Writer] = {}
for family in FAMILIES:
    for operator in family.OPERATORS:
        OPERATORS[operator.name] = operator
        WRITERS.update(operator.write)
        if operator.read is not None:
            READERS[operator.name] = operator.read


def find(name: str, domain: str) -> Operator | None:
    """Return the operator of a name in a domain; None if there is none."""
    operator = OPERATORS.get(name)
    if operator is None or domain not in operator.domains:
        return None
    return operator


def described() -> list[tuple[str, str, str]]:
    """Return (name, layers that it is read as, operations written with it) for each operator, sorted by name."""
    rows: list[tuple[str, str, str]] = []
    for operator in OPERATORS.values():
        layers = result(operator.read) if operator.read else ""
        rows.append((operator.name, layers, ", ".join(operator.write)))
    return sorted(rows)


def result(translate: Callable[..., object]) -> str:
    """Return the first paragraph of a function's docstring without "Return"."""
    paragraph = (translate.__doc__ or "").split("\n\n")[0]
    return " ".join(paragraph.split()).removeprefix("Return ").rstrip(".")
