"""The table of operations, and single operations compiled by XLA."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Operation
from chainrule.engines.jax import activations, convolution, dense, formulas, geometry, losses, normalization, pooling
from chainrule.engines.jax.arrays import jax, settings
from chainrule.errors import unknown_name

_FAMILIES = (activations, convolution, dense, geometry, losses, normalization, pooling)
Constant: TypeAlias = tuple[tuple[str, Any], ...]
VARYING = ("seed", "step")  # attributes that differ from step to step: the compiled code reads them

OPERATIONS: dict[str, Callable[..., Any]] = formulas.functions() | {
    name: each
    for family in _FAMILIES
    for name, each in inspect.getmembers(family, inspect.isfunction)
    if each.__module__ == family.__name__ and not name.startswith("_")
}


def check(operations: tuple[Operation, ...]) -> None:
    """Raise OptionError for the first operation that this engine does not know."""
    for operation in operations:
        find(operation.name)


def find(name: str) -> Callable[..., Any]:
    """Return the function of an operation; OptionError for one that this engine does not know."""
    if name not in OPERATIONS:
        raise unknown_name("operation of the jax engine", name, sorted(OPERATIONS))
    return OPERATIONS[name]


def call(name: str, arrays: tuple[Any, ...], attributes: Mapping[str, Any]) -> tuple[Any, ...]:
    """Compute one operation; the results are arrays of JAX, or traced ones."""
    results: Any = find(name)(*arrays, **attributes)
    return cast("tuple[Any, ...]", results) if isinstance(results, tuple) else (results,)


def run(name: str, arrays: tuple[Any, ...], attributes: Mapping[str, Any]) -> tuple[NDArray[Any], ...]:
    """Compile and compute one operation; the results are new NumPy arrays."""
    find(name)
    constant, varying = divided(name, attributes)
    with settings():
        return tuple(np.array(result) for result in _compiled(name, constant)(arrays, varying))


def divided(name: str, attributes: Mapping[str, Any]) -> tuple[Constant, dict[str, Any]]:
    """Return the attributes that are constants of the compiled code, and those that are its arguments."""
    varying = {
        key: value
        for key, value in attributes.items()
        if key in VARYING or (key == "rate" and name.endswith("_update"))
    }
    return tuple((key, value) for key, value in attributes.items() if key not in varying), varying


@cache
def _compiled(name: str, constant: Constant) -> Callable[..., tuple[Any, ...]]:
    """Return an operation with constant attributes, compiled when it is called."""
    return jax.jit(partial(_call, name, constant))


def _call(name: str, constant: Constant, arrays: Any, varying: Mapping[str, Any]) -> Any:
    return call(name, arrays, {**dict(constant), **varying})
