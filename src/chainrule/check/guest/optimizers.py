"""Runs of a learner's optimizer under a contract, and the signatures that contracts of optimizers are derived from.

The contract may use `Namespace()`, a layer or a parameter whose arrays have several usual names, and `start`, the first
parameters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from chainrule.custom.calls import Array, InterfaceError, array, is_numeric
from chainrule.custom.contract import FIRST_VALUE, parse
from chainrule.custom.contract_run import ContractRun
from chainrule.custom.stand_ins import Namespace
from chainrule.errors import StudentError


@dataclass(frozen=True)
class Descent:
    """A run of an optimizer.

    start      the first parameters (n,)
    gradients  the gradients of the steps (steps, n)
    values     values of options
    words      attributes of the object that may hold an option, by option
    contract   how the optimizer is called
    """

    start: Array
    gradients: Array
    values: Mapping[str, float]
    words: Mapping[str, Sequence[str]]
    contract: str


def is_gradient(name: str) -> bool:
    """Return whether an argument has the name of a gradient, such as dw or grads."""
    return name.lower()[:1] in ("d", "g")


def descend(names: Mapping[str, object], descent: Descent) -> dict[str, Array]:
    """Return the parameters after each step as "parameters" (steps, n), and the option values in use, by option.

    "changed" is present if a step has changed w or dw, although it returns new parameters, and "ignored" if a call
    returns a result that the contract does not use.

    names   names in the learner's file

    Errors   StudentError for any error in the code; InterfaceError if the code does not keep to the contract
    """
    contract = parse(descent.contract)
    run = ContractRun(contract, names, contract.name)
    run.scope.update({**descent.values, FIRST_VALUE: descent.start.copy()})
    results = dict[str, Array]()
    path = list[Array]()
    w = descent.start.copy()
    try:
        run.prepare({})
        results |= _stored_options(run.scope.get("self"), descent.words)
        for number, gradient in enumerate(descent.gradients, 1):
            dw = gradient.copy()
            run.scope.update({"w": w, "dw": dw, "step": number})
            before = w.copy()
            for line in run.each:
                run.run(line)
            is_new = run.scope["w"] is not w
            if is_new and not (np.array_equal(w, before) and np.array_equal(dw, gradient)):
                results["changed"] = np.array(1.0)
            w = _vector(run.scope["w"], contract.name, len(descent.start))
            path.append(w.copy())
    except StudentError as error:
        if _lacks_attribute(error.__cause__):
            raise InterfaceError(str(error)) from error
        raise
    if run.ignored:
        results["ignored"] = np.array(1.0)
    for option in contract.reads & descent.values.keys():
        results[option] = np.array(descent.values[option])
    return {"parameters": np.stack(path), **results}


def _lacks_attribute(error: BaseException | None) -> bool:
    """Return whether code reads an attribute that parameters and gradients in the form passed do not have."""
    return isinstance(error, AttributeError) and isinstance(error.obj, np.ndarray | list | dict | Namespace)


def _stored_options(optimizer: object, words: Mapping[str, Sequence[str]]) -> dict[str, Array]:
    """Return the options that an optimizer stores as numbers in attributes with usual names."""
    stored = dict[str, Array]()
    for option, names in words.items():
        for name in names:
            value = getattr(optimizer, name, None)
            if option not in stored and is_numeric(value) and np.ndim(cast("Any", value)) == 0:
                stored[option] = np.array(value)
    return stored


def _vector(values: object, label: str, size: int) -> Array:
    """Return the numbers in arrays and containers as a new array of this size; InterfaceError if there are others."""
    numbers = list[Array]()
    for part in _leaves(values):
        numbers.append(array(part, f"{label}: w is").reshape(-1))
    count = sum(map(np.size, numbers))
    if count != size:
        raise InterfaceError(f"{label}: {count} parameters instead of {size}")
    return np.concatenate(numbers)


def _leaves(value: object) -> Iterator[object]:
    """Yield the arrays and numbers in a value: itself, or those in dictionaries, lists and tuples."""
    if isinstance(value, Mapping):
        value = [*cast("Mapping[Any, Any]", value).values()]
    if not isinstance(value, list | tuple):
        yield value
        return
    for part in cast("Sequence[Any]", value):
        yield from _leaves(part)
