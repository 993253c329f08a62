"""The table of operations, and execution of single operations compiled by XLA."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, TypeAlias, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.engines import numpy
from chainrule.engines.jax import (
    activations,
    convolution,
    elementary,
    factors,
    fixed_normalization,
    geometry,
    joined_losses,
    losses,
    merging,
    normalization,
    pooling,
    rectifiers,
    updates,
)
from chainrule.engines.jax.arrays import jax, settings
from chainrule.errors import unknown_name

Constant: TypeAlias = tuple[tuple[str, Any], ...]
VARYING = ("seed", "step")  # attributes that change between steps and are therefore arguments of the compiled code

_FAMILIES = (
    *(activations, convolution, elementary, factors, fixed_normalization, geometry, joined_losses, losses, merging),
    *(normalization, pooling, rectifiers, updates),
)
_OF_ANY_ARRAYS = ("dense_dx", "dense_dw")  # computed by methods of the arrays


def _operations() -> dict[str, Callable[..., Any]]:
    """Return the functions that compute operations, by name."""
    functions: dict[str, Callable[..., Any]] = {name: getattr(numpy, name) for name in _OF_ANY_ARRAYS}
    for family in _FAMILIES:
        for name, function in inspect.getmembers(family, inspect.isfunction):
            if function.__module__ == family.__name__ and not name.startswith("_"):
                functions[name] = function
    return functions


OPERATIONS = _operations()


def check(operations: tuple[Operation, ...]) -> None:
    """Check that this engine supports all operations. Raise OptionError for the first unsupported one."""
    for operation in operations:
        find(operation.name)


def find(name: str) -> Callable[..., Any]:
    """Return the function for an operation. Raise OptionError if this engine does not support the operation."""
    if name not in OPERATIONS:
        raise unknown_name("operation of the jax engine", name, sorted(OPERATIONS))
    return OPERATIONS[name]


def call(name: str, arrays: tuple[Any, ...], attributes: Mapping[str, Any]) -> tuple[Any, ...]:
    """Compute one operation. The results are JAX arrays or tracers."""
    results: Any = find(name)(*arrays, **attributes)
    if isinstance(results, tuple):
        return cast("tuple[Any, ...]", results)
    return (results,)


def run(name: str, arrays: tuple[Any, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
    """Compile and run one operation. The results are new NumPy arrays."""
    find(name)
    constant, varying = divided(name, attributes)
    with settings():
        return tuple(map(np.array, _compiled(name, constant)(arrays, varying)))


def divided(name: str, attributes: Mapping[str, Any]) -> tuple[Constant, dict[str, Any]]:
    """Split the attributes into constants, for which the code is compiled, and arguments of the compiled code."""
    varying = dict[str, Any]()
    constant = list[tuple[str, Any]]()
    for key, value in attributes.items():
        if key in VARYING or (key == "rate" and name.endswith("_update")):
            varying[key] = value
        else:
            constant.append((key, value))
    return tuple(constant), varying


@cache
def _compiled(name: str, constant: Constant) -> Callable[..., tuple[Any, ...]]:
    """Return the function of an operation for the given constant attributes. It is compiled on the first call."""
    return jax.jit(partial(_call, name, constant))


def _call(name: str, constant: Constant, arrays: Any, varying: Mapping[str, Any]) -> Any:
    return call(name, arrays, {**dict(constant), **varying})
