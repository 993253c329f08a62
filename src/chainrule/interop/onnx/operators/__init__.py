"""ONNX operators, one family per file: conversion of nodes to layers, and of a plan's operations to nodes.

`OPERATORS` lists all operators, with the reader of their nodes and the writers of operations. Other packages add
operators by entry points; `find` and `writer` know both. The command `chainrule import --operators` prints the list.

The docstrings of readers and writers name what the function adds. "Return Conv2D" in a `read_…` function means that the
function adds a Conv2D layer and returns the layer's result. "Return Conv" in a `write_…` function means that the
function adds a Conv node and returns the node's result. The command prints the first paragraph of each reader's
docstring, without "Return".
"""

from collections.abc import Callable

from chainrule._io import extensions
from chainrule.errors import OptionError, quoted
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
    """Return the operator of a name in a domain: that of chainrule or else of an installed package; None: no operator.

    Errors   OptionError for a package that cannot be imported
    """
    own = OPERATORS.get(name)
    if own is not None and domain in own.domains:
        return own
    for added in _added(name):
        if domain in added.domains:
            return added
    return None


def writer(operation: str) -> Writer | None:
    """Return the writer of an operation of a plan: that of chainrule or else of an installed package; None: no writer.

    Errors   OptionError for a package that cannot be imported
    """
    if operation in WRITERS:
        return WRITERS[operation]
    for name in extensions.declared(extensions.ONNX_OPERATORS):
        for added in _added(name):
            if operation in added.write:
                return added.write[operation]
    return None


def _added(name: str) -> list[Operator]:
    """Return the operator that an installed package declares under a name, if there is one."""
    if name not in extensions.declared(extensions.ONNX_OPERATORS):
        return []
    added = extensions.load(extensions.ONNX_OPERATORS, name)
    if not isinstance(added, Operator) or added.name != name:
        raise OptionError(f"{extensions.ONNX_OPERATORS} {name!r} is {quoted(added)}; expected the Operator {name}")
    return [added]


def described() -> list[tuple[str, str, str]]:
    """Return (name, layers that it is read as, operations written with it) for each operator, sorted by name."""
    operators = [*OPERATORS.values()]
    for name in extensions.declared(extensions.ONNX_OPERATORS):
        operators += _added(name)
    rows: list[tuple[str, str, str]] = []
    for operator in operators:
        layers = result(operator.read) if operator.read else ""
        rows.append((operator.name, layers, ", ".join(operator.write)))
    return sorted(rows)


def result(translate: Callable[..., object]) -> str:
    """Return the first paragraph of a function's docstring without "Return"."""
    paragraph = (translate.__doc__ or "").split("\n\n")[0]
    return " ".join(paragraph.split()).removeprefix("Return ").rstrip(".")
