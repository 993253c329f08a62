"""A user's own layer in training, under a contract that is stated or follows from usual names."""

import copy
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.shapes import text
from chainrule.custom.calls import Array, array, same
from chainrule.custom.contract import INPUTS, OPTIONS, parse
from chainrule.custom.contract_code import ContractLayer
from chainrule.custom.gradient_names import owners, role_of
from chainrule.custom.names import NAMES
from chainrule.custom.signatures import CallSignature, dotted, signatures
from chainrule.errors import StudentError

RATE = "0.5"
WORDS = {
    **dict.fromkeys(NAMES.outputs, "y"),
    **dict.fromkeys(("x", *NAMES.roles["x"]), "x"),
    **dict.fromkeys(("cache", *NAMES.roles["cache"]), "cache"),
    **dict.fromkeys(NAMES.upstream, "dy"),
    **dict.fromkeys(NAMES.rates, RATE),
    **dict.fromkeys(NAMES.training, "True"),
}


class OwnLayer:
    """A class, an object, a module of functions, or a pair of functions (forward, backward).

    source      a class (instantiated without arguments), an object, a module, or (forward, backward)
    parameters  initial values of parameters, by name; required for plain functions
    contract    how the code is called; None: by its names
    """

    def __init__(self, source: Any, parameters: Mapping[str, ArrayLike], contract: str | None = None) -> None:
        self.values = {name: array(value, f"the value of {name} is") for name, value in parameters.items()}
        if isinstance(source, ModuleType):
            source = (getattr(source, "forward", None), getattr(source, "backward", None))
        if isinstance(source, tuple | list):
            forward, backward = cast("tuple[Any, Any]", source)
            self._file: dict[str, Any] = {"forward": forward, "backward": backward}
            self.kind = getattr(forward, "__name__", "functions")
        else:
            self._file = {"layer": source}
            self.kind = getattr(source, "__name__", type(source).__name__)
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
            self._code = ContractLayer(parse(contract), self._file, copies=False)
            self._code.kind = self.kind
        return self.forward(x, self.values)

    def forward(self, x: Array, values: Mapping[str, Array]) -> Array:
        """Return y for a batch and the values of the parameters."""
        code = cast("ContractLayer", self._code)
        for name, value in values.items():
            code.set(_inner(name), value)
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
            gradient = results.get("dx" if like is x else f"d{_inner(name)}")
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
        methods = dict[str, CallSignature]()
        make, *calls = map(CallSignature.of, signatures("layer", self._file["layer"]))
        for call in calls:
            methods[call.name.partition(".")[2] or "__call__"] = call
        pair = list[CallSignature]()
        for words, shown in ((NAMES.forward, "forward(x)"), (NAMES.backward, "backward(dy)")):
            name = next((word for word in words if word in methods), None)
            if name is None:
                raise StudentError(f"{self.kind} has no {shown}")
            pair.append(methods[name])
        forward, backward = pair
        creation = [make.call({})]
        before = self._explore(creation, x)
        first = forward.call(_values(forward, WORDS, ["x"]))
        reset = ["self.zero_grad()"] * ("zero_grad" in methods)
        values = _values(backward, WORDS, ["dy", "x"])
        called = backward.call(values if "dy" in values.values() else {**values, next(iter(backward.arguments)): "dy"})
        after = self._explore([*creation, f"q = {first}", *reset, f"r = {called}"], x)
        names = {dotted(place): place for place in after if place.startswith("self") and after[place].dtype.kind == "f"}
        lines = list[str]()
        gradients = list[str]()
        pairs = owners(names, names)
        is_lazy = False
        returned = [place for place in after if re.match(r"r\[\d\]$", place)]
        for key, place in names.items():
            if same(after[place], x):  # what forward has stored for backward
                continue
            held = before.get(place, after[place])
            is_late = place not in before or before[place].dtype.kind == "b"  # the first forward makes it
            if is_late:
                held = after[place]
            gradient = names.get(pairs.get(key, ""))
            if gradient is None and RATE in called and not same(held, after[place]) and role_of(key):
                gradient = f"({_inner(key)} - {place}) / {RATE}"
            elif gradient is None and f"r['d{key}']" in after:
                gradient = f"r['d{key}']"
            elif gradient is None and len(gradients) + 1 < len(returned):
                following = returned[len(gradients) + 1]
                gradient = following if after[following].shape == held.shape else None
            if gradient is None and role_of(key) and held.ndim:
                raise StudentError(f"{self.kind}: no gradient of {key}: expected it in d{key}, or state contract=")
            if gradient is None or (gradient in after and after[gradient].shape != held.shape):
                continue
            is_lazy = is_lazy or is_late
            name = _inner(key)
            self.values[re.sub(r"\W+", "_", key)] = held
            lines.append(f"{place} = {name}")
            gradients.append(f"d{name} = {gradient}")
        last = _last_lines(called, after)
        y = _line_of_y(first, after)
        return "; ".join([*creation, *[first] * is_lazy, *lines, y, *reset, *last, *gradients])

    def _usual_functions(self, x: Array) -> str:
        """Return the contract of two functions."""
        forward, backward = (CallSignature.of(signatures(name, part)[0]) for name, part in self._file.items())
        own = {name: _inner(name) for name in self.values}
        arguments = [*forward.arguments]
        first = forward.call({**own, arguments[0]: "x"} if arguments else {})
        missing = [name for name in forward.required[1:] if name not in own]
        if missing:
            raise StudentError(f"{self.kind} needs {', '.join(missing)}: pass initial values by name")
        places = self._explore([f"q = {first}"], x)
        cached = "#q" in places
        called = backward.call(_values(backward, {**WORDS, **own}, ["dy", "cache" if cached else "x"]))
        gradients = ", ".join(["dx", *(f"d{name}" for name in own.values())])
        return f"y{', cache' * cached} = {first}; {gradients} = {called}"

    def _explore(self, lines: list[str], x: Array) -> dict[str, Array]:
        code = ContractLayer(parse("; ".join(lines), complete=False), self._file)
        code.kind = self.kind
        for name, value in self.values.items():
            code.set(_inner(name), value)
        dy: Array | None = None
        before = [line for line in lines if not re.search(r"\bdy\b", line)]
        if len(before) < len(lines):
            places = self._explore(before, x)
            shown = [place for place in ("q", "q[0]", f"self.{_stored(places)}") if place in places]
            if not shown:
                raise StudentError(f"{self.kind}.forward returned no array of numbers")
            y = places[shown[0]]
            dy = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
        return code.explore(x, dy)


def _line_of_y(call: str, places: Mapping[str, Array]) -> str:
    if "q" in places:
        return f"y = {call}"
    if "#q" in places:
        return f"y, cache = {call}"
    return f"{call}; y = self.{_stored(places)}"


def _last_lines(call: str, places: Mapping[str, Array]) -> list[str]:
    """Return the lines of backward up to that of dx."""
    if "r['dx']" in places:
        return [f"r = {call}", "dx = r['dx']"]
    if "r" in places:
        return [f"dx = {call}"]
    if "r[0]" in places:
        return [f"r = {call}", "dx = r[0]"]
    for word in NAMES.input_gradients:
        if f"self.{word}" in places:
            return [call, f"dx = self.{word}"]
    return [call]


def _inner(key: str) -> str:
    """Return the name of a parameter in the contract: its own, unless the name has another meaning there."""
    name = re.sub(r"\W+", "_", key)
    return f"{name}_" if name in (*INPUTS, *OPTIONS, "y", "q", "r", "self") else name


def _stored(places: Mapping[str, Array]) -> str:
    return next((word for word in NAMES.outputs if f"self.{word}" in places), "output")


def _values(call: CallSignature, words: Mapping[str, str], free: list[str]) -> dict[str, str]:
    """Return the expressions of the arguments of a call, by their names, otherwise in order."""
    values = dict[str, str]()
    remaining = [word for word in free if word not in [words.get(name.lower()) for name in call.arguments]]
    for argument, default in call.arguments.items():
        expression = words.get(argument, words.get(argument.lower()))
        if free[0] == "x" and not values:
            expression = "x"
        if expression is None and default is None and remaining:
            expression = remaining.pop(0)
        if expression is not None and (default is None or expression in ("True", RATE)):
            values[argument] = expression
    return values
