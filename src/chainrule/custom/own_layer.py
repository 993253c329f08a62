"""A user's own layer in training, under a contract that is stated or follows from usual names."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.shapes import text
from chainrule.custom.calls import Array, array, same
from chainrule.custom.contract import parse
from chainrule.custom.contract_code import ContractLayer
from chainrule.custom.names import NAMES
from chainrule.custom.proposal import (
    BACKWARD_WORDS,
    FORWARD_WORDS,
    LearnerCode,
    argument_values,
    inner_name,
    output_lines,
    own_contract,
    parts_of,
    upstream_call,
)
from chainrule.custom.signatures import CallSignature, signatures
from chainrule.errors import StudentError

WORDS = {**BACKWARD_WORDS, **FORWARD_WORDS, **dict.fromkeys(NAMES.training, "True")}


class OwnLayer:
    """A class, an object, a module of functions, or a pair of functions (forward, backward).

    source      a class (instantiated without arguments), an object, a module, or (forward, backward)
    parameters  initial values of parameters, by name; required for plain functions
    contract    how the code is called; None: by its names
    """

    def __init__(self, source: Any, parameters: Mapping[str, ArrayLike], contract: str | None = None) -> None:
        self.values = {name: array(value, f"the value of {name} is") for name, value in parameters.items()}
        self._file = parts_of(source, "layer")
        first = next(iter(self._file.values()))
        self.kind = getattr(first, "__name__", type(first).__name__)
        self._contract = contract
        self._code: ContractLayer | None = None
        self._last: tuple[Array, dict[str, Array]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.values)

    def explore(self, x: Array) -> Array:
        """Find the contract and the parameters with a trial input, and return y."""
        if self._code is None:
            contract = self._contract or self._usual(x)
            self._code = ContractLayer(parse(contract), self._file, copies=False, kind=self.kind)
        return self.forward(x, self.values)

    def forward(self, x: Array, values: Mapping[str, Array]) -> Array:
        """Return y for a batch and the values of the parameters."""
        code = cast("ContractLayer", self._code)
        for name, value in values.items():
            code.set(inner_name(name), value)
        self._last = (x.copy(), {name: value.copy() for name, value in values.items()})
        return code.forward(x).arrays["y"]

    def backward(self, dy: Array, x: Array, values: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return dx and the gradients of the parameters, after another forward if the last one had other arguments."""
        current = self._last is not None and same(self._last[0], x)
        if not current or any(not same(value, cast("Any", self._last)[1].get(name)) for name, value in values.items()):
            self.forward(x, values)
        results = cast("ContractLayer", self._code).backward(dy).arrays
        gradients = list[Array]()
        for name, like in {"x": x, **values}.items():
            gradient = results.get("dx" if like is x else f"d{inner_name(name)}")
            if gradient is None:
                raise StudentError(f"{self.kind}.backward: no gradient of {name}: expected it in d{name}, or returned")
            if gradient.shape != like.shape:
                shapes = f"{text(gradient.shape) or '()'}, and {name} {text(like.shape) or '()'}"
                raise StudentError(f"{self.kind}.backward: d{name} has the shape {shapes}")
            gradients.append(gradient)
        return tuple(gradients)

    def __deepcopy__(self, memo: dict[int, object]) -> "OwnLayer":
        duplicate = copy.copy(self)
        duplicate._code = copy.deepcopy(self._code, memo)
        duplicate._last = None
        return duplicate

    def _usual(self, x: Array) -> str:
        """Return the contract that follows from usual names; StudentError if there is none."""
        if "layer" not in self._file:
            return self._usual_functions(x)
        code = LearnerCode.of_class("layer", signatures("layer", self._file["layer"]))
        for words, shown in ((NAMES.forward, "forward(x)"), (NAMES.backward, "backward(dy)")):
            if code.methods.isdisjoint(words):
                raise StudentError(f"{self.kind} has no {shown}")
        resets = ["self.zero_grad()"] * ("zero_grad" in code.methods)
        made = [] if code.make is None else [code.make.call({})]
        first = code.forward[0].call(self._values(code.forward[0], ["x"]))
        last = upstream_call(code.backward[0], self._values(code.backward[0], ["dy", "x"]))
        own = own_contract(made, first, last, x, lambda lines: self._explore(lines, x), resets)
        for name in own.missing:
            raise StudentError(f"{self.kind}: no gradient of {name}: expected it in d{name}, or state contract=")
        self.values |= own.values
        return own.contract

    def _values(self, call: CallSignature, free: Sequence[str]) -> dict[str, str]:
        own = {name: inner_name(name) for name in self.values}
        values = argument_values(call, {**WORDS, **own}, free)
        if values is None:
            raise StudentError(f"{self.kind}: {call.name} has arguments with unknown names; state contract=")
        return values

    def _usual_functions(self, x: Array) -> str:
        """Return the contract of two functions."""
        forward, backward = (CallSignature.of(signatures(name, part)[0]) for name, part in self._file.items())
        missing = [name for name in forward.required[1:] if name not in self.values]
        if missing:
            raise StudentError(f"{self.kind} needs {', '.join(missing)}: pass initial values by name")
        own = {name: inner_name(name) for name in self.values}
        first = forward.call({**own, **dict.fromkeys([*forward.arguments][:1], "x")})
        lines = output_lines(first, self._explore([f"q = {first}"], x))
        if not lines:
            raise StudentError(f"{self.kind}.forward returned no array of numbers")
        y = lines[0][0]
        called = backward.call(self._values(backward, ["dy", "cache" if y.startswith("y, cache =") else "x"]))
        return f"{y}; {', '.join(['dx', *(f'd{name}' for name in own.values())])} = {called}"

    def _explore(self, lines: Sequence[str], x: Array) -> dict[str, Array]:
        """Return the arrays by place after these lines. The gradient dy is that of an arbitrary function."""
        code = ContractLayer(parse("; ".join(lines), complete=False), self._file, kind=self.kind)
        for name, value in self.values.items():
            code.set(inner_name(name), value)
        dy: Array | None = None
        before = [line for line in lines if not re.search(r"\bdy\b", line)]
        if len(before) < len(lines):
            y = self._explore(before, x)["y"]
            dy = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
        return code.explore(x, dy)
