"""Gradients of layers whose `backward` takes a learning rate and updates the parameters itself."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import numpy as np

from chainrule.custom import calling
from chainrule.custom.calls import Array, code_of, same
from chainrule.custom.interface import Code, arrays_of
from chainrule.custom.names import NAMES
from chainrule.errors import StudentError

FACTORS = (1.0, 0.01)  # factors of the input; the output for a large input may be saturated


class Updated(Code, Protocol):
    """Layer whose parameters are updated by `backward`."""

    def last_output(self, factor: float) -> Array:
        """Return the output for the input of the last forward, times a factor, without changing any saved value."""
        ...


class KeptGradients:
    """A substitute for the optimizer that a layer calls in `backward`: it keeps the dictionary of gradients."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._keep

    def _keep(self, *arguments: Any) -> Any:
        """Keep a dictionary of gradients. Parameters that are passed with their gradient are returned unchanged."""
        held = list[Mapping[str, Any]]()
        for value in arguments:
            if isinstance(value, Mapping):
                held.append(cast("Mapping[str, Any]", value))
        if held:
            self.grads = dict(held[-1])
        else:
            self.grads = dict[str, Any]()
        if len(arguments) == 2 and not held:
            return arguments[0]
        return None


class Updates:
    """The parameter updates in a `backward`, from which gradients are derived: (before − after) / learning rate.

    backward   the method
    thing      the object; its learning rate may also be an attribute

    ``argument`` is the name of the learning rate in the signature of `backward`, or None.
    ``names`` are the arrays that `backward` has updated so far.
    """

    def __init__(self, thing: Any, backward: Callable[..., Any]) -> None:
        self.argument = calling.rate_argument(backward)
        self._attribute: str | None = None
        if self.argument is None:
            self._attribute = _rate_attribute(thing, backward)
        self.names = dict[str, bool]()  # whether an array that backward changes affects the output

    def copy(self) -> "Updates":
        """Return an independent copy."""
        duplicate = copy.copy(self)
        duplicate.names = dict(self.names)
        return duplicate

    def arrays(self, layer: Updated) -> dict[str, Array]:
        """Return the layer's arrays before a call of `backward`; an empty dictionary if there is no learning rate."""
        if self.argument is None and self._attribute is None:
            return {}
        return {name: value for name, value in arrays_of(layer).items() if value.dtype.kind == "f"}

    def gradients(self, layer: Updated, before: Mapping[str, Array]) -> dict[str, Array]:
        """Return the gradients of the parameters that a call of `backward` has updated, and undo the updates.

        Code that subtracts rate · gradient has the gradient (before − after) / rate, which is 0 for unchanged arrays.
        Arrays that change but do not influence the output, such as counters, are no parameters.

        before   the result of `arrays` before the call
        """
        changed = dict[str, Array]()
        for name, value in before.items():
            after = layer.get(name)
            if after is not None and not same(value, after):
                changed[name] = after
        for name in changed:
            if name not in self.names:
                self.names[name] = self._is_influential(layer, name, before)
        rate = calling.RATE
        for name, after in changed.items():
            if not self.names[name]:
                continue
            if self._attribute is not None:
                rate = float(before[self._attribute])
            layer.set(name, before[name])
            if after.shape != before[name].shape:
                raise StudentError(f"backward changes the shape of {name} from {before[name].shape} to {after.shape}")
        gradients = dict[str, Array]()
        for name, is_parameter in self.names.items():
            if is_parameter and name in before:
                gradients[name] = (before[name] - changed.get(name, before[name])) / rate
        return gradients

    def _is_influential(self, layer: Updated, name: str, before: Mapping[str, Array]) -> bool:
        """Return whether an array affects the output. Saved values and gradients do not."""
        twin = copy.deepcopy(layer)
        try:
            for updated, value in before.items():
                if self.names.get(updated, updated == name):
                    twin.set(updated, value)
            outputs = [twin.last_output(factor) for factor in FACTORS]
            step = np.cos(np.arange(before[name].size)).reshape(before[name].shape)  # softmax ignores equal steps
            twin.set(name, 1.1 * before[name] + 0.1 * step)
            others = [twin.last_output(factor) for factor in FACTORS]
        except StudentError:
            return False
        return any(not np.array_equal(*pair, equal_nan=True) for pair in zip(outputs, others, strict=True))


def _rate_attribute(thing: object, backward: Callable[..., Any]) -> str | None:
    """Return the name of an attribute that contains the learning rate and is used in `backward`; None if none is."""
    code = code_of(backward)
    if code is None:
        return None
    for name in code.co_names:
        if name.lower() in NAMES.rates and name != "alpha" and isinstance(getattr(thing, name, None), float):
            return name
    return None
