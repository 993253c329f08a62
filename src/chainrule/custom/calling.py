"""Calls of a learner's layer by the names of its methods, arguments and results, which are data in `names.toml`.

`bind` passes values to a function by the names of its arguments, whatever their order. A layer may be called through
`forward` or `__call__`; `backward` may be called `backprop`. Results may be returned or stored in attributes, and
`backward` may also take a learning rate and update the parameters.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from chainrule.custom import held_arrays
from chainrule.custom.calls import NO_DEFAULT, FormError, defaults, is_numeric
from chainrule.custom.names import NAMES, Words
from chainrule.errors import OptionError

TRAINING_MODES = {
    "mode": "train",
    **dict.fromkeys(NAMES.training, True),
    **dict.fromkeys(("eval", "evaluate", "test"), False),
}
SCHEDULE_ARGUMENTS = ("step", "steps", "epoch_steps", "epoch")
RATE = 0.5  # learning rate in calls of backward; a power of 2, so that dividing by it is exact


def method(subject: Any, names: Words) -> str:
    """Return the first of these names that is a method of a class, an object or a module; "" if there is none."""
    kind = subject if isinstance(subject, type) else type(subject)
    for name in names:
        owner = kind if name == "__call__" else subject
        if callable(getattr(owner, name, None)) and not (name == "__call__" and not _defines_call(kind)):
            return name
    return ""


def _defines_call(kind: type[Any]) -> bool:
    bases = (base for base in kind.__mro__ if base.__module__ != "builtins")
    return any("__call__" in vars(base) for base in bases)


def is_layer(subject: Any) -> bool:
    """Return whether a class, an object or a module has a forward and a backward method."""
    return bool(method(subject, NAMES.forward) and method(subject, NAMES.backward))


def loss_methods(subject: Any) -> tuple[str, str]:
    """Return the names of the methods of a loss and of its gradient, of a class, an object or a module; "" for none."""
    return method(subject, NAMES.losses), method(subject, NAMES.loss_gradients)


def is_loss(subject: Any) -> bool:
    """Return whether a class has the methods of a loss, and its first method takes predictions and targets."""
    value, gradient = loss_methods(subject)
    if not (value and gradient and isinstance(subject, type)):
        return False
    function = getattr(cast("type[Any]", subject), value)
    names = [name for name in required(function) if name != "self"]
    return len(names) == 2 and any(argument_roles(function)) and names[1].lower() not in TRAINING_MODES


def argument_roles(function: Callable[..., Any], start: int = 0) -> tuple[str, str]:
    """Return the roles of two arguments, from an index on, by usual names: "p" predictions, "t" targets, "" unknown.

    The argument self of a method does not count.
    """
    names = [name.lower() for name, _ in defaults(function) or () if name != "self"][start : start + 2]
    roles = ("t" if name in NAMES.targets else "p" * (name in NAMES.predictions) for name in names)
    first, second, *_ = *roles, "", ""
    return first, second


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default."""
    return [name for name, default in defaults(function) or () if default is NO_DEFAULT]


def bind(label: str, backward: Callable[..., Any], dy: Any, values: Mapping[str, Any], *free: Any) -> list[Any]:
    """Return the positional arguments of `backward`.

    dy is passed to the argument with one of its usual names, otherwise to the first one without a value. For
    backward(cache, dout), for example, the result is [cache, dy]; for backward(g, learning_rate=0.1), it is [g, 0.1]
    unless `values` contains a learning rate.

    values  values of other arguments by name, or by a name with the same role: x, cache, w for weights
    free    the cache, or x: value of the first other argument, unless its name has a value

    Errors  FormError for another argument without a default
    """
    if (accepted := defaults(backward)) is None:
        return [dy, *free]
    keys = {name: _key(name, values) for name, _ in accepted}  # argument → name of its value
    unknown = [name for name, key in keys.items() if key is None]
    upstream = next((name for name in keys if name.lower() in NAMES.upstream), (unknown or [*keys, ""])[0])
    others = [name for name in keys if name != upstream]
    # The free value goes to the first argument of an unknown name, unless a default suggests that it is an option.
    first = next((name for name in others if name in unknown and name in (*required(backward), others[0])), "")
    arguments = list[Any]()
    for name, default in accepted:
        key = keys[name]
        if name == upstream:
            arguments.append(dy)
        elif key is not None:
            arguments.append(values[key])
        elif name == first and free and not {*keys.values()} & {*NAMES.roles}:
            arguments.append(free[0])
        elif default is NO_DEFAULT:
            raise FormError(f"{label} has an unknown argument {name!r}; known: {', '.join(values)}")
        else:
            arguments.append(default)
    return arguments


def _key(name: str, values: Mapping[str, Any]) -> str | None:
    """Return the name of the value for an argument: its own, or one of the same role; None if there is none."""
    role = held_arrays.family(name)
    keys = [name, name.lower(), *(key for key, names in NAMES.roles.items() if name.lower() in names)]
    return next((key for key in keys + (held_arrays.arrays_named(role, values) if role else []) if key in values), None)


def schedule_function(function: Callable[..., Any], label: str) -> Callable[[int, int, int], Any]:
    """Return a function (step, steps, epoch_steps) that calls a schedule with the values that its arguments are called.

    A single argument is the epoch if its name says so, otherwise the step. Both are counted from 0.

    Errors   OptionError for several arguments with other names
    """
    names = required(function) or [name for name, _ in defaults(function) or ()]
    if len(names) == 1 and names[0] not in SCHEDULE_ARGUMENTS:
        names = ["epoch" if "epoch" in names[0].lower() or names[0] in ("e", "ep") else "step"]
    if not names or not {*names} <= {*SCHEDULE_ARGUMENTS}:
        expected = f"expected arguments called {', '.join(SCHEDULE_ARGUMENTS)}, or one argument for the step"
        raise OptionError(
            f"schedule {label}({', '.join(names)}): {expected}; it returns the factor of the learning rate"
        )
    return partial(_call_schedule, function, names)


def _call_schedule(function: Callable[..., Any], names: Words, step: int, steps: int, epoch_steps: int) -> Any:
    """Call a schedule with the named values. Partial applications of this function can be pickled."""
    values: dict[str, int] = dict(zip(SCHEDULE_ARGUMENTS, (step, steps, epoch_steps, step // epoch_steps), strict=True))
    return function(*(values[name] for name in names))


def rate_argument(backward: Callable[..., Any]) -> str:
    """Return the name of the learning-rate argument of `backward`; "" if it has none."""
    return next((name for name, _ in (defaults(backward) or [])[1:] if name.lower() in NAMES.rates), "")


def stored(thing: Any, names: Words, returned: Any) -> Any:
    """Return the result of a call, or the first numeric attribute with one of these names if it returned None."""
    if returned is not None:
        return returned
    values = (getattr(thing, name, None) for name in names)
    return next((value for value in values if is_numeric(value)), None)
