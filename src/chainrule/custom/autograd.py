"""Evaluation of expressions with a learner's automatic-differentiation engine."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.custom.calls import Array, array, call
from chainrule.errors import StudentError

DATA = ("data", "value", "val", "_data", "item")  # attributes with the number or array of a value
GRADIENTS = ("grad", "gradient", "_grad", "derivative")


@dataclass(frozen=True)
class Expression:
    """An expression of one or two values, a and b, and the upstream gradient of its result."""

    source: str
    values: Sequence[Array]
    dy: Array


def is_engine(kind: Any) -> bool:
    """Return whether a class is a value of an engine: it defines backward, operators, and stores a gradient."""
    if not isinstance(kind, type) or not callable(getattr(kind, "backward", None)):
        return False
    operators = sum(name in vars(base) for base in kind.__mro__[:-1] for name in ("__add__", "__mul__", "__radd__"))
    return operators >= 2


def evaluate(kind: type[Any], expression: Expression) -> dict[str, Array]:
    """Return y, and da and db after the backward pass from the loss Σ dy · y.

    Errors   StudentError for any error in the code
    """
    leaves = {name: _leaf(kind, value) for name, value in zip("ab", expression.values, strict=False)}
    label = f"{kind.__name__}: {expression.source}"
    y = call(label, eval, expression.source, {"__builtins__": {}, **leaves})
    loss = call(label, lambda: _loss(kind, y, expression.dy))
    call(f"{kind.__name__}.backward", loss.backward)
    gradients = {f"d{name}": _number(leaf, GRADIENTS, label) for name, leaf in leaves.items()}
    return {"y": _number(y, DATA, label), **gradients}


def _loss(kind: type[Any], y: Any, dy: Array) -> Any:
    product = y * _leaf(kind, dy)
    return product.sum() if dy.ndim else product


def _leaf(kind: type[Any], value: Array) -> Any:
    number = np.array(value) if value.ndim else float(value)
    parameters = inspect.signature(kind).parameters
    flags = {name: True for name in ("requires_grad",) if name in parameters}
    return call(kind.__name__, kind, number, **flags)


def _number(value: Any, names: Sequence[str], label: str) -> Array:
    """Return the number or array that a value contains; a gradient may itself be a value of the engine."""
    for name in names:
        held: Any = getattr(value, name, None)
        if held is None or callable(held):
            continue
        inner = getattr(held, DATA[0], None) if type(held) is type(value) else None
        return array(held if inner is None else inner, f"{label}: {name} is")
    raise StudentError(f"{label} has no {' or '.join(names[:2])}")
