"""Evaluation of expressions with a learner's automatic-differentiation engine."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.custom.calls import Array, InterfaceError, array, call, is_numeric

DATA = ("data", "value", "val", "_data", "item")  # attributes with the number or array of a value
OPERATORS = frozenset(("__add__", "__mul__", "__radd__"))
GRADIENTS = ("grad", "gradient", "_grad", "derivative")


@dataclass(frozen=True)
class Expression:
    """An expression of one or two values, a and b, and the upstream gradient of its result."""

    source: str
    values: Sequence[Array]
    dy: Array


def is_engine(kind: object) -> bool:
    """Return whether a class is a value of an engine: it defines backward, operators, and stores a gradient."""
    if not isinstance(kind, type) or not callable(getattr(kind, "backward", None)):
        return False
    operators = 0
    for base in kind.__mro__[:-1]:
        operators += len(OPERATORS & vars(base).keys())
    return operators >= 2


def evaluate(kind: type[Any], expression: Expression) -> dict[str, Array]:
    """Return y, and da and db after the backward pass from the loss Σ dy · y.

    Errors   StudentError for any error in the code
    """
    leaves = dict[str, Any]()
    for name, value in zip("ab", expression.values, strict=False):
        leaves[name] = _leaf(kind, value)
    data = (*DATA, *_data_names(leaves["a"], expression.values[0]))
    label = f"{kind.__name__}: {expression.source}"
    y = call(label, eval, expression.source, {"__builtins__": {}, **leaves})
    loss = call(label, lambda: _loss(kind, y, expression.dy))
    call(f"{kind.__name__}.backward", loss.backward)
    gradients = dict[str, Array]()
    for name, leaf in leaves.items():
        gradients[f"d{name}"] = _number(leaf, GRADIENTS, data, label)
    return {"y": _number(y, data, data, label), **gradients}


def _data_names(leaf: object, value: Array) -> list[str]:
    """Return the attributes of a new value that hold its number or array, whatever their names."""
    attributes = getattr(leaf, "__dict__", {})
    return [name for name, held in attributes.items() if is_numeric(held) and np.array_equal(held, value)]


def _loss(kind: type[Any], y: Any, dy: Array) -> Any:
    product = y * _leaf(kind, dy)
    if dy.ndim:
        return product.sum()
    return product


def _leaf(kind: type[Any], value: Array) -> Any:
    if value.ndim:
        number = np.array(value)
    else:
        number = float(value)
    if "requires_grad" in inspect.signature(kind).parameters:
        return call(kind.__name__, kind, number, requires_grad=True)
    return call(kind.__name__, kind, number)


def _number(value: object, names: Sequence[str], data: Sequence[str], label: str) -> Array:
    """Return the number or array that a value contains; a gradient may itself be a value of the engine.

    names   attributes to look for
    data    attributes of the number or array of a value

    Errors   InterfaceError if there is none
    """
    for name in names:
        held: Any = getattr(value, name, None)
        if held is None or callable(held):
            continue
        number = held
        if type(held) is type(value):
            for inner_name in data:
                inner: Any = getattr(held, inner_name, None)
                if inner is not None:
                    number = inner
                    break
        return array(number, f"{label}: {name} is")
    raise InterfaceError(f"{label} has no {' or '.join(names[:2])}")
