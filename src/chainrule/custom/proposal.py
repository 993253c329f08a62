"""Contracts that follow from usual names: the arguments of a learner's calls, and the places of its arrays.

The checker confirms such proposals by numbers where it knows the intended layer; training takes them as they are.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from types import ModuleType
from typing import Any, NamedTuple, cast

from chainrule.custom.calls import Array, same
from chainrule.custom.contract import INPUTS, OPTIONS
from chainrule.custom.gradient_names import owners, role_of
from chainrule.custom.names import NAMES
from chainrule.custom.signatures import CallSignature, dotted
from chainrule.errors import StudentError

RATE = "0.5"  # learning rate in calls of backward; a power of 2, so that dividing by it is exact
FORWARD_WORDS = {  # arguments by usual names
    **dict.fromkeys(("x", *NAMES.roles["x"]), "x"),
    **dict.fromkeys(("cache", *NAMES.roles["cache"]), "cache"),
}
BACKWARD_WORDS = {
    **dict.fromkeys(NAMES.outputs, "y"),
    **dict.fromkeys(NAMES.upstream, "dy"),
    **dict.fromkeys(NAMES.rates, RATE),
}


@dataclass(frozen=True)
class LearnerCode:
    """The calls of a class, an object, or a pair of functions.

    make      the line that makes the object; None for functions
    forward   calls to try
    backward  calls to try
    methods   names of all methods
    """

    name: str
    make: CallSignature | None
    forward: tuple[CallSignature, ...]
    backward: tuple[CallSignature, ...]
    methods: frozenset[str] = frozenset()
    usual: bool = True  # whether the names of the methods are usual

    @property
    def has_forward(self) -> bool:
        """Whether there is a forward with a usual name."""
        return any(word in self.methods for word in NAMES.forward if word != "__call__")

    @classmethod
    def of_class(cls, name: str, calls: Sequence[str]) -> "LearnerCode":
        """Return the calls of a class or an object."""
        signatures = [CallSignature.of(call) for call in calls]
        methods = dict[str, CallSignature]()
        for signature in signatures[1:]:
            methods[signature.name.partition(".")[2] or "__call__"] = signature
        forward = tuple(methods[word] for word in NAMES.forward if word in methods)
        backward = tuple(methods[word] for word in NAMES.backward if word in methods)
        usual = bool(forward) and (bool(backward) or forward[0].name != "self")
        public = [method for method in methods.values() if method not in (*forward, *backward)]
        if not forward:
            forward = tuple(method for method in public if len(method.required) == 1)[:3]
        if not backward and not usual:
            backward = tuple(method for method in public if method.required)[:4]
        is_static = bool(forward) and not forward[0].name.startswith("self")
        make = None if is_static else signatures[0]
        return cls(name, make, forward, backward, frozenset(methods), usual)


def parts_of(source: Any, name: str) -> dict[str, Any]:
    """Return the functions of a module or of a pair as forward and backward, or a class or an object by a name."""
    if isinstance(source, ModuleType):
        source = (getattr(source, "forward", None), getattr(source, "backward", None))
    if isinstance(source, tuple | list):
        return dict(zip(("forward", "backward"), cast("tuple[Any, ...]", source), strict=False))
    return {name: source}


def argument_values(call: CallSignature, words: Mapping[str, str], free: Sequence[str]) -> dict[str, str] | None:
    """Return the expressions of the arguments of a call; None if the meaning of a required one is unknown.

    words   expressions by names of arguments
    free    expressions of required arguments with other names, in order; x first for a call of forward
    """
    named = [words.get(argument, words.get(argument.lower())) for argument in call.arguments]
    remaining = [expression for expression in free if expression not in named]
    values = dict[str, str]()
    for number, (argument, default) in enumerate(call.arguments.items()):
        expression = named[number]
        if free[0] == "x" and number == 0 and expression not in ("x", "ctx"):
            expression = "x"
        if expression in remaining:
            remaining.remove(expression)
        if expression is None and default is None:
            if not remaining:
                return None
            expression = remaining.pop(0)
        if expression is not None and (default is None or expression not in ("y", "x", "cache") or number == 0):
            values[argument] = expression
    return values


def upstream_call(call: CallSignature, values: Mapping[str, str]) -> str:
    """Return a call of backward, whose first argument is dy if none has a usual name of it."""
    if "dy" in values.values() or not call.arguments:
        return call.call(values)
    return call.call({**values, next(iter(call.arguments)): "dy"})


def output_lines(call: str, places: Mapping[str, Array]) -> list[tuple[str, str]]:
    """Return the lines of y that fit what a call of forward leaves, and the place of y after ``q = call``."""
    if "q" in places:
        return [(f"y = {call}", "q")]
    if "#q" in places and "q[0]" in places:
        count = int(places["#q"])
        names = ["y", "cache"] if count == 2 else ["y", *(f"cache{number}" for number in range(1, count))]
        return [(f"{', '.join(names)} = {call}", "q[0]")]
    stored = [f"self.{word}" for word in NAMES.outputs if f"self.{word}" in places]
    return [(f"{call}; y = {place}", place) for place in stored]


class OwnContract(NamedTuple):
    """A contract of a layer by the names of its arrays only.

    values   the parameters; `inner_name` returns their names in the contract
    missing  names of arrays that should be parameters, but have no gradient
    places   arrays by place after backward
    """

    contract: str
    values: dict[str, Array]
    missing: list[str]
    places: Mapping[str, Array]


def own_contract(
    making: Sequence[str],
    call: str,
    backward: str,
    x: Array,
    explore: Callable[[Sequence[str]], Mapping[str, Array]],
    resets: Sequence[str] = (),
) -> OwnContract:
    """Return the contract of a layer whose parameters and gradients have usual names, or are returned in order.

    making           lines before the call of forward
    call, backward   calls of forward and of backward
    explore          returns the arrays by place after some lines
    resets           lines that reset the gradients before backward

    Errors   StudentError if forward returns no array, and any error in the code
    """
    before = explore(making) if making else dict[str, Array]()
    lines_of_y = output_lines(call, explore([*making, f"q = {call}"]))
    if not lines_of_y:
        raise StudentError(f"{call.partition('(')[0]} returned no array of numbers")
    y = lines_of_y[0][0]
    after = explore([*making, y, *resets, f"r = {backward}"])
    held = {dotted(place): place for place in after if place.startswith("self") and after[place].dtype.kind == "f"}
    by_array = owners(held, held)
    returned = [place for place in after if re.match(r"r\[\d\]$", place)]
    values = dict[str, Array]()
    puts = list[str]()
    gradients = list[str]()
    missing = list[str]()
    is_lazy = False  # whether the first forward makes a parameter
    for key, place in held.items():
        is_late = place not in before or before[place].dtype.kind == "b"
        value = after[place] if is_late else before[place]
        if is_late and value.shape[:1] == x.shape[:1]:  # what forward has stored for backward
            continue
        name = inner_name(key)
        gradient = held.get(by_array.get(key, ""))
        if gradient is None and RATE in backward and not same(value, after[place]) and role_of(key):
            gradient = f"({name} - {place}) / {RATE}"
        elif gradient is None and f"r['d{key}']" in after:
            gradient = f"r['d{key}']"
        elif gradient is None and len(gradients) + 1 < len(returned):
            following = returned[len(gradients) + 1]
            gradient = following if after[following].shape == value.shape else None
        if gradient is None and role_of(key) and value.ndim:
            missing.append(key)
        if gradient is None or (gradient in after and after[gradient].shape != value.shape):
            continue
        is_lazy = is_lazy or is_late
        values[re.sub(r"\W+", "_", key)] = value
        puts.append(f"{place} = {name}")
        gradients.append(f"d{name} = {gradient}")
    contract = [*making, *[call] * is_lazy, *puts, y, *resets, *_lines_of_dx(backward, after), *gradients]
    return OwnContract("; ".join(contract), values, missing, after)


def _lines_of_dx(call: str, places: Mapping[str, Array]) -> list[str]:
    """Return the lines of backward up to that of dx."""
    if "r" in places:
        return [f"dx = {call}"]
    for place in ("r['dx']", "r[0]"):
        if place in places:
            return [f"r = {call}", f"dx = {place}"]
    for word in NAMES.input_gradients:
        if f"self.{word}" in places:
            return [call, f"dx = self.{word}"]
    return [call]


def inner_name(key: str) -> str:
    """Return the name of a parameter in a contract: its own, unless the name has another meaning there."""
    name = re.sub(r"\W+", "_", key)
    return f"{name}_" if name in (*INPUTS, *OPTIONS, *ascii_uppercase, "y", "q", "r", "self") else name
