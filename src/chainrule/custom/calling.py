"""Calls of a learner's layer by the names of its methods, arguments and results, which are data in `names.toml`.

`bind` passes values to a function by the names of its arguments, whatever their order. A layer may be called through
`forward` or `__call__`; `backward` may be called `backprop`. Results may be returned or stored in attributes, and
`backward` may also take a learning rate and update the parameters.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, cast

from chainrule.custom import gradient_names
from chainrule.custom.calls import NO_DEFAULT, InterfaceError, defaults, is_numeric
from chainrule.custom.names import NAMES, Words
from chainrule.errors import OptionError

TRAINING_MODES = {
    "mode": "train",
    **dict.fromkeys(NAMES.training, True),
    **dict.fromkeys(("eval", "evaluate", "test"), False),
}
SCHEDULE_ARGUMENTS = ("step", "steps", "epoch_steps", "epoch")
RATE = 0.5  # learning rate in calls of backward; a power of 2, so that dividing by it is exact


def method(subject: object, names: Words) -> str | None:
    """Return the first of these names that is a method of a class, an object or a module; None if there is none."""
    kind = cast("type[Any]", subject if isinstance(subject, type) else type(subject))
    for name in names:
        if name == "__call__":
            if _defines_call(kind):
                return name
        elif callable(getattr(subject, name, None)):
            return name
    return None


def _defines_call(kind: type[Any]) -> bool:
    for base in kind.__mro__:
        if base.__module__ != "builtins" and "__call__" in vars(base):
            return True
    return False


def is_layer(subject: object) -> bool:
    """Return whether a class, an object or a module has a forward and a backward method."""
    return bool(method(subject, NAMES.forward) and method(subject, NAMES.backward))


def loss_methods(subject: object) -> tuple[str | None, str | None]:
    """Return the names of the methods of a loss and of its gradient, of a class, an object or a module."""
    return method(subject, NAMES.losses), method(subject, NAMES.loss_gradients)


def is_loss(subject: object) -> bool:
    """Return whether a class has the methods of a loss, and its first method takes predictions and targets."""
    value, gradient = loss_methods(subject)
    if not (value and gradient and isinstance(subject, type)):
        return False
    function = getattr(cast("type[Any]", subject), value)
    names = list[str]()
    for name in required(function):
        if name != "self":
            names.append(name)
    return len(names) == 2 and any(argument_roles(function)) and names[1].lower() not in TRAINING_MODES


def argument_roles(function: Callable[..., Any], start: int = 0) -> tuple[str | None, str | None]:
    """Return the roles of two arguments, from an index on, by usual names: "p" predictions, "t" targets, or None.

    The argument self of a method does not count.
    """
    roles = list[str | None]()
    for name, _ in defaults(function) or ():
        if name == "self":
            continue
        if name.lower() in NAMES.targets:
            roles.append("t")
        elif name.lower() in NAMES.predictions:
            roles.append("p")
        else:
            roles.append(None)
    first, second = [*roles[start : start + 2], None, None][:2]
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

    Errors  InterfaceError for another argument without a default
    """
    accepted = defaults(backward)
    if accepted is None:
        return [dy, *free]
    value_names = dict[str, str | None]()  # by argument
    for name, _ in accepted:
        value_names[name] = _value_name(name, values)
    upstream = _upstream_argument(value_names)
    free_argument = None
    if free and not NAMES.roles.keys() & set(value_names.values()):
        free_argument = _free_argument(value_names, upstream, required(backward))
    arguments = list[Any]()
    for name, default in accepted:
        value_name = value_names[name]
        if name == upstream:
            arguments.append(dy)
        elif value_name is not None:
            arguments.append(values[value_name])
        elif name == free_argument:
            arguments.append(free[0])
        elif default is NO_DEFAULT:
            raise InterfaceError(f"{label} has an unknown argument {name!r}; known: {', '.join(values)}")
        else:
            arguments.append(default)
    return arguments


def _upstream_argument(value_names: Mapping[str, str | None]) -> str | None:
    """Return the argument for dy: one with a usual name, else the first without a value, else the first."""
    for name in value_names:
        if name.lower() in NAMES.upstream:
            return name
    for name, value_name in value_names.items():
        if value_name is None:
            return name
    return next(iter(value_names), None)


def _free_argument(
    value_names: Mapping[str, str | None], upstream: str | None, required_names: Collection[str]
) -> str | None:
    """Return the first argument of an unknown name beside dy, unless a default suggests that it is an option."""
    others = [name for name in value_names if name != upstream]
    for name in others:
        if value_names[name] is None and (name in required_names or name == others[0]):
            return name
    return None


def _value_name(argument: str, values: Mapping[str, object]) -> str | None:
    """Return the name of the value for an argument: its own, or one of the same role; None if there is none."""
    candidates = [argument, argument.lower()]
    for role, names in NAMES.roles.items():
        if argument.lower() in names:
            candidates.append(role)
    parameter = gradient_names.role_of(argument)
    if parameter is not None:
        candidates += gradient_names.arrays_named(parameter, values)
    for name in candidates:
        if name in values:
            return name
    return None


def schedule_function(function: Callable[..., Any], label: str) -> Callable[[int, int, int], Any]:
    """Return a function (step, steps, epoch_steps) that calls a schedule with the values that its arguments are called.

    A single argument is the epoch if its name says so, otherwise the step. Both are counted from 0.

    Errors   OptionError for several arguments with other names
    """
    names = required(function)
    if not names:
        names = [name for name, _ in defaults(function) or ()]
    if len(names) == 1 and names[0] not in SCHEDULE_ARGUMENTS:
        counts_epochs = "epoch" in names[0].lower() or names[0] in ("e", "ep")
        names = ["epoch" if counts_epochs else "step"]
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


def rate_argument(backward: Callable[..., Any]) -> str | None:
    """Return the name of the learning-rate argument of `backward`; None if it has none."""
    for name, _ in (defaults(backward) or [])[1:]:
        if name.lower() in NAMES.rates:
            return name
    return None


def stored(thing: object, names: Words, returned: Any) -> object:
    """Return the result of a call, or the first numeric attribute with one of these names if it returned None."""
    if returned is not None:
        return returned
    for name in names:
        value = getattr(thing, name, None)
        if is_numeric(value):
            return value
    return None
